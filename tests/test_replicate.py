"""The replicate dialect at the wire: what goes out, and what is made of what comes back."""

import json
from typing import Any

import pytest
from hypothesis import given

from darkroom.answer import Answer, Doubtful, Failed, Finished, Running
from darkroom.dialects import replicate
from darkroom.errors import NoReply, Reason
from darkroom.wire import Reply
from tests.replies import NO_DOCUMENTS, ORIGIN, anything, reply, route, understood

ROUTE = route("replicate", "google/imagen-4-fast", "/replicate/v1")
BASE = f"{ORIGIN}/replicate/v1"
ID = "gm72dcl0hqzg9dyozwvntt2wj0"
PNG = "https://replicate.delivery/xezq/out-0.png"
WEBP = "https://replicate.delivery/xezq/out-1.webp"
INLINE = "data:image/png;base64,iVBORw0KGgo="


def answer(status: Any = "succeeded", **members: Any) -> Answer:
    return replicate.answer(reply({"id": ID, "status": status, **members}))


def test_an_input_is_posted_as_it_is() -> None:
    model_input = {"prompt": "Ein Leuchtturm 灯台 📷", "seed": 2**64, "guidance": 3.5, "extra": [None, {"a": True}]}
    request = replicate.submission(ROUTE, model_input)
    assert (request.method, request.url) == ("POST", f"{BASE}/models/google/imagen-4-fast/predictions")
    assert json.loads(request.body) == {"input": model_input}
    assert "灯台 📷".encode() in request.body
    assert dict(request.headers) == {"content-type": "application/json"}


VERSION = "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc"


def test_a_version_is_posted_by_its_id_alone() -> None:
    versioned = route("replicate", f"stability-ai/sdxl:{VERSION}", "/replicate/v1")
    request = replicate.submission(versioned, {"prompt": "a lighthouse", "num_outputs": 2})
    assert (request.method, request.url) == ("POST", f"{BASE}/predictions")
    assert dict(request.headers) == {"content-type": "application/json"}
    assert json.loads(request.body) == {"version": VERSION, "input": {"prompt": "a lighthouse", "num_outputs": 2}}


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_ticket_is_the_id_and_nothing_else_is_needed(status: int) -> None:
    assert replicate.ticket(reply({"id": ID, "status": "starting"}, status)) == ID


@pytest.mark.parametrize("ticket", [ID, "p-1_A", "0" * 128])
def test_a_ticket_may_be_any_word_that_fits_in_a_path(ticket: str) -> None:
    assert replicate.ticket(reply({"id": ticket})) == ticket


@pytest.mark.parametrize(
    "ticket",
    [
        *("", "..", "../account", "a/b", "a?b", "a#b", "a%2fb", "a b", "a\n", "a.b", "ä", "0" * 129),
        *(None, 7, True, ["a"], {"id": "a"}),
    ],
)
def test_a_ticket_that_could_lead_astray_is_refused(ticket: Any) -> None:
    with pytest.raises(NoReply):
        replicate.ticket(reply({"id": ticket, "status": "starting"}))


@pytest.mark.parametrize("body", NO_DOCUMENTS.values(), ids=NO_DOCUMENTS)
def test_what_is_no_json_object_says_nothing(body: bytes) -> None:
    with pytest.raises(NoReply):
        replicate.ticket(reply(body))
    with pytest.raises(NoReply):
        replicate.answer(reply(body))


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500, 503])
def test_an_error_is_no_answer_even_if_it_names_a_status(status: int) -> None:
    with pytest.raises(NoReply, match=str(status)):
        replicate.answer(reply({"status": "failed", "detail": "no"}, status))


URLS: dict[str, dict[str, Any]] = {
    "missing": {},
    "null": {"urls": None},
    "empty": {"urls": {}},
    "the upstream's": {
        "urls": {
            "get": f"https://api.replicate.com/v1/predictions/{ID}",
            "cancel": f"https://api.replicate.com/v1/predictions/{ID}/cancel",
            "stream": "https://stream.replicate.com/v1/files/x",
        }
    },
    "somebody else's": {"urls": {"get": "https://elsewhere.example/get", "cancel": "https://elsewhere.example/cancel"}},
}


@pytest.mark.parametrize("urls", URLS.values(), ids=URLS)
def test_the_gateway_is_asked_where_the_catalogue_says_and_not_where_its_reply_says(urls: dict[str, Any]) -> None:
    ticket = replicate.ticket(reply({"id": ID, "status": "starting", **urls}))
    (question,), cancellation = replicate.questions(ROUTE, ticket), replicate.cancellation(ROUTE, ticket)
    address = f"{BASE}/predictions/{ID}"
    assert (question.method, question.url, question.headers, question.body) == ("GET", address, {}, b"")
    assert (cancellation.method, cancellation.url, cancellation.body) == ("POST", f"{address}/cancel", b"")


@pytest.mark.parametrize("version", ["hidden", None, VERSION, "dp-4d0bcc010b3049749a251855f12800be"])
def test_it_does_not_matter_which_version_of_a_model_has_drawn(version: str | None) -> None:
    """Official models hide it, deployments have versions of their own, and a model may answer by another name."""
    document = {"id": ID, "model": "replicate-internal/imagen", "version": version, "status": "succeeded"}
    assert replicate.ticket(reply(document)) == ID
    assert replicate.answer(reply({**document, "output": PNG})) == Finished((PNG,), several=False)


def test_a_whole_prediction_is_read_as_the_gateway_shows_it() -> None:
    prediction = {
        "id": ID,
        "model": "google/imagen-4-fast",
        "version": "hidden",
        "input": {"prompt": "a lighthouse", "seed": 16510644661374190000, "image": "https://shop.example.com/in.png"},
        "logs": "Using seed: 16510644661374190000",
        "output": None,
        "data_removed": False,
        "error": None,
        "status": "starting",
        "created_at": "2026-07-30T03:13:27.921Z",
        "urls": URLS["the upstream's"]["urls"],
    }
    assert replicate.answer(reply(prediction)) == Running(queued=True)
    ended = {"status": "succeeded", "output": PNG, "completed_at": "2026-07-30T03:13:30.421Z"}
    assert replicate.answer(reply({**prediction, **ended})) == Finished((PNG,), several=False, seconds=2.5)


def test_an_output_that_is_there_before_the_end_is_not_the_end() -> None:
    """A create that waits is answered with the output, but as `processing`."""
    assert answer("processing", output=PNG, completed_at=None) == Running()


TIMES = [
    ("2026-04-22T11:15:01.04Z", "2026-04-22T11:15:03.54Z", 2.5),
    ("2026-04-22T11:15:45.99397566Z", "2026-04-22T11:15:46.99397566Z", 1.0),
    ("2026-04-22T11:15:45.000000001Z", "2026-04-22T11:15:47.500000999Z", 2.5),
    ("2026-04-22T11:15:45Z", "2026-04-22T11:16:45.5Z", 60.5),
    ("2026-04-22T11:15:45.329000+00:00", "2026-04-22T13:15:45.329000+02:00", 0.0),
]


@pytest.mark.parametrize(("created", "completed", "seconds"), TIMES)
def test_how_long_it_took_is_by_the_gateways_own_clock(created: str, completed: str, seconds: float) -> None:
    found = answer(output=PNG, created_at=created, completed_at=completed)
    assert isinstance(found, Finished)
    assert found.seconds == pytest.approx(seconds, abs=1e-5)


NO_TIMES = {
    "none": {},
    "no end": {"created_at": "2026-04-22T11:15:45Z"},
    "null": {"created_at": "2026-04-22T11:15:45Z", "completed_at": None},
    "numbers": {"created_at": 1776856545, "completed_at": 1776856546},
    "words": {"created_at": "now", "completed_at": "then"},
    "with and without a zone": {"created_at": "2026-04-22T11:15:45Z", "completed_at": "2026-04-22T11:15:46"},
}


@pytest.mark.parametrize("members", NO_TIMES.values(), ids=NO_TIMES)
def test_times_that_say_nothing_cost_no_picture(members: dict[str, Any]) -> None:
    assert answer(output=PNG, **members) == Finished((PNG,), several=False, seconds=None)


OUTPUTS = [
    ("one", PNG, Finished((PNG,), several=False)),
    ("a list of one", [PNG], Finished((PNG,), several=True)),
    ("a list, in its order", [WEBP, PNG, INLINE], Finished((WEBP, PNG, INLINE), several=True)),
    ("inline", INLINE, Finished((INLINE,), several=False)),
    ("an object", {"image": PNG, "mask": WEBP}, Finished((PNG, WEBP), several=True)),
    (
        "files among other things",
        {"seed": 7, "caption": "a cat", "images": [PNG, None, WEBP]},
        Finished((PNG, WEBP), True),
    ),
    ("a file of which there are no more", [None, PNG, ""], Finished((PNG,), several=True)),
    ("a file over plain http", "http://files.example/a.png", Finished(("http://files.example/a.png",), several=False)),
]


@pytest.mark.parametrize(("output", "finished"), [each[1:] for each in OUTPUTS], ids=[each[0] for each in OUTPUTS])
def test_outputs_come_in_several_shapes(output: Any, finished: Finished) -> None:
    assert answer(output=output) == finished


NO_OUTPUTS: list[Any] = [None, [], {}, 7, True, [None], "", [""], " ", "a cat", {"description": "a cat"}]


@pytest.mark.parametrize("members", [{}, *({"output": empty} for empty in NO_OUTPUTS)])
def test_success_without_an_output_is_a_loss_that_may_have_been_billed_if_it_is_said_again(
    members: dict[str, Any],
) -> None:
    found = answer(**members)
    assert isinstance(found, Doubtful)
    assert (found.word.reason, found.times, found.seconds) == (Reason.OUTPUT_LOST, 3, 60)
    assert found.word.reason.may_be_billed


def test_an_output_that_the_gateway_has_deleted_is_lost() -> None:
    found = answer(output=None, data_removed=True)
    assert isinstance(found, Failed)
    assert (found.reason, found.reason.may_be_billed) == (Reason.OUTPUT_LOST, True)
    assert "deleted" in found.message
    assert answer(output=PNG, data_removed=False) == Finished((PNG,), several=False)


@pytest.mark.parametrize("word", ["canceled", "aborted"])
def test_both_words_for_an_end_before_its_time_mean_canceled(word: str) -> None:
    found = answer(word, output=None, error=None)
    assert isinstance(found, Failed)
    assert found.reason is Reason.CANCELED
    assert found.message


@pytest.mark.parametrize("word", ["starting", "processing", "Processing"])
def test_a_word_for_being_at_it_is_no_end(word: str) -> None:
    assert answer(word, output=PNG, error="no") == Running(queued=word == "starting")


def test_what_a_prediction_tells_of_its_run_is_read() -> None:
    begun = {"created_at": "2026-07-30T03:13:27.921Z", "started_at": "2026-07-30T03:13:30.421Z"}
    bars = "Using seed: 7\n 10%|█         | 5/50\r 46%|████▌     | 23/50 [00:03<00:04, 6.5it/s]"
    assert answer("processing", **begun, logs=bars) == Running(began=2.5, done=0.46)
    ended = answer("succeeded", output=PNG, **begun, completed_at="2026-07-30T03:13:37.921Z")
    assert ended == Finished((PNG,), several=False, seconds=10.0, ran=7.5)


@pytest.mark.parametrize(
    "logs", [None, 7, "", "50 %", "0%|  |", "100%|██████████| 50/50", "seed 46%", ["46%|"], {"a": 1}]
)
def test_logs_without_a_bar_that_tells_something_tell_nothing(logs: Any) -> None:
    assert answer("processing", logs=logs) == Running()


@pytest.mark.parametrize("moment", [None, 7, "soon", "2026-07-30T03:13:30.421"])
def test_a_start_that_cannot_be_read_is_none(moment: Any) -> None:
    assert answer("processing", created_at="2026-07-30T03:13:27.921Z", started_at=moment) == Running()


@pytest.mark.parametrize(
    "word",
    [
        *("queued", "booting", "succeeded ", "", "cancelled"),
        *(None, 0, True, ["succeeded"], {"status": "failed"}),
    ],
)
def test_a_word_that_is_not_known_ends_nothing_and_is_told_of(word: Any) -> None:
    assert answer(word, output=PNG, error="no") == Running(strange=True)


def test_a_reply_without_a_status_ends_nothing() -> None:
    assert replicate.answer(reply({"id": ID, "output": PNG})) == Running(strange=True)


ERRORS = [
    ("NSFW content detected.", "NSFW content detected."),
    ({"message": "内容违规"}, "内容违规"),
    ({"detail": "flagged", "code": 3}, "flagged"),
    ({"message": "", "detail": "flagged"}, "flagged"),
]


@pytest.mark.parametrize(("error", "words"), ERRORS)
def test_a_failure_is_told_in_the_gateways_words(error: Any, words: str) -> None:
    assert answer("failed", error=error) == Failed(Reason.GATEWAY_FAILED, words)


NO_WORDS: list[Any] = ["", " ", None, {}, [], 7, {"message": 7}]


@pytest.mark.parametrize("members", [{}, *({"error": empty} for empty in NO_WORDS)])
def test_a_failure_without_words_is_a_failure(members: dict[str, Any]) -> None:
    found = answer("failed", **members)
    assert isinstance(found, Failed)
    assert found.reason is Reason.GATEWAY_FAILED
    assert found.message.strip()


@pytest.mark.parametrize("title", ["Invalid version or not permitted", "Input validation failed", None])
def test_a_version_that_is_gone_is_known_by_the_title_of_its_problem(title: str | None) -> None:
    found = replicate.complaint(reply({"title": title, "detail": "Whatever it says.", "status": 422}, 422))
    gone = title == "Invalid version or not permitted"
    assert found == Failed(Reason.MODEL_UNAVAILABLE if gone else Reason.INVALID_INPUT, "Whatever it says.")


def test_letters_large_or_small_are_one_word() -> None:
    assert answer("SUCCEEDED", output=PNG) == answer("succeeded", output=PNG)


def test_a_code_says_why_a_prediction_has_failed() -> None:
    error = {"message": "no", "code": "content_policy_violation"}
    assert answer("failed", error=error) == Failed(Reason.FILTERED, "no")


@given(anything)
def test_whatever_comes_back_is_an_answer_or_none(found: Reply) -> None:
    understood(replicate.answer, found)
    understood(replicate.ticket, found)
    assert isinstance(understood(replicate.complaint, found), Failed)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
            Reason.FILTERED,
        ),
        ("(E005) 敏感内容", Reason.FILTERED),
        ("The input or output was flagged as sensitive.", Reason.GATEWAY_FAILED),
        ("Prediction interrupted; please retry (code: PA)", Reason.GATEWAY_FAILED),
        ("E0051", Reason.GATEWAY_FAILED),
    ],
)
def test_what_was_flagged_as_sensitive_is_known_by_its_code(words: str, reason: Reason) -> None:
    assert answer("failed", error=words) == Failed(reason, words)

"""The replicate dialect at the wire: what goes out, and what is made of what comes back."""

import json
from typing import Any

import pytest

from darkroom.answer import Answer, Failed, Finished, Running
from darkroom.catalogue import Route
from darkroom.dialects import replicate
from darkroom.errors import NoReply, Reason
from darkroom.wire import Reply

ROUTE = Route("vectornode", "replicate", "google/imagen-4-fast", "https://vectornode.example/replicate/v1")
ID = "gm72dcl0hqzg9dyozwvntt2wj0"
PNG = "https://replicate.delivery/xezq/out-0.png"
WEBP = "https://replicate.delivery/xezq/out-1.webp"
INLINE = "data:image/png;base64,iVBORw0KGgo="


def reply(document: Any, status: int = 200) -> Reply:
    body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    return Reply(status, {}, body)


def answer(status: Any = "succeeded", **members: Any) -> Answer:
    return replicate.answer(reply({"id": ID, "status": status, **members}))


def test_an_input_is_posted_as_it_is() -> None:
    model_input = {"prompt": "Ein Leuchtturm 灯台 📷", "seed": 2**64, "guidance": 3.5, "extra": [None, {"a": True}]}
    request = replicate.submission(ROUTE, model_input)
    assert (request.method, request.url) == (
        "POST",
        "https://vectornode.example/replicate/v1/models/google/imagen-4-fast/predictions",
    )
    assert json.loads(request.body) == {"input": model_input}
    assert "灯台 📷".encode() in request.body
    assert dict(request.headers) == {"content-type": "application/json"}


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


NO_DOCUMENTS = {
    "a web page": b"<!doctype html><title>gateway</title>",
    "a list": b'[{"id": "a", "status": "succeeded"}]',
    "a string": b'"succeeded"',
    "null": b"null",
    "half of it": b'{"id": "a", "sta',
    "no UTF-8": b'{"id": "\xff"}',
    "nothing": b"",
}


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


def test_the_gateway_is_asked_where_the_catalogue_says_and_not_where_its_reply_says() -> None:
    urls = {"get": "https://api.replicate.com/v1/predictions/x", "cancel": "https://elsewhere.example/cancel"}
    ticket = replicate.ticket(reply({"id": ID, "status": "starting", "urls": urls}))
    question, cancellation = replicate.question(ROUTE, ticket), replicate.cancellation(ROUTE, ticket)
    address = f"https://vectornode.example/replicate/v1/predictions/{ID}"
    assert (question.method, question.url, question.body) == ("GET", address, b"")
    assert (cancellation.method, cancellation.url, cancellation.body) == ("POST", f"{address}/cancel", b"")


OUTPUTS = [
    ("one", PNG, Finished((PNG,), several=False)),
    ("a list of one", [PNG], Finished((PNG,), several=True)),
    ("a list, in its order", [WEBP, PNG, INLINE], Finished((WEBP, PNG, INLINE), several=True)),
    ("inline", INLINE, Finished((INLINE,), several=False)),
    ("an object", {"image": PNG, "mask": WEBP}, Finished((PNG, WEBP), several=True)),
]


@pytest.mark.parametrize(("output", "finished"), [each[1:] for each in OUTPUTS], ids=[each[0] for each in OUTPUTS])
def test_outputs_come_in_several_shapes(output: Any, finished: Finished) -> None:
    assert answer(output=output) == finished


NO_OUTPUTS: list[Any] = [None, [], {}, 7, True, [None], "", [""], " ", "a cat", {"description": "a cat"}]


@pytest.mark.parametrize("members", [{}, *({"output": empty} for empty in NO_OUTPUTS)])
def test_success_without_an_output_is_a_loss_that_may_have_been_billed(members: dict[str, Any]) -> None:
    found = answer(**members)
    assert isinstance(found, Failed)
    assert found.reason is Reason.OUTPUT_LOST


def test_an_output_that_the_gateway_has_deleted_is_lost() -> None:
    found = answer(output=None, data_removed=True)
    assert isinstance(found, Failed)
    assert (found.reason, found.reason.may_be_billed) == (Reason.OUTPUT_LOST, True)
    assert answer(output=PNG, data_removed=False) == Finished((PNG,), several=False)


@pytest.mark.parametrize("word", ["canceled", "aborted"])
def test_both_words_for_an_end_before_its_time_mean_canceled(word: str) -> None:
    found = answer(word, output=None, error=None)
    assert isinstance(found, Failed)
    assert found.reason is Reason.CANCELED
    assert found.message


@pytest.mark.parametrize(
    "word",
    [
        *("starting", "processing", "queued", "booting", "SUCCEEDED", "Failed", "succeeded ", "", "cancelled"),
        *(None, 0, True, ["succeeded"], {"status": "failed"}),
    ],
)
def test_a_word_that_is_not_known_ends_nothing(word: Any) -> None:
    assert answer(word, output=PNG, error="no") == Running()


def test_a_reply_without_a_status_ends_nothing() -> None:
    assert replicate.answer(reply({"id": ID, "output": PNG})) == Running()


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


COMPLAINTS = [
    (
        "problem details",
        {"title": "Insufficient credit", "detail": "You have no credit.", "status": 402},
        "You have no",
    ),
    ("a title only", {"title": "Unauthenticated", "status": 401}, "Unauthenticated"),
    ("a relay's", {"error": {"message": "该令牌额度已用尽", "type": "new_api_error"}}, "该令牌额度已用尽"),
    ("a word", {"error": "model not found"}, "model not found"),
    ("flat", {"code": "quota_not_enough", "message": "用户额度不足", "data": None}, "用户额度不足"),
    ("a nested detail", {"detail": {"message": "no such model"}}, "no such model"),
    ("empty words before full ones", {"detail": "", "error": {}, "message": "saturated"}, "saturated"),
    ("a list of details", {"detail": [{"msg": "x"}], "title": "Input validation failed"}, "Input validation failed"),
    ("wrapped in a list", [{"error": {"message": "model is shut down"}}], "model is shut down"),
    ("a page", b"<html>502 Bad Gateway</html>", "502 Bad Gateway"),
    ("plain text", "请求过于频繁".encode(), "请求过于频繁"),
    ("nothing", b"", "no reason given"),
    ("white space", b" \r\n", "no reason given"),
    ("an empty object", {}, "no reason given"),
    ("no words in it", {"error": {"code": 7}, "message": 7}, "no reason given"),
    ("no UTF-8", b"\xff\xfe oops", "oops"),
]


@pytest.mark.parametrize(("body", "words"), [each[1:] for each in COMPLAINTS], ids=[each[0] for each in COMPLAINTS])
def test_a_complaint_is_found_in_every_shape(body: Any, words: str) -> None:
    assert words in replicate.complaint(reply(body, 400))


def test_a_page_in_place_of_a_complaint_is_cut_short() -> None:
    assert len(replicate.complaint(reply(b"x" * 100_000, 502))) <= 256

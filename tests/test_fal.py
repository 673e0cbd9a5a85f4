"""The fal dialect at the wire: what goes out, and what is made of what comes back."""

import json
from typing import Any

import pytest
from hypothesis import given

from darkroom import complaints
from darkroom.answer import Doubtful, Failed, Finished, Running
from darkroom.dialects import fal
from darkroom.errors import NoReply, Reason
from darkroom.wire import Reply
from tests.replies import NO_DOCUMENTS, ORIGIN, anything, reply, route, understood

ROUTE = route("fal", "fal-ai/imagen4/preview")
ID = "484ccb37-5477-44fe-8e75-6d6f6e9160b3"
JPEG = "https://v3b.fal.media/files/b/0a8eefee/one.jpg"
PNG = "https://v3b.fal.media/files/b/0a8eefee/two.png"
INLINE = "data:image/png;base64,iVBORw0KGgo="
ACCEPTED: dict[str, Any] = {
    "status": "IN_QUEUE",
    "request_id": ID,
    "response_url": f"https://queue.fal.run/fal-ai/imagen4/requests/{ID}",
    "status_url": f"https://queue.fal.run/fal-ai/imagen4/requests/{ID}/status",
    "cancel_url": f"https://queue.fal.run/fal-ai/imagen4/requests/{ID}/cancel",
    "logs": None,
    "metrics": {},
    "queue_position": 0,
}


def image(url: str = JPEG, **members: Any) -> dict[str, Any]:
    return {"url": url, "content_type": "image/jpeg", "file_name": None, "file_size": None, **members}


def complaint(kind: str) -> dict[str, Any]:
    """What a model complains about. Each complaint has a URL, which is no picture."""
    url = f"https://docs.fal.ai/errors#{kind}"
    return {"loc": ["body", "prompt"], "msg": "It cannot be drawn.", "type": kind, "url": url, "ctx": {}, "input": {}}


def test_an_input_is_the_whole_body() -> None:
    native_input = {"prompt": "Ein Leuchtturm 灯台", "aspect_ratio": "1:1", "num_images": 1, "resolution": "1K"}
    request = fal.submission(ROUTE, native_input)
    assert (request.method, request.url) == ("POST", f"{ORIGIN}/fal-ai/imagen4/preview")
    assert dict(request.headers) == {"content-type": "application/json"}
    assert json.loads(request.body) == native_input
    assert "灯台".encode() in request.body


APPS = {
    "fal-ai/imagen4/preview": "fal-ai/imagen4",
    "fal-ai/imagen4/preview/ultra": "fal-ai/imagen4",
    "fal-ai/nano-banana": "fal-ai/nano-banana",
    "fal-ai/bytedance/seedream/v4/text-to-image": "fal-ai/bytedance",
    "fal-ai/wan/v2.2-a14b/image-to-image": "fal-ai/wan",
    "somebody/something/fast": "somebody/something",
    "workflows/somebody/something/fast": "workflows/somebody/something",
    "comfy/somebody/something": "comfy/somebody/something",
}


@pytest.mark.parametrize(("model", "app"), APPS.items(), ids=APPS)
def test_a_request_is_asked_about_by_owner_and_alias_alone(model: str, app: str) -> None:
    place = route("fal", model, "/queue")
    assert fal.submission(place, {}).url == f"{ORIGIN}/queue/{model}"
    first, otherwise, status = fal.questions(place, ID)
    assert (first.method, first.url, first.headers, first.body) == (
        "GET",
        f"{ORIGIN}/queue/{app}/requests/{ID}",
        {},
        b"",
    )
    assert (otherwise.method, otherwise.url) == ("GET", f"{ORIGIN}/queue/fal-ai/auto/requests/{ID}")
    assert (status.method, status.url) == ("GET", f"{first.url}/status")
    cancellation = fal.cancellation(place, ID)
    assert (cancellation.method, cancellation.url) == ("PUT", f"{ORIGIN}/queue/{app}/requests/{ID}/cancel")


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("document", [ACCEPTED, {"request_id": ID}], ids=["all", "the id alone"])
def test_a_ticket_is_the_id_and_nothing_else_is_needed(document: dict[str, Any], status: int) -> None:
    assert fal.ticket(reply(document, status)) == ID


def test_the_urls_in_a_reply_are_never_asked() -> None:
    elsewhere = dict.fromkeys(("response_url", "status_url", "cancel_url"), "https://elsewhere.example/")
    ticket = fal.ticket(reply({**ACCEPTED, **elsewhere}))
    requests = [*fal.questions(ROUTE, ticket), fal.cancellation(ROUTE, ticket)]
    assert all(request.url.startswith(f"{ORIGIN}/") for request in requests)


@pytest.mark.parametrize(
    "ticket",
    [
        "",
        "..",
        "../account",
        "a/b",
        "a?b",
        "a#b",
        "a%2fb",
        "a b",
        "a\n",
        "ä",
        "0" * 129,
        None,
        7,
        True,
        ["a"],
        {"id": "a"},
    ],
)
def test_a_ticket_that_could_lead_astray_is_refused(ticket: Any) -> None:
    with pytest.raises(NoReply):
        fal.ticket(reply({**ACCEPTED, "request_id": ticket}))


@pytest.mark.parametrize("status", [200, 400, 404, 422, 429, 500, 502])
@pytest.mark.parametrize("body", NO_DOCUMENTS.values(), ids=NO_DOCUMENTS)
def test_what_is_no_json_object_says_nothing(body: bytes, status: int) -> None:
    with pytest.raises(NoReply):
        fal.ticket(reply(body, status))
    with pytest.raises(NoReply):
        fal.answer(reply(body, status))


PENDING = {
    "upstream": (400, {"detail": "Request is still in progress"}),
    "upstream, in other words": (400, {"detail": "请求仍在处理中"}),
    "queued": (200, ACCEPTED),
    "queued, 202": (202, {"status": "IN_QUEUE", "request_id": ID, "queue_position": 3}),
    "in progress": (200, {"status": "IN_PROGRESS", "request_id": ID, "logs": [{"message": "50%", "url": JPEG}]}),
    "a relay's word": (200, {"status": "PROCESSING"}),
    "completed, of which the result knows nothing yet": (200, {**ACCEPTED, "status": "COMPLETED", "error": None}),
}


@pytest.mark.parametrize(("status", "document"), PENDING.values(), ids=PENDING)
def test_a_result_that_is_not_there_yet_is_running(status: int, document: dict[str, Any]) -> None:
    assert fal.answer(reply(document, status)) == Running(queued=document.get("status") == "IN_QUEUE")


def test_a_progress_bar_in_the_logs_is_read() -> None:
    logs = [{"message": "loading"}, {"message": " 30%|███       | 9/30"}, {"message": " 60%|██████    | 18/30"}]
    assert fal.answer(reply({"status": "IN_PROGRESS", "logs": logs})) == Running(done=0.6)


@pytest.mark.parametrize("word", ["RESTING", ["COMPLETED"], 7, True])
def test_a_word_that_is_not_known_ends_nothing_and_is_told_of(word: Any) -> None:
    assert fal.answer(reply({"status": word, "error": "no"})) == Running(strange=True)


RESULTS: list[tuple[str, dict[str, Any], Finished]] = [
    ("a list of one", {"images": [image()], "seed": 42}, Finished((JPEG,), several=True)),
    ("a list, in its order", {"images": [image(PNG), image()]}, Finished((PNG, JPEG), several=True)),
    ("one", {"image": image(), "prompt": "a cat", "seed": 1}, Finished((JPEG,), several=False)),
    ("nothing but a URL", {"image": {"url": JPEG}}, Finished((JPEG,), several=False)),
    ("inline", {"images": [image(INLINE)]}, Finished((INLINE,), several=True)),
    ("without a size", {"images": [{"url": JPEG, "width": None, "height": None}]}, Finished((JPEG,), several=True)),
    (
        "a seed of more than 63 bits",
        {"images": [image()], "seed": 16510644661374190000},
        Finished((JPEG,), several=True),
    ),
    ("one and its mask", {"image": image(), "mask": image(PNG)}, Finished((JPEG, PNG), several=True)),
    ("holes in a list", {"images": [None, {}, {"url": None}, image(), "x"]}, Finished((JPEG,), several=True)),
    ("a status beside it", {"status": "COMPLETED", "images": [image()]}, Finished((JPEG,), several=True)),
    (
        "an echo of the request",
        {
            "request": {"url": PNG, "prompt": "a cat", "image_urls": [PNG], "image": {"url": PNG}},
            "images": [image()],
            "timings": {},
            "has_nsfw_concepts": [False],
            "description": "",
        },
        Finished((JPEG,), several=True),
    ),
]


@pytest.mark.parametrize(("document", "finished"), [each[1:] for each in RESULTS], ids=[each[0] for each in RESULTS])
def test_results_come_in_several_shapes(document: dict[str, Any], finished: Finished) -> None:
    assert fal.answer(reply(document)) == finished


@pytest.mark.parametrize("status", [None, "COMPLETED"])
@pytest.mark.parametrize("result", [{"images": []}, {"images": None}, {"image": None}, {"images": [{"url": ""}]}])
def test_a_result_without_an_output_is_a_loss_that_may_have_been_billed_if_it_is_said_again(
    result: dict[str, Any], status: Any
) -> None:
    """What we had sent is no result."""
    found = fal.answer(reply({**result, "status": status, "request": {"url": PNG}}))
    assert isinstance(found, Doubtful)
    assert (found.word.reason, found.times, found.seconds) == (Reason.OUTPUT_LOST, 3, 60)
    assert found.word.reason.may_be_billed


FAILURES: dict[str, tuple[int, dict[str, Any], Failed]] = {
    "a gateway's": (
        200,
        {"status": "FAILED", "error": "The model is overloaded."},
        Failed(Reason.GATEWAY_FAILED, "The model is overloaded."),
    ),
    "a gateway's, with an object": (
        200,
        {"status": "FAILED", "error": {"message": "内容违规"}},
        Failed(Reason.GATEWAY_FAILED, "内容违规"),
    ),
    "a gateway's, that says of which type": (
        200,
        {"status": "FAILED", "error": "no", "error_type": "content_policy_violation"},
        Failed(Reason.FILTERED, "no"),
    ),
    "a gateway's, with the model's complaints": (
        200,
        {"status": "FAILED", "detail": [complaint("content_policy_violation")]},
        Failed(Reason.FILTERED, "body.prompt: It cannot be drawn."),
    ),
    "a gateway's, with complaints as its error": (
        200,
        {"status": "FAILED", "error": [complaint("value_error")]},
        Failed(Reason.GATEWAY_FAILED, "body.prompt: It cannot be drawn."),
    ),
    "a gateway's other word": (200, {"status": "ERROR", "error": "no"}, Failed(Reason.GATEWAY_FAILED, "no")),
    "completed with an error": (
        200,
        {"status": "COMPLETED", "error": "Runner disconnected", "error_type": "runner_disconnected"},
        Failed(Reason.GATEWAY_FAILED, "Runner disconnected"),
    ),
    "complaints with status 200": (
        200,
        {"detail": [complaint("content_policy_violation")]},
        Failed(Reason.FILTERED, "body.prompt: It cannot be drawn."),
    ),
    "the policy": (
        422,
        {"detail": [complaint("content_policy_violation")]},
        Failed(Reason.FILTERED, "body.prompt: It cannot be drawn."),
    ),
    "an input": (
        422,
        {"detail": [complaint("missing")]},
        Failed(Reason.INVALID_INPUT, "body.prompt: It cannot be drawn."),
    ),
    "in one sentence": (422, {"detail": "Unprocessable."}, Failed(Reason.INVALID_INPUT, "Unprocessable.")),
    "without a sentence": (422, {"detail": ""}, Failed(Reason.INVALID_INPUT, "no reason given")),
    "no picture": (
        422,
        {"detail": [complaint("no_media_generated")]},
        Failed(Reason.GATEWAY_FAILED, "body.prompt: It cannot be drawn."),
    ),
    "something downstream": (
        400,
        {"detail": [complaint("downstream_service_error")]},
        Failed(Reason.GATEWAY_FAILED, "body.prompt: It cannot be drawn."),
    ),
    "the model's own 500": (
        500,
        {"detail": [complaint("internal_server_error")]},
        Failed(Reason.GATEWAY_FAILED, "body.prompt: It cannot be drawn."),
    ),
    "the model's own timeout": (
        504,
        {"detail": [complaint("generation_timeout")]},
        Failed(Reason.GATEWAY_FAILED, "body.prompt: It cannot be drawn."),
    ),
    "a file that the model could not find": (
        404,
        {"detail": [complaint("file_download_error")]},
        Failed(Reason.GATEWAY_FAILED, "body.prompt: It cannot be drawn."),
    ),
    "a runner": (
        503,
        {"detail": "Runner disconnected", "error_type": "runner_disconnected"},
        Failed(Reason.GATEWAY_FAILED, "Runner disconnected"),
    ),
    "a disconnection": (
        499,
        {"detail": "Client disconnected", "error_type": "client_disconnected"},
        Failed(Reason.GATEWAY_FAILED, "Client disconnected"),
    ),
    "a cancellation": (
        499,
        {"detail": "Request was cancelled", "error_type": "client_cancelled"},
        Failed(Reason.CANCELED, "Request was cancelled"),
    ),
    "a gateway's cancellation": (200, {"status": "CANCELLED", "error": "stopped"}, Failed(Reason.CANCELED, "stopped")),
    "its other spelling": (200, {"status": "CANCELED", "error": "stopped"}, Failed(Reason.CANCELED, "stopped")),
}


@pytest.mark.parametrize(("status", "document", "failed"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_told_in_the_gateways_words(status: int, document: dict[str, Any], failed: Failed) -> None:
    assert fal.answer(reply(document, status)) == failed


@pytest.mark.parametrize("word", ["FAILED", "ERROR", "CANCELLED"])
@pytest.mark.parametrize("error", [None, "", " ", {}, [], 7, {"message": 7}])
def test_a_failure_without_words_is_a_failure(word: str, error: Any) -> None:
    found = fal.answer(reply({"status": word, "error": error}))
    assert isinstance(found, Failed)
    assert found.message.strip()


def test_the_type_of_a_failure_may_be_in_a_header_alone() -> None:
    found = reply({"detail": "Startup timed out"}, 504, x_fal_error_type="startup_timeout")
    assert fal.answer(found) == Failed(Reason.GATEWAY_FAILED, "Startup timed out")


NO_LAST_WORDS: dict[str, tuple[int, dict[str, Any]]] = {
    "not known yet": (404, {"detail": "Request not found"}),
    "a relay does not know it": (404, {"error": {"message": "Invalid URL", "type": "invalid_request_error"}}),
    "a relay's refusal": (401, {"error": {"message": "无效的令牌", "type": "new_api_error"}}),
    "throttled": (429, {"detail": "Too many requests"}),
    "a refusal that has a type": (403, {"detail": "Forbidden", "error_type": "forbidden"}),
    "the wrong method": (405, {"detail": "Method Not Allowed"}),
    "a proxy": (502, {"message": "bad gateway"}),
    "the queue's own trouble": (500, {"detail": "Internal error", "error_type": "internal_error"}),
    "a relay's own trouble": (503, {"error": {"message": "无可用渠道", "code": "model_not_found"}}),
    "moved": (302, {"status": "COMPLETED", "images": [image()]}),
    "an error with status 200": (200, {"error": {"message": "出错了", "type": "new_api_error"}}),
    "flat, with status 200": (200, {"code": "fail_to_fetch_task", "message": "失败", "data": None}),
    "one sentence with status 200": (200, {"detail": "Request is still in progress"}),
    "an empty object": (200, {}),
}


@pytest.mark.parametrize(("status", "document"), NO_LAST_WORDS.values(), ids=NO_LAST_WORDS)
def test_trouble_on_the_way_ends_nothing(status: int, document: dict[str, Any]) -> None:
    with pytest.raises(NoReply):
        fal.answer(reply(document, status))


def test_complaints_are_read_as_everywhere() -> None:
    assert fal.complaint is complaints.read


@given(anything)
def test_whatever_comes_back_is_an_answer_or_none(found: Reply) -> None:
    understood(fal.answer, found)
    understood(fal.ticket, found)
    assert isinstance(understood(fal.complaint, found), Failed)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"detail": "Request is still in progress"}, Running()),
        ({"detail": "Request is still in progress", "error_type": "bad_request"}, Running()),
        (
            {"detail": "The service behind it failed", "error_type": "downstream_service_error"},
            Failed(Reason.GATEWAY_FAILED, "The service behind it failed"),
        ),
    ],
)
def test_a_400_is_the_last_word_only_if_it_says_what_has_failed(body: dict[str, Any], found: Running | Failed) -> None:
    assert fal.answer(reply(body, 400)) == found


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"code": "task_not_exist", "message": "no such task", "data": None}, 400),
        ({"error": {"message": "no", "code": "invalid_request"}}, 400),
        ({"detail": "Internal Server Error"}, 500),
        ({"detail": "Something broke", "error_type": "internal_error"}, 500),
    ],
)
def test_trouble_that_may_be_the_questions_own_ends_nothing_and_leads_to_the_next_question(
    body: dict[str, Any], status: int
) -> None:
    with pytest.raises(NoReply):
        fal.answer(reply(body, status))


@pytest.mark.parametrize("word", ["FAILED", "failed", "ERROR"])
def test_a_failed_request_has_failed_whatever_files_come_with_it(word: str) -> None:
    found = fal.answer(reply({"status": word, "error": "no", "images": [{"url": "https://files.example/a.png"}]}))
    assert found == Failed(Reason.GATEWAY_FAILED, "no")


def test_files_of_a_request_that_is_still_at_work_are_not_its_last_word() -> None:
    assert fal.answer(reply({"status": "IN_PROGRESS", "images": [{"url": "https://files.example/a.png"}]})) == Running()


def test_a_picture_that_is_told_of_twice_is_one_and_latents_are_none() -> None:
    file = {"url": "https://files.example/a.png"}
    latents = {"debug_latents": {"url": "https://files.example/l.bin"}}
    found = fal.answer(reply({"image": file, "images": [file], **latents}))
    assert isinstance(found, Finished)
    assert found.outputs == ("https://files.example/a.png",)


@pytest.mark.parametrize("images", [["https://files.example/a.png"], "https://files.example/a.png"])
def test_a_bare_address_in_place_of_a_picture_is_one(images: Any) -> None:
    found = fal.answer(reply({"images": images}))
    assert isinstance(found, Finished)
    assert found.outputs == ("https://files.example/a.png",)


def test_pictures_that_were_flagged_and_left_out_are_a_filters_doing() -> None:
    found = fal.answer(reply({"images": [], "has_nsfw_concepts": [True]}))
    assert isinstance(found, Failed)
    assert found.reason is Reason.FILTERED


def test_a_type_of_error_is_an_error_though_it_says_no_more() -> None:
    found = fal.answer(reply({"status": "COMPLETED", "error_type": "runner_disconnected"}))
    assert found == Failed(Reason.GATEWAY_FAILED, "The gateway gives no reason.")


@pytest.mark.parametrize("word", ["SUCCEEDED", "OK", "done", 200])
def test_files_are_the_last_word_under_any_status_that_is_not_another(word: Any) -> None:
    found = fal.answer(reply({"status": word, "images": [{"url": "https://files.example/a.png"}]}))
    assert isinstance(found, Finished)


@pytest.mark.parametrize("member", ["error", "message"])
def test_a_bad_request_is_never_the_last_word(member: str) -> None:
    with pytest.raises(NoReply):
        fal.answer(reply({member: "Request is still in progress", "error_type": "bad_request"}, 400))

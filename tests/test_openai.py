"""The openai dialect at the wire: what goes out, and what is made of what comes back."""

import json
from typing import Any

import pytest
from hypothesis import given

from darkroom import wire
from darkroom.answer import Failed, Finished
from darkroom.dialects import openai
from darkroom.errors import NoReply, Reason
from darkroom.wire import Reply
from tests.replies import NO_DOCUMENTS, ORIGIN, anything, reply, route, understood

ROUTE = route("openai", "gpt-image-2", "/v1")
URL, OTHER = "https://files.example/one.png", "https://files.example/two.png"
PNG = "iVBORw0KGgo="
INLINE = f"data:;base64,{PNG}"


def test_a_model_and_an_input_are_one_body() -> None:
    native_input = {"prompt": "灯台", "n": 2, "size": "1536x1024", "output_format": "webp"}
    request = openai.submission(ROUTE, native_input)
    assert (request.method, request.url) == ("POST", f"{ORIGIN}/v1/images/generations")
    assert dict(request.headers) == {"content-type": "application/json"}
    assert json.loads(request.body) == {"model": "gpt-image-2", **native_input}
    assert "灯台".encode() in request.body


RESULTS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("base64", {"data": [{"b64_json": PNG}]}, (INLINE,)),
    ("base64 with a head", {"data": [{"b64_json": f"data:image/png;base64,{PNG}"}]}, (f"data:image/png;base64,{PNG}",)),
    ("a URL", {"data": [{"url": URL, "revised_prompt": "a cat, revised"}]}, (URL,)),
    ("an inline URL", {"data": [{"url": f"data:image/png;base64,{PNG}"}]}, (f"data:image/png;base64,{PNG}",)),
    ("several, in their order", {"data": [{"url": OTHER}, {"b64_json": PNG}, {"url": URL}]}, (OTHER, INLINE, URL)),
    ("both, of which the bytes do not expire", {"data": [{"url": URL, "b64_json": PNG}]}, (INLINE,)),
    ("a URL and no bytes", {"data": [{"url": URL, "b64_json": None}, {"url": OTHER, "b64_json": ""}]}, (URL, OTHER)),
    ("holes", {"data": [None, {}, {"url": None}, {"url": ""}, {"b64_json": 7}, {"url": URL}]}, (URL,)),
    (
        "all that OpenAI tells",
        {
            "created": 1713833628,
            "data": [{"b64_json": PNG}],
            "usage": {"total_tokens": 100, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}},
            "size": "1024x1024",
            "quality": "high",
            "background": "opaque",
            "output_format": "png",
        },
        (INLINE,),
    ),
]


@pytest.mark.parametrize(("document", "outputs"), [each[1:] for each in RESULTS], ids=[each[0] for each in RESULTS])
def test_pictures_come_by_url_or_in_base64(document: dict[str, Any], outputs: tuple[str, ...]) -> None:
    assert openai.answer(reply(document)) == Finished(outputs, several=True)


@pytest.mark.parametrize("head", ["", "data:image/png;base64,"])
def test_base64_is_the_picture_with_and_without_a_head(head: str) -> None:
    found = openai.answer(reply({"data": [{"b64_json": f"{head}{PNG}"}]}))
    assert isinstance(found, Finished)
    assert [wire.inline(output) for output in found.outputs] == [b"\x89PNG\r\n\x1a\n"]


@pytest.mark.parametrize("data", [[{}], [None], [{"url": None, "b64_json": None}], ["https://files.example/a.png"]])
def test_success_without_an_output_is_a_loss_that_may_have_been_billed(data: list[Any]) -> None:
    found = openai.answer(reply({"created": 1, "data": data}))
    assert isinstance(found, Failed)
    assert (found.reason, found.reason.may_be_billed) == (Reason.OUTPUT_LOST, True)


def test_an_empty_list_is_a_filters_doing() -> None:
    found = openai.answer(reply({"data": []}))
    assert isinstance(found, Failed)
    assert found.reason is Reason.FILTERED


@pytest.mark.parametrize("body", NO_DOCUMENTS.values(), ids=NO_DOCUMENTS)
def test_what_is_no_json_object_says_nothing(body: bytes) -> None:
    with pytest.raises(NoReply):
        openai.answer(reply(body))


ERRORS: dict[str, dict[str, Any]] = {
    "a relay's": {"error": {"message": "出错了", "type": "new_api_error"}},
    "flat": {"code": "x", "message": "出错了", "data": None},
    "no list": {"data": {"id": "a"}},
    "another dialect": {"images": [{"url": URL}]},
    "an empty object": {},
}


@pytest.mark.parametrize("document", ERRORS.values(), ids=ERRORS)
def test_an_error_with_status_200_is_no_answer(document: dict[str, Any]) -> None:
    with pytest.raises(NoReply, match="200"):
        openai.answer(reply(document))


@pytest.mark.parametrize(
    ("param", "status", "reason"),
    [
        ("model", 400, Reason.MODEL_UNAVAILABLE),
        ("size", 400, Reason.INVALID_INPUT),
        ("model", 429, Reason.RATE_LIMITED),
        (None, 400, Reason.INVALID_INPUT),
    ],
)
def test_an_error_about_the_parameter_model_means_that_it_has_been_retired(
    param: str | None, status: int, reason: Reason
) -> None:
    error = {"message": "no", "type": "image_generation_user_error", "param": param, "code": "invalid_value"}
    assert openai.complaint(reply({"error": error}, status)) == Failed(reason, "no")


def test_no_input_names_another_model_than_the_route() -> None:
    sent = openai.submission(route("openai", "gpt-image-2"), {"prompt": "a pier", "model": "a-dearer-one"})
    assert json.loads(sent.body) == {"model": "gpt-image-2", "prompt": "a pier"}


@given(anything)
def test_whatever_comes_back_is_an_answer_or_none(found: Reply) -> None:
    understood(openai.answer, found)
    assert isinstance(understood(openai.complaint, found), Failed)


def test_an_error_in_place_of_a_picture_tells_why_it_is_missing() -> None:
    held_back = {"error": {"code": "OutputImageSensitiveContentDetected", "message": "held back"}}
    found = openai.answer(reply({"data": [{"url": "https://files.example/a.png"}, held_back]}))
    assert found == Finished(("https://files.example/a.png",), several=True, missing=("held back",))
    assert openai.answer(reply({"data": [held_back]})) == Failed(Reason.FILTERED, "held back")


def test_an_error_that_comes_as_a_success_is_believed_only_where_a_code_says_that_it_is_a_filters() -> None:
    error = {"message": "no", "code": "moderation_blocked"}
    assert openai.answer(reply({"error": error})) == Failed(Reason.FILTERED, "no")
    with pytest.raises(NoReply):
        openai.answer(reply({"data": [], "error": {"message": "busy", "code": "server_is_overloaded"}}))


def test_a_stronger_code_than_the_parameter_counts() -> None:
    error = {"message": "no", "param": "model", "code": "billing_hard_limit_reached"}
    assert openai.complaint(reply({"error": error}, 400)).reason is Reason.GATEWAY_CREDIT


def test_one_picture_need_not_be_in_a_list() -> None:
    found = openai.answer(reply({"data": {"url": "https://files.example/a.png"}}))
    assert found == Finished(("https://files.example/a.png",), several=True)


def test_pictures_that_moderation_took_away_were_filtered() -> None:
    found = openai.answer(reply({"data": [{"url": "", "respect_moderation": False}]}))
    assert isinstance(found, Failed)
    assert found.reason is Reason.FILTERED

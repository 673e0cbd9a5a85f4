"""The gemini dialect at the wire: what goes out, and what is made of what comes back."""

import json
from typing import Any

import pytest
from hypothesis import given

from darkroom import wire
from darkroom.answer import Failed, Finished
from darkroom.dialects import gemini
from darkroom.errors import NoReply, Reason
from darkroom.wire import Reply
from tests.replies import NO_DOCUMENTS, ORIGIN, anything, documents, reply, route, understood

IMAGEN = route("gemini", "imagen-4.0-generate-001:predict", "/v1beta")
BANANA = route("gemini", "gemini-3.1-flash-image:generateContent", "/v1beta")
PNG, JPEG = "iVBORw0KGgo=", "/9j/4AAQSkY="
SOME_FILTERED = "Your safety filter threshold filtered out 2 generated images. You will not be charged for these."
ALL_FILTERED = "Unable to show generated images: all were filtered out. Support codes: 39322892, 29310472"


def png(data: str = PNG) -> dict[str, str]:
    return {"mimeType": "image/png", "bytesBase64Encoded": data}


def part(data: str = JPEG, **members: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/jpeg", "data": data}, **members}


def candidate(*parts: Any, reason: str | None = "STOP", **members: Any) -> dict[str, Any]:
    return {"content": {"role": "model", "parts": list(parts)}, "finishReason": reason, "index": 0, **members}


def status(code: int, name: str, message: str, *details: dict[str, Any]) -> Reply:
    """A google.rpc.Status."""
    return reply({"error": {"code": code, "message": message, "status": name, "details": list(details)}}, code)


# What goes out


def test_imagen_takes_the_prompt_as_an_instance_and_all_else_as_parameters() -> None:
    native_input = {"prompt": "灯台", "sampleCount": 1, "aspectRatio": "16:9", "imageSize": "2K"}
    request = gemini.submission(IMAGEN, native_input | {"personGeneration": "dont_allow"})
    assert (request.method, request.url) == ("POST", f"{ORIGIN}/v1beta/models/imagen-4.0-generate-001:predict")
    assert dict(request.headers) == {"content-type": "application/json"}
    assert json.loads(request.body) == {
        "instances": [{"prompt": "灯台"}],
        "parameters": {"sampleCount": 1, "aspectRatio": "16:9", "imageSize": "2K", "personGeneration": "dont_allow"},
    }


def test_imagen_is_asked_with_a_prompt_alone() -> None:
    assert json.loads(gemini.submission(IMAGEN, {"prompt": "a cat"}).body) == {
        "instances": [{"prompt": "a cat"}],
        "parameters": {},
    }


def test_the_models_after_it_take_text_and_an_image_config() -> None:
    request = gemini.submission(BANANA, {"prompt": "a cat", "aspectRatio": "16:9", "imageSize": "2K", "seed": 2**64})
    address = f"{ORIGIN}/v1beta/models/gemini-3.1-flash-image:generateContent"
    assert (request.method, request.url, dict(request.headers)) == (
        "POST",
        address,
        {"content-type": "application/json"},
    )
    assert json.loads(request.body) == {
        "contents": [{"role": "user", "parts": [{"text": "a cat"}]}],
        "generationConfig": {
            "responseModalities": ["IMAGE"],
            "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
            "seed": 2**64,
        },
    }


def test_nothing_is_said_about_images_that_was_not_asked_for() -> None:
    config = json.loads(gemini.submission(BANANA, {"prompt": "a cat"}).body)["generationConfig"]
    assert config == {"responseModalities": ["IMAGE"]}


def test_pictures_go_in_as_parts_by_their_bytes_or_by_their_address() -> None:
    pictures = [f"data:image/png;base64,{PNG}", "https://files.example/in.jpg", "data:image/svg+xml,<svg/>"]
    (content,) = json.loads(gemini.submission(BANANA, {"prompt": "mix", "images": pictures}).body)["contents"]
    assert content["parts"] == [
        {"text": "mix"},
        {"inlineData": {"mimeType": "image/png", "data": PNG}},
        {"fileData": {"fileUri": "https://files.example/in.jpg", "mimeType": "image/jpeg"}},
        {"fileData": {"fileUri": "data:image/svg+xml,<svg/>"}},
    ]


def test_one_picture_need_not_be_a_list() -> None:
    document = json.loads(gemini.submission(BANANA, {"prompt": "a cat", "images": "https://files.example/in.jpg"}).body)
    assert document["contents"][0]["parts"][1:] == [
        {"fileData": {"fileUri": "https://files.example/in.jpg", "mimeType": "image/jpeg"}}
    ]
    assert "images" not in document["generationConfig"]


@given(documents)
def test_any_input_can_be_sent(native_input: dict[str, Any]) -> None:
    """What a caller may say has been looked at: there are no halves of characters in it."""
    native_input = json.loads(json.dumps(native_input, ensure_ascii=False).encode(errors="replace"))
    for place in (IMAGEN, BANANA):
        assert json.loads(gemini.submission(place, native_input).body)


def test_any_picture_can_be_sent() -> None:
    for picture in (7, None, True, {"url": "x"}, [["x"]]):
        assert gemini.submission(BANANA, {"prompt": "a cat", "images": [picture]}).body


# :predict


def decoded(found: Any) -> list[bytes | None]:
    assert isinstance(found, Finished)
    return [wire.inline(output) for output in found.outputs]


def test_pictures_come_inline_in_the_models_order() -> None:
    found = gemini.answer(reply({"predictions": [png(), png(JPEG)]}))
    assert found == Finished((f"data:;base64,{PNG}", f"data:;base64,{JPEG}"), several=True)
    assert decoded(found) == [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\x00\x10JF"]


EXTRAS: list[dict[str, Any]] = [
    {"bytesBase64Encoded": PNG},
    {"bytesBase64Encoded": PNG, "mimeType": None, "prompt": "a cat, enhanced", "safetyAttributes": {"scores": [0.1]}},
    {"bytesBase64Encoded": f"data:image/png;base64,{PNG}"},
]


@pytest.mark.parametrize("prediction", EXTRAS, ids=["the bytes alone", "more", "a head before them"])
def test_one_picture_is_one(prediction: dict[str, Any]) -> None:
    found = gemini.answer(reply({"predictions": [prediction], "deployedModelId": "7", "model": "imagen"}))
    assert isinstance(found, Finished)
    assert (decoded(found), found.several, found.missing) == ([b"\x89PNG\r\n\x1a\n"], False, ())


def test_of_pictures_that_were_filtered_in_part_the_others_are_kept_and_the_reason_is_told() -> None:
    positive_prompt = {"contentType": "Positive Prompt", "safetyAttributes": {"categories": [], "scores": []}}
    predictions = [png(), {"raiFilteredReason": SOME_FILTERED}, png(JPEG), positive_prompt, {"bytesBase64Encoded": ""}]
    found = gemini.answer(reply({"predictions": predictions}))
    assert found == Finished((f"data:;base64,{PNG}", f"data:;base64,{JPEG}"), several=True, missing=(SOME_FILTERED,))


def test_if_all_were_filtered_the_reason_is_told() -> None:
    found = gemini.answer(reply({"predictions": [{"raiFilteredReason": ALL_FILTERED}]}))
    assert found == Failed(Reason.FILTERED, ALL_FILTERED)


NOTHING: list[dict[str, Any]] = [
    {},
    {"predictions": []},
    {"predictions": None},
    {"predictions": [{}]},
    {"predictions": ["x", None]},
    {"predictions": [{"raiFilteredReason": 7}]},
    {"deployedModelId": "7", "model": "imagen"},
]


@pytest.mark.parametrize("document", NOTHING, ids=map(str, NOTHING))
def test_if_all_were_filtered_there_may_be_no_reason_and_no_elements(document: dict[str, Any]) -> None:
    found = gemini.answer(reply(document))
    assert isinstance(found, Failed)
    assert found.reason is Reason.FILTERED
    assert found.message


# :generateContent


@pytest.mark.parametrize("spelling", ["inlineData", "inline_data"])
def test_a_picture_is_among_the_parts(spelling: str) -> None:
    parts = [{"text": "Here you are."}, {spelling: {"mimeType": "image/jpeg", "data": JPEG}}]
    found = gemini.answer(reply({"candidates": [candidate(*parts)], "usageMetadata": {}, "modelVersion": "x"}))
    assert found == Finished((f"data:;base64,{JPEG}",), several=False)


def test_drafts_of_a_model_that_thinks_are_no_pictures() -> None:
    parts = [part(PNG, thought=True), {"text": "Hm.", "thought": True}, part(JPEG, thought=False)]
    found = gemini.answer(reply({"candidates": [candidate(*parts)]}))
    assert found == Finished((f"data:;base64,{JPEG}",), several=False)
    assert isinstance(gemini.answer(reply({"candidates": [candidate(part(PNG, thought=True))]})), Failed)


def test_several_pictures_are_several() -> None:
    found = gemini.answer(reply({"candidates": [candidate(part(PNG)), candidate(part(JPEG))]}))
    assert found == Finished((f"data:;base64,{PNG}", f"data:;base64,{JPEG}"), several=True)


def test_a_picture_counts_more_than_the_reason_to_stop() -> None:
    assert isinstance(gemini.answer(reply({"candidates": [candidate(part(), reason="MAX_TOKENS")]})), Finished)


HELD_BACK = [
    "SAFETY",
    "IMAGE_SAFETY",
    "PROHIBITED_CONTENT",
    "IMAGE_PROHIBITED_CONTENT",
    "BLOCKLIST",
    "SPII",
    "RECITATION",
]


@pytest.mark.parametrize("reason", [*HELD_BACK, "IMAGE_RECITATION"])
def test_a_model_that_was_stopped_by_a_filter_says_so(reason: str) -> None:
    found = gemini.answer(reply({"candidates": [candidate(reason=reason)]}))
    assert found == Failed(Reason.FILTERED, reason)


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"])
def test_a_prompt_that_was_blocked_is_filtered_whatever_the_reason(reason: str) -> None:
    feedback = {"blockReason": reason, "blockReasonMessage": "It was blocked."}
    assert gemini.answer(reply({"promptFeedback": feedback})) == Failed(Reason.FILTERED, f"{reason}; It was blocked.")


NO_PICTURES: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({"candidates": [candidate(reason="NO_IMAGE")]}, "NO_IMAGE"),
    "words": ({"candidates": [candidate({"text": "I would rather not."})]}, "STOP; I would rather not."),
    "a message": ({"candidates": [candidate(reason="IMAGE_OTHER", finishMessage="No luck.")]}, "IMAGE_OTHER; No luck."),
    "no parts": ({"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]}, "MAX_TOKENS"),
    "no content": ({"candidates": [{"finishReason": "OTHER"}]}, "OTHER"),
    "no candidates": ({"candidates": [], "usageMetadata": {"totalTokenCount": 7}}, "The gateway gives no reason."),
    "nothing but the bill": (
        {"usageMetadata": {"totalTokenCount": 7}, "modelVersion": "x"},
        "The gateway gives no reason.",
    ),
    "the wrong types": (
        {"candidates": [{"content": "x", "finishReason": 7}, "x"], "promptFeedback": "x"},
        "The gateway gives",
    ),
    "no bytes": ({"candidates": [candidate({"inlineData": {"data": ""}}, {"inlineData": "x"})]}, "STOP"),
}


@pytest.mark.parametrize(("document", "told"), NO_PICTURES.values(), ids=NO_PICTURES)
def test_a_model_that_draws_nothing_has_failed(document: dict[str, Any], told: str) -> None:
    found = gemini.answer(reply(document))
    assert isinstance(found, Failed)
    assert found.reason is Reason.GATEWAY_FAILED
    assert found.message.startswith(told)


# both


@pytest.mark.parametrize("body", NO_DOCUMENTS.values(), ids=NO_DOCUMENTS)
def test_what_is_no_json_object_says_nothing(body: bytes) -> None:
    with pytest.raises(NoReply):
        gemini.answer(reply(body))


ERRORS: list[dict[str, Any]] = [
    {"error": {"message": "出错了", "type": "new_api_error"}},
    {"code": "x", "message": "出错了", "data": None},
    {"data": [{"url": "https://files.example/a.png"}]},
]


@pytest.mark.parametrize("document", ERRORS, ids=["a relay's", "flat", "another dialect"])
def test_an_error_with_status_200_is_no_answer(document: dict[str, Any]) -> None:
    with pytest.raises(NoReply, match="200"):
        gemini.answer(reply(document))


INVALID_KEY = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
}
COMPLAINTS = {
    "a key that is not valid": (
        status(400, "INVALID_ARGUMENT", "API key not valid.", INVALID_KEY),
        Reason.GATEWAY_AUTH,
    ),
    "in a list": (
        reply([{"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT", "details": [INVALID_KEY]}}], 400),
        Reason.GATEWAY_AUTH,
    ),
    "a model that was retired": (
        status(404, "NOT_FOUND", "This model is no longer available."),
        Reason.MODEL_UNAVAILABLE,
    ),
    "a place": (status(400, "FAILED_PRECONDITION", "User location is not supported."), Reason.GATEWAY_AUTH),
    "a prompt": (
        status(400, "INVALID_ARGUMENT", "The prompt could not be submitted. Support codes: 42876398"),
        Reason.FILTERED,
    ),
    "a prompt, in another language": (status(400, "INVALID_ARGUMENT", "提示词违规 62263041"), Reason.FILTERED),
    "a prompt, relayed": (
        reply({"error": {"message": "请求失败: 58061214, 17301594", "type": "upstream_error", "code": ""}}, 400),
        Reason.FILTERED,
    ),
    "digits that end like a code": (
        status(400, "INVALID_ARGUMENT", "Request 142876398 is wrong."),
        Reason.INVALID_INPUT,
    ),
    "digits that begin like a code": (
        status(400, "INVALID_ARGUMENT", "Request 428763980 is wrong."),
        Reason.INVALID_INPUT,
    ),
    "a code that is not known": (status(400, "INVALID_ARGUMENT", "Support codes: 11111111"), Reason.INVALID_INPUT),
    "an argument": (status(400, "INVALID_ARGUMENT", "sampleCount must be at most 4."), Reason.INVALID_INPUT),
    "a quota": (status(429, "RESOURCE_EXHAUSTED", "Quota exceeded."), Reason.RATE_LIMITED),
    "a relay's route": (
        reply({"error": {"message": "contents is required", "code": "invalid_request"}}, 400),
        Reason.MODEL_UNAVAILABLE,
    ),
    "a web page": (reply(b"<html>404</html>", 404), Reason.MODEL_UNAVAILABLE),
}


@pytest.mark.parametrize(("found", "reason"), COMPLAINTS.values(), ids=COMPLAINTS)
def test_there_is_one_reason_for_each_complaint(found: Reply, reason: Reason) -> None:
    complaint = gemini.complaint(found)
    assert complaint.reason is reason
    assert complaint.message


CHILD, CELEBRITY, DANGEROUS, HATE = (58061214, 17301594), (29310472, 15236754), (62263041,), (57734940, 22137204)
OTHER, PEOPLE, PERSONAL, PROHIBITED = (
    (42876398, 29578790, 74803281),
    (39322892,),
    (92201652,),
    (89371032, 49114662, 72817394),
)
SEXUAL, TOXIC, VIOLENCE = (90789179, 63429089, 43188360), (78610348,), (61493863, 56562880)


@pytest.mark.parametrize(
    "code",
    [*CHILD, *CELEBRITY, *DANGEROUS, *HATE, *OTHER, *PEOPLE, *PERSONAL, *PROHIBITED, *SEXUAL, *TOXIC, *VIOLENCE],
)
def test_every_support_code_of_a_filter_is_known(code: int) -> None:
    assert gemini.complaint(status(400, "INVALID_ARGUMENT", f"Support codes: {code}")).reason is Reason.FILTERED


@given(anything)
def test_whatever_comes_back_is_an_answer_or_none(found: Reply) -> None:
    understood(gemini.answer, found)
    assert isinstance(understood(gemini.complaint, found), Failed)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_what_kind_a_picture_is_that_goes_in_by_its_address_is_said_where_the_address_tells(kind: str) -> None:
    link = f"https://inbox.example/default/cat.{kind.upper()}?X-Amz-Signature=a.gif"
    sent = gemini.submission(route("gemini", "m:generateContent"), {"prompt": "a pier", "images": [link]})
    part = json.loads(sent.body)["contents"][0]["parts"][1]
    assert part == {"fileData": {"fileUri": link, "mimeType": f"image/{kind}"}}


def test_no_input_asks_for_words_instead_of_a_picture() -> None:
    sent = gemini.submission(route("gemini", "m:generateContent"), {"responseModalities": ["TEXT"], "seed": 7})
    assert json.loads(sent.body)["generationConfig"] == {"responseModalities": ["IMAGE"], "seed": 7}


def test_a_language_that_it_does_not_speak_is_the_callers_to_change() -> None:
    found = gemini.answer(reply({"candidates": [candidate(reason="LANGUAGE")]}))
    assert found == Failed(Reason.INVALID_INPUT, "LANGUAGE")


def test_a_support_code_tells_of_a_filter_where_the_reason_does_not() -> None:
    stopped = {"finishReason": "OTHER", "finishMessage": "No. Support codes: 15236754"}
    found = gemini.answer(reply({"candidates": [stopped]}))
    assert isinstance(found, Failed)
    assert found.reason is Reason.FILTERED


def test_pictures_of_predict_are_kept_whatever_else_the_reply_holds() -> None:
    found = gemini.answer(reply({"predictions": [{"bytesBase64Encoded": "aGk="}], "modelVersion": "imagen"}))
    assert found == Finished(("data:;base64,aGk=",), several=False)


def test_a_picture_by_its_address_is_a_picture() -> None:
    part = {"fileData": {"mimeType": "image/png", "fileUri": "https://files.example/a.png"}}
    found = gemini.answer(reply({"candidates": [{"content": {"parts": [part]}}]}))
    assert found == Finished(("https://files.example/a.png",), several=False)


def test_pictures_in_somebody_elses_bucket_are_lost_and_not_filtered() -> None:
    found = gemini.answer(reply({"predictions": [{"gcsUri": "gs://theirs/a.png", "mimeType": "image/png"}]}))
    assert isinstance(found, Failed)
    assert found.reason is Reason.OUTPUT_LOST


def test_what_stands_beside_the_contents_is_put_there() -> None:
    beside = {
        "safetySettings": [{"category": "A"}],
        "systemInstruction": {"parts": []},
        "tools": [{"googleSearch": {}}],
    }
    sent = json.loads(gemini.submission(BANANA, {"prompt": "a pier", "temperature": 1, **beside}).body)
    assert {name: sent[name] for name in beside} == beside
    assert sent["generationConfig"] == {"temperature": 1, "responseModalities": ["IMAGE"]}


@pytest.mark.parametrize("picture", ["https://[oops/cat.png", "//", "s3:", 7])
def test_a_strange_address_of_a_picture_is_handed_on(picture: Any) -> None:
    sent = json.loads(gemini.submission(BANANA, {"prompt": "a pier", "images": [picture]}).body)
    assert sent["contents"][0]["parts"][1]["fileData"]["fileUri"] == picture


def test_a_stronger_code_than_the_type_of_a_relays_error_counts() -> None:
    error = {"code": "sensitive_words_detected", "type": "invalid_request", "message": "no"}
    assert gemini.complaint(reply({"error": error}, 400)).reason is Reason.FILTERED

"""Gemini's protocol: what a caller may ask, with which key, and what a success can be without a picture."""

import asyncio
import base64
import io
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.simulator.conftest import Json, Simulated, Watch, ledger, simulated

GOOGLE = "/generativelanguage.googleapis.com/v1beta/models"
GATEWAY = "/v1beta/models"
IMAGEN = "imagen-4.0-generate-001"
FLASH = "gemini-3.1-flash-image"
PNG = base64.b64encode(b"a picture").decode()
IN_GOOGLES_WAY = {"x-goog-api-key": "simulator-key"}


def predict(
    http: httpx.Client, prompt: object = "a boat", model: str = IMAGEN, at: str = GATEWAY, **parameters: object
) -> httpx.Response:
    body = {"instances": [{"prompt": prompt}], "parameters": {"sampleCount": 1} | parameters}
    return http.post(f"{at}/{model}:predict", json=body, headers=IN_GOOGLES_WAY)


def generate(
    http: httpx.Client, prompt: str = "a boat", model: str = FLASH, at: str = GOOGLE, **config: object
) -> httpx.Response:
    body = {"contents": [{"role": "user", "parts": [{"text": prompt}]}], "generationConfig": config}
    return http.post(f"{at}/{model}:generateContent", json=body, headers=IN_GOOGLES_WAY)


def image(encoded: str) -> Image.Image:
    picture = Image.open(io.BytesIO(base64.b64decode(encoded, validate=True)))
    picture.load()
    return picture


def refusal(reply: httpx.Response) -> tuple[int, str, str]:
    """Status, canonical code and message of a google.rpc.Status."""
    assert reply.headers["Content-Type"] == "application/json; charset=UTF-8"
    error = reply.json()["error"]
    assert error["code"] == reply.status_code
    return reply.status_code, error["status"], error["message"]


# Imagen


def test_four_pictures_come_unless_another_number_is_asked_for(http: httpx.Client) -> None:
    reply = http.post(f"{GATEWAY}/{IMAGEN}:predict", json={"instances": [{"prompt": "a boat"}]})
    assert reply.status_code == 200
    predictions = reply.json()["predictions"]
    assert [prediction["mimeType"] for prediction in predictions] == ["image/png"] * 4
    pictures = [image(prediction["bytesBase64Encoded"]) for prediction in predictions]
    assert [(picture.format, picture.size) for picture in pictures] == [("PNG", (1024, 1024))] * 4
    assert len({picture.tobytes() for picture in pictures}) == 4


@pytest.mark.parametrize(
    ("parameters", "kind", "size"),
    [
        ({"aspectRatio": "16:9"}, "PNG", (1408, 768)),
        ({"aspectRatio": "3:4", "imageSize": "1K", "personGeneration": "dont_allow"}, "PNG", (896, 1280)),
        ({"sampleImageSize": "2K"}, "PNG", (2048, 2048)),
        ({"imageSize": "2k", "personGeneration": "ALLOW_ADULT", "aspectRatio": "9:16"}, "PNG", (1536, 2816)),
        ({"safetySetting": "BLOCK_LOW_AND_ABOVE", "outputOptions": {"mimeType": "image/jpeg"}}, "JPEG", (1024, 1024)),
        ({"nobody": "knows this"}, "PNG", (1024, 1024)),
    ],
)
def test_parameters_decide_what_a_picture_is(
    http: httpx.Client, parameters: Json, kind: str, size: tuple[int, int]
) -> None:
    [prediction] = predict(http, **parameters).json()["predictions"]
    picture = image(prediction["bytesBase64Encoded"])
    assert (picture.format, picture.size) == (kind, size)
    assert prediction["mimeType"] == f"image/{kind.lower()}"


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"sampleCount": 0}, "sampleCount"),
        ({"sampleCount": 5}, "sampleCount"),
        ({"sampleCount": True}, "sampleCount"),
        ({"sampleCount": "2"}, "sampleCount"),
        ({"aspectRatio": "21:9"}, "aspectRatio"),
        ({"aspectRatio": 1}, "aspectRatio"),
        ({"imageSize": "4K"}, "imageSize"),
        ({"sampleImageSize": "3K"}, "sampleImageSize"),
        ({"personGeneration": "allow_none"}, "personGeneration"),
        ({"safetySetting": "block"}, "safetySetting"),
        ({"outputOptions": {"mimeType": "image/webp"}}, "mimeType"),
        ({"outputOptions": "image/png"}, "outputOptions"),
        ({"includeRaiReason": "yes"}, "includeRaiReason"),
    ],
)
def test_a_wrong_parameter_is_400_and_not_charged(http: httpx.Client, parameters: Json, named: str) -> None:
    before = ledger(http)["charges"]
    status, code, message = refusal(predict(http, **parameters))
    assert (status, code) == (400, "INVALID_ARGUMENT")
    assert named in message
    assert ledger(http)["charges"] == before


def test_the_fast_model_has_one_size_only(http: httpx.Client) -> None:
    assert predict(http, model="imagen-4.0-fast-generate-001", imageSize="1K").status_code == 200
    assert refusal(predict(http, model="imagen-4.0-fast-generate-001", imageSize="2K"))[:2] == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"instances": []}',
        b'{"instances": {"prompt": "a boat"}}',
        b'{"instances": [{}]}',
        b'{"instances": [{"prompt": ""}]}',
        b'{"instances": [{"prompt": 7}]}',
        b'{"instances": [{"prompt": "a"}, {"prompt": "b"}]}',
        b'{"instances": [{"prompt": "a"}], "parameters": []}',
        b'{"instances": [{"prompt": "\\ud800"}]}',
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_order_is_400(http: httpx.Client, body: bytes) -> None:
    reply = http.post(f"{GATEWAY}/{IMAGEN}:predict", content=body)
    assert refusal(reply)[:2] == (400, "INVALID_ARGUMENT")


def test_when_everything_is_filtered_one_element_says_why(http: httpx.Client) -> None:
    reply = predict(http, "NSFW, please", sampleCount=3)
    assert reply.status_code == 200
    [element] = reply.json()["predictions"]
    assert list(element) == ["raiFilteredReason"]
    assert element["raiFilteredReason"].endswith("Support codes: 39322892, 29310472")


def test_when_a_part_is_filtered_one_element_at_the_end_counts_it(http: httpx.Client) -> None:
    *pictures, reason = predict(http, "a risky boat", sampleCount=4).json()["predictions"]
    assert [sorted(picture) for picture in pictures] == [["bytesBase64Encoded", "mimeType"]] * 2
    assert reason["raiFilteredReason"].startswith(
        "Your current safety filter threshold filtered out 2 generated images"
    )


def test_reasons_can_be_turned_off(http: httpx.Client) -> None:
    assert predict(http, "nsfw", includeRaiReason=False).json() == {}
    [picture] = predict(http, "risky", sampleCount=2, includeRaiReason=False).json()["predictions"]
    assert "bytesBase64Encoded" in picture


def test_safety_attributes_add_an_element_without_a_picture(http: httpx.Client) -> None:
    picture, attributes = predict(http, includeSafetyAttributes=True).json()["predictions"]
    assert picture["safetyAttributes"]["categories"]
    assert attributes["contentType"] == "Positive Prompt"
    assert "bytesBase64Encoded" not in attributes


def test_a_quiet_filter_leaves_an_empty_object(http: httpx.Client) -> None:
    reply = predict(http, "quiet")
    assert (reply.status_code, reply.json()) == (200, {})


def test_a_blocked_prompt_is_400_with_its_support_code_and_not_charged(http: httpx.Client) -> None:
    before = ledger(http)["charges"]
    status, code, message = refusal(predict(http, "something forbidden"))
    assert (status, code) == (400, "INVALID_ARGUMENT")
    assert message.startswith("Image generation failed with the following error: The prompt could not be submitted.")
    assert message.endswith("Support codes: 42876398")
    assert ledger(http)["charges"] == before


@pytest.mark.parametrize("ask", [predict, generate])
def test_an_unavailable_service_is_503_and_not_charged(
    http: httpx.Client, ask: Callable[[httpx.Client, str], httpx.Response]
) -> None:
    before = ledger(http)["charges"]
    assert refusal(ask(http, "crash"))[:2] == (503, "UNAVAILABLE")
    assert ledger(http)["charges"] == before


def test_at_google_every_imagen_model_is_shut_down(http: httpx.Client) -> None:
    for model in (IMAGEN, "imagen-4.0-ultra-generate-001", "imagen-3.0-generate-002"):
        status, code, message = refusal(predict(http, model=model, at=GOOGLE))
        assert (status, code) == (404, "NOT_FOUND")
        assert message.startswith(f"This model models/{model} is no longer available. Please update your code to use")
    assert http.get(f"{GOOGLE}/{IMAGEN}", headers=IN_GOOGLES_WAY).json()["supportedGenerationMethods"] == ["predict"]


# Gemini


@pytest.mark.parametrize(
    ("model", "image_config", "kind", "size"),
    [
        (FLASH, {}, "JPEG", (1024, 1024)),
        (FLASH, {"imageSize": "512", "aspectRatio": "16:9"}, "JPEG", (688, 384)),
        (FLASH, {"aspectRatio": "8:1", "imageSize": "512P"}, "JPEG", (1536, 192)),
        ("gemini-nano-banana-2.1", {"aspectRatio": "3:2"}, "JPEG", (1264, 848)),
        ("gemini-3-pro-image", {"aspectRatio": "16:9", "imageSize": "2K"}, "JPEG", (2752, 1536)),
        ("gemini-3.1-flash-lite-image", {"imageSize": "1K"}, "JPEG", (1024, 1024)),
        ("gemini-2.5-flash-image", {"aspectRatio": "16:9"}, "PNG", (1344, 768)),
        ("gemini-2.5-flash-image", {"imageSize": "8K"}, "PNG", (1024, 1024)),
    ],
)
def test_a_model_makes_one_picture_in_its_format_and_size(
    http: httpx.Client, model: str, image_config: Json, kind: str, size: tuple[int, int]
) -> None:
    reply = generate(http, model=model, responseModalities=["IMAGE"], imageConfig=image_config)
    assert reply.status_code == 200
    [candidate] = reply.json()["candidates"]
    assert (candidate["finishReason"], candidate["content"]["role"]) == ("STOP", "model")
    [part] = candidate["content"]["parts"]
    picture = image(part["inlineData"]["data"])
    assert (picture.format, picture.size) == (kind, size)
    assert part["inlineData"]["mimeType"] == f"image/{kind.lower()}"


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ({}, ["text", "inlineData"]),
        ({"responseModalities": ["TEXT", "IMAGE"]}, ["text", "inlineData"]),
        ({"responseModalities": ["TEXT"]}, ["text", "inlineData"]),
        ({"responseModalities": ["Image"]}, ["inlineData"]),
        ({"response_modalities": ["IMAGE"]}, ["inlineData"]),
    ],
)
def test_text_comes_before_the_picture_unless_only_pictures_may_come(
    http: httpx.Client, config: Json, kinds: list[str]
) -> None:
    parts = generate(http, **config).json()["candidates"][0]["content"]["parts"]
    assert [kind for part in parts for kind in part] == kinds


def test_tokens_of_prompt_and_picture_are_counted(http: httpx.Client) -> None:
    body = {
        "contents": [
            {"parts": [{"text": "two boats"}, {"inline_data": {"mime_type": "image/png", "data": PNG}}]},
            {
                "role": "model",
                "parts": [{"fileData": {"fileUri": "https://example.com/a"}, "thoughtSignature": "YQ=="}],
            },
            {"role": "user", "parts": [{"text": "now three boats"}]},
        ],
        "generation_config": {"image_config": {"image_size": "512", "aspect_ratio": "4:1"}},
    }
    reply = http.post(f"{GOOGLE}/{FLASH}:generateContent", json=body, headers=IN_GOOGLES_WAY).json()
    usage = reply["usageMetadata"]
    assert usage["promptTokenCount"] == 3 + 2 * 258
    assert usage["candidatesTokensDetails"] == [{"modality": "IMAGE", "tokenCount": 747}]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"]
    assert (reply["modelVersion"], len(reply["responseId"])) == (FLASH, 23)
    picture = image(reply["candidates"][0]["content"]["parts"][-1]["inlineData"]["data"])
    assert picture.size == (1024, 256)


@pytest.mark.parametrize(
    ("prompt", "modalities", "reason"),
    [("nsfw", [], "IMAGE_SAFETY"), ("quiet", [], "NO_IMAGE"), ("", [], "NO_IMAGE"), ("risky", ["IMAGE"], "NO_IMAGE")],
)
def test_a_success_can_be_without_a_picture(
    http: httpx.Client, prompt: str, modalities: list[str], reason: str
) -> None:
    reply = generate(http, prompt, responseModalities=modalities)
    assert reply.status_code == 200
    [candidate] = reply.json()["candidates"]
    assert (candidate["finishReason"], candidate["content"]) == (reason, {})
    assert ("finishMessage" in candidate) == (prompt == "nsfw")


def test_a_model_may_refuse_in_words_and_call_it_a_stop(http: httpx.Client) -> None:
    [candidate] = generate(http, "risky").json()["candidates"]
    assert candidate["finishReason"] == "STOP"
    assert [list(part) for part in candidate["content"]["parts"]] == [["text"]]


def test_a_blocked_prompt_is_a_success_without_candidates_and_not_charged(http: httpx.Client) -> None:
    before = ledger(http)["charges"]
    reply = generate(http, "forbidden")
    assert (reply.status_code, reply.json()["promptFeedback"]) == (200, {"blockReason": "PROHIBITED_CONTENT"})
    assert "candidates" not in reply.json()
    assert ledger(http)["charges"] == before


@pytest.mark.parametrize(
    ("model", "config", "message"),
    [
        (FLASH, {"imageConfig": {"aspectRatio": "3:7"}}, "must be one of '1:1', '1:4', '1:8', '2:3',"),
        ("gemini-3-pro-image", {"imageConfig": {"aspectRatio": "1:4"}}, "Aspect ratio 1:4 is not supported"),
        (FLASH, {"imageConfig": {"imageSize": "2k"}}, "Unsupported image_size '2k'"),
        ("gemini-3.1-flash-lite-image", {"imageConfig": {"imageSize": "2K"}}, "Image size 2K is not supported"),
        (FLASH, {"imageConfig": {"negativePrompt": "x"}}, "\"negativePrompt\" at 'generation_config.image_config'"),
        (FLASH, {"aspectRatio": "1:1"}, "Unknown name \"aspectRatio\" at 'generation_config'"),
        (FLASH, {"imageConfig": "1:1"}, "Invalid value at 'generation_config.image_config'"),
        (FLASH, {"responseModalities": ["IMAGE", "BANANA"]}, "generation_config.response_modalities[1]"),
        (FLASH, {"candidateCount": 2}, "Multiple candidates is not enabled for this model"),
    ],
)
def test_a_wrong_configuration_is_400_and_not_charged(
    http: httpx.Client, model: str, config: Json, message: str
) -> None:
    before = ledger(http)["charges"]
    status, code, complaint = refusal(generate(http, model=model, **config))
    assert (status, code) == (400, "INVALID_ARGUMENT")
    assert message in complaint
    assert ledger(http)["charges"] == before


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (None, "contents is not specified"),
        ([], "contents is not specified"),
        ([{"parts": []}], "Request has empty input."),
        ([{"parts": "a boat"}], "Invalid value at 'contents[0].parts'"),
        ([{"parts": [{}]}], "contents[0].parts[0].data: required oneof field 'data'"),
        ([{"parts": [{"inlineData": {"data": "?"}}]}], "Base64 decoding failed"),
        ([{"role": "system", "parts": [{"text": "a boat"}]}], "Please use a valid role: user, model."),
    ],
)
def test_contents_that_are_none_are_400(http: httpx.Client, contents: Any, message: str) -> None:
    body = {} if contents is None else {"contents": contents}
    reply = http.post(f"{GOOGLE}/{FLASH}:generateContent", json=body, headers=IN_GOOGLES_WAY)
    status, code, complaint = refusal(reply)
    assert (status, code) == (400, "INVALID_ARGUMENT")
    assert message in complaint


# Keys, models and doors


def test_an_unknown_key_is_400_and_none_at_all_403(url: str) -> None:
    for _ in range(2):
        bad = httpx.get(f"{url}{GOOGLE}", headers={"x-goog-api-key": "wrong"})
        assert refusal(bad)[:2] == (400, "INVALID_ARGUMENT")
        assert bad.json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"
        assert refusal(httpx.get(f"{url}{GOOGLE}?key=wrong"))[:2] == (400, "INVALID_ARGUMENT")
        missing = httpx.get(f"{url}{GOOGLE}", headers={"Authorization": "Bearer simulator-key"})
        assert refusal(missing)[:2] == (403, "PERMISSION_DENIED")
    assert httpx.get(f"{url}{GOOGLE}?key=simulator-key").status_code == 200


def test_a_gateway_takes_the_key_in_three_ways_and_signs_every_reply(url: str) -> None:
    ways: list[Json] = [
        {"headers": {"Authorization": "Bearer second-key"}},
        {"headers": IN_GOOGLES_WAY},
        {"params": {"key": "simulator-key"}},
    ]
    replies = [httpx.get(f"{url}{GATEWAY}", **way) for way in ways]
    refused = httpx.get(f"{url}{GATEWAY}?key=wrong")
    assert [reply.status_code for reply in [*replies, refused]] == [200, 200, 200, 401]
    assert refused.json()["error"]["type"] == "new_api_error"
    assert len({reply.headers["X-Oneapi-Request-Id"] for reply in [*replies, refused]}) == 4


def test_models_are_listed_with_what_they_can_do(http: httpx.Client) -> None:
    google, gateway = (
        {
            model["name"]: model["supportedGenerationMethods"]
            for model in http.get(at, headers=IN_GOOGLES_WAY).json()["models"]
        }
        for at in (GOOGLE, GATEWAY)
    )
    assert google[f"models/{FLASH}"] == ["generateContent"]
    assert not [name for name in google if "imagen" in name]
    assert gateway == google | {
        f"models/imagen-4.0-{kind}generate-001": ["predict"] for kind in ("", "ultra-", "fast-")
    }


def test_a_model_that_there_is_not_is_404_at_google_and_without_a_channel_at_a_gateway(http: httpx.Client) -> None:
    status, code, message = refusal(generate(http, model="gemini-9"))
    assert (status, code) == (404, "NOT_FOUND")
    assert message.startswith("models/gemini-9 is not found for API version v1beta, or is not supported for generate")
    assert refusal(http.get(f"{GOOGLE}/gemini-9", headers=IN_GOOGLES_WAY))[0] == 404
    for ask in (predict, generate):
        unserved = ask(http, model="gemini-9", at=GATEWAY)
        assert unserved.status_code == 503
        error = unserved.json()["error"]
        assert (error["code"], error["type"]) == ("model_not_found", "new_api_error")
        assert "gemini-9" in error["message"]
        assert unserved.headers["X-Oneapi-Request-Id"]


def test_a_model_that_works_otherwise_is_404(http: httpx.Client) -> None:
    assert "not supported for predict" in refusal(predict(http, model=FLASH, at=GOOGLE.replace("v1beta", "v1")))[2]
    assert "API version v1," in refusal(predict(http, model=FLASH, at=GOOGLE.replace("v1beta", "v1")))[2]
    assert refusal(generate(http, model=IMAGEN, at=GATEWAY))[:2] == (404, "NOT_FOUND")


def test_an_unknown_path_is_404_as_a_page_at_google_and_as_json_at_a_gateway(http: httpx.Client) -> None:
    google = http.post(f"{GOOGLE}/{FLASH}", headers=IN_GOOGLES_WAY)
    assert (google.status_code, google.headers["Content-Type"]) == (404, "text/html; charset=UTF-8")
    gateway = http.get(f"{GATEWAY}/{FLASH}")
    assert (gateway.status_code, gateway.json()["error"]["type"]) == (404, "invalid_request_error")
    assert gateway.json()["error"]["message"] == f"Invalid URL (GET /v1beta/models/{FLASH})"


def test_a_gateway_passes_on_what_google_complains_about(http: httpx.Client) -> None:
    reply = predict(http, sampleCount=9)
    assert refusal(reply)[:2] == (400, "INVALID_ARGUMENT")
    assert reply.headers["X-Oneapi-Request-Id"]


# Time and money


def test_the_reply_comes_when_the_job_has_ended_and_the_charge_with_the_request() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        body = {"instances": [{"prompt": "a boat"}], "parameters": {"sampleCount": 1}}
        waiting = asyncio.create_task(client.post(f"{GATEWAY}/{IMAGEN}:predict", json=body).__aenter__())
        while not (charges := (await (await client.get("/_simulator/ledger")).json())["charges"]):
            await asyncio.sleep(0.01)
        [(job_id, charge)] = charges.items()
        assert (charge["model"], charge["key"]) == (IMAGEN, "simulator-key")
        assert charge["prompt_sha256"] == sha256(b"a boat").hexdigest()
        drawn = await (await client.get(f"/_simulator/jobs/{job_id}")).json()
        assert [output["sketch"]["prompt"] for output in drawn["outputs"]] == ["a boat"]

        watch.now += drawn["queue_seconds"] + drawn["run_seconds"] - 0.001
        await asyncio.sleep(0.1)
        assert not waiting.done()
        watch.now += 0.002
        reply = await asyncio.wait_for(waiting, 5)
        assert len((await reply.json())["predictions"]) == 1

    simulated(story)


def test_whoever_goes_away_is_charged_all_the_same(http: httpx.Client) -> None:
    before = len(ledger(http)["charges"])
    body = {"contents": [{"parts": [{"text": "a boat"}]}]}
    with pytest.raises(httpx.ReadTimeout):
        http.post(f"{GATEWAY}/gemini-3-pro-image:generateContent", json=body, timeout=0.03)
    assert len(ledger(http)["charges"]) == before + 1


def test_what_is_filtered_is_work_all_the_same(http: httpx.Client) -> None:
    before = len(ledger(http)["charges"])
    predict(http, "nsfw")
    generate(http, "nsfw")
    assert len(ledger(http)["charges"]) == before + 2

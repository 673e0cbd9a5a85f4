"""OpenAI's images, over plain HTTP: what OpenAI makes and refuses, and what a relay makes of it."""

import asyncio
import base64
import io
import re
import time
from typing import Any

import httpx
import pytest
from aiohttp import ClientTimeout
from PIL import Image

from tests.simulator.conftest import Json, Simulated, Watch, ledger, simulated

UPSTREAM = "/api.openai.com/v1/images/generations"
GATEWAY = "/v1/images/generations"
GPT = "gpt-image-1-mini"
BLOB = "oaidalleapiprodscus.blob.core.windows.net"
PREFIX = "data:image/png;base64,"


def generate(http: httpx.Client, at: str = UPSTREAM, **body: Any) -> httpx.Response:
    """The reply to a request; with a prompt and a model unless it says otherwise."""
    return http.post(at, json={"prompt": "a boat", "model": GPT} | body)


def complaint(reply: httpx.Response, status: int = 400) -> Json:
    assert reply.status_code == status, reply.text
    error: Json = reply.json()["error"]
    assert list(error) == ["message", "type", "param", "code"]
    return error


def picture(text: str) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(text, validate=True)))
    image.load()
    return image


def test_a_reply_holds_the_picture_what_was_settled_and_the_usage(http: httpx.Client) -> None:
    reply = generate(http)
    document = reply.json()
    assert reply.status_code == 200
    assert re.fullmatch(r"req_[0-9a-f]{32}", reply.headers["x-request-id"])
    assert abs(document["created"] - time.time()) < 60
    settled = {name: document[name] for name in ("background", "output_format", "quality", "size")}
    assert settled == {"background": "opaque", "output_format": "png", "quality": "high", "size": "1024x1024"}
    [made] = document["data"]
    assert list(made) == ["b64_json"]
    assert (picture(made["b64_json"]).format, picture(made["b64_json"]).size) == ("PNG", (1024, 1024))
    usage = document["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_tokens_details"]["image_tokens"] == 4160


@pytest.mark.parametrize(
    ("model", "wish", "kind", "size"),
    [
        (GPT, {"size": "1536x1024", "output_format": "jpeg", "output_compression": 50}, "JPEG", (1536, 1024)),
        ("gpt-image-1.5", {"size": "1024x1536", "output_format": "webp", "moderation": "low"}, "WEBP", (1024, 1536)),
        ("gpt-image-2", {"size": "1536x864", "background": "transparent", "user": "u1"}, "PNG", (1536, 864)),
        ("gpt-image-2.5-flare", {"size": "auto", "quality": "max", "n": None, "stream": False}, "PNG", (1024, 1024)),
    ],
)
def test_a_picture_is_as_it_was_asked_for(
    http: httpx.Client, model: str, wish: Json, kind: str, size: tuple[int, int]
) -> None:
    document = generate(http, model=model, **wish).json()
    image = picture(document["data"][0]["b64_json"])
    assert (image.format, image.size) == (kind, size)
    assert document["size"] == f"{size[0]}x{size[1]}"
    for name in ("output_format", "quality", "background"):
        assert document[name] == wish.get(name, document[name])


def test_several_pictures_differ_and_cost_one_job(http: httpx.Client) -> None:
    before = ledger(http)["charges"]
    reply = generate(http, n=3, quality="low")
    assert len({made["b64_json"] for made in reply.json()["data"]}) == 3
    assert reply.json()["usage"]["output_tokens"] == 3 * 272
    assert ledger(http)["charges"].keys() - before.keys() == {reply.headers["x-request-id"]}


@pytest.mark.parametrize(
    ("wish", "param", "code", "words"),
    [
        ({"aspect_ratio": "1:1"}, "aspect_ratio", "unknown_parameter", "Unknown parameter: 'aspect_ratio'."),
        ({"response_format": "url"}, "response_format", "unknown_parameter", "'response_format'"),
        ({"style": "vivid"}, "style", "unknown_parameter", "'style'"),
        ({"n": 0}, "n", "integer_below_min_value", "Expected a value >= 1, but got 0"),
        ({"n": 11}, "n", "integer_above_max_value", "Expected a value <= 10, but got 11"),
        ({"n": "2"}, "n", "invalid_type", "expected an integer, but got a string"),
        ({"n": True}, "n", "invalid_type", "got a boolean"),
        (
            {"size": "512x512"},
            "size",
            "invalid_value",
            "Invalid value: '512x512'. Supported values are: '1024x1024', '1024x1536', '1536x1024', and 'auto'.",
        ),
        ({"size": "1536x864"}, "size", "invalid_value", "'1536x864'"),
        ({"quality": "hd"}, "quality", "invalid_value", "'low', 'medium', 'high', and 'auto'."),
        ({"quality": "max"}, "quality", "invalid_value", "'max'"),
        ({"output_format": "gif"}, "output_format", "invalid_value", "'gif'"),
        ({"background": "white"}, "background", "invalid_value", "'white'"),
        ({"background": "transparent", "output_format": "jpeg"}, "background", "invalid_value", "JPEG"),
        ({"output_compression": 50}, None, "invalid_png_output_compression", "PNG"),
        ({"moderation": "none"}, "moderation", "invalid_value", "Supported values are: 'low' and 'auto'."),
        ({"stream": True}, "stream", "invalid_value", "does not stream"),
        ({"prompt": None}, "prompt", "missing_required_parameter", "Missing required parameter: 'prompt'."),
        ({"prompt": 7}, "prompt", "invalid_type", "expected a string, but got an integer"),
        ({"prompt": "x" * 32_001}, "prompt", "string_above_max_length", "maximum length 32000"),
        ({"model": None}, None, None, "you must provide a model parameter"),
        ({"model": 7}, "model", "invalid_type", "got an integer"),
        ({"model": "flux-schnell"}, "model", "invalid_value", "Invalid value: 'flux-schnell'."),
    ],
)
def test_what_cannot_be_made_is_refused_with_its_parameter_and_not_charged(
    http: httpx.Client, wish: Json, param: str | None, code: str | None, words: str
) -> None:
    before = ledger(http)["charges"]
    error = complaint(generate(http, **wish))
    assert (error["param"], error["code"]) == (param, code)
    assert words in error["message"]
    assert ledger(http)["charges"] == before


@pytest.mark.parametrize(
    "size", ["1537x864", "864x1537", "3856x2144", "512x512", "3840x3840", "1024x3088", "1024", "99999x16"]
)
def test_a_flexible_model_has_bounds(http: httpx.Client, size: str) -> None:
    error = complaint(generate(http, model="gpt-image-2", size=size))
    assert (error["param"], error["code"]) == ("size", "invalid_value")


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff", b'{"prompt": "\\ud800"}', b"[" * 100_000])
@pytest.mark.parametrize("at", [UPSTREAM, GATEWAY])
def test_a_body_that_is_no_json_object_is_400(http: httpx.Client, at: str, body: bytes) -> None:
    assert complaint(http.post(at, content=body))["message"]


@pytest.mark.parametrize("model", ["dall-e-2", "dall-e-3"])
def test_a_retired_model_does_not_exist_whatever_else_is_wrong(http: httpx.Client, model: str) -> None:
    error = complaint(generate(http, model=model, size="1x1", response_format="url"))
    assert (error["message"], error["code"]) == (f"The model '{model}' does not exist.", "invalid_value")


def test_a_model_that_was_shut_down_is_not_found(http: httpx.Client) -> None:
    error = complaint(generate(http, model="gpt-image-1"), 404)
    assert (error["type"], error["code"]) == ("invalid_request_error", "model_not_found")


def test_a_refused_prompt_is_refused_at_the_end_and_charged(http: httpx.Client) -> None:
    before = ledger(http)["charges"]
    reply = generate(http, prompt="some NSFW, please")
    error = complaint(reply)
    assert (error["type"], error["code"]) == ("image_generation_user_error", "moderation_blocked")
    [job] = ledger(http)["charges"].keys() - before.keys()
    assert job in error["message"]


@pytest.mark.parametrize("at", [UPSTREAM, GATEWAY])
def test_a_crash_comes_before_the_work_and_costs_nothing(http: httpx.Client, at: str) -> None:
    before = ledger(http)["charges"]
    error = complaint(generate(http, at, prompt="a crash at night"), 500)
    assert error["type"] == ("server_error" if at == UPSTREAM else "upstream_error")
    assert ledger(http)["charges"] == before


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_a_bad_key_is_401_in_the_words_of_whoever_refuses(url: str, headers: dict[str, str]) -> None:
    upstream, gateway = (httpx.post(f"{url}{at}", json={}, headers=headers) for at in (UPSTREAM, GATEWAY))
    assert complaint(upstream, 401)["code"] == "invalid_api_key"
    assert (gateway.status_code, gateway.json()["error"]["type"]) == (401, "new_api_error")
    assert gateway.headers["X-Oneapi-Request-Id"]


def test_an_unknown_path_is_404_and_json_at_both(http: httpx.Client) -> None:
    upstream, gateway = complaint(http.post("/api.openai.com/v1/x"), 404), complaint(http.post("/v1/x"), 404)
    assert upstream["message"] == gateway["message"] == "Invalid URL (POST /v1/x)"
    assert (upstream["code"], gateway["code"]) == (None, "")


def test_a_caller_is_held_until_the_job_has_ended_and_pays_even_if_it_leaves() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        body = {"prompt": "a boat", "model": GPT}
        with pytest.raises(TimeoutError):
            await client.post(UPSTREAM, json=body, timeout=ClientTimeout(total=0.2))
        charges = (await (await client.get("/_simulator/ledger")).json())["charges"]
        assert len(charges) == 1

        held = asyncio.create_task(client.post(UPSTREAM, json=body).__aenter__())
        while len(charges) < 2:
            charges = (await (await client.get("/_simulator/ledger")).json())["charges"]
        job = await (await client.get(f"/_simulator/jobs/{list(charges)[1]}")).json()
        watch.now += job["queue_seconds"] + job["run_seconds"] - 0.001
        await asyncio.sleep(0.1)
        assert not held.done()
        watch.now += 0.002
        assert (await asyncio.wait_for(held, 5)).status == 200

    simulated(story)


def test_a_relay_hands_on_what_openai_makes_and_keeps_what_is_not_for_openai(http: httpx.Client) -> None:
    extras = {"aspect_ratio": "16:9", "image": "https://example.com/a.png", "watermark": False, "n": 0}
    reply = generate(http, GATEWAY, model="gpt-image-2-all", response_format="url", **extras)
    assert list(reply.json()["data"][0]) == ["b64_json"]
    assert {"created", "usage", "size"} <= reply.json().keys()
    assert reply.headers["X-Oneapi-Request-Id"]
    assert complaint(generate(http, GATEWAY, model="gpt-image-2", quality="hd"))["code"] == "invalid_value"


def test_a_relay_offers_dall_e_at_an_address_or_in_the_reply(url: str, http: httpx.Client) -> None:
    document = generate(http, GATEWAY, model="dall-e-3", size="1792x1024").json()
    [made] = document["data"]
    assert made["revised_prompt"] == "a boat"
    address = httpx.URL(made["url"])
    assert (address.scheme, address.host, "sig" in address.params) == ("https", BLOB, True)
    file = httpx.get(f"{url}{address.raw_path.decode()}", headers={"Host": BLOB})
    assert (file.headers["Content-Type"], Image.open(io.BytesIO(file.content)).size) == ("image/png", (1792, 1024))
    [inline] = generate(http, GATEWAY, model="dall-e-3", response_format="b64_json").json()["data"]
    assert "url" not in inline
    assert picture(inline["b64_json"]).format == "PNG"


@pytest.mark.parametrize("model", ["flux-kontext-pro", "black-forest-labs/flux-schnell"])
def test_a_relay_of_replicate_writes_a_data_uri_and_leaves_members_out(http: httpx.Client, model: str) -> None:
    document = generate(http, GATEWAY, model=model, n=2, aspect_ratio="16:9").json()
    assert list(document) == ["data"]
    assert all(made["b64_json"].startswith(PREFIX) for made in document["data"])
    assert {picture(made["b64_json"].removeprefix(PREFIX)).size for made in document["data"]} == {(1376, 768)}


def test_a_relay_of_google_and_alibaba_leaves_empty_strings(http: httpx.Client) -> None:
    [imagen] = generate(http, GATEWAY, model="imagen-4.0-generate-001", response_format="url").json()["data"]
    assert (imagen["url"], imagen["revised_prompt"]) == ("", "")
    assert picture(imagen["b64_json"])
    document = generate(http, GATEWAY, model="qwen-image-max", watermark=True).json()
    [qwen] = document["data"]
    assert (qwen["b64_json"], qwen["url"][:8]) == ("", "https://")
    assert "usage" not in document
    [both] = generate(http, GATEWAY, model="qwen-image-max", response_format="b64_json").json()["data"]
    assert both["url"]
    assert picture(both["b64_json"])


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("gpt-image-2", 400, "moderation_blocked"),
        ("dall-e-3", 400, "content_policy_violation"),
        ("flux-schnell", 500, "image_task_failed"),
        ("qwen-image-max", 400, "bad_response_status_code"),
    ],
)
def test_each_maker_refuses_in_its_own_words(http: httpx.Client, model: str, status: int, code: str) -> None:
    before = len(ledger(http)["charges"])
    assert complaint(generate(http, GATEWAY, model=model, prompt="nsfw"), status)["code"] == code
    assert len(ledger(http)["charges"]) == before + 1


def test_a_picture_that_google_filters_is_missing_without_a_word(http: httpx.Client) -> None:
    reply = generate(http, GATEWAY, model="imagen-4.0-fast-generate-001", prompt="nsfw")
    assert (reply.status_code, reply.json()["data"]) == (200, [])


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"model": None}, 400, "invalid_request"),
        ({"model": "dall-e-3", "size": "512x512"}, 400, "invalid_request"),
        ({"model": "flux-schnell", "size": "1024\u00d71024"}, 400, "invalid_request"),
        ({"model": "flux-schnell", "n": 11}, 400, "invalid_request"),
        ({"model": "flux-schnell", "prompt": None}, 400, "missing_required_parameter"),
        ({"model": "unheard-of"}, 503, "model_not_found"),
        ({"model": "busy/model"}, 503, "model_not_found"),
        ({"model": "saturated/model"}, 429, "bad_response_status_code"),
        ({"model": "unpaid/model"}, 403, "insufficient_user_quota"),
    ],
)
def test_a_relay_has_errors_of_its_own(http: httpx.Client, wish: Json, status: int, code: str) -> None:
    before = ledger(http)["charges"]
    assert complaint(generate(http, GATEWAY, **wish), status)["code"] == code
    assert ledger(http)["charges"] == before


def test_a_caller_who_asks_too_often_is_told_nothing(http: httpx.Client) -> None:
    reply = generate(http, GATEWAY, model="limited/model")
    assert (reply.status_code, reply.content) == (429, b"")

"""The queue of fal: what it says to whom, as itself and behind a gateway's door."""

import base64
import io
import json
import re
import time
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.simulator.conftest import FAST, Json, Simulated, Watch, create, ledger, simulated

FAL = "/queue.fal.run"
IMAGEN = "fal-ai/imagen4/preview"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
NOBODY = "00000000-0000-4000-8000-000000000000"
PHOTO = "https://example.com/photo.png"


def submit(http: httpx.Client, endpoint: str = IMAGEN, at: str = FAL, **inputs: object) -> Json:
    """A new request, as the reply to its submission shows it."""
    reply = http.post(f"{at}/{endpoint}", json={"prompt": "a boat"} | inputs)
    assert reply.status_code == 200
    document: Json = reply.json()
    return document


def path(request: Json) -> str:
    """Where a request is to be found, below whichever host."""
    address: str = request["response_url"]
    return address.partition("/queue.fal.run")[2]


def finished(http: httpx.Client, request: Json) -> Json:
    """The status of a request, once it is the last one."""
    while True:
        document: Json = http.get(f"{FAL}{path(request)}/status").json()
        if document["status"] == "COMPLETED":
            return document
        time.sleep(0.01)


def result(http: httpx.Client, endpoint: str = IMAGEN, at: str = FAL, **inputs: object) -> Any:
    """What came of a request, once it has ended."""
    request = submit(http, endpoint, at, **inputs)
    finished(http, request)
    return http.get(f"{at}{path(request)}").json()


def test_a_submission_is_answered_as_on_the_gateways_page(http: httpx.Client) -> None:
    request = submit(http, at="")
    address = f"https://queue.fal.run/fal-ai/imagen4/requests/{request['request_id']}"
    assert re.fullmatch(UUID, request["request_id"])
    assert list(request.items()) == [
        ("status", "IN_QUEUE"),
        ("request_id", request["request_id"]),
        ("response_url", address),
        ("status_url", f"{address}/status"),
        ("cancel_url", f"{address}/cancel"),
        ("logs", None),
        ("metrics", {}),
        ("queue_position", 0),
    ]


@pytest.mark.parametrize("host", ["", FAL])
def test_fal_leads_back_to_where_it_was_asked(url: str, http: httpx.Client, host: str) -> None:
    headers = {} if host else {"Host": "queue.fal.run"}
    request = http.post(f"{host}/{IMAGEN}", json={"prompt": "a boat"}, headers=headers).json()
    base = f"{url}{FAL}" if host else "http://queue.fal.run"
    assert request["cancel_url"] == f"{base}/fal-ai/imagen4/requests/{request['request_id']}/cancel"


@pytest.mark.parametrize(
    ("endpoint", "application"),
    [
        (IMAGEN, "fal-ai/imagen4"),
        (f"{IMAGEN}/ultra", "fal-ai/imagen4"),
        ("fal-ai/flux-lora", "fal-ai/flux-lora"),
        ("someone/else/at/work", "someone/else"),
        ("workflows/someone/else", "workflows/someone/else"),
        ("comfy/someone/else/at/work", "comfy/someone/else"),
    ],
)
def test_a_request_is_found_below_its_application_alone(http: httpx.Client, endpoint: str, application: str) -> None:
    request = submit(http, endpoint)
    assert path(request) == f"/{application}/requests/{request['request_id']}"
    assert finished(http, request)["request_id"] == request["request_id"]
    assert http.get(f"{FAL}/fal-ai/other/requests/{request['request_id']}").status_code == 404


@pytest.mark.parametrize(("method", "below"), [("GET", ""), ("GET", "/status"), ("PUT", "/cancel")])
def test_below_a_sub_path_requests_can_only_be_submitted(http: httpx.Client, method: str, below: str) -> None:
    request = submit(http)
    reply = http.request(method, f"{FAL}/{IMAGEN}/requests/{request['request_id']}{below}")
    assert (reply.status_code, reply.headers["Allow"]) == (405, "POST")
    assert "Allow" in http.get(f"{FAL}/{IMAGEN}").headers
    assert http.get(f"/{IMAGEN}/requests/{request['request_id']}").headers["Content-Type"].startswith("text/html")


def test_a_job_is_queued_runs_and_completes() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        request = await (await client.post(f"{FAL}/fal-ai/flux-1/dev", json={"prompt": "a boat"})).json()
        drawn = await (await client.get(f"/_simulator/jobs/{request['request_id']}")).json()

        async def seen(below: str = "") -> tuple[int, Json]:
            reply = await client.get(FAL + path(request) + below)
            return reply.status, await reply.json()

        addresses = {name: request[name] for name in ("request_id", "response_url", "status_url", "cancel_url")}
        pending = (400, {"detail": "Request is still in progress"})
        assert await seen("/status") == (200, {"status": "IN_QUEUE", **addresses, "queue_position": 0})
        assert await seen() == pending

        watch.now += drawn["queue_seconds"] + 0.001
        assert await seen("/status") == (200, {"status": "IN_PROGRESS", **addresses, "logs": None})
        [line] = (await seen("/status?logs=1"))[1]["logs"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", line["timestamp"])
        assert line["labels"]["fal_request_id"] == request["request_id"]
        assert await seen() == pending

        watch.now += drawn["run_seconds"]
        code, completed = await seen("/status?logs=true")
        assert (code, list(completed)) == (200, ["status", *addresses, "logs", "metrics"])
        assert completed["status"] == "COMPLETED"
        assert len(completed["logs"]) == 2
        assert completed["metrics"]["inference_time"] == pytest.approx(drawn["run_seconds"])
        assert (await seen("/status"))[1]["logs"] is None
        assert await seen() == await seen("/response")
        assert (await seen())[1]["timings"]["inference"] == pytest.approx(drawn["run_seconds"])

    simulated(story)


def test_a_gateway_tells_the_status_where_the_result_is_not_there_yet() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        request = await (await client.post(f"/{IMAGEN}", json={"prompt": "a boat", "num_images": 2})).json()
        drawn = await (await client.get(f"/_simulator/jobs/{request['request_id']}")).json()

        async def seen(below: str = "") -> Json:
            reply = await client.get(path(request) + below)
            assert reply.status == 200
            document: Json = await reply.json()
            return document

        assert (await seen())["status"] == (await seen("/status"))["status"] == "IN_QUEUE"
        watch.now += drawn["queue_seconds"] + 0.001
        running = await seen()
        assert (running["status"], running["response_url"]) == ("IN_PROGRESS", request["response_url"])
        assert running == await seen("/status")
        watch.now += drawn["run_seconds"]
        done = await seen()
        assert list(done) == ["images", "seed", "timings", "request"]
        assert (done["timings"], done["request"]) == ({}, {"prompt": "a boat", "num_images": 2})
        assert (await seen("/status"))["status"] == "COMPLETED"

    simulated(story)


def test_a_gateway_finds_a_request_without_its_model(http: httpx.Client) -> None:
    request = submit(http, "fal-ai/flux-lora", at="")
    finished(http, request)
    found = http.get(f"/fal-ai/auto/requests/{request['request_id']}").json()
    assert found == http.get(path(request)).json()
    assert http.get(f"{FAL}/fal-ai/auto/requests/{request['request_id']}").status_code == 404


def test_fal_refuses_a_prompt_once_it_has_looked_at_it(http: httpx.Client) -> None:
    request = submit(http, prompt="nsfw")
    status = finished(http, request)
    reply = http.get(FAL + path(request))
    [complaint] = reply.json()["detail"]
    assert (reply.status_code, reply.headers["X-Fal-Retryable"]) == (422, "false")
    assert (complaint["type"], complaint["loc"], complaint["input"]) == (
        "content_policy_violation",
        ["body", "prompt"],
        "nsfw",
    )
    assert (status["error"], status["error_type"]) == (complaint["msg"], complaint["type"])


def test_a_crash_is_a_server_error_on_the_result(http: httpx.Client) -> None:
    request = submit(http, prompt="crash")
    assert finished(http, request)["error_type"] == "downstream_service_unavailable"
    reply = http.get(FAL + path(request))
    assert (reply.status_code, reply.headers["X-Fal-Retryable"]) == (500, "true")
    assert reply.json()["detail"][0]["type"] == "downstream_service_unavailable"


@pytest.mark.parametrize(
    ("prompt", "kind"), [("nsfw", "content_policy_violation"), ("crash", "downstream_service_unavailable")]
)
def test_a_gateway_calls_a_failure_failed(http: httpx.Client, prompt: str, kind: str) -> None:
    request = submit(http, at="", prompt=prompt)
    finished(http, request)
    replies = [http.get(path(request)), http.get(f"{path(request)}/status")]
    assert [(reply.status_code, reply.json()["status"]) for reply in replies] == [(200, "FAILED")] * 2
    assert replies[0].json()["error_type"] == kind


def test_a_canceled_request_is_over_and_cannot_be_canceled_again() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        request = await (await client.post(f"{FAL}/{IMAGEN}", json={"prompt": "a boat"})).json()
        canceled = await client.put(f"{FAL}{path(request)}/cancel")
        assert (canceled.status, await canceled.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
        again = await client.put(f"{FAL}{path(request)}/cancel")
        assert (again.status, await again.json()) == (400, {"status": "ALREADY_COMPLETED"})
        status = await (await client.get(f"{FAL}{path(request)}/status")).json()
        assert (status["status"], status["error_type"]) == ("COMPLETED", "client_cancelled")
        result = await client.get(FAL + path(request))
        assert (result.status, result.headers["X-Fal-Error-Type"]) == (499, "client_cancelled")
        assert (await result.json())["error_type"] == "client_cancelled"

    simulated(story)


def test_a_gateway_does_not_cancel(http: httpx.Client) -> None:
    request = submit(http, at="")
    reply = http.put(f"{path(request)}/cancel")
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "error" not in finished(http, request)


def test_an_unknown_request_is_404_in_two_shapes(http: httpx.Client) -> None:
    unknown = f"/fal-ai/imagen4/requests/{NOBODY}"
    replies = [http.get(FAL + unknown), http.get(f"{FAL}{unknown}/status"), http.put(f"{FAL}{unknown}/cancel")]
    assert [reply.status_code for reply in replies] == [404] * 3
    assert [reply.json() for reply in replies] == [
        {"detail": "Request not found"},
        {"status": "NOT_FOUND"},
        {"status": "NOT_FOUND"},
    ]
    assert http.get(unknown).status_code == 404


def test_the_jobs_of_other_houses_are_not_found(http: httpx.Client) -> None:
    prediction = create(http, FAST)
    assert http.get(f"{FAL}/{FAST}/requests/{prediction['id']}").status_code == 404
    assert http.get(f"/fal-ai/auto/requests/{prediction['id']}").status_code == 404


def test_an_application_that_does_not_exist_is_404_and_not_charged(http: httpx.Client) -> None:
    before = ledger(http)["charges"]
    addresses = [f"{FAL}/unknown/model", f"{FAL}/fal-ai/veo3", f"{FAL}/imagen4", f"{FAL}/", "/fal-ai/unknown"]
    assert [http.post(address, json={"prompt": "a boat"}).status_code for address in addresses] == [404] * 5
    assert http.post(f"{FAL}/fal-ai/imagen4/requests/{NOBODY}/cancel").status_code == 404
    assert ledger(http)["charges"] == before


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff", b'{"prompt": "\\ud800"}', b'{"seed": NaN}', b"[" * 100_000]
)
def test_a_body_that_is_no_json_object_is_400(http: httpx.Client, body: bytes) -> None:
    reply = http.post(f"{FAL}/{IMAGEN}", content=body)
    assert (reply.status_code, reply.json()["error_type"]) == (400, "bad_request")


INVALID: list[tuple[str, Json, str, list[str]]] = [
    (IMAGEN, {}, "missing", ["prompt"]),
    (f"{IMAGEN}/fast", {"prompt": None}, "string_type", ["prompt"]),
    (IMAGEN, {"prompt": "a boat", "aspect_ratio": "2:1"}, "one_of", ["aspect_ratio"]),
    (IMAGEN, {"prompt": "a boat", "resolution": "4K"}, "one_of", ["resolution"]),
    (IMAGEN, {"prompt": "a boat", "num_images": 0}, "greater_than_equal", ["num_images"]),
    (IMAGEN, {"prompt": "a boat", "num_images": 5}, "less_than_equal", ["num_images"]),
    (IMAGEN, {"prompt": "a boat", "num_images": True}, "int_type", ["num_images"]),
    ("fal-ai/flux-1/dev", {"prompt": "a boat", "image_size": "huge"}, "one_of", ["image_size"]),
    ("fal-ai/flux-1/dev", {"prompt": "a boat", "image_size": {"width": 64}}, "missing", ["image_size", "height"]),
    (
        IMAGEN,
        {"prompt": "a boat", "image_size": {"width": 64, "height": 63}},
        "greater_than_equal",
        ["image_size", "height"],
    ),
    ("fal-ai/flux-1/dev", {"prompt": "a boat", "output_format": "jpg"}, "one_of", ["output_format"]),
    ("fal-ai/flux-1/dev/image-to-image", {"prompt": "a boat"}, "missing", ["image_url"]),
    ("fal-ai/flux-1/dev/redux", {}, "missing", ["image_url"]),
    ("fal-ai/flux-1/schnell/redux", {"prompt": "a boat"}, "missing", ["image_url"]),
    ("fal-ai/flux-pro/kontext", {"prompt": "a boat"}, "missing", ["image_url"]),
    ("fal-ai/flux-pro/kontext/max", {"image_url": PHOTO}, "missing", ["prompt"]),
    ("fal-ai/flux-pro/kontext/text-to-image", {"prompt": "a boat", "safety_tolerance": "7"}, "one_of", []),
    ("fal-ai/flux-pro/kontext/text-to-image", {"prompt": "a boat", "safety_tolerance": 2}, "string_type", []),
    ("fal-ai/flux-pro/kontext/max/multi", {"prompt": "a boat"}, "missing", ["image_urls"]),
    ("fal-ai/wan/v2.2-a14b/image-to-image", {"prompt": "a boat"}, "missing", ["image_url"]),
    ("fal-ai/bytedance/seedream/v4/text-to-image", {}, "missing", ["prompt"]),
    ("fal-ai/bytedance/seedream/v4/edit", {"prompt": "a boat", "image_urls": PHOTO}, "list_type", ["image_urls"]),
    ("fal-ai/vidu/reference-to-image", {"prompt": "a boat"}, "missing", ["reference_image_urls"]),
    ("fal-ai/qwen-image-edit-lora", {"prompt": "a boat"}, "missing", ["image_url"]),
    ("fal-ai/qwen-image-edit-plus", {"prompt": "a boat"}, "missing", ["image_urls"]),
    ("fal-ai/flux-lora", {"prompt": "a boat", "guidance_scale": "much"}, "float_type", ["guidance_scale"]),
    ("fal-ai/flux-lora/image-to-image", {"prompt": "a boat"}, "missing", ["image_url"]),
    ("fal-ai/flux-lora/inpainting", {"prompt": "a boat", "image_url": PHOTO}, "missing", ["mask_url"]),
    ("fal-ai/nano-banana", {"prompt": "a boat", "sync_mode": "yes"}, "bool_type", ["sync_mode"]),
    ("fal-ai/nano-banana/edit", {"prompt": "a boat"}, "missing", ["image_urls"]),
]


@pytest.mark.parametrize(("endpoint", "inputs", "kind", "way"), INVALID)
def test_the_model_complains_about_inputs_when_their_turn_has_come(
    http: httpx.Client, endpoint: str, inputs: Json, kind: str, way: list[str]
) -> None:
    submitted = http.post(f"{FAL}/{endpoint}", json=inputs)
    assert submitted.status_code == 200
    status = finished(http, submitted.json())
    reply = http.get(FAL + path(submitted.json()))
    assert (reply.status_code, status["error_type"]) == (422, kind)
    [complaint] = reply.json()["detail"]
    assert complaint["type"] == kind
    assert complaint["loc"] == ["body", *(way or ["safety_tolerance"])]
    assert complaint["url"].startswith("https://docs.fal.ai/errors/#")


def test_a_complaint_about_a_choice_names_the_others(http: httpx.Client) -> None:
    [complaint] = result(http, aspect_ratio="2:1", resolution=None)["detail"]
    assert complaint == {
        "loc": ["body", "aspect_ratio"],
        "msg": "Input should be '1:1', '16:9', '9:16', '3:4' or '4:3'",
        "type": "one_of",
        "url": "https://docs.fal.ai/errors/#one_of",
        "input": "2:1",
        "ctx": {"expected": ["1:1", "16:9", "9:16", "3:4", "4:3"]},
    }


def test_all_complaints_come_at_once(http: httpx.Client) -> None:
    detail = result(http, prompt=7, num_images=0, resolution="4K")["detail"]
    assert {complaint["loc"][1] for complaint in detail} == {"prompt", "num_images", "resolution"}


WHOLE = ["images", "timings", "seed", "has_nsfw_concepts", "prompt"]


@pytest.mark.parametrize(
    ("endpoint", "inputs", "members"),
    [
        (IMAGEN, {}, ["images", "seed"]),
        ("fal-ai/flux-1/dev", {}, WHOLE),
        ("fal-ai/flux-pro/kontext/max/multi", {"image_urls": [PHOTO]}, WHOLE),
        ("fal-ai/qwen-image-edit-plus", {"image_urls": [PHOTO]}, WHOLE),
        ("fal-ai/bytedance/seedream/v4/edit", {"image_urls": [PHOTO]}, ["images", "seed"]),
        ("fal-ai/nano-banana", {}, ["images", "description"]),
        ("fal-ai/wan/v2.2-a14b/image-to-image", {"image_url": PHOTO}, ["image", "prompt", "seed"]),
        ("fal-ai/vidu/reference-to-image", {"reference_image_urls": [PHOTO]}, ["image"]),
    ],
)
def test_a_result_has_the_members_of_its_model(
    http: httpx.Client, endpoint: str, inputs: Json, members: list[str]
) -> None:
    shown = result(http, endpoint, **inputs)
    assert list(shown) == members
    picture = shown.get("image") or shown["images"][0]
    assert picture["url"].startswith("https://v3b.fal.media/files/b/")


def test_imagen_does_not_say_how_large_its_pictures_are(http: httpx.Client) -> None:
    shown = result(http, num_images=2, aspect_ratio="16:9", resolution="2K")
    assert len({picture["url"] for picture in shown["images"]}) == 2
    picture = shown["images"][0]
    assert list(picture) == ["url", "content_type", "file_name", "file_size"]
    file = http.get(httpx.URL(picture["url"]).path, headers={"Host": "v3b.fal.media"})
    assert (len(file.content), file.headers["Content-Type"]) == (picture["file_size"], picture["content_type"])
    assert picture["url"].endswith(f"/{picture['file_name']}")
    width, height = Image.open(io.BytesIO(file.content)).size
    assert width > 2048 > height


def test_nano_banana_does_not_know_how_large_its_pictures_are(http: httpx.Client) -> None:
    [picture] = result(http, "fal-ai/nano-banana")["images"]
    assert (picture["width"], picture["height"]) == (None, None)


@pytest.mark.parametrize(
    ("size", "pixels"),
    [("portrait_16_9", (576, 1024)), ("square", (512, 512)), ({"width": 640, "height": 80}, (640, 80))],
)
def test_a_size_is_named_or_measured(http: httpx.Client, size: object, pixels: tuple[int, int]) -> None:
    shown = result(http, "fal-ai/flux-lora", image_size=size, output_format="webp", num_images=2)
    assert [(picture["width"], picture["height"]) for picture in shown["images"]] == [pixels] * 2
    assert shown["images"][0]["content_type"] == "image/webp"
    assert shown["has_nsfw_concepts"] == [False, False]


def test_seeds_are_larger_than_64_bits_with_a_sign_can_say(http: httpx.Client) -> None:
    request = submit(http)
    finished(http, request)
    seeds = {http.get(FAL + path(request)).json()["seed"] for _ in range(2)}
    assert len(seeds) == 1
    assert 2**63 <= seeds.pop() < 2**64
    assert result(http, seed=0)["seed"] == 0


def test_in_sync_mode_the_picture_itself_is_in_the_result(http: httpx.Client) -> None:
    [picture] = result(http, "fal-ai/flux-1/dev", at="", sync_mode=True, image_size="square")["images"]
    scheme, _, data = picture["url"].partition(",")
    assert scheme == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (512, 512)


def test_pictures_are_kept_for_a_week() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        request = await (await client.post(f"/{IMAGEN}", json={"prompt": "a boat"})).json()
        watch.now += 600
        shown = await (await client.get(path(request))).json()
        address = httpx.URL(shown["images"][0]["url"]).path
        watch.now += 6.9 * 86400
        assert (await client.get(address, headers={"Host": "v3b.fal.media"})).status == 200
        watch.now += 0.2 * 86400
        assert (await client.get(address, headers={"Host": "v3b.fal.media"})).status == 404

    simulated(story)


@pytest.mark.parametrize(
    ("scheme", "upstream", "gateway"), [("Key", 200, 401), ("key", 200, 401), ("Bearer", 200, 200), ("Basic", 401, 401)]
)
def test_fal_takes_two_kinds_of_keys_and_a_gateway_one(url: str, scheme: str, upstream: int, gateway: int) -> None:
    headers = {"Authorization": f"{scheme} simulator-key"}
    replies = [httpx.post(f"{url}{at}/{IMAGEN}", json={"prompt": "a boat"}, headers=headers) for at in (FAL, "")]
    assert [reply.status_code for reply in replies] == [upstream, gateway]


def test_a_bad_key_is_401_in_the_words_of_whoever_refuses(url: str) -> None:
    headers = {"Authorization": "Key wrong"}
    upstream, gateway = (httpx.post(f"{url}{at}/{IMAGEN}", json={}, headers=headers) for at in (FAL, ""))
    assert (upstream.status_code, upstream.json()) == (401, {"detail": "invalid key credentials"})
    assert (gateway.status_code, gateway.json()["error"]["type"]) == (401, "new_api_error")
    assert re.fullmatch(UUID, upstream.headers["x-fal-request-id"])
    assert gateway.headers["X-Oneapi-Request-Id"]


def test_every_reply_of_fal_carries_a_request_id_and_every_one_of_a_gateway_its_own(http: httpx.Client) -> None:
    for address in (IMAGEN, "fal-ai/imagen4", f"fal-ai/imagen4/requests/{NOBODY}", f"{IMAGEN}/requests/{NOBODY}"):
        for method in ("GET", "POST"):
            at_fal = http.request(method, f"{FAL}/{address}", json={"prompt": "a boat"})
            at_gateway = http.request(method, f"/{address}", json={"prompt": "a boat"})
            assert re.fullmatch(UUID, at_fal.headers["x-fal-request-id"])
            assert at_gateway.headers["X-Oneapi-Request-Id"]
            assert "x-fal-request-id" not in at_gateway.headers


def test_a_submission_is_charged_once_and_to_its_key(http: httpx.Client) -> None:
    request = submit(http, at="")
    charge = ledger(http)["charges"][request["request_id"]]
    assert (charge["model"], charge["key"]) == (IMAGEN, "simulator-key")
    assert json.dumps(ledger(http)["charges"]).count(request["request_id"]) == 1


def test_a_model_with_a_single_picture_makes_no_more_than_that(http: httpx.Client) -> None:
    request = submit(http, "fal-ai/vidu/reference-to-image", reference_image_urls=[PHOTO], num_images=3)
    assert len(http.get(f"/_simulator/jobs/{request['request_id']}").json()["outputs"]) == 1


def test_a_gateway_can_be_busy_where_fal_is_not(http: httpx.Client) -> None:
    assert http.post("/fal-ai/busy/model", json={"prompt": "a boat"}).status_code == 503
    assert http.post(f"{FAL}/busy/model", json={"prompt": "a boat"}).status_code == 200

"""Replicate's protocol: what a caller may ask, with which key, and how long it may wait for the reply."""

import asyncio
import io
import re
from datetime import datetime, timedelta

import httpx
import pytest
from PIL import Image

from tests.simulator.conftest import (
    BOAT,
    FAST,
    FLUX,
    NSFW,
    VERSION,
    Json,
    Simulated,
    Watch,
    create,
    ended,
    fetched,
    ledger,
    order,
    simulated,
)

PREDICTIONS = f"/v1/models/{FAST}/predictions"
UPSTREAM = f"/api.replicate.com{PREDICTIONS}"


def test_a_prediction_has_the_members_of_the_gateways_own_example(http: httpx.Client) -> None:
    prediction = create(http)
    assert " ".join(prediction) == "id model version input logs output data_removed error status created_at urls"
    assert re.fullmatch(r"[a-z0-9]{26}", prediction["id"])
    assert (prediction["model"], prediction["version"]) == (FAST, "hidden")
    assert prediction["input"] == {"prompt": "a boat"}
    assert prediction["urls"]["get"] == f"https://api.replicate.com/v1/predictions/{prediction['id']}"
    assert prediction["urls"]["cancel"] == f"{prediction['urls']['get']}/cancel"
    assert prediction["urls"]["web"] == f"https://replicate.com/p/{prediction['id']}"
    assert re.fullmatch(r"https://stream\.replicate\.com/v1/files/bcwr-[a-z2-7]{52}", prediction["urls"]["stream"])


def test_a_gateway_answers_200_and_does_not_wait(http: httpx.Client) -> None:
    reply = http.post(f"/replicate{PREDICTIONS}", json=BOAT, headers={"Prefer": "wait"})
    assert (reply.status_code, reply.json()["status"]) == (200, "starting")
    assert "Preference-Applied" not in reply.headers


INVALID: list[tuple[Json, str, str]] = [
    ({"input": {}}, "required", "input"),
    ({}, "required", "(root)"),
    ({"input": "a boat"}, "invalid_type", "input"),
    ({"input": {"prompt": 7}}, "invalid_type", "input.prompt"),
    ({"input": {"prompt": "a boat", "aspect_ratio": "2:1"}}, "enum", "input.aspect_ratio"),
    ({"input": {"prompt": "a boat", "output_format": "webp"}}, "enum", "input.output_format"),
    ({"input": {"prompt": "a boat", "safety_filter_level": "none"}}, "enum", "input.safety_filter_level"),
    (BOAT | {"version": VERSION}, "additional_property_not_allowed", "(root)"),
]


@pytest.mark.parametrize(("body", "kind", "field"), INVALID)
def test_an_invalid_input_is_refused_with_the_field_and_not_charged(
    http: httpx.Client, body: Json, kind: str, field: str
) -> None:
    before = ledger(http)["charges"]
    reply = http.post(f"/replicate{PREDICTIONS}", json=body)
    assert reply.status_code == 422
    assert reply.headers["Content-Type"] == "application/problem+json"
    problem = reply.json()
    assert (problem["title"], problem["status"]) == ("Input validation failed", 422)
    [complaint] = problem["invalid_fields"]
    assert (complaint["type"], complaint["field"]) == (kind, field)
    assert problem["detail"] == f"- {field}: {complaint['description']}\n"
    assert ledger(http)["charges"] == before


@pytest.mark.parametrize("count", [0, 5, "2", True])
def test_a_number_of_outputs_has_its_bounds(http: httpx.Client, count: object) -> None:
    body = {"input": {"prompt": "a boat", "num_outputs": count}}
    reply = http.post(f"/api.replicate.com/v1/models/{FLUX}/predictions", json=body)
    assert reply.status_code == 422
    assert reply.json()["invalid_fields"][0]["field"] == "input.num_outputs"


def test_inputs_that_nobody_knows_are_let_through(http: httpx.Client) -> None:
    assert create(http, seed=3)["input"] == {"prompt": "a boat", "seed": 3}
    assert create(http, "cjwbw/rembg", image="https://example.com/a.png")["model"] == "cjwbw/rembg"


@pytest.mark.parametrize("model", ["unknown/model", "retired/model", "not a name/x"])
def test_a_model_that_is_unknown_or_retired_is_404(http: httpx.Client, model: str) -> None:
    reply = http.post(f"/replicate/v1/models/{model}/predictions", json=BOAT)
    assert (reply.status_code, reply.json()["status"]) == (404, 404)


ONE: list[tuple[str, Json]] = [
    ("google/imagen-4-fast", {}),
    ("google/imagen-4", {}),
    ("google/imagen-4-ultra", {}),
    ("black-forest-labs/flux-1.1-pro-ultra", {"num_outputs": 2}),
    ("black-forest-labs/flux-kontext-pro", {}),
    ("black-forest-labs/flux-kontext-max", {}),
    ("black-forest-labs/flux-kontext-dev", {"input_image": "https://example.com/a.png"}),
    ("black-forest-labs/flux-fill-pro", {"image": "https://example.com/a.png"}),
    ("flux-kontext-apps/multi-image-kontext-pro", {"input_image_1": "data:,1", "input_image_2": "data:,2"}),
    ("flux-kontext-apps/multi-image-kontext-max", {"input_image_1": "data:,1", "input_image_2": "data:,2"}),
    ("recraft-ai/recraft-v3", {}),
    ("recraft-ai/recraft-v3-svg", {}),
    ("ideogram-ai/ideogram-v2-turbo", {}),
]
SEVERAL: list[tuple[str, Json, int]] = [
    ("black-forest-labs/flux-schnell", {}, 1),
    ("black-forest-labs/flux-fill-dev", {"image": "https://example.com/a.png", "num_outputs": 2}, 2),
    ("bytedance/seedream-4", {}, 1),
    ("bytedance/seedream-4", {"max_images": 3}, 1),
    ("bytedance/seedream-4", {"max_images": 3, "sequential_image_generation": "auto"}, 3),
]
BY_VERSION: list[tuple[str, str, bool]] = [
    ("ac732df8", "stability-ai/stable-diffusion", True),
    ("7762fd07", "stability-ai/sdxl", True),
    ("95b72231", "stability-ai/stable-diffusion-inpainting", True),
    ("15a3689e", "stability-ai/stable-diffusion-img2img", True),
    ("2a6b576a", "lucataco/flux-schnell-lora", True),
    ("09149576", "lucataco/flux-dev-lora", True),
    ("153b0087", "sujaykhandekar/object-removal", False),
    ("fb8af171", "cjwbw/rembg", False),
    ("95fcc2a2", "lucataco/remove-bg", False),
]


@pytest.mark.parametrize(("model", "inputs"), ONE)
def test_most_models_have_one_address_as_output(http: httpx.Client, model: str, inputs: Json) -> None:
    prediction = ended(http, create(http, model, **inputs))
    assert prediction["output"].startswith("https://replicate.delivery/")
    assert prediction["metrics"]["image_count"] == 1


@pytest.mark.parametrize(("model", "inputs", "count"), SEVERAL)
def test_some_models_have_a_list_as_output(http: httpx.Client, model: str, inputs: Json, count: int) -> None:
    output = ended(http, create(http, model, **inputs))["output"]
    assert isinstance(output, list)
    assert len(set(output)) == count


@pytest.mark.parametrize(("start", "model", "many"), BY_VERSION)
def test_the_models_that_gateways_sell_by_version_are_known_by_it(
    http: httpx.Client, start: str, model: str, many: bool
) -> None:
    body = BOAT | {"version": start + "0" * 56}
    created = http.post("/replicate/v1/predictions", json=body).json()
    assert created["model"] == model
    assert isinstance(ended(http, created)["output"], list) is many


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        ("black-forest-labs/flux-kontext-dev", ["prompt", "input_image"]),
        ("black-forest-labs/flux-fill-dev", ["prompt", "image"]),
        ("black-forest-labs/flux-fill-pro", ["prompt", "image"]),
        ("flux-kontext-apps/multi-image-kontext-max", ["prompt", "input_image_1", "input_image_2"]),
        ("bytedance/seedream-4", ["prompt"]),
        ("recraft-ai/recraft-v3", ["prompt"]),
        ("ideogram-ai/ideogram-v2-turbo", ["prompt"]),
    ],
)
def test_all_inputs_that_are_missing_are_named(http: httpx.Client, model: str, missing: list[str]) -> None:
    reply = http.post(f"/replicate/v1/models/{model}/predictions", json={"input": {}})
    complaints = [complaint["description"] for complaint in reply.json()["invalid_fields"]]
    assert (reply.status_code, complaints) == (422, [f"{name} is required" for name in missing])


@pytest.mark.parametrize(
    ("model", "inputs", "kind"),
    [
        ("black-forest-labs/flux-kontext-pro", {"safety_tolerance": "2"}, "invalid_type"),
        ("black-forest-labs/flux-1.1-pro-ultra", {"safety_tolerance": 7}, "number_lte"),
        ("bytedance/seedream-4", {"image_input": "https://example.com/a.png"}, "invalid_type"),
        ("stability-ai/sdxl", {"width": 100_000}, "number_lte"),
    ],
)
def test_an_input_of_the_wrong_kind_is_refused(http: httpx.Client, model: str, inputs: Json, kind: str) -> None:
    body = {"input": {"prompt": "a boat"} | inputs}
    reply = http.post(f"/replicate/v1/models/{model}/predictions", json=body)
    [complaint] = reply.json()["invalid_fields"]
    assert (complaint["type"], complaint["field"]) == (kind, f"input.{next(iter(inputs))}")


def test_stable_diffusion_draws_in_the_size_that_was_asked_for(url: str, http: httpx.Client) -> None:
    [address] = ended(http, create(http, "stability-ai/sdxl", width=640, height=512))["output"]
    assert Image.open(io.BytesIO(fetched(url, address).content)).size == (640, 512)


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("busy/model", 503, "model_not_found"),
        ("saturated/model", 429, "bad_response_status_code"),
        ("unpaid/model", 403, "insufficient_user_quota"),
    ],
)
def test_a_relay_that_has_a_bad_day_says_so_and_charges_nothing(
    http: httpx.Client, model: str, status: int, code: str
) -> None:
    before = ledger(http)["charges"]
    reply = http.post(f"/replicate/v1/models/{model}/predictions", json=BOAT)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert reply.headers["X-Oneapi-Request-Id"]
    assert ledger(http)["charges"] == before


def test_a_relay_that_is_asked_too_often_says_nothing(http: httpx.Client) -> None:
    reply = http.post("/replicate/v1/models/limited/model/predictions", json=BOAT)
    assert (reply.status_code, reply.content) == (429, b"")


def test_one_gateway_answers_a_create_with_no_more_than_id_and_status(http: httpx.Client) -> None:
    created = http.post(f"/replicate{PREDICTIONS}", json=BOAT, headers={"Host": "api.quickrouter.ai"})
    assert (created.status_code, created.json().keys()) == (200, {"id", "status"})
    assert created.json()["status"] == "starting"
    assert ended(http, created.json())["status"] == "succeeded"


def test_jobs_of_other_protocols_are_no_predictions(http: httpx.Client) -> None:
    made = http.post("/api.openai.com/v1/images/generations", json={"model": "gpt-image-2", "prompt": "a boat"})
    job = made.headers["x-request-id"]
    assert http.get(f"/api.replicate.com/v1/predictions/{job}").status_code == 404
    listed = http.get("/api.replicate.com/v1/predictions").json()["results"]
    assert job not in [prediction["id"] for prediction in listed]


@pytest.mark.parametrize("version", [7, "7762fd07", "unknown/model", f"unknown/model:{VERSION}", f"{FAST}:1", ""])
def test_a_version_that_cannot_be_one_is_refused(http: httpx.Client, version: object) -> None:
    reply = http.post("/api.replicate.com/v1/predictions", json=BOAT | {"version": version})
    assert (reply.status_code, reply.json()["title"]) == (422, "Invalid version or not permitted")


@pytest.mark.parametrize(
    ("version", "model", "shown"),
    [
        (VERSION, "stability-ai/sdxl", VERSION),
        ("0" * 64, "simulator/unnamed", "0" * 64),
        (f"stability-ai/sdxl:{VERSION}", "stability-ai/sdxl", VERSION),
        (FAST, FAST, "hidden"),
    ],
)
def test_a_version_can_be_named_by_its_digits_with_its_model_or_by_the_model_alone(
    http: httpx.Client, version: str, model: str, shown: str
) -> None:
    prediction = http.post("/api.replicate.com/v1/predictions", json=BOAT | {"version": version}).json()
    assert (prediction["model"], prediction["version"]) == (model, shown)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"input": {"prompt": "\\ud800"}}', b"[" * 100_000])
def test_a_body_that_is_not_json_is_400(http: httpx.Client, body: bytes) -> None:
    assert http.post(UPSTREAM, content=body).status_code == 400


@pytest.mark.parametrize(("wish", "seconds"), [("6", 6), ("7s", 7), ("1m5s", 65), ("1h30m45s", 5445)])
def test_a_deadline_stands_in_the_prediction(wish: str, seconds: int) -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        prediction = await order(client, {"Cancel-After": wish})
        lasting = datetime.fromisoformat(prediction["deadline"]) - datetime.fromisoformat(prediction["created_at"])
        assert lasting == pytest.approx(timedelta(seconds=seconds), abs=timedelta(milliseconds=11))

    simulated(story)


@pytest.mark.parametrize("wish", ["4", "soon", "1m5", "5 s", "-9"])
def test_a_deadline_that_is_none_is_refused_and_not_charged(http: httpx.Client, wish: str) -> None:
    before = ledger(http)["charges"]
    assert http.post(UPSTREAM, json=BOAT, headers={"Cancel-After": wish}).status_code == 400
    assert ledger(http)["charges"] == before


def test_an_unknown_prediction_is_404(http: httpx.Client) -> None:
    path = f"/replicate/v1/predictions/{'z' * 26}"
    assert http.get(path).status_code == http.post(f"{path}/cancel").status_code == 404


def test_an_unknown_path_is_404_at_replicate_and_a_web_page_at_a_gateway(http: httpx.Client) -> None:
    assert http.get("/api.replicate.com/v1/prediction").status_code == 404
    astray = http.get("/replicate/v1/prediction")
    assert (astray.status_code, astray.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert http.get("/nothing").status_code == 404


def test_a_cursor_that_was_not_made_here_is_refused(http: httpx.Client) -> None:
    assert [
        http.get(f"/api.replicate.com/v1/predictions?cursor={cursor}").status_code for cursor in ("7", "YWJj", "é")
    ] == [400] * 3


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "simulator-key"}])
def test_a_bad_key_is_401_in_the_words_of_whoever_refuses(url: str, headers: dict[str, str]) -> None:
    upstream, gateway = (
        httpx.get(f"{url}{mount}/v1/predictions", headers=headers) for mount in ("/api.replicate.com", "/replicate")
    )
    assert (upstream.status_code, upstream.json()["title"]) == (401, "Unauthenticated")
    assert (gateway.status_code, gateway.json()["error"]["type"]) == (401, "new_api_error")
    assert gateway.headers["X-Oneapi-Request-Id"]


def waited(http: httpx.Client, prefer: str, model: str = FAST, prompt: str = "a boat") -> httpx.Response:
    body = {"input": {"prompt": prompt}}
    return http.post(f"/api.replicate.com/v1/models/{model}/predictions", json=body, headers={"Prefer": prefer})


@pytest.mark.parametrize("prefer", ["wait", "wait=59"])
def test_a_caller_who_waits_gets_the_output_before_the_record_is_finished(http: httpx.Client, prefer: str) -> None:
    reply = waited(http, prefer)
    prediction = reply.json()
    assert (reply.status_code, reply.headers["Preference-Applied"]) == (201, prefer)
    assert prediction["status"] == "processing"
    assert prediction["output"].startswith("https://replicate.delivery/")
    assert not {"completed_at", "metrics"} & prediction.keys()
    assert http.get(f"/api.replicate.com/v1/predictions/{prediction['id']}").json()["status"] == "succeeded"


def test_a_caller_who_does_not_wait_long_enough_is_told_that_it_is_starting(http: httpx.Client) -> None:
    reply = waited(http, "wait=1", "google/imagen-4-ultra")
    assert (reply.status_code, reply.headers["Preference-Applied"]) == (202, "wait=1")
    assert (reply.json()["status"], reply.json()["output"]) == ("starting", None)
    assert reply.elapsed > timedelta(seconds=1 / 100)
    assert ended(http, reply.json())["status"] == "succeeded"


def test_a_caller_who_waits_for_a_failure_is_told_the_failure(http: httpx.Client) -> None:
    prediction = waited(http, "wait", prompt="nsfw").json()
    assert (prediction["status"], prediction["error"]) == ("failed", NSFW)


@pytest.mark.parametrize("prefer", ["wait=0", "wait=", "wait=100", "respond-async"])
def test_a_preference_that_means_nothing_is_ignored(http: httpx.Client, prefer: str) -> None:
    reply = waited(http, prefer)
    assert (reply.status_code, reply.json()["status"]) == (201, "starting")
    assert "Preference-Applied" not in reply.headers


def test_a_cancellation_ends_the_wait() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        waiting = asyncio.create_task(client.post(UPSTREAM, json=BOAT, headers={"Prefer": "wait"}).__aenter__())
        while not (listed := (await (await client.get("/api.replicate.com/v1/predictions")).json())["results"]):
            await asyncio.sleep(0.01)
        await client.post(f"/api.replicate.com/v1/predictions/{listed[0]['id']}/cancel")
        reply = await asyncio.wait_for(waiting, 2)
        assert (await reply.json())["status"] == "canceled"

    simulated(story)

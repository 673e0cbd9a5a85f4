"""The simulated gateways, seen from outside: through the official Replicate client, plain HTTP and the control door.

Most of it talks to the real process, a hundred times as fast as the gateways. What depends on an exact instant runs in
this process, against a clock that stands still until it is told to move.
"""

import asyncio
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError
from replicate.pagination import paginate

from local.simulator import __main__ as command
from local.simulator.lettering import fitted
from local.simulator.server import application

ROOT = Path(command.__file__).parents[2]
FAST = "google/imagen-4-fast"
FLUX = "black-forest-labs/flux-schnell"
VERSION = "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc"
NSFW = "NSFW content detected. Try running it again, or try a different prompt."
INTERRUPTED = "Prediction interrupted; please retry (code: PA)"
BOTH_MOUNTS = pytest.mark.parametrize("mount", ["", "/replicate"])

Json = dict[str, Any]
Official = Callable[..., Client]
Simulated = TestClient[web.Request, web.Application]


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command, as a user would start it; it does not outlive the test, whatever the test finds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "local.simulator", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def ready(process: subprocess.Popen[str]) -> str:
    """The URL that it prints when it listens."""
    assert process.stdout
    url: str = json.loads(process.stdout.readline())["url"]
    return url


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with started("--port", "0", "--speed", "100", "--key", "simulator-key", "--key", "second-key") as process:
        yield ready(process)
        process.terminate()
        _, complaints = process.communicate(timeout=5)
        assert (process.returncode, complaints) == (0, "")


@pytest.fixture(scope="module")
def slow_url() -> Iterator[str]:
    """A simulator whose jobs take minutes: time enough to stop one."""
    with started("--speed", "0.01") as process:
        yield ready(process)


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": "Bearer simulator-key"}, timeout=10) as client:
        yield client


@pytest.fixture
def faults(http: httpx.Client) -> Iterator[Callable[..., None]]:
    """Ask for a fault; none outlives its test."""

    def script(**fault: object) -> None:
        assert http.post("/_simulator/faults", json=fault).status_code == 201

    yield script
    assert http.delete("/_simulator/faults").status_code == 204


class Redirected(httpx.HTTPTransport):
    """Leads the sockets for the file host to the simulator, and leaves the requests as they are."""

    def __init__(self, url: str) -> None:
        super().__init__(verify=False)
        self._url = httpx.URL(url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "replicate.delivery":
            request.url = request.url.copy_with(scheme="http", host=self._url.host, port=self._url.port)
        return super().handle_request(request)


@pytest.fixture
def official(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Official]:
    """The official client, unmodified, at a mount of the simulator."""
    monkeypatch.setenv("REPLICATE_POLL_INTERVAL", "0.01")

    with Redirected(url) as transport:

        def client(mount: str = "/replicate", key: str = "simulator-key", at: str = url) -> Client:
            return Client(api_token=key, base_url=f"{at}{mount}", transport=transport)

        yield client


def create(http: httpx.Client, model: str = FAST, **inputs: object) -> Json:
    """A new prediction, as the create reply shows it."""
    reply = http.post(f"/replicate/v1/models/{model}/predictions", json={"input": {"prompt": "a boat"} | inputs})
    reply.raise_for_status()
    document: Json = reply.json()
    return document


def ended(http: httpx.Client, prediction: Json) -> Json:
    """The prediction, once it has ended."""
    while True:
        document: Json = http.get(f"/v1/predictions/{prediction['id']}").json()
        if document["status"] not in ("starting", "processing"):
            return document
        time.sleep(0.01)


def fetched(url: str, address: str) -> httpx.Response:
    """A file, from the file host."""
    return httpx.get(url + httpx.URL(address).path, headers={"Host": "replicate.delivery"}, verify=False)


def ledger(http: httpx.Client) -> Json:
    document: Json = http.get("/_simulator/ledger").json()
    return document


class Watch:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


def simulated(story: Callable[[Simulated, Watch], Awaitable[None]], *, seed: int = 7, speed: float = 1.0) -> None:
    """Let a story happen against a simulator in this process, whose clock stands still."""

    async def told() -> None:
        watch = Watch()
        server = TestServer(application(seed=seed, speed=speed, keys=["simulator-key"], clock=watch))
        async with TestClient(server, headers={"Authorization": "Bearer simulator-key"}) as client:
            await story(client, watch)

    asyncio.run(told())


async def order(client: Simulated, headers: dict[str, str] | None = None, prompt: str = "a boat") -> Json:
    """A new prediction of the fast model, behind the gateway's door."""
    body = {"input": {"prompt": prompt}}
    reply = await client.post(f"/replicate/v1/models/{FAST}/predictions", json=body, headers=headers)
    document: Json = await reply.json()
    return document


async def seen(client: Simulated, prediction: Json) -> Json:
    document: Json = await (await client.get(f"/replicate/v1/predictions/{prediction['id']}")).json()
    return document


async def truth(client: Simulated, prediction: Json) -> Json:
    document: Json = await (await client.get(f"/_simulator/jobs/{prediction['id']}")).json()
    return document


# The life of a job


def test_a_job_is_queued_runs_and_ends_succeeded() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        created = await order(client)
        drawn = await truth(client, created)
        born = watch.now

        assert created["status"] == "starting"
        assert created["output"] is None
        assert not {"started_at", "completed_at", "metrics"} & created.keys()

        watch.now = born + drawn["queue_seconds"] - 0.001
        assert (await seen(client, created)) == created

        watch.now = born + drawn["queue_seconds"] + 0.001
        running = await seen(client, created)
        assert running["status"] == "processing"
        assert running["output"] is None
        assert "started_at" in running
        assert not {"completed_at", "metrics"} & running.keys()

        watch.now = born + drawn["queue_seconds"] + drawn["run_seconds"] - 0.001
        assert (await seen(client, created)) == running

        watch.now += 1
        done = await seen(client, created)
        assert done["status"] == "succeeded"
        assert re.fullmatch(r"https://replicate\.delivery/xezq/[\w-]+/tmp\w+\.jpg", done["output"])
        assert done["logs"]
        assert done["metrics"]["image_count"] == 1
        assert done["metrics"]["predict_time"] == pytest.approx(drawn["run_seconds"])
        assert done["metrics"]["total_time"] == pytest.approx(drawn["queue_seconds"] + drawn["run_seconds"])
        instants = [datetime.fromisoformat(done[name]) for name in ("created_at", "started_at", "completed_at")]
        assert instants == sorted(instants)
        assert instants[2] - instants[0] == pytest.approx(
            timedelta(seconds=done["metrics"]["total_time"]), abs=timedelta(milliseconds=11)
        )

    simulated(story)


def test_a_prediction_has_the_members_of_the_gateways_own_example() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        prediction = await order(client)
        members = "id model version input logs output data_removed error status created_at urls"
        assert " ".join(prediction) == members
        assert re.fullmatch(r"[a-z0-9]{26}", prediction["id"])
        assert (prediction["model"], prediction["version"]) == (FAST, "hidden")
        assert prediction["input"] == {"prompt": "a boat"}
        assert prediction["urls"]["get"] == f"https://api.replicate.com/v1/predictions/{prediction['id']}"
        assert prediction["urls"]["cancel"] == f"{prediction['urls']['get']}/cancel"
        assert prediction["urls"]["web"] == f"https://replicate.com/p/{prediction['id']}"
        assert re.fullmatch(r"https://stream\.replicate\.com/v1/files/bcwr-[a-z2-7]{52}", prediction["urls"]["stream"])

    simulated(story)


def test_the_same_seed_and_order_give_the_same_durations_and_never_the_same_ids() -> None:
    drawn: list[list[tuple[float, float]]] = []
    ids: list[str] = []

    async def story(client: Simulated, watch: Watch) -> None:
        predictions = [await order(client) for _ in range(4)]
        truths = [await truth(client, prediction) for prediction in predictions]
        ids.extend(prediction["id"] for prediction in predictions)
        drawn.append([(job["queue_seconds"], job["run_seconds"]) for job in truths])

    simulated(story, seed=7)
    simulated(story, seed=7, speed=50)
    simulated(story, seed=8)
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 4
    assert len(set(ids)) == 12


def test_models_have_their_own_typical_duration() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        for model, median in ((FAST, 3), ("google/imagen-4", 6), ("google/imagen-4-ultra", 8), ("some/model", 8)):
            runs = []
            for _ in range(60):
                reply = await client.post(f"/v1/models/{model}/predictions", json={"input": {"prompt": "a boat"}})
                runs.append((await truth(client, await reply.json()))["run_seconds"])
            assert sorted(runs)[30] == pytest.approx(median, rel=0.2)
            assert max(runs) > 1.3 * median

    simulated(story)


def test_ten_times_the_speed_is_a_tenth_of_the_time() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        created = await order(client)
        drawn = await truth(client, created)
        watch.now += (drawn["queue_seconds"] + drawn["run_seconds"]) / 10 - 0.001
        assert (await seen(client, created))["status"] == "processing"
        watch.now += 0.002
        assert (await seen(client, created))["status"] == "succeeded"

    simulated(story, speed=10)


def test_timestamps_have_between_two_and_nine_digits_after_the_point() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        lengths = set()
        for _ in range(60):
            watch.now += 0.001234567
            fraction = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(\d{2,9})Z", (await order(client))["created_at"])
            assert fraction
            lengths.add(len(fraction[1]))
        assert len(lengths) > 3

    simulated(story)


def test_an_hour_after_the_end_the_file_and_the_data_are_gone() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        created = await order(client)
        assert await file(client, "https://replicate.delivery/xezq/nothing/tmp.jpg") == 404
        drawn = await truth(client, created)
        [promised] = [output["url"] for output in drawn["outputs"]]
        assert await file(client, promised) == 404

        watch.now += (drawn["queue_seconds"] + drawn["run_seconds"] + 3599) / 2
        assert (await seen(client, created))["output"] == promised
        assert await file(client, promised) == 200

        watch.now += 1
        removed = await seen(client, created)
        assert (removed["status"], removed["output"], removed["data_removed"]) == ("succeeded", None, True)
        assert removed["input"] == {}
        assert await file(client, promised) == 404

    async def file(client: Simulated, address: str) -> int:
        reply = await client.get(httpx.URL(address).path, headers={"Host": "replicate.delivery"})
        return reply.status

    simulated(story, speed=2)


# How a job can end otherwise


@pytest.mark.parametrize(("prompt", "error"), [("some NSFW, please", NSFW), ("a crash in the night", INTERRUPTED)])
@BOTH_MOUNTS
def test_a_prompt_with_an_unlucky_word_fails_at_the_end_of_its_run(
    official: Official, mount: str, prompt: str, error: str
) -> None:
    with pytest.raises(ModelError) as failure:
        official(mount).run(FAST, {"prompt": prompt})
    prediction = failure.value.prediction
    assert (prediction.status, prediction.error, prediction.output) == ("failed", error, None)
    prediction.reload()
    assert prediction.metrics
    assert prediction.metrics["predict_time"] > 0
    assert "image_count" not in prediction.metrics


def test_only_whole_words_are_unlucky(http: httpx.Client) -> None:
    assert ended(http, create(http, prompt="crashing waves"))["status"] == "succeeded"


@BOTH_MOUNTS
def test_a_canceled_job_ends_at_once_and_stays_canceled(slow_url: str, official: Official, mount: str) -> None:
    client = official(mount, at=slow_url)
    prediction = client.models.predictions.create(FAST, {"prompt": "a boat"})
    prediction.cancel()
    assert (prediction.status, prediction.output, prediction.logs) == ("canceled", None, None)
    assert prediction.completed_at
    again = client.predictions.cancel(prediction.id)
    assert again == prediction == client.predictions.get(prediction.id)


def test_a_job_that_is_canceled_in_the_queue_never_starts() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        created = await order(client)
        await client.post(f"/replicate/v1/predictions/{created['id']}/cancel")
        watch.now += 60
        last = await seen(client, created)
        assert last["status"] == "canceled"
        assert last["metrics"] == {"total_time": 0}
        assert "started_at" not in last

    simulated(story)


def test_canceling_what_has_ended_changes_nothing(http: httpx.Client) -> None:
    done = ended(http, create(http))
    reply = http.post(f"/v1/predictions/{done['id']}/cancel")
    assert (reply.status_code, reply.json()) == (200, done)


@pytest.mark.parametrize(("wish", "seconds"), [("6", 6), ("7s", 7), ("1m5s", 65), ("1h30m45s", 5445)])
def test_a_deadline_stands_in_the_prediction(wish: str, seconds: int) -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        prediction = await order(client, {"Cancel-After": wish})
        lasting = datetime.fromisoformat(prediction["deadline"]) - datetime.fromisoformat(prediction["created_at"])
        assert lasting == pytest.approx(timedelta(seconds=seconds), abs=timedelta(milliseconds=11))

    simulated(story)


def test_a_deadline_cancels_a_run_that_takes_longer() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        ends = set()
        for _ in range(40):
            created = await order(client, {"Cancel-After": "5"})
            drawn = await truth(client, created)
            watch.now += 5.001
            last = await seen(client, created)
            ends.add(last["status"])
            in_time = drawn["queue_seconds"] + drawn["run_seconds"] < 5
            assert last["status"] == ("succeeded" if in_time else "canceled")
        assert len(ends) == 2

    simulated(story)


def test_a_deadline_before_the_start_aborts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.simulator.jobs.QUEUE_MEDIAN_SECONDS", 300.0)

    async def story(client: Simulated, watch: Watch) -> None:
        created = await order(client, {"Cancel-After": "5"})
        watch.now += 4.999
        assert (await seen(client, created))["status"] == "starting"
        watch.now += 0.002
        last = await seen(client, created)
        assert last["status"] == "aborted"
        assert "completed_at" in last
        assert "started_at" not in last

    simulated(story)


# What a caller may ask


def test_a_gateway_answers_200_where_replicate_answers_201(http: httpx.Client) -> None:
    body = {"input": {"prompt": "a boat"}}
    assert http.post(f"/replicate/v1/models/{FAST}/predictions", json=body).status_code == 200
    assert http.post(f"/v1/models/{FAST}/predictions", json=body).status_code == 201


INVALID: list[tuple[Json, str, str]] = [
    ({"input": {}}, "required", "input"),
    ({}, "required", "(root)"),
    ({"input": "a boat"}, "invalid_type", "input"),
    ({"input": {"prompt": 7}}, "invalid_type", "input.prompt"),
    ({"input": {"prompt": "a boat", "aspect_ratio": "2:1"}}, "enum", "input.aspect_ratio"),
    ({"input": {"prompt": "a boat", "output_format": "webp"}}, "enum", "input.output_format"),
    ({"input": {"prompt": "a boat", "safety_filter_level": "none"}}, "enum", "input.safety_filter_level"),
    ({"input": {"prompt": "a boat"}, "prompt": "a boat"}, "additional_property_not_allowed", "(root)"),
    ({"input": {"prompt": "a boat"}, "version": VERSION}, "additional_property_not_allowed", "(root)"),
]


@pytest.mark.parametrize(("body", "kind", "field"), INVALID)
@BOTH_MOUNTS
def test_an_invalid_input_is_refused_with_the_field_and_not_charged(
    http: httpx.Client, mount: str, body: Json, kind: str, field: str
) -> None:
    before = ledger(http)["charges"]
    reply = http.post(f"{mount}/v1/models/{FAST}/predictions", json=body)
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
    reply = http.post(f"/v1/models/{FLUX}/predictions", json=body)
    assert reply.status_code == 422
    assert reply.json()["invalid_fields"][0]["field"] == "input.num_outputs"


def test_the_official_client_shows_what_is_wrong_with_an_input(official: Official) -> None:
    with pytest.raises(ReplicateError) as failure:
        official().run(FAST, {"aspect_ratio": "1:1"})
    assert (failure.value.status, failure.value.detail) == (422, "- input: prompt is required\n")


def test_inputs_that_nobody_knows_are_let_through(http: httpx.Client) -> None:
    assert create(http, seed=3)["input"] == {"prompt": "a boat", "seed": 3}
    assert create(http, "cjwbw/rembg", image="https://example.com/a.png")["model"] == "cjwbw/rembg"


@pytest.mark.parametrize("path", ["models/unknown/model/predictions", "models/not a name/x/predictions"])
def test_an_unknown_model_is_404(http: httpx.Client, path: str) -> None:
    reply = http.post(f"/replicate/v1/{path}", json={"input": {"prompt": "a boat"}})
    assert (reply.status_code, reply.json()["status"]) == (404, 404)


@pytest.mark.parametrize("version", [7, "7762fd07", "unknown/model", f"unknown/model:{VERSION}", f"{FAST}:1", ""])
def test_a_version_that_cannot_be_one_is_refused(http: httpx.Client, version: object) -> None:
    reply = http.post("/v1/predictions", json={"version": version, "input": {"prompt": "a boat"}})
    assert (reply.status_code, reply.json()["title"]) == (422, "Invalid version or not permitted")


@pytest.mark.parametrize(
    ("version", "model", "shown"),
    [
        (VERSION, "simulator/unnamed", VERSION),
        (f"stability-ai/sdxl:{VERSION}", "stability-ai/sdxl", VERSION),
        (FAST, FAST, "hidden"),
    ],
)
def test_a_version_can_be_named_in_three_ways(http: httpx.Client, version: str, model: str, shown: str) -> None:
    prediction = http.post("/v1/predictions", json={"version": version, "input": {"prompt": "a boat"}}).json()
    assert (prediction["model"], prediction["version"]) == (model, shown)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"input": {"prompt": "\\ud800"}}', b"[" * 100_000])
def test_a_body_that_is_not_json_is_400(http: httpx.Client, body: bytes) -> None:
    assert http.post(f"/v1/models/{FAST}/predictions", content=body).status_code == 400


@pytest.mark.parametrize("wish", ["4", "soon", "1m5", "5 s", "-9"])
def test_a_deadline_that_is_none_is_refused_and_not_charged(http: httpx.Client, wish: str) -> None:
    before = ledger(http)["charges"]
    body = {"input": {"prompt": "a boat"}}
    reply = http.post(f"/v1/models/{FAST}/predictions", json=body, headers={"Cancel-After": wish})
    assert reply.status_code == 400
    assert ledger(http)["charges"] == before


@pytest.mark.parametrize("method", ["GET", "POST"])
@BOTH_MOUNTS
def test_an_unknown_prediction_is_404(http: httpx.Client, mount: str, method: str) -> None:
    path = f"{mount}/v1/predictions/{'z' * 26}" + ("/cancel" if method == "POST" else "")
    assert http.request(method, path).status_code == 404


def test_an_unknown_path_is_404_at_replicate_and_a_web_page_at_a_gateway(http: httpx.Client) -> None:
    assert http.get("/v1/prediction").status_code == 404
    astray = http.get("/replicate/v1/prediction")
    assert (astray.status_code, astray.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert http.get("/nothing").status_code == 404


# Keys


@pytest.mark.parametrize("key", ["wrong", ""])
@BOTH_MOUNTS
def test_a_wrong_key_is_401(official: Official, mount: str, key: str) -> None:
    with pytest.raises(ReplicateError) as failure:
        official(mount, key or "none").predictions.get("z" * 26)
    assert failure.value.status == 401


def test_a_missing_key_is_401_in_the_words_of_whoever_refuses(url: str) -> None:
    upstream, gateway = httpx.get(f"{url}/v1/predictions", verify=False), httpx.get(f"{url}/replicate/v1/predictions")
    assert (upstream.status_code, upstream.json()["title"]) == (401, "Unauthenticated")
    assert (gateway.status_code, gateway.json()["error"]["type"]) == (401, "new_api_error")
    assert gateway.headers["X-Oneapi-Request-Id"]


def test_every_key_opens_every_gateway(official: Official) -> None:
    prediction = official("/replicate", "second-key").models.predictions.create(FAST, {"prompt": "a boat"})
    assert official("", "simulator-key").predictions.get(prediction.id).id == prediction.id


def test_health_needs_no_key(url: str) -> None:
    assert httpx.get(f"{url}/health").status_code == 200


# The official client at work


@BOTH_MOUNTS
def test_the_official_client_runs_a_model_and_reads_its_picture(official: Official, mount: str) -> None:
    output: Any = official(mount).run(FAST, {"prompt": "a boat"})
    assert output.url.startswith("https://replicate.delivery/")
    assert Image.open(io.BytesIO(output.read())).format == "JPEG"


@BOTH_MOUNTS
def test_the_official_client_gets_a_list_from_a_model_with_several_outputs(official: Official, mount: str) -> None:
    outputs = official(mount).run(FLUX, {"prompt": "a boat", "num_outputs": 3})
    assert len({output.url for output in outputs}) == 3


@BOTH_MOUNTS
def test_the_official_client_runs_a_version(official: Official, mount: str) -> None:
    client = official(mount)
    assert str(client.run(f"stability-ai/sdxl:{VERSION}", {"prompt": "a boat"})).endswith(".png")
    prediction = client.predictions.create(version=f"{FLUX}:{VERSION}", input={"prompt": "a boat"}, wait=True)
    prediction.wait()
    assert prediction.output
    [output] = prediction.output
    assert output.endswith(".webp")


@BOTH_MOUNTS
def test_the_official_client_creates_reloads_and_waits(official: Official, mount: str) -> None:
    prediction = official(mount).models.predictions.create(FAST, {"prompt": "a boat"}, webhook="https://example.com")
    assert (prediction.status, prediction.output) == ("starting", None)
    prediction.wait()
    seen_by_another = official(mount).predictions.get(prediction.id)
    assert seen_by_another == prediction
    assert seen_by_another.status == "succeeded"
    assert seen_by_another.output


@BOTH_MOUNTS
def test_the_official_client_pages_through_all_predictions(url: str, official: Official, mount: str) -> None:
    client = official(mount)
    created = [client.models.predictions.create(FAST, {"prompt": "a boat"}).id for _ in range(101)]
    first = client.predictions.list()
    assert len(first.results) == 100
    assert first.next
    assert first.next.startswith(f"{url}{mount}/v1/predictions?cursor=")
    listed = [prediction.id for page in paginate(client.predictions.list) for prediction in page.results]
    assert listed[:101] == created[::-1]
    assert len(listed) == len(set(listed))


def test_a_cursor_that_was_not_made_here_is_refused(http: httpx.Client) -> None:
    assert [http.get(f"/v1/predictions?cursor={cursor}").status_code for cursor in ("7", "YWJj", "é")] == [400] * 3


# Callers who wait


def waited(
    http: httpx.Client, prefer: str, model: str = FAST, mount: str = "", prompt: str = "a boat"
) -> httpx.Response:
    path = f"{mount}/v1/models/{model}/predictions"
    return http.post(path, json={"input": {"prompt": prompt}}, headers={"Prefer": prefer})


@pytest.mark.parametrize("prefer", ["wait", "wait=59"])
def test_a_caller_who_waits_gets_the_output_before_the_record_is_finished(http: httpx.Client, prefer: str) -> None:
    reply = waited(http, prefer)
    prediction = reply.json()
    assert (reply.status_code, reply.headers["Preference-Applied"]) == (201, prefer)
    assert prediction["status"] == "processing"
    assert prediction["output"].startswith("https://replicate.delivery/")
    assert not {"completed_at", "metrics"} & prediction.keys()
    assert http.get(f"/v1/predictions/{prediction['id']}").json()["status"] == "succeeded"


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


def test_a_gateway_does_not_wait(http: httpx.Client) -> None:
    reply = waited(http, "wait", mount="/replicate")
    assert (reply.status_code, reply.json()["status"]) == (200, "starting")
    assert "Preference-Applied" not in reply.headers


def test_a_cancellation_ends_the_wait() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        path, body = f"/v1/models/{FAST}/predictions", {"input": {"prompt": "a boat"}}
        waiting = asyncio.create_task(client.post(path, json=body, headers={"Prefer": "wait"}).__aenter__())
        while not (listed := (await (await client.get("/v1/predictions")).json())["results"]):
            await asyncio.sleep(0.01)
        await client.post(f"/v1/predictions/{listed[0]['id']}/cancel")
        reply = await asyncio.wait_for(waiting, 2)
        assert (await reply.json())["status"] == "canceled"

    simulated(story)


# Pictures


def picture(url: str, http: httpx.Client, model: str = FAST, **inputs: object) -> Image.Image:
    """What a prompt becomes."""
    output = ended(http, create(http, model, **inputs))["output"]
    reply = fetched(url, output if isinstance(output, str) else output[0])
    assert int(reply.headers["Content-Length"]) == len(reply.content)
    image = Image.open(io.BytesIO(reply.content))
    image.load()
    assert image.format
    assert reply.headers["Content-Type"] == f"image/{image.format.lower()}"
    return image


@pytest.mark.parametrize(
    ("model", "inputs", "kind", "size"),
    [
        (FAST, {}, "JPEG", (1024, 1024)),
        (FAST, {"aspect_ratio": "16:9", "output_format": "png"}, "PNG", (1408, 768)),
        (FAST, {"aspect_ratio": "9:16"}, "JPEG", (768, 1408)),
        ("google/imagen-4", {"aspect_ratio": "4:3", "image_size": "1K"}, "JPEG", (1280, 896)),
        ("google/imagen-4-ultra", {"aspect_ratio": "3:4", "image_size": "2K"}, "JPEG", (1792, 2560)),
        (FLUX, {}, "WEBP", (1024, 1024)),
        (FLUX, {"aspect_ratio": "21:9", "output_format": "jpg"}, "JPEG", (1568, 672)),
        ("some/model", {"aspect_ratio": "match_input_image"}, "PNG", (1024, 1024)),
    ],
)
def test_a_picture_has_the_size_and_format_that_were_asked_for(
    url: str, http: httpx.Client, model: str, inputs: Json, kind: str, size: tuple[int, int]
) -> None:
    image = picture(url, http, model, **inputs)
    assert (image.format, image.size) == (kind, size)


def test_another_prompt_is_another_picture_and_the_same_prompt_the_same(url: str, http: httpx.Client) -> None:
    above_the_words = (0, 0, 1024, 800)
    boat, again, train = (
        picture(url, http, prompt=prompt).crop(above_the_words).tobytes() for prompt in ("a boat", "a boat", "a train")
    )
    assert boat == again != train


def test_the_pictures_of_one_job_differ(url: str, http: httpx.Client) -> None:
    addresses = ended(http, create(http, FLUX, num_outputs=4))["output"]
    assert len({fetched(url, address).content for address in addresses}) == 4


@pytest.mark.parametrize(
    "prompt",
    ["", "\u6c34" * 900, "word " * 3000, "x" * 3000, "two\nlines \x00 \U0001f600"],
    ids=["none", "no spaces", "no end", "no words", "signs"],
)
def test_any_prompt_can_be_drawn(url: str, http: httpx.Client, prompt: str) -> None:
    assert picture(url, http, prompt=prompt).size == (1024, 1024)


def test_a_long_word_is_cut_up_and_no_letter_is_lost() -> None:
    lettering = fitted("x" * 300, 922, 307, 36)
    assert "".join(lettering.lines) == "x" * 300
    assert max(lettering.font.getlength(line) for line in lettering.lines) <= 922
    assert lettering.height <= 307


def test_a_text_without_end_ends_in_an_ellipsis() -> None:
    lettering = fitted("boats " * 5000, 922, 307, 36)
    assert lettering.lines[-1].endswith("\N{HORIZONTAL ELLIPSIS}")
    assert lettering.height <= 307


def test_the_prompt_is_written_on_the_paper(url: str, http: httpx.Client) -> None:
    def ink(prompt: str) -> int:
        last_line = picture(url, http, prompt=prompt).convert("L").crop((51, 926, 973, 972))
        return sum(last_line.histogram()[:100])

    assert ink("a boat on a lake in the rain") > 5 * ink("a") > 0


# Faults

CREATE = {"method": "POST", "path": f"/replicate/v1/models/{FAST}"}
BAD_GATEWAY = {"status": 502, "headers": {"content-type": "text/html"}, "body": "<h1>502 Bad Gateway</h1>"}


def attempt(http: httpx.Client) -> httpx.Response:
    return http.post(f"/replicate/v1/models/{FAST}/predictions", json={"input": {"prompt": "a boat"}})


def test_a_fault_before_the_work_is_not_charged(http: httpx.Client, faults: Callable[..., None]) -> None:
    before = len(ledger(http)["charges"])
    faults(match=CREATE, answer=BAD_GATEWAY)
    reply = attempt(http)
    assert (reply.status_code, reply.headers["Content-Type"]) == (502, "text/html")
    assert reply.text == "<h1>502 Bad Gateway</h1>"
    assert len(ledger(http)["charges"]) == before
    assert attempt(http).status_code == 200


def test_a_fault_after_the_work_is_charged(http: httpx.Client, faults: Callable[..., None]) -> None:
    before = len(ledger(http)["charges"])
    faults(match=CREATE, before=False, answer={"status": 502, "body": {"error": {"message": "oh"}}})
    reply = attempt(http)
    assert (reply.status_code, reply.json()) == (502, {"error": {"message": "oh"}})
    assert len(ledger(http)["charges"]) == before + 1


def test_a_fault_happens_as_often_as_was_said_and_to_matching_requests_only(
    http: httpx.Client, faults: Callable[..., None]
) -> None:
    faults(match=CREATE, times=2, answer={"status": 503, "headers": {"Retry-After": "1"}})
    assert http.get(f"/replicate/v1/models/{FAST}/versions/{VERSION}").status_code == 200
    assert http.get("/replicate/v1/predictions").status_code == 200
    assert create(http, "google/imagen-4")["status"] == "starting"
    replies = [attempt(http) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [503, 503, 200]
    assert replies[0].headers["Retry-After"] == "1"


def test_faults_happen_in_the_order_in_which_they_were_asked_for(
    http: httpx.Client, faults: Callable[..., None]
) -> None:
    for status in (500, 504):
        faults(match=CREATE, answer={"status": status})
    assert [attempt(http).status_code for _ in range(3)] == [500, 504, 200]


def test_a_fault_does_not_look_at_keys(url: str, faults: Callable[..., None]) -> None:
    faults(answer={"status": 502})
    assert httpx.get(f"{url}/v1/predictions", verify=False).status_code == 502


def test_cleared_faults_do_not_happen(http: httpx.Client, faults: Callable[..., None]) -> None:
    faults(times=9, answer={"status": 500})
    assert http.delete("/_simulator/faults").status_code == 204
    assert attempt(http).status_code == 200


@pytest.mark.parametrize("before", [True, False])
def test_a_delay_alone_spoils_nothing(http: httpx.Client, faults: Callable[..., None], before: bool) -> None:
    faults(match=CREATE, before=before, delay=0.1)
    reply = attempt(http)
    assert reply.elapsed > timedelta(seconds=0.1)
    assert (reply.status_code, reply.json()["status"]) == (200, "starting")


def test_a_late_answer_after_the_work_is_charged_though_nobody_waits_for_it(
    http: httpx.Client, faults: Callable[..., None]
) -> None:
    before = len(ledger(http)["charges"])
    faults(match=CREATE, before=False, delay=0.2)
    with pytest.raises(httpx.ReadTimeout):
        http.post(f"{CREATE['path']}/predictions", json={"input": {"prompt": "a boat"}}, timeout=0.1)
    assert len(ledger(http)["charges"]) == before + 1


@pytest.mark.parametrize(("before", "charged"), [(True, 0), (False, 1)])
def test_a_connection_can_be_dropped_before_and_after_the_work(
    http: httpx.Client, faults: Callable[..., None], before: bool, charged: int
) -> None:
    charges = len(ledger(http)["charges"])
    faults(match=CREATE, before=before, close=True)
    with pytest.raises(httpx.RemoteProtocolError):
        attempt(http)
    statement = ledger(http)
    assert len(statement["charges"]) == charges + charged
    assert statement["requests"][-1]["status"] is None


def test_a_download_can_fail_too(url: str, http: httpx.Client, faults: Callable[..., None]) -> None:
    done = ended(http, create(http))
    faults(match={"path": "/xezq/"}, answer={"status": 403})
    assert [fetched(url, done["output"]).status_code for _ in range(2)] == [403, 200]


def test_the_official_client_survives_a_503_while_it_polls(official: Official, faults: Callable[..., None]) -> None:
    faults(match={"method": "GET", "path": "/replicate/v1/predictions/"}, times=2, answer={"status": 503})
    assert official().run(FAST, {"prompt": "a boat"})


MALFORMED: list[tuple[object, str]] = [
    ([], "the fault must be a JSON object"),
    ({}, "needs an answer, a delay or close"),
    ({"delay": 1, "time": 1}, '["time"]'),
    ({"delay": 1, "match": []}, "match must be a JSON object"),
    ({"delay": 1, "match": {"host": "x"}}, '["host"]'),
    ({"delay": 1, "match": {"method": 1}}, "match.method"),
    ({"delay": 1, "match": {"path": "v1"}}, "match.path"),
    ({"delay": 1, "times": 0}, "times"),
    ({"delay": 1, "times": True}, "times"),
    ({"delay": -1}, "delay"),
    ({"delay": "1"}, "delay"),
    ({"delay": 1, "before": "yes"}, "before"),
    ({"close": True, "answer": {"status": 500}}, "not both"),
    ({"answer": 502}, "answer must be a JSON object"),
    ({"answer": {"status": 99}}, "answer.status"),
    ({"answer": {"status": "502"}}, "answer.status"),
    ({"answer": {"status": 502, "headers": {"Retry-After": 1}}}, "answer.headers"),
]


@pytest.mark.parametrize(("fault", "sentence"), MALFORMED)
def test_a_malformed_fault_is_refused_with_the_reason(http: httpx.Client, fault: object, sentence: str) -> None:
    reply = http.post("/_simulator/faults", json=fault)
    assert reply.status_code == 400
    assert sentence in reply.json()["detail"]
    assert attempt(http).status_code == 200


def test_the_control_door_refuses_what_it_does_not_know(http: httpx.Client) -> None:
    assert http.post("/_simulator/faults", content=b"{").status_code == 400
    for reply in (http.get("/_simulator/jobs/none"), http.get("/_simulator"), http.put("/_simulator/ledger")):
        assert (reply.status_code, reply.headers["Content-Type"]) == (404, "application/json; charset=utf-8")


# The ledger


def test_a_create_is_one_charge_however_often_it_is_asked_about(http: httpx.Client) -> None:
    before = ledger(http)["charges"]
    prediction = ended(http, create(http, prompt="a lonely boat"))
    charges = ledger(http)["charges"]
    assert charges.keys() - before.keys() == {prediction["id"]}
    charge = charges[prediction["id"]]
    assert (charge["model"], charge["key"]) == (FAST, "simulator-key")
    assert charge["prompt_sha256"] == sha256(b"a lonely boat").hexdigest()


def test_requests_are_listed_with_what_became_of_them(url: str, http: httpx.Client) -> None:
    http.get("/replicate/v1/predictions/none")
    httpx.get(f"{url}/v1/predictions", verify=False)
    known, stranger = ledger(http)["requests"][-2:]
    assert (known["method"], known["path"], known["status"], known["authorized"]) == (
        "GET",
        "/replicate/v1/predictions/none",
        404,
        True,
    )
    assert (stranger["path"], stranger["status"], stranger["authorized"]) == ("/v1/predictions", 401, False)


def test_a_key_that_is_sent_to_the_file_host_is_seen(url: str, http: httpx.Client, official: Official) -> None:
    before = ledger(http)["leaked_keys"]
    output: Any = official().run(FAST, {"prompt": "a boat"})
    assert fetched(url, output.url).status_code == 200
    assert ledger(http)["leaked_keys"] == before

    # The official client sends its key wherever it reads a FileOutput from.
    output.read()
    assert ledger(http)["leaked_keys"] == before + 1
    assert ledger(http)["requests"][-1]["leaked_key"]


# The command


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_stops_at_once_even_while_somebody_waits(stop: signal.Signals) -> None:
    with started("--speed", "0.01") as process:
        url = ready(process)
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as held:
            body = json.dumps({"input": {"prompt": "a boat"}})
            held.sendall(
                f"POST /v1/models/{FAST}/predictions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer simulator-key\r\n"
                f"Prefer: wait\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            while not httpx.get(f"{url}/_simulator/ledger", verify=False).json()["charges"]:
                time.sleep(0.01)
            told = time.monotonic()
            process.send_signal(stop)
            assert process.communicate(timeout=5) == ("", "")
            assert process.returncode == 0
            assert time.monotonic() - told < 1


def test_a_taken_port_is_one_sentence_and_exit_status_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started("--port", str(port)) as process:
            output, complaint = process.communicate(timeout=5)
    assert (process.returncode, output) == (1, "")
    assert complaint == f"The simulator cannot listen on 127.0.0.1:{port}: the port is taken.\n"


@pytest.mark.parametrize("wrong", [["--speed", "0"], ["--speed", "nan"], ["--port", "70000"], ["--port", "x"]])
def test_a_wrong_option_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["simulator", *wrong])
    with pytest.raises(SystemExit) as refusal:
        command.main()
    assert refusal.value.code == 2
    assert wrong[0] in capsys.readouterr().err

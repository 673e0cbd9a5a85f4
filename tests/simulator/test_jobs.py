"""The life of a job, and how it can end."""

import re
from datetime import datetime, timedelta

import httpx
import pytest

from tests.simulator.conftest import (
    FAST,
    NSFW,
    Official,
    Simulated,
    Watch,
    create,
    ended,
    order,
    ready,
    seen,
    simulated,
    started,
    truth,
)


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
            runs = [(await truth(client, await order(client, model=model)))["run_seconds"] for _ in range(60)]
            assert sorted(runs)[30] == pytest.approx(median, rel=0.2)
            assert max(runs) > 1.3 * median

    simulated(story)


def test_a_slow_job_leaves_time_to_cancel_it() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        address = f"/replicate/v1/models/{FAST}/predictions"
        slow = await (await client.post(address, json={"input": {"prompt": "A slow boat"}})).json()
        assert (await truth(client, slow))["run_seconds"] > 60

    simulated(story)


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


def test_an_hour_after_the_end_at_any_speed_the_file_and_the_data_are_gone() -> None:
    async def story(client: Simulated, watch: Watch) -> None:
        created = await order(client)
        assert await file(client, "https://replicate.delivery/xezq/nothing/tmp.jpg") == 404
        drawn = await truth(client, created)
        [promised] = [output["url"] for output in drawn["outputs"]]
        assert await file(client, promised) == 404

        watch.now += (drawn["queue_seconds"] + drawn["run_seconds"]) / 2 - 0.001
        assert (await seen(client, created))["status"] == "processing"

        watch.now += 3599 / 2
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


@pytest.mark.parametrize(
    ("prompt", "error"),
    [("some NSFW, please", NSFW), ("a crash at night", "Prediction interrupted; please retry (code: PA)")],
)
def test_a_prompt_with_an_unlucky_word_fails_at_the_end_of_its_run(http: httpx.Client, prompt: str, error: str) -> None:
    prediction = ended(http, create(http, prompt=prompt))
    assert (prediction["status"], prediction["error"], prediction["output"]) == ("failed", error, None)
    assert prediction["metrics"]["predict_time"] > 0
    assert "image_count" not in prediction["metrics"]


def test_only_whole_words_are_unlucky(http: httpx.Client) -> None:
    assert ended(http, create(http, prompt="crashing waves"))["status"] == "succeeded"


def test_a_canceled_job_ends_at_once_and_stays_canceled(official: Official) -> None:
    with started("--speed", "0.01") as process:
        client = official(at=ready(process))
        prediction = client.models.predictions.create(FAST, {"prompt": "a boat"})
        prediction.cancel()
        assert (prediction.status, prediction.output, prediction.logs) == ("canceled", None, None)
        assert prediction.completed_at
        assert client.predictions.cancel(prediction.id) == prediction == client.predictions.get(prediction.id)


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
    reply = http.post(f"/api.replicate.com/v1/predictions/{done['id']}/cancel")
    assert (reply.status_code, reply.json()) == (200, done)


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

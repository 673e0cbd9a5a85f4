"""What the comparison with the official clients rests on: gateways that treat all alike, and figures that are right."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from aiohttp.test_utils import TestClient, TestServer

from benchmarks.clients import figures, gateways
from benchmarks.clients.figures import Told
from benchmarks.clients.gateways import INPUTS, KEY, PICTURE, REPLICATE
from local.simulator.fal import endpoints
from local.simulator.replicate import models

Json = dict[str, Any]
Client = TestClient[Any, Any]
HEADERS = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(autouse=True)
def stocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateways sell what is asked for here, and only here."""
    for sold in (models, endpoints):
        monkeypatch.setattr(sold, "KNOWN", {**sold.KNOWN})
    gateways.stock(0.02)


def told(story: Callable[[Client], Awaitable[Any]], *names: str) -> list[Json]:
    """What the gateways of some contestants tell after a story."""

    async def telling() -> list[Json]:
        async with TestClient(TestServer(gateways.Gateways(seed=7, line=0.0).app)) as http:
            await story(http)
            return [await (await http.get(f"/_told/{name}")).json() for name in names]

    return asyncio.run(telling())


async def create(http: Client, name: str) -> Json:
    path = f"/{name}/{REPLICATE}/v1/models/{PICTURE}/predictions"
    made: Json = await (await http.post(path, json={"input": INPUTS[REPLICATE]}, headers=HEADERS)).json()
    return made


async def ask(http: Client, name: str, job: str) -> Json:
    path = f"/v1/predictions/{job}"
    # As the local cloud does, which reaches every host here.
    headers = {**HEADERS, "Host": f"{name}.{REPLICATE}"}
    shown: Json = await (await http.get(path, headers=headers)).json()
    return shown


def lasted(seen: Json) -> list[float]:
    return [round(job["ended"] - job["began"], 4) for job in seen["jobs"].values()]


def test_all_contestants_have_the_same_jobs_and_who_warms_up_has_others() -> None:
    async def story(http: Client) -> None:
        for name in ("one", "other", "warm", "one", "other", "warm"):
            await create(http, name)

    one, other, warm = map(lasted, told(story, "one", "other", "warm"))
    assert one == other
    assert not set(one) & set(warm)


def test_requests_are_counted_by_contestant_and_downloads_are_not() -> None:
    async def story(http: Client) -> None:
        await create(http, "other")
        job = (await create(http, "one"))["id"]
        while (shown := await ask(http, "one", job))["status"] != "succeeded":
            await asyncio.sleep(0.01)
        link = httpx.URL(shown["output"])
        reply = await http.get(link.path, headers={"Host": link.host})
        assert reply.content_type == "image/png"

    one, other = told(story, "one", "other")
    (job,) = one["jobs"].values()
    assert one["requests"] == 1 + len(job["asked"])
    assert job["asked"][-1] >= job["ended"]
    assert other["requests"] == 1


def test_a_gateway_that_replies_in_the_end_needs_no_question() -> None:
    async def story(http: Client) -> None:
        made = await create(http, "final-reply")
        assert (made["status"], made["output"] is None) == ("succeeded", False)

    (seen,) = told(story, "final-reply")
    assert seen["requests"] == 1


def test_a_lag_is_from_the_end_at_the_gateway_until_it_is_known() -> None:
    ended = {"c": (3.0, 30.0, 4), "a": (1.0, 10.0, 1), "b": (2.0, 20.0, 4)}
    jobs = {job: {"began": began, "ended": at, "asked": [at] * times} for job, (began, at, times) in ended.items()}
    told = figures.tasks("somebody", {"requests": 12, "jobs": jobs}, {"a": 10.1, "b": 20.2, "c": 30.6})
    assert [each.requests for each in told] == [2, 5, 5]
    assert [each.lag for each in told] == pytest.approx([0.1, 0.2, 0.6])
    found = figures.row("somebody", told, 0.08)
    assert (found.tasks, found.requests) == (3, 4.0)
    assert [found.mean, found.p50, found.p99] == pytest.approx([0.3, 0.2, 0.592])


def test_a_task_that_nobody_knows_of_is_no_result() -> None:
    with pytest.raises(SystemExit, match="knows 0 tasks of 1"):
        figures.tasks("somebody", {"jobs": {"a": {"began": 0.0, "ended": 1.0, "asked": []}}}, {})


def test_a_request_that_is_of_no_task_makes_figures_wrong() -> None:
    seen = {"requests": 2, "jobs": {"a": {"began": 0.0, "ended": 1.0, "asked": []}}}
    with pytest.raises(SystemExit, match="of no task"):
        figures.tasks("somebody", seen, {"a": 1.1})


def test_a_front_is_read_on_the_line_between_neighbours() -> None:
    front = [(1.6, 4.0), (0.1, 32.0), (0.4, 8.0)]
    assert figures.at_lag(front, 0.2) == pytest.approx((16.0, True))
    assert figures.at_lag(front, 0.8) == pytest.approx((4 * math.sqrt(2), True))


def test_beyond_its_ends_a_front_flatters_nobody_and_says_so() -> None:
    front = [(0.1, 32.0), (0.4, 8.0), (1.6, 4.0)]
    assert figures.at_lag(front, 0.05) == pytest.approx((64.0, False))
    assert figures.at_lag(front, 6.4) == pytest.approx((4.0, False))


def test_how_much_of_a_comparison_is_chance_is_told_with_it() -> None:
    """Requests of theirs are 10, ours 5, each give or take 1: twice as many, give or take 0.045."""
    theirs = [Told(9 + 2 * (number % 2), 1.0) for number in range(100)]
    front = [[Told(4 + 2 * (number // 2 % 2), lag) for number in range(100)] for lag in (0.5, 2.0)]
    assert figures.times(theirs, front) == pytest.approx((2.0, True))
    assert figures.error(theirs, front) == pytest.approx(2 * math.hypot(0.1, 0.2) / math.sqrt(99), rel=0.02)

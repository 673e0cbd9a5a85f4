"""What is learnt of how long gateways take: darkroom/timings.py, at the wire and in the table."""

from typing import Any

import httpx
import pytest

from darkroom import aws, catalogue, clock, store, timings
from darkroom.histogram import EDGES, bin_of
from darkroom.route import Model, Route
from darkroom.task import Task
from tests.conftest import (
    CREATE,
    MODEL,
    OUTPUT,
    QUESTION,
    Account,
    Clock,
    Wire,
    call,
    document,
    prediction,
    step,
    submit,
)

ROUTE = f"vectornode/replicate/{MODEL}"
ANSWER = {
    "created_at": "2026-11-20T12:00:00.04Z",
    "started_at": "2026-11-20T12:00:08.04Z",
    "completed_at": "2026-11-20T12:00:20.123456789Z",
    "output": OUTPUT,
}


@pytest.fixture
def way() -> tuple[Model, Route]:
    known = catalogue.catalogue()
    return known.model(MODEL), known.route(ROUTE)


def item(account: Account, key: str = ROUTE) -> dict[str, float]:
    """The numbers in the table."""
    found = aws.dynamodb().get_item(TableName=f"{account.stack}-TimingsTable", Key={"route": {"S": f"2#{key}"}})
    return {name: float(value["N"]) for name, value in found.get("Item", {}).items() if "N" in value}


def learn(way: tuple[Model, Route], time: Clock, *seconds: float | tuple[float, float], **more: float) -> None:
    """Let tasks be over, each at its own time, and what was read of them be old."""
    model, route = way
    for each in seconds:
        timings.record(model, route.name, each, **more)
        time.forward(1)
    time.forward(timings.MAX_AGE_MS / 1000)


def waits(account: Account, wire: Wire, time: Clock, elapsed: float, *answers: httpx.Response) -> list[int]:
    """How long a driver waits after each answer, if the gateway has been at a task for `elapsed` s."""
    wire.on("POST", CREATE, prediction())
    wire.on("GET", QUESTION, *answers)
    task_id = document(submit(key="this-one"))["id"]
    time.forward(elapsed)
    return [call("poll", step(store.read(task_id), 1))["wait"] for _ in answers]


def test_what_is_recorded_is_the_gateways_time_and_not_when_we_noticed(
    account: Account, running: Task, wire: Wire, time: Clock
) -> None:
    wire.on("GET", QUESTION, prediction("succeeded", **ANSWER))
    time.forward(300)
    call("poll", step(running))
    assert item(account) == {"n": 1, f"0:{bin_of(20.08)}": 1, f"0:{bin_of(12.08)}r": 1}


def test_where_a_gateway_tells_no_times_what_counts_is_all_between_two_questions(
    account: Account, running: Task, wire: Wire, time: Clock
) -> None:
    wire.on("GET", QUESTION, prediction("succeeded", output=OUTPUT))
    time.forward(9)
    call("poll", step(running, 1, asked=running.submitted + 5_000 if running.submitted else 0))
    told = item(account)
    bins = {int(name.partition(":")[2]) for name in told if ":" in name}
    assert bins == set(range(bin_of(5), bin_of(9) + 1))
    assert sum(told.values()) == pytest.approx(2, abs=0.01)  # n, and the shares of one task


def test_who_was_not_heard_has_not_said_that_it_was_still_at_it(
    account: Account, running: Task, wire: Wire, time: Clock
) -> None:
    wire.on("GET", QUESTION, prediction("processing"), httpx.Response(429), httpx.ReadTimeout, prediction("processing"))
    asked = []
    step_ = step(running, 1)
    for _ in range(4):
        time.forward(2)
        step_ = call("poll", {**step_, "at": 0})
        asked.append(step_["asked"])
    assert asked == [running.created + 2000] * 3 + [running.created + 8000]


def test_what_was_told_unasked_teaches_nothing(account: Account, wire: Wire, time: Clock) -> None:
    """Else a gateway that has some pictures ready would have all others asked for too soon."""
    wire.on("POST", CREATE, prediction("succeeded", **ANSWER))
    submit()
    assert item(account) == {}


def test_times_of_a_gateway_that_cannot_be_are_held_to_what_was_seen(
    account: Account, running: Task, wire: Wire, time: Clock
) -> None:
    """It was still at it after 5 s, and 9 s after it had accepted the request it was over: so it took no 20 s."""
    wire.on("GET", QUESTION, prediction("succeeded", **ANSWER))
    time.forward(9)
    call("poll", step(running, 1, asked=(running.submitted or 0) + 5_000))
    assert item(account)[f"0:{bin_of(9)}"] == 1


def test_the_version_before_can_live_with_what_this_one_writes(account: Account, time: Clock) -> None:
    """It read the numbers of the item under the route's own name, all of whose attributes were `b17` and the like."""
    way = catalogue.catalogue().model(MODEL), catalogue.catalogue().route(ROUTE)
    learn(way, time, 12.0, 14.0)
    table = aws.dynamodb().scan(TableName=f"{account.stack}-TimingsTable")["Items"]
    assert [each["route"]["S"] for each in table] == [f"2#{ROUTE}"]


def test_a_failed_task_teaches_nothing(account: Account, running: Task, wire: Wire, time: Clock) -> None:
    wire.on("GET", QUESTION, prediction("failed", error="NSFW", **{**ANSWER, "output": None}))
    time.forward(9)
    call("poll", step(running, 1))
    assert item(account) == {}


def test_a_driver_waits_as_long_as_its_route_has_taken_here(
    account: Account, wire: Wire, time: Clock, way: tuple[Model, Route]
) -> None:
    wire.on("POST", CREATE, prediction())
    submit(key="before")
    learn(way, time, *[12.0] * 40)
    submit(key="after")
    before, after = sorted(first["at"] - time.now for first in account.executions().values())
    assert before < 0
    assert 8_000 <= after <= 13_000


def test_a_task_whose_run_has_begun_is_timed_from_there(
    account: Account, wire: Wire, time: Clock, way: tuple[Model, Route]
) -> None:
    """Tasks take 14 s, of which 10 in the queue. This one has been taken at once: it will be over soon."""
    learn(way, time, *[14.0] * 40, ran=4.0)
    begun = {"created_at": "2026-11-20T12:00:00Z", "started_at": "2026-11-20T12:00:01Z"}
    answers = prediction("processing", **begun), prediction("processing"), prediction("starting")
    in_its_run, somewhere, queued = waits(account, wire, time, 2, *answers)
    assert in_its_run <= 3
    assert min(somewhere, queued) >= 6


def test_a_task_that_is_still_queued_has_a_whole_run_before_it(
    account: Account, wire: Wire, time: Clock, way: tuple[Model, Route]
) -> None:
    learn(way, time, *[10.0] * 40, ran=9.0)
    queued, somewhere = waits(account, wire, time, 9.5, prediction("starting"), prediction("processing"))
    assert queued >= 5
    assert somewhere <= 2


def test_a_progress_bar_says_how_much_longer(
    account: Account, wire: Wire, time: Clock, way: tuple[Model, Route]
) -> None:
    learn(way, time, *[10.0, 20.0, 40.0, 80.0] * 5)
    logs = "  3%|▎         | 1/30\n 25%|██▌       | 7/28 [00:05<00:15]"
    with_bar, without = waits(
        account, wire, time, 9, prediction("processing", logs=logs), prediction("processing", logs="thinking")
    )
    assert 12 <= with_bar <= 30  # 27 s are left if it goes on like this
    assert without < 10


def test_however_many_tasks_end_in_a_second_a_warm_function_writes_once(
    account: Account, time: Clock, way: tuple[Model, Route]
) -> None:
    model, route = way
    for _ in range(50):
        timings.record(model, route.name, 12.0)
    assert item(account)["n"] == 1


def test_old_tasks_fade_and_are_swept_out_of_the_item(account: Account, time: Clock, way: tuple[Model, Route]) -> None:
    for _ in range(8):
        learn(way, time, *[3.0] * timings.EPOCH)
    for _ in range(12):
        learn(way, time, *[30.0] * timings.EPOCH)
    assert {name.partition(":")[2] for name in item(account)} == {"", str(bin_of(30))}
    assert item(account)["n"] == 20 * timings.EPOCH
    assert timings.plan(*way).next(0) > 20


def test_a_gateway_that_refuses_questions_is_asked_less_until_it_has_not_for_a_while(
    account: Account, running: Task, wire: Wire, time: Clock, way: tuple[Model, Route]
) -> None:
    def price() -> float:
        return timings.price(way[1].gateway)

    wire.on("GET", QUESTION, httpx.Response(429))
    usual = price()
    for _ in range(2):
        call("poll", step(account.task(), 1))
        time.forward(1)
    assert price() == pytest.approx(4 * usual, rel=0.05)
    for _ in range(8):
        call("poll", step(account.task(), 1))
        time.forward(1)
    assert price() == pytest.approx(timings.DEAREST * usual, rel=0.05)
    time.forward(2 * timings.EASED_MS / 1000)
    assert price() == pytest.approx(timings.DEAREST * usual / 4, rel=0.2)
    time.forward(20 * timings.EASED_MS / 1000)
    assert price() == usual


@pytest.mark.parametrize(
    ("reply", "dearer"),
    [
        (httpx.Response(503, headers={"retry-after": "20"}), True),
        (httpx.Response(503), False),
        (httpx.Response(500), False),
        (prediction("processing"), False),
    ],
)
def test_a_wish_to_be_left_alone_makes_questions_dearer_and_mere_trouble_does_not(
    account: Account, running: Task, wire: Wire, way: tuple[Model, Route], reply: httpx.Response, dearer: bool
) -> None:
    wire.on("GET", QUESTION, reply)
    call("poll", step(account.task(), 1))
    assert bool(item(account, "vectornode")) is dearer


@pytest.mark.usefixtures("running")
def test_a_task_does_not_fail_for_want_of_timings(account: Account, wire: Wire, time: Clock) -> None:
    aws.dynamodb().delete_table(TableName=f"{account.stack}-TimingsTable")
    wire.on("GET", QUESTION, httpx.Response(200, json={"id": "gm72", "status": "succeeded", **ANSWER}))
    assert call("poll", step(account.task()))["next"] == "finalize"
    time.forward(60)
    assert submit(key="another")["statusCode"] == 201


def test_tasks_of_a_route_do_not_ask_in_step(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, prediction())
    for number in range(12):
        submit(key=f"order-{number}")
    moments = {first["at"] for first in account.executions().values()}
    assert len(moments) > 6
    middle = sorted(moments)[len(moments) // 2] - time.now
    assert all(abs(each - time.now - middle) <= 0.2 * middle for each in moments)


def test_a_plan_is_made_once_a_minute_and_not_for_each_question(
    account: Account, time: Clock, way: tuple[Model, Route], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Any] = []
    read = aws.hasty_dynamodb().get_item

    def counted(**asked: Any) -> Any:
        reads.append(asked)
        return read(**asked)

    monkeypatch.setattr(aws.hasty_dynamodb(), "get_item", counted)
    for _ in range(5):
        timings.plan(*way)
        time.forward(1)
    assert len(reads) == 2  # the route's item, and the gateway's
    assert clock.now() // timings.MAX_AGE_MS == (clock.now() - 5000) // timings.MAX_AGE_MS


def test_edges_are_what_the_items_in_the_table_mean() -> None:
    """Bins are counted by number in the table, so what a number means must not change."""
    assert [round(EDGES[each], 3) for each in (0, 1, 32, 63, 64)] == [0.25, 0.284, 15.0, 791.909, 900.0]

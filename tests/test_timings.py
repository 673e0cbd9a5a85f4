"""What the driver learns of how long gateways take: darkroom/timings.py."""

import httpx
import pytest

from darkroom import aws, timings
from darkroom.task import Task
from tests.conftest import CREATE, OUTPUT, QUESTION, Account, Clock, Wire, call, prediction, step, submit

ROUTE = "vectornode/replicate/google/imagen-4-fast"
ANSWER = {"created_at": "2026-11-20T12:00:00.04Z", "completed_at": "2026-11-20T12:00:20.123456789Z", "output": OUTPUT}


def test_what_is_recorded_is_the_gateways_time_and_not_when_we_noticed(running: Task, wire: Wire, time: Clock) -> None:
    wire.on("GET", QUESTION, prediction("succeeded", **ANSWER))
    time.forward(300)
    call("poll", step(running))
    for _ in range(9):
        timings.record(ROUTE, 20.08)
    assert timings.expected(ROUTE) == pytest.approx(20, rel=0.1)


def test_a_driver_waits_as_long_as_its_route_has_taken_here(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, prediction())
    submit(key="before")
    for _ in range(10):
        timings.record(ROUTE, 12)
    time.forward(60)
    submit(key="after")
    assert sorted(one["wait"] for one in account.executions().values()) == [4, 12]


def test_a_few_tasks_say_less_than_the_catalogue(account: Account, time: Clock) -> None:
    for _ in range(9):
        timings.record(ROUTE, 12)
    assert timings.expected(ROUTE) is None


@pytest.mark.usefixtures("running")
def test_a_task_does_not_fail_for_want_of_timings(account: Account, wire: Wire, time: Clock) -> None:
    aws.dynamodb().delete_table(TableName=f"{account.stack}-TimingsTable")
    wire.on("GET", QUESTION, httpx.Response(200, json={"id": "gm72", "status": "succeeded", **ANSWER}))
    assert call("poll", step(account.task()))["next"] == "finalize"
    time.forward(60)
    assert submit(key="another")["statusCode"] == 201

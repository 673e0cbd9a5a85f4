"""How long a row of a batch waits for a gateway, and how long it is kept."""

import itertools
import json

import httpx
import pytest

from darkroom import aws, items, schedule
from darkroom.driver import LAST_TURN
from darkroom.task import Status, Task
from tests.conftest import (
    CREATE,
    Account,
    Clock,
    Event,
    Wire,
    conclude,
    prediction,
)
from tests.one_row import accept, again, drop, make, the_row, visit

BUSY = httpx.Response(429, json={"detail": "Request was throttled."})


@pytest.fixture
def row(account: Account, wire: Wire, time: Clock) -> Event:
    return the_row(account, wire, time)


def test_a_row_has_a_day_until_a_gateway_takes_it_and_then_its_half_hour(
    row: Event, account: Account, wire: Wire, time: Clock
) -> None:
    accept(row)
    assert account.task().deadline == time.now + 24 * 60 * 60 * 1000
    time.forward(10 * 60 * 60)
    visit(account.task())
    assert account.task().status is Status.RUNNING
    assert account.task().deadline == time.now + 30 * 60 * 1000


def test_a_row_that_is_refused_for_hours_is_not_failed_and_is_made_in_the_end_once(
    row: Event, account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", CREATE, BUSY)
    accept(row)
    waits, began, turn = [], time.now, 0
    while time.now < began + 2 * 60 * 60 * 1000:
        answer = visit(account.task(), turn)
        assert answer["next"] == "wait", "no driver leaves it, and nobody ends it"
        turn = answer["turn"]
        waits.append(answer["wait"])
        time.forward(answer["wait"])
        assert account.task().due > time.now  # type: ignore[operator]
    assert waits[:8] == [2, 4, 8, 16, 32, 64, 128, 256]
    assert set(waits[8:]) == {480}
    assert sum(waits) / turn * LAST_TURN > schedule.PATIENCE_S, "one driver lasts for a day"
    refused = len(wire.sent("POST", CREATE))
    wire.on("POST", CREATE, prediction())
    assert visit(account.task(), turn)["next"] == "wait"
    assert len(wire.sent("POST", CREATE)) == refused + 1
    assert make(account, wire, time).status is Status.SUCCEEDED
    assert len(wire.sent("POST", CREATE)) == refused + 1
    assert accept(again(row, driven=True))["next"] == "done"


def test_a_row_that_nobody_took_in_a_day_fails_and_says_why(
    row: Event, account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", CREATE, BUSY)
    accept(row)
    visit(account.task())
    time.forward(24 * 60 * 60)
    assert visit(account.task(), 1)["next"] == "finalize"
    failure = account.task().failure
    assert failure
    assert (failure.code, failure.retryable, failure.may_be_billed) == ("rate_limited", True, False)


def test_a_day_of_refusals_fits_into_a_tasks_item(account: Account, wire: Wire, time: Clock) -> None:
    """An item of DynamoDB holds 400 KB, and each refusal is on record."""
    wire.on("POST", CREATE, httpx.Response(429, json={"detail": "é" * 5000}, headers={"retry-after": "1"}))
    long = {f"word{number}": "x" * 31_000 for number in range(8)}
    (only,) = drop(account, time, {"input": {"prompt": "A lighthouse", **long}, "metadata": {"note": "x" * 12_000}})
    accept(only)
    empty = size(account)
    visit(account.task())
    tries = next(each for each in itertools.count() if sum(map(patient, range(each))) >= schedule.PATIENCE_S)
    assert empty > 256_000
    assert empty + tries * (size(account) - empty) < 400 * 1024


def patient(tries: int) -> int:
    return schedule.backoff(tries, patient=True)


def size(account: Account) -> int:
    """Bytes of the only task's item, and some more: DynamoDB counts no punctuation."""
    (item,) = aws.dynamodb().scan(TableName=f"{account.stack}-TasksTable")["Items"]
    return len(json.dumps(items.deserialized(item), ensure_ascii=False).encode())


def test_an_ordinary_task_is_no_more_patient_than_before(running: Task) -> None:
    assert running.deadline == running.created + schedule.DEADLINE_S * 1000
    assert not running.patient


def test_a_rows_task_is_kept_for_as_long_again_as_its_batch_may_take(
    row: Event, account: Account, wire: Wire, time: Clock
) -> None:
    accept(row)
    conclude(make(account, wire, time))
    item = aws.dynamodb().scan(TableName=f"{account.stack}-TasksTable")["Items"][0]
    assert int(item["expires"]["N"]) == time.now // 1000 + (90 + 90) * 86_400

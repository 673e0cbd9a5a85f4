"""The only recovery besides the drivers themselves: functions/sweep.py."""

from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from darkroom import asking, aws, recovery, store
from darkroom.driver import GRACE_MS
from darkroom.errors import OutputUnavailable
from darkroom.posting import LEASE_MARGIN_MS
from darkroom.task import Delivery, Status, Task
from tests.conftest import (
    CREATE,
    OUTPUT,
    QUESTION,
    RECEIVER,
    Account,
    Clock,
    Context,
    Wire,
    call,
    conclude,
    event,
    order,
    prediction,
    step,
    submit,
)

#: Seconds after which a task whose driver has not started is overdue: its first wait, and one.
OVERDUE = GRACE_MS / 1000 + 5
#: The same for one that has been claimed: nobody may come back to it before the claim's lease is over.
CLAIM_OVERDUE = (Context().remaining + LEASE_MARGIN_MS + GRACE_MS) / 1000 + 1


def sweep() -> int:
    rescued: int = call("sweep", event("sweep"))["rescued"]
    return rescued


@pytest.fixture
def undriven(account: Account, time: Clock, monkeypatch: pytest.MonkeyPatch) -> Task:
    """A task whose driver could not be started."""

    def throttled(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "StartExecution")

    with monkeypatch.context() as patch:
        patch.setattr(aws.stepfunctions(), "start_execution", throttled)
        submit(order(webhook=RECEIVER))
    return account.task()


def test_a_task_without_a_driver_gets_the_next_one(account: Account, time: Clock, undriven: Task) -> None:
    assert account.executions() == {}
    time.forward(OVERDUE)
    assert sweep() == 1
    task = account.task()
    assert (task.status, task.generation, task.due) == (Status.ACCEPTED, 2, time.now + GRACE_MS)
    assert account.executions() == {f"{task.task_id}-2": {**step(task), "wait": 0}}


def test_the_next_driver_brings_the_task_on_its_way(account: Account, wire: Wire, time: Clock, undriven: Task) -> None:
    wire.on("POST", CREATE, prediction())
    time.forward(OVERDUE)
    sweep()
    (started,) = account.executions().values()
    assert call("poll", started)["next"] == "wait"
    assert account.task().status is Status.RUNNING
    assert len(wire.requests) == 1


def test_a_task_that_is_not_due_is_left_to_its_driver(account: Account, time: Clock, running: Task) -> None:
    time.forward(GRACE_MS / 1000)
    assert sweep() == 0
    assert account.task() == running


def test_a_task_that_somebody_may_be_posting_is_not_taken_from_them(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, httpx.ReadTimeout)
    submit(order(webhook=RECEIVER))
    claimed = account.task()
    assert (claimed.status, claimed.due) == (Status.SUBMITTING, time.now + round(1000 * (CLAIM_OVERDUE - 1)))
    time.forward(CLAIM_OVERDUE - 1)
    assert sweep() == 0
    assert account.task() == claimed
    time.forward(0.001)
    assert sweep() == 1
    assert len(wire.sent("POST")) == 1


def test_a_task_with_a_living_driver_is_left_to_it(account: Account, wire: Wire, time: Clock, running: Task) -> None:
    wire.on("GET", QUESTION, prediction("processing"))
    while time.now < running.created + 2 * GRACE_MS:
        time.forward(call("poll", step(running))["wait"])
        assert sweep() == 0
    assert list(account.executions()) == [running.task_id]


@pytest.mark.parametrize("webhook", [RECEIVER, None], ids=["with a webhook", "without"])
def test_a_task_that_has_ended_and_may_not_have_been_announced_gets_a_driver(
    account: Account, wire: Wire, time: Clock, webhook: str | None
) -> None:
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": "no"}))
    wire.on("POST", RECEIVER, httpx.Response(204))
    submit(order(webhook=webhook) if webhook else None)
    assert account.task().status is Status.FAILED
    time.forward(OVERDUE)
    assert sweep() == 1
    assert account.executions("delivery") == {}
    started = account.executions()[f"{account.task().task_id}-2"]
    finalized = call("finalize", call("poll", started))
    assert (finalized["next"], finalized["news"]["prediction"]["status"]) == ("deliver", "failed")
    assert call("deliver", finalized)["next"] == "done"
    time.forward(OVERDUE)
    assert sweep() == 0


def test_a_task_whose_receiver_was_tried_was_announced_and_gets_a_delivery(
    account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": "no"}))
    wire.on("POST", RECEIVER, httpx.Response(500), httpx.Response(204))
    submit(order(webhook=RECEIVER))
    conclude(account.task())
    time.forward(OVERDUE + 60)
    assert sweep() == 1
    ((name, started),) = account.executions("delivery").items()
    assert name == f"{account.task().task_id}-2"
    assert len(account.executions("generation")) == 1
    assert call("deliver", started)["next"] == "done"
    assert account.task().delivery is Delivery.DELIVERED
    time.forward(OVERDUE)
    assert sweep() == 0


def test_what_the_index_says_is_not_believed(
    account: Account, wire: Wire, time: Clock, running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outdated(**asked: Any) -> Any:
        found = query(**asked)
        if found["Items"]:
            call("poll", step(running))
        return found

    query = aws.dynamodb().query
    monkeypatch.setattr(aws.dynamodb(), "query", outdated)
    wire.on("GET", QUESTION, prediction("processing"))
    time.forward(CLAIM_OVERDUE)
    assert sweep() == 0
    assert (account.task().generation, len(wire.sent("GET"))) == (1, 1)


def test_of_two_sweeps_one_starts_the_driver(
    account: Account, time: Clock, undriven: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(**asked: Any) -> Any:
        found = get(**asked)
        with monkeypatch.context() as patch:
            patch.setattr(aws.dynamodb(), "get_item", get)
            time.forward(0.02)
            others.append(sweep())
        return found

    others: list[int] = []
    get = aws.dynamodb().get_item
    time.forward(OVERDUE)
    with monkeypatch.context() as patch:
        patch.setattr(aws.dynamodb(), "get_item", overtaken)
        assert sweep() == 0
    assert others == [1]
    assert list(account.executions()) == [f"{undriven.task_id}-2"]
    assert account.task().generation == 2


def test_a_driver_that_was_taken_for_lost_leaves_when_it_comes_back(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, prediction("processing"))
    time.forward(CLAIM_OVERDUE)
    assert sweep() == 1
    assert [call(door, step(running))["next"] for door in ("poll", "finalize", "deliver")] == ["leave"] * 3
    assert wire.sent("GET") == []
    assert call("poll", step(account.task()))["next"] == "wait"


def test_one_task_that_cannot_be_read_does_not_keep_the_others_from_rescue(
    account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", CREATE, prediction())
    for number in range(6):
        submit(key=str(number))
    for task in account.tasks()[:2]:
        aws.dynamodb().update_item(
            TableName=f"{account.stack}-TasksTable",
            Key={"task_id": {"S": task.task_id}},
            UpdateExpression="SET #status = :status",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":status": {"S": "of a later version"}},
        )
    time.forward(CLAIM_OVERDUE)
    assert sweep() == 4


def test_a_driver_that_copies_again_and_again_is_not_taken_for_lost(wire: Wire, time: Clock, collecting: Task) -> None:
    wire.on("GET", OUTPUT, httpx.Response(503))
    for turn in range(1, 20):
        with pytest.raises(OutputUnavailable):
            call("finalize", step(collecting, turn))
        time.forward(min(60, 5 * turn))
        assert sweep() == 0
        assert call("poll", step(collecting, turn))["next"] == "finalize"


def test_tasks_that_cannot_be_read_do_not_stand_in_the_way_for_ever(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.on("POST", CREATE, prediction())
    monkeypatch.setattr(recovery, "LIMIT", 1)
    monkeypatch.setattr(store, "DUE_SHARDS", 1)
    for number in range(2):
        submit(key=str(number))
        time.forward(1)
    first = min(account.tasks(), key=lambda task: task.created)
    real = store.read
    monkeypatch.setattr(store, "read", lambda task_id: 1 / 0 if task_id == first.task_id else real(task_id))
    time.forward(CLAIM_OVERDUE)
    assert (sweep(), sweep()) == (0, 1)


def test_a_task_that_nobody_could_carry_to_its_end_has_failed_at_last(
    account: Account, wire: Wire, time: Clock, running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "answer", lambda _: 1 / 0)
    time.forward(3 * 3600)
    for _ in range(recovery.DRIVERS):
        assert sweep() == 1
        with pytest.raises(ZeroDivisionError):
            call("poll", step(account.task()))
        time.forward(GRACE_MS / 1000 + 1)
    assert sweep() == 1
    task = account.task()
    assert (task.status, task.failure and task.failure.code) == (Status.COLLECTING, "internal")
    call("finalize", step(task))
    assert account.task().status is Status.FAILED


def test_a_task_that_nobody_came_to_for_hours_is_asked_about_before_it_is_given_up(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    """All of AWS may have been away, and the gateway may be done long since."""
    time.forward(12 * 3600)
    assert sweep() == 1
    wire.on("GET", QUESTION, prediction("succeeded", output=OUTPUT))
    assert call("poll", step(account.task()))["next"] == "finalize"
    assert account.task().outputs == (OUTPUT,)


def test_drivers_that_could_not_be_started_have_not_tried(
    account: Account, wire: Wire, time: Clock, running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "StartExecution")

    with monkeypatch.context() as patch:
        patch.setattr(aws.stepfunctions(), "start_execution", throttled)
        for _ in range(80):
            time.forward(GRACE_MS / 1000 + 1)
            sweep()
    task = account.task()
    assert (task.status, task.failure, task.late) == (Status.RUNNING, None, 0)
    assert task.generation > recovery.DRIVERS


def test_a_task_that_ends_while_it_is_being_rescued_does_not_keep_the_others_from_rescue(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no due time any more, so it cannot be set aside either."""

    def ends(task: Task, due: int) -> Task | None:
        if task.task_id != first.task_id:
            return take_over(task, due)
        aws.dynamodb().update_item(
            TableName=f"{account.stack}-TasksTable",
            Key={"task_id": {"S": task.task_id}},
            UpdateExpression="REMOVE due, due_shard",
        )
        raise RuntimeError("meanwhile")

    wire.on("POST", CREATE, prediction())
    for number in range(20):
        submit(key=str(number))
    shards: dict[str, list[Task]] = {}
    for task in account.tasks():
        shards.setdefault(store.due_shard(task.task_id), []).append(task)
    first = shards[min(shards)][0]
    take_over = store.take_over
    time.forward(CLAIM_OVERDUE)
    monkeypatch.setattr(store, "take_over", ends)
    assert sweep() == 19

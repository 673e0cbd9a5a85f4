"""
Writes that were made, whose replies were lost, and which the SDK made once more: nobody loses a race against itself.

AWS's SDK repeats a request when a reply does not come. A conditional write that was made then finds its own condition
broken.
"""

import ast
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from darkroom import aws, driver, store
from darkroom.task import Delivery, Status, Task
from tests.conftest import (
    CREATE,
    OUTPUT,
    QUESTION,
    RECEIVER,
    Account,
    Clock,
    Wire,
    call,
    document,
    event,
    order,
    picture,
    prediction,
    step,
    submit,
)
from tests.test_architecture import HOUSE
from tests.test_store import ATTEMPT, DUE, FINISHED, LEASE, LOST, NOW, NOWHERE, ROUTE, TOLD, ended, kept, new, reached

Write = Callable[[Task], Any]
DOUBT = {"code": "gateway_lost", "since": NOW, "times": 1}

#: Every write to the tasks table: the status that it is made in, and the write.
WRITES: dict[str, tuple[Status, Write]] = {
    "create": (Status.ACCEPTED, lambda _: store.create(new("another"))),
    "claim": (Status.ACCEPTED, lambda one: store.claim(one, "nonce", ROUTE, LEASE, DUE)),
    "keep_ticket": (Status.SUBMITTING, lambda one: store.keep_ticket(one, "ticket", ATTEMPT)),
    "release": (Status.SUBMITTING, lambda one: store.release(one, ATTEMPT)),
    "remark": (Status.ACCEPTED, lambda one: store.remark(one, NOWHERE)),
    "note": (Status.SUBMITTING, lambda one: store.note(one, LOST)),
    "hear": (Status.RUNNING, lambda one: store.hear(one, FINISHED, DUE)),
    "doubt": (Status.RUNNING, lambda one: store.doubt(one, DOUBT)),
    "trust": (Status.RUNNING, lambda one: store.trust(kept(store.doubt(one, DOUBT)))),
    "refresh": (Status.COLLECTING, lambda one: store.refresh(one, ("new",), DUE)),
    "end": (Status.COLLECTING, lambda one: store.end(one, ended(one))),
    "ask_to_cancel": (Status.RUNNING, store.ask_to_cancel),
    "postpone": (Status.RUNNING, lambda one: store.postpone(one, DUE + 1)),
    "visited": (Status.RUNNING, store.visited),
    "take_over": (Status.RUNNING, lambda one: store.take_over(one, DUE + 1)),
    "set_aside": (Status.RUNNING, lambda one: store.set_aside(one.task_id, DUE + 1)),
    "settle": (Status.COLLECTING, lambda one: store.settle(kept(store.end(one, ended(one, delivery=Delivery.NONE))))),
    "delivered": (Status.SUCCEEDED, lambda one: store.delivered(one, TOLD, "telling")),
    "undelivered": (Status.SUCCEEDED, lambda one: store.undelivered(one, TOLD, DUE + 1, "telling")),
    "overtaken": (Status.SUCCEEDED, lambda one: store.overtaken(one, TOLD, "telling")),
    "redeliver": (Status.SUCCEEDED, lambda one: store.redeliver(one, DUE + 2)),
    "give_up": (Status.SUCCEEDED, lambda one: store.give_up(one, TOLD, "telling")),
}


@contextmanager
def lost_replies(service: Any, operation: str) -> Iterator[list[Any]]:
    """The service does what it is told; its reply is lost, and the SDK tells it once more. What each reply was."""
    replies: list[Any] = []

    def once_more(attempts: int, response: Any, **_: Any) -> int | None:
        replies.append(response)
        return 0 if attempts == 1 else None

    name = f"needs-retry.{service.meta.service_model.service_id.hyphenize()}.{operation}"
    service.meta.events.register_first(name, once_more)
    try:
        yield replies
    finally:
        service.meta.events.unregister(name, once_more)


def test_every_write_is_known_here() -> None:
    source = ast.parse((HOUSE / "store.py").read_text())
    functions = {each.name: ast.unparse(each) for each in source.body if isinstance(each, ast.FunctionDef)}
    writing = ("items.change(", "put_item(", "update_item(", "_told(")
    found = {name for name, text in functions.items() if any(call in text for call in writing)}
    assert {name for name in found if not name.startswith("_")} == set(WRITES)


@pytest.mark.parametrize("name", WRITES)
def test_a_write_whose_reply_was_lost_has_been_made_once_and_is_known_for_ones_own(
    account: Account, time: Clock, name: str
) -> None:
    status, write = WRITES[name]
    undisturbed = write(reached(status, "undisturbed"))
    before = reached(status, "disturbed")
    with lost_replies(aws.dynamodb(), "PutItem") as puts, lost_replies(aws.dynamodb(), "UpdateItem") as updates:
        after = write(before)
    assert len(puts) + len(updates) == (4 if name in ("trust", "settle") else 2)
    if name == "create":
        assert (after, updates) == (new("another"), [])
        return
    if name == "set_aside":
        assert store.read(before.task_id).due == DUE + 1
        return
    own = {"task_id": before.task_id}
    assert kept(after) == dataclasses.replace(undisturbed, **own)


@pytest.mark.parametrize("name", ["claim", "keep_ticket", "release", "note", "hear", "end", "take_over"])
def test_whoever_really_lost_is_not_told_that_it_was_its_own_write(account: Account, time: Clock, name: str) -> None:
    status, write = WRITES[name]
    seen = reached(status)
    others = {
        Status.ACCEPTED: lambda: store.claim(seen, "somebody else", ROUTE, LEASE + 1, DUE + 1),
        Status.SUBMITTING: lambda: store.hear(seen, FINISHED, DUE),
        Status.RUNNING: lambda: store.take_over(store.hear(seen, FINISHED, DUE + 9) or seen, NOW),
        Status.COLLECTING: lambda: store.end(seen, ended(seen, news="somebody else's")),
    }
    other = kept(others[status]())
    with lost_replies(aws.dynamodb(), "UpdateItem"):
        assert write(seen) is None
    assert store.read(seen.task_id) == other


def test_a_driver_whose_start_was_repeated_runs_once(account: Account, time: Clock, wire: Wire) -> None:
    wire.on("POST", CREATE, prediction())
    with lost_replies(aws.stepfunctions(), "StartExecution") as replies:
        assert document(submit())["status"] == "processing"
    assert len(replies) == 2
    assert list(account.executions()) == [account.task().task_id]
    # So it is with one that has been started, and is over.
    already = aws.stepfunctions().exceptions.ExecutionAlreadyExists(
        {"Error": {"Code": "ExecutionAlreadyExists", "Message": ""}}, "StartExecution"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aws.stepfunctions(), "start_execution", lambda **_: (_ for _ in ()).throw(already))
        driver.start(account.task(), 0)


def life(account: Account, wire: Wire, time: Clock) -> Task:
    """A whole one: a refusal, the ticket, the picture, a webhook that is taken the second time."""
    wire.on("POST", CREATE, httpx.Response(429), prediction())
    wire.on("GET", QUESTION, prediction("processing"), prediction("succeeded", output=OUTPUT))
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    wire.on("POST", RECEIVER, httpx.Response(503), httpx.Response(204))
    task_id = document(submit(order(webhook=RECEIVER)))["id"]
    for door, seconds in (("poll", 2), ("poll", 4), ("poll", 4), ("finalize", 1), ("deliver", 0), ("deliver", 5)):
        time.forward(seconds)
        call(door, step(store.read(task_id), 1))
    return store.read(task_id)


def test_a_life_in_which_every_reply_of_the_table_is_lost_is_the_same_life(
    account: Account, wire: Wire, time: Clock
) -> None:
    began = time.now
    table = aws.dynamodb()
    with lost_replies(table, "PutItem") as puts, lost_replies(table, "UpdateItem") as updates:
        disturbed = life(account, wire, time)
    assert (len(puts), len(updates) > 12) == (2, True)
    assert (disturbed.status, disturbed.delivery) == (Status.SUCCEEDED, Delivery.DELIVERED)
    assert len(wire.sent("POST", CREATE)) == len(wire.sent("POST", RECEIVER)) == 2
    table.delete_item(TableName=f"{account.stack}-TasksTable", Key={"task_id": {"S": disturbed.task_id}})
    time.now = began
    undisturbed = life(account, wire, time)
    chance = ("nonce", "deliveries")
    assert dataclasses.replace(undisturbed, **{name: getattr(disturbed, name) for name in chance}) == disturbed


def test_a_sweep_whose_replies_are_lost_starts_one_driver(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, prediction())
    submit()
    time.forward(600)
    table, machines = aws.dynamodb(), aws.stepfunctions()
    with lost_replies(table, "UpdateItem"), lost_replies(machines, "StartExecution"):
        assert call("sweep", event("sweep"))["rescued"] == 1
    task = account.task()
    assert (task.generation, sorted(account.executions())) == (2, [task.task_id, f"{task.task_id}-2"])

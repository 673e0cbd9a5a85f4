"""A gateway whose reply to the paid POST has everything already: it is not asked for it."""

from typing import Any

import httpx
import pytest
from botocore.exceptions import EndpointConnectionError

from darkroom import driver
from darkroom.task import Status, Task
from tests.conftest import CREATE, OUTPUT, Account, Clock, Wire, call, document, prediction, step, submit

MADE = {"created_at": "2026-11-20T12:00:00Z", "completed_at": "2026-11-20T12:00:01.5Z", "output": OUTPUT}


def test_a_reply_that_is_already_final_is_not_asked_for(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, prediction("succeeded", **MADE))
    answer = submit()
    task = account.task()
    assert (answer["statusCode"], document(answer)["status"]) == (201, "processing")
    assert (task.status, task.outputs, task.ticket) == (Status.COLLECTING, (OUTPUT,), "gm72dcl0hqzg9dyozwvntt2wj0")
    first, second = (account.executions()[f"{task.task_id}{suffix}"] for suffix in ("", "-2"))
    assert (second["wait"], second["generation"]) == (0, 2)
    assert call("poll", second)["next"] == "finalize"
    assert call("poll", first)["next"] == "leave"
    assert wire.sent("GET") == []


def test_a_gateway_that_accepts_and_has_failed_at_once_has_not_rejected(account: Account, wire: Wire) -> None:
    """It may bill it: so it is a task that failed, and no complaint about the request."""
    wire.on("POST", CREATE, prediction("failed", error="out of memory"))
    assert submit()["statusCode"] == 201
    task = account.task()
    assert task.failure is not None
    assert (task.status, task.failure.message, task.failure.may_be_billed) == (Status.COLLECTING, "out of memory", True)


@pytest.mark.parametrize(
    "members", [{"status": "succeeded"}, {"status": "succeeded", "output": []}, {"output": OUTPUT}]
)
def test_a_reply_that_says_too_little_leaves_it_to_the_driver(
    account: Account, wire: Wire, members: dict[str, Any]
) -> None:
    wire.on("POST", CREATE, httpx.Response(201, json={"id": "gm72dcl0hqzg9dyozwvntt2wj0", **members}))
    assert submit()["statusCode"] == 201
    assert account.task().status is Status.RUNNING
    assert len(account.executions()) == 1


def test_a_final_reply_to_the_drivers_own_post_goes_to_finalize(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, httpx.ConnectError, prediction("succeeded", **MADE))
    submit()
    time.forward(2)
    assert call("poll", step(account.task()))["next"] == "finalize"
    assert account.task().outputs == (OUTPUT,)
    assert wire.sent("GET") == []


def test_a_final_reply_whose_next_driver_cannot_be_started_is_found_by_the_first(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or by the sweeper: what was accepted is on record, and so is what it has made."""
    start = driver.start

    def once(task: Task, wait: float) -> None:
        if task.generation > 1:
            raise EndpointConnectionError(endpoint_url="states")
        start(task, wait)

    monkeypatch.setattr(driver, "start", once)
    wire.on("POST", CREATE, prediction("succeeded", **MADE))
    assert submit()["statusCode"] == 201
    monkeypatch.setattr(driver, "start", start)
    task = account.task()
    assert task.status is Status.COLLECTING
    assert task.due is not None
    time.now = task.due + 1
    assert call("sweep", {}) == {"rescued": 1}

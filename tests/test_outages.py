"""
AWS out of reach, from some call of an invocation on: what has been paid for is known or said to be unknown, what has
not been paid for is done when AWS is back, and nothing is paid for twice.

An outage begins at a named call and lasts until the test ends it. `before`: the call does not get through. `after`:
it is done, and its reply does not come through; nor does anything that follows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import httpx
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from darkroom import aws, keys
from darkroom.driver import GRACE_MS
from darkroom.task import Delivery, Status, Task, name
from tests.conftest import (
    CREATE,
    OUTPUT,
    QUESTION,
    RECEIVER,
    Account,
    Clock,
    Event,
    Wire,
    call,
    conclude,
    document,
    event,
    order,
    picture,
    prediction,
    step,
    submit,
)

Moment = Literal["before", "after"]
#: Seconds after which everybody has been taken for lost.
LONG = 3 * GRACE_MS / 1000


@contextmanager
def outage(operation: str, moment: Moment, nth: int = 1) -> Iterator[None]:
    """The service is out of reach from the nth call of `operation` on, which is `service.Operation`."""
    service, _, name = operation.partition(".")
    client = {"dynamodb": aws.dynamodb, "sfn": aws.stepfunctions, "ssm": aws.ssm, "s3": aws.s3}[service]()
    calls = {"before": 0, "after": 0}
    out = False

    def count(model: Any, where: Moment) -> None:
        nonlocal out
        calls[where] += model.name == name
        out = out or (where == moment and model.name == name and calls[where] == nth)
        if out:
            raise EndpointConnectionError(endpoint_url=f"https://{service}.example")

    def before(model: Any, **_: Any) -> None:
        count(model, "before")

    def after(model: Any, **_: Any) -> None:
        count(model, "after")

    handlers: dict[str, Callable[..., None]] = {"before-call": before, "after-call": after}
    for moment_of_call, handler in handlers.items():
        client.meta.events.register(moment_of_call, handler)
    keys.forget()
    try:
        yield
    finally:
        for moment_of_call, handler in handlers.items():
            client.meta.events.unregister(moment_of_call, handler)


@pytest.fixture(autouse=True)
def _gateway(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, prediction())
    wire.on("GET", QUESTION, prediction("succeeded", output=OUTPUT))
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    wire.on("POST", RECEIVER, httpx.Response(204))


def carried_on(time: Clock, account: Account) -> Task:
    """The task, when a driver after the other has had its turn, and the sweeper has looked after it."""
    for turn in range(1, 6):
        time.forward(LONG)
        call("sweep", event("sweep"))
        task = account.task()
        if task.status.terminal:
            break
        if call("poll", step(task, turn))["next"] == "finalize":
            conclude(account.task(), turn)
    return account.task()


#: Where an outage begins in a submission, what its caller is answered, and how the task ends. None: there is no task.
SUBMISSIONS: list[tuple[str, Moment, int, int, str | None]] = [
    ("dynamodb.GetItem", "before", 1, 503, None),  # is the key known?
    ("ssm.GetParameter", "before", 1, 201, "succeeded"),  # the gateway's key
    ("dynamodb.PutItem", "before", 1, 503, None),
    ("dynamodb.PutItem", "after", 1, 503, "succeeded"),
    ("sfn.StartExecution", "before", 1, 201, "succeeded"),
    ("sfn.StartExecution", "after", 1, 201, "succeeded"),
    ("dynamodb.UpdateItem", "before", 1, 201, "succeeded"),  # the claim
    ("dynamodb.UpdateItem", "after", 1, 201, "failed"),  # nobody can tell whether its holder has posted
    ("dynamodb.UpdateItem", "before", 2, 201, "failed"),  # the ticket
    ("dynamodb.UpdateItem", "after", 2, 201, "succeeded"),
]


@pytest.mark.parametrize(("operation", "moment", "nth", "status", "end"), SUBMISSIONS)
def test_a_submission_that_an_outage_cuts_off_ends_as_it_should_and_is_paid_once(
    account: Account, wire: Wire, time: Clock, operation: str, moment: Moment, nth: int, status: int, end: str | None
) -> None:
    with outage(operation, moment, nth):
        answer = submit(order(webhook=RECEIVER))
    assert answer["statusCode"] == status
    if status == 503:
        told, written = document(answer), operation == "dynamodb.PutItem"
        code = "perhaps_recorded" if written else "unavailable"
        assert (told["code"], told["retryable"], told["may_be_billed"]) == (code, True, written)
        assert told.get("task_id") == (name("default", "order-1") if written else None)
        assert int(answer["headers"]["retry-after"]) > 0
    posted = len(wire.sent("POST", CREATE))
    assert posted == (nth == 2)
    if end is None:
        assert (account.tasks(), account.executions()) == ([], {})
        return
    assert document(submit(order(webhook=RECEIVER)))["id"] == account.task().task_id
    assert len(wire.sent("POST", CREATE)) == posted, "a repeated request starts nothing"
    task = carried_on(time, account)
    assert (task.status, task.delivery) == (end, Delivery.DELIVERED)
    if end == "failed":
        assert task.failure is not None
        assert (task.failure.code, task.failure.may_be_billed) == ("submission_unknown", True)
        assert len(wire.sent("POST", CREATE)) == posted
    else:
        assert len(wire.sent("POST", CREATE)) == 1
        assert [image.key in account.files() for image in task.images] == [True]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("reply", "end"),
    [(httpx.Response(429), "succeeded"), (httpx.ReadTimeout, "failed"), (httpx.Response(422), "failed")],
    ids=["refused", "unknown", "rejected"],
)
def test_what_came_of_a_post_and_could_not_be_written_down_is_at_worst_unknown(
    account: Account, wire: Wire, time: Clock, moment: Moment, reply: Any, end: str
) -> None:
    wire.on("POST", CREATE, reply, prediction())
    with outage("dynamodb.UpdateItem", moment, 2):
        assert submit()["statusCode"] == 201
    task = carried_on(time, account)
    lost = moment == "before"
    assert task.status == ("failed" if lost else end)
    assert len(wire.sent("POST", CREATE)) == (2 if (end, lost) == ("succeeded", False) else 1)
    if lost:
        assert task.failure is not None
        assert task.failure.code == "submission_unknown"


def test_a_request_that_is_repeated_starts_no_driver_and_the_sweeper_does(
    account: Account, wire: Wire, time: Clock
) -> None:
    with outage("sfn.StartExecution", "before"):
        submit()
    answer = submit()
    assert (answer["statusCode"], answer["headers"]["idempotent-replayed"]) == (200, "true")
    assert (account.executions(), wire.requests) == ({}, [])
    time.forward(LONG)
    assert call("sweep", event("sweep")) == {"rescued": 1}
    assert list(account.executions()) == [f"{account.task().task_id}-2"]


@pytest.fixture
def collected(running: Task, account: Account, time: Clock) -> Task:
    """A task whose outputs are waiting to be copied."""
    time.forward(4)
    call("poll", step(running))
    return account.task()


#: Where an outage begins in a visit, a copy or a delivery. The machine repeats what failed.
VISITS: list[tuple[str, Moment]] = [
    ("dynamodb.GetItem", "before"),
    ("ssm.GetParameter", "before"),
    ("dynamodb.UpdateItem", "before"),
    ("dynamodb.UpdateItem", "after"),
]
COPIES: list[tuple[str, Moment]] = [*VISITS, ("s3.PutObject", "before"), ("s3.PutObject", "after")]


def repeated(door: str, task: Task, operation: str, moment: Moment) -> Event:
    with outage(operation, moment), pytest.raises(Exception):  # noqa: B017,PT011 - whichever it is, the machine repeats
        call(door, step(task, 1))
    answer: Event = call(door, step(task, 1))
    return answer


@pytest.mark.parametrize(("operation", "moment"), VISITS)
def test_a_visit_that_an_outage_cuts_off_is_repeated(
    account: Account, wire: Wire, time: Clock, running: Task, operation: str, moment: Moment
) -> None:
    assert repeated("poll", running, operation, moment)["next"] == "finalize"
    task = account.task()
    assert (task.status, task.outputs) == (Status.COLLECTING, (OUTPUT,))
    assert len(wire.sent("POST", CREATE)) == 1


@pytest.mark.parametrize(("operation", "moment"), COPIES)
def test_a_copy_that_an_outage_cuts_off_is_repeated_and_says_nothing_before_its_end(
    account: Account, wire: Wire, collected: Task, operation: str, moment: Moment
) -> None:
    answer = repeated("finalize", collected, operation, moment)
    assert (answer["next"], answer["news"]["prediction"]["status"]) == ("deliver", "succeeded")
    task = account.task()
    assert (task.status, task.delivery) == (Status.SUCCEEDED, Delivery.PENDING)
    assert [image.key in account.files() for image in task.images] == [True]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_webhook_that_was_taken_and_could_not_be_recorded_is_sent_again_at_most_once_more(
    account: Account, wire: Wire, time: Clock, collected: Task, moment: Moment
) -> None:
    call("finalize", step(collected, 1))
    assert repeated("deliver", collected, "dynamodb.UpdateItem", moment)["next"] == "done"
    told = wire.sent("POST", RECEIVER)
    assert len(told) == (2 if moment == "before" else 1)
    assert len({(one.headers["webhook-id"], one.content) for one in told}) == 1
    assert account.task().delivery is Delivery.DELIVERED


def test_a_sweeper_that_cannot_start_drivers_comes_back_to_the_task(account: Account, time: Clock) -> None:
    with outage("sfn.StartExecution", "before"):
        submit()
        for _ in range(3):
            time.forward(LONG)
            assert call("sweep", event("sweep")) == {"rescued": 0}
    assert account.executions() == {}
    time.forward(LONG)
    assert call("sweep", event("sweep")) == {"rescued": 1}
    assert list(account.executions()) == [f"{account.task().task_id}-{account.task().generation}"]


def test_when_all_of_aws_was_away_for_an_hour_the_task_goes_on(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    time.forward(3600)
    task = carried_on(time, account)
    assert (task.status, task.generation, len(task.images)) == (Status.SUCCEEDED, 2, 1)
    assert len(wire.sent("POST", CREATE)) == 1


@pytest.mark.parametrize(("retries", "code"), [(0, "unavailable"), (3, "perhaps_recorded")])
def test_a_no_after_other_tries_says_nothing_about_those(
    account: Account, monkeypatch: pytest.MonkeyPatch, retries: int, code: str
) -> None:
    def throttled(**_: Any) -> None:
        told = {"HTTPStatusCode": 400, "RetryAttempts": retries}
        raise ClientError({"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": told}, "PutItem")  # type: ignore[typeddict-item]

    monkeypatch.setattr(aws.dynamodb(), "put_item", throttled)
    told = document(answer := submit())
    assert (answer["statusCode"], told["code"], told["may_be_billed"]) == (503, code, retries > 0)

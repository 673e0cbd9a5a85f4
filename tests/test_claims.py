"""What a claim guards: that nothing is posted twice, and nothing is called unknown that was never sent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from darkroom import aws, posting, store
from darkroom.task import Status, Task
from tests.conftest import CREATE, Account, Clock, Context, Wire, call, document, event, prediction, step, submit
from tests.imagen import DRAWN, TOKAIFY, VECTORNODE, VECTORNODE_FAL, ask
from tests.imagen import poll as visit

Writes = Callable[[dict[str, Any]], Any]


@contextmanager
def writing(instead: Callable[[Writes, dict[str, Any]], Any]) -> Iterator[None]:
    """Each update of an item goes through `instead`, which is handed the real way to write, and what to write."""
    client = aws.dynamodb()
    write = client.update_item
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "update_item", lambda **update: instead(lambda given: write(**given), update))
        yield


def moves_to(update: dict[str, Any], status: Status) -> bool:
    return any(
        value == {"S": status} for name, value in update["ExpressionAttributeValues"].items() if name.startswith(":put")
    )


def poll(account: Account, turn: int = 0, remaining: int = 200_000) -> tuple[str, int]:
    return visit(account.task(), turn, remaining)


def outcomes(account: Account) -> list[str]:
    return [attempt["outcome"] for attempt in account.task().attempts]


@pytest.mark.parametrize(("seconds", "posted"), [(0.5, True), (7.5, True), (9.5, False), (28, False), (120, False)])
def test_a_claim_that_took_too_long_is_given_back_unused(
    account: Account, wire: Wire, time: Clock, seconds: float, posted: bool
) -> None:
    def slow(write: Writes, update: dict[str, Any]) -> Any:
        if moves_to(update, Status.SUBMITTING):
            time.forward(seconds)
        return write(update)

    wire.on("POST", CREATE, prediction())
    with writing(slow):
        submit()
    assert len(wire.requests) == (1 if posted else 0)
    assert outcomes(account) == (["accepted"] if posted else ["not_sent"])
    time.forward(60)
    with writing(lambda write, update: write(update)):
        poll(account)
    assert account.task().status is Status.RUNNING
    assert len(wire.sent("POST")) == 1


def test_a_claim_may_take_a_moment_of_the_time_that_is_needed(account: Account, wire: Wire, time: Clock) -> None:
    def slow(write: Writes, update: dict[str, Any]) -> Any:
        if moves_to(update, Status.SUBMITTING):
            time.forward(0.9)
        return write(update)

    wire.on("POST", CREATE, httpx.ConnectError, prediction())
    submit()
    time.forward(2)
    with writing(slow):
        poll(account, remaining=19_999)
        assert len(wire.requests) == 1
        poll(account, remaining=20_000)
    assert outcomes(account) == ["not_sent", "accepted"]


def test_the_same_where_the_reply_is_the_picture(account: Account, wire: Wire, time: Clock) -> None:
    def slow(write: Writes, update: dict[str, Any]) -> Any:
        if moves_to(update, Status.SUBMITTING):
            time.forward(100)
        return write(update)

    account.delete("gateways/vectornode")
    account.put("gateways/tokaify", "tokaify-key")
    wire.on("POST", TOKAIFY, DRAWN)
    ask()
    with writing(slow):
        assert poll(account)[0] == "wait"
    assert wire.requests == []
    time.forward(60)
    assert poll(account, 1) == ("finalize", 0)
    assert len(wire.requests) == 1


def test_a_claim_whose_reply_was_lost_is_ours_though_the_due_time_was_moved_meanwhile(
    account: Account, wire: Wire, time: Clock
) -> None:
    """As another driver does, or the sweeper, before the SDK repeats the write."""

    def once_more(attempts: int, **_: Any) -> Any:
        if attempts > 1:
            return None
        events.unregister("needs-retry.dynamodb.UpdateItem", once_more)
        task = account.task()
        assert task.status is Status.SUBMITTING
        store.take_over(task, (task.due or 0) + 1)
        return 0

    wire.on("POST", CREATE, httpx.ConnectError, prediction())
    submit()
    time.forward(2)
    seen = account.task()
    events = aws.dynamodb().meta.events
    events.register_first("needs-retry.dynamodb.UpdateItem", once_more)
    call("poll", step(seen))
    task = account.task()
    assert (task.status, task.generation) == (Status.RUNNING, 2)
    assert outcomes(account) == ["not_sent", "accepted"]


@pytest.mark.parametrize("made", [True, False], ids=["written", "not written"])
@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com/"),
        ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, "UpdateItem"),
    ],
    ids=["no reply", "an error"],
)
def test_a_claim_of_which_nobody_knows_whether_it_was_written_is_given_back_and_nothing_is_posted(
    account: Account, wire: Wire, time: Clock, made: bool, error: Exception
) -> None:
    def lost(write: Writes, update: dict[str, Any]) -> Any:
        if not moves_to(update, Status.SUBMITTING):
            return write(update)
        if made:
            write(update)
        raise error

    wire.on("POST", CREATE, prediction())
    with writing(lost):
        assert submit()["statusCode"] == 201
    assert wire.requests == []
    assert account.task().status is Status.ACCEPTED
    assert outcomes(account) == (["not_sent"] if made else [])
    time.forward(60)
    assert poll(account)[0] == "wait"
    assert account.task().status is Status.RUNNING
    assert len(wire.requests) == 1


def test_nobody_claims_a_task_that_was_refused_since_it_was_read(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", VECTORNODE, httpx.ConnectError)
    wire.on("POST", VECTORNODE_FAL, httpx.ConnectError)
    ask()
    time.forward(60)
    seen = account.task()
    poll(account)
    sent = len(wire.requests)
    assert sent > 2
    assert posting.post(seen, until=time.now + 200_000) == account.task()
    assert len(wire.requests) == sent


def failing_tickets(write: Writes, update: dict[str, Any]) -> Any:
    if moves_to(update, Status.RUNNING):
        raise ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com/")
    return write(update)


def test_a_ticket_that_could_not_be_written_down_can_be_found_in_the_log(
    account: Account, wire: Wire, time: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    wire.on("POST", CREATE, prediction())
    with writing(failing_tickets):
        shown = document(submit())
    (line,) = [vars(each) for each in caplog.records if hasattr(each, "ticket")]
    assert (line["levelname"], line["task_id"], line["ticket"]) == ("ERROR", shown["id"], "gm72dcl0hqzg9dyozwvntt2wj0")
    assert line["route"] == "vectornode/replicate/google/imagen-4-fast"
    assert line["exc_info"] is None
    time.forward(Context().remaining / 1000 + 31)
    assert poll(account) == ("finalize", 0)
    failure = account.task().failure
    assert failure is not None
    assert (failure.code, failure.may_be_billed, len(wire.requests)) == ("submission_unknown", True, 1)


def test_a_reply_that_was_staged_is_found_though_its_ticket_could_not_be_written_down(
    account: Account, wire: Wire, time: Clock
) -> None:
    account.delete("gateways/vectornode")
    account.put("gateways/tokaify", "tokaify-key")
    wire.on("POST", TOKAIFY, DRAWN)
    ask()
    with writing(failing_tickets), pytest.raises(ReadTimeoutError):
        poll(account)
    time.forward(231)
    assert poll(account, 1) == ("finalize", 0)
    task: Task = account.task()
    assert (task.failure, len(task.outputs), len(wire.requests)) == (None, 1, 1)


def test_a_claim_outlives_the_invocation_that_holds_it_by_half_a_minute(
    account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", CREATE, prediction())
    submit()
    task = account.task()
    assert task.lease == time.now + Context().remaining + 30_000


@pytest.mark.parametrize(("remaining", "deadline"), [(28_000, 20.0), (21_500, 17.5)])
def test_a_post_leaves_time_to_write_down_what_came_of_it(
    account: Account, wire: Wire, time: Clock, remaining: int, deadline: float
) -> None:
    wire.on("POST", CREATE, prediction())
    call("submit", event("submit"), Context(remaining=remaining))
    assert wire.requests[0].extensions["timeout"]["read"] == pytest.approx(deadline)


@pytest.mark.parametrize(("remaining", "deadline"), [(200_000, 150.0), (130_000, 100.0)])
def test_a_picture_that_is_waited_for_leaves_time_to_be_staged(
    account: Account, wire: Wire, time: Clock, remaining: int, deadline: float
) -> None:
    account.delete("gateways/vectornode")
    account.put("gateways/tokaify", "tokaify-key")
    wire.on("POST", TOKAIFY, DRAWN)
    ask()
    poll(account, remaining=remaining)
    assert wire.requests[0].extensions["timeout"]["read"] == pytest.approx(deadline)

"""Two at once on one task: the second comes in the middle of what the first is doing, and nothing happens twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from darkroom import aws, keys, store
from darkroom.posting import LEASE_MARGIN_MS
from darkroom.task import Delivery, Status, Task
from tests.conftest import (
    CREATE,
    OUTPUT,
    QUESTION,
    RECEIVER,
    WEBHOOK_SECRET,
    Account,
    Clock,
    Context,
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

CANCEL = f"{QUESTION}/cancel"


@pytest.fixture(autouse=True)
def _gateway(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, prediction())
    wire.on("GET", QUESTION, prediction("succeeded", output=OUTPUT))
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    wire.on("POST", RECEIVER, httpx.Response(204))


def meanwhile(wire: Wire, method: str, url: str, act: Callable[[], Any], answer: httpx.Response) -> list[Any]:
    """What `act` gives, which is done in another thread while the first such request waits for its answer."""
    given: list[Any] = []

    def interrupted(_: httpx.Request) -> httpx.Response:
        wire.on(method, url, answer)
        with ThreadPoolExecutor(1) as somewhere_else:
            given.append(somewhere_else.submit(act).result())
        return answer

    wire.on(method, url, interrupted)
    return given


def cancel(account: Account) -> Any:
    sent = event("tasks", rawPath=f"/v1/predictions/{account.task().task_id}/cancel")
    sent["requestContext"]["http"] |= {"method": "POST", "path": sent["rawPath"]}
    return call("tasks", sent)


def test_a_request_that_is_repeated_while_the_first_is_being_posted_is_the_same_task(
    account: Account, wire: Wire
) -> None:
    seconds = meanwhile(wire, "POST", CREATE, submit, prediction())
    first = submit()
    assert (first["statusCode"], [second["statusCode"] for second in seconds]) == (201, [200])
    assert document(seconds[0])["id"] == document(first)["id"]
    assert len(wire.requests) == len(account.executions()) == 1


def test_of_two_requests_under_one_key_that_are_recorded_at_once_one_is_posted(
    account: Account, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outrun(**arguments: Any) -> Any:
        monkeypatch.setattr(aws.dynamodb(), "put_item", put)
        answers.append(submit())
        return put(**arguments)

    answers: list[Any] = []
    put = aws.dynamodb().put_item
    monkeypatch.setattr(aws.dynamodb(), "put_item", outrun)
    answers.append(submit())
    assert [answer["statusCode"] for answer in answers] == [201, 200]
    assert len({document(answer)["id"] for answer in answers}) == len(wire.requests) == 1


def test_a_request_that_finds_itself_just_recorded_by_another_starts_nothing(
    account: Account, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outrun(**arguments: Any) -> Any:
        put(**{**arguments, "Item": arguments["Item"] | {"nonce": {"S": "another"}}})
        return put(**arguments)

    put = aws.dynamodb().put_item
    monkeypatch.setattr(aws.dynamodb(), "put_item", outrun)
    answer = submit()
    assert (answer["statusCode"], answer["headers"]["idempotent-replayed"]) == (200, "true")
    assert (account.executions(), wire.requests) == ({}, [])


def test_two_requests_without_a_key_are_two_tasks(account: Account, wire: Wire) -> None:
    sent = event("submit")
    sent["headers"].pop("idempotency-key", None)
    ids = {document(call("submit", sent))["id"] for _ in range(2)}
    assert len(ids) == len(wire.requests) == len(account.tasks()) == 2


def test_a_driver_that_visits_while_a_submission_posts_waits(account: Account, wire: Wire, time: Clock) -> None:
    def visit() -> Any:
        time.forward(15)
        return call("poll", step(account.task(), 1))

    visits = meanwhile(wire, "POST", CREATE, visit, prediction())
    submit()
    assert [found["next"] for found in visits] == ["wait"]
    assert (account.task().status, len(wire.requests)) == (Status.RUNNING, 1)


def test_a_driver_that_lost_the_claim_to_another_posts_nothing(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, httpx.ConnectError)
    submit()
    time.forward(2)
    visits = meanwhile(wire, "POST", CREATE, lambda: call("poll", step(account.task(), 1)), prediction())
    call("poll", step(account.task(), 1))
    assert [found["next"] for found in visits] == ["wait"]
    assert (account.task().status, len(wire.requests)) == (Status.RUNNING, 2)


def test_a_reply_that_comes_when_the_lease_is_over_overwrites_nothing(
    account: Account, wire: Wire, time: Clock
) -> None:
    def everybody_has_given_up() -> Task:
        time.forward((Context().remaining + LEASE_MARGIN_MS) / 1000 + 1)
        assert call("poll", step(account.task(), 1))["next"] == "finalize"
        call("finalize", step(account.task(), 2))
        return account.task()

    ended = meanwhile(wire, "POST", CREATE, everybody_has_given_up, prediction())
    assert submit(order(webhook=RECEIVER))["statusCode"] == 201
    task = account.task()
    assert [task] == ended
    assert task.failure is not None
    assert (task.failure.code, task.ticket, len(wire.sent("POST", CREATE))) == ("submission_unknown", None, 1)


def test_two_drivers_that_hear_the_last_word_at_once_end_the_task_once(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    time.forward(4)
    succeeded = prediction("succeeded", output=OUTPUT)
    others = meanwhile(wire, "GET", QUESTION, lambda: call("poll", step(running, 1)), succeeded)
    assert call("poll", step(running, 1))["next"] in ("wait", "finalize")
    assert [other["next"] for other in others] == ["finalize"]
    assert account.task().outputs == (OUTPUT,)


def test_two_that_store_at_once_store_the_same_and_one_ends_the_task(
    account: Account, wire: Wire, time: Clock, collecting: Task
) -> None:
    content = httpx.Response(200, content=picture())
    others = meanwhile(wire, "GET", OUTPUT, lambda: call("finalize", step(collecting, 1)), content)
    mine = call("finalize", step(collecting, 1))
    assert mine["next"] == "deliver"
    assert others == [mine], "both announce the same"
    task = account.task()
    assert (task.status, task.delivery) == (Status.SUCCEEDED, Delivery.PENDING)
    assert set(account.files()) == {task.images[0].key, f"images/{task.task_id}/task.json"}


def test_two_that_tell_at_once_say_the_same(account: Account, wire: Wire, time: Clock, collecting: Task) -> None:
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    call("finalize", step(collecting, 1))
    taken = httpx.Response(204)
    others = meanwhile(wire, "POST", RECEIVER, lambda: call("deliver", step(collecting, 1)), taken)
    assert [call("deliver", step(collecting, 1))["next"], *(other["next"] for other in others)] == ["done"] * 2
    assert account.task().delivery is Delivery.DELIVERED
    assert len({one.headers["webhook-id"] + one.content.decode() for one in wire.sent("POST", RECEIVER)}) == 1


def test_two_that_were_given_different_bytes_leave_a_manifest_of_what_one_has_stored(
    account: Account, wire: Wire, time: Clock, collecting: Task
) -> None:
    mine, others = (httpx.Response(200, content=picture(color=color)) for color in ("red", "lime"))

    def another() -> Any:
        wire.on("GET", OUTPUT, others)
        return call("finalize", step(collecting, 1))

    meanwhile(wire, "GET", OUTPUT, another, mine)
    call("finalize", step(collecting, 1))
    (image,) = account.task().images
    assert account.files()[image.key] == others.content
    assert len(account.files()) == 3  # the other one's, too, under a key of its own


def test_a_wish_to_cancel_that_comes_while_it_is_posted_goes_to_the_gateway(
    account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", CANCEL, httpx.Response(200, json={}))
    shown = meanwhile(wire, "POST", CREATE, lambda: cancel(account), prediction())
    submit()
    assert [answer["statusCode"] for answer in shown] == [200]
    task = account.task()
    assert (task.status, task.cancel, wire.sent("POST", CANCEL)) == (Status.RUNNING, True, [])
    wire.on("GET", QUESTION, prediction("canceled"))
    time.forward(4)
    assert call("poll", step(task, 1))["next"] == "finalize"
    assert len(wire.sent("POST", CANCEL)) == 1
    call("finalize", step(account.task(), 2))
    assert account.task().status is Status.CANCELED


def test_a_wish_to_cancel_that_comes_before_the_claim_costs_nothing(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wished(**arguments: Any) -> Any:
        monkeypatch.setattr(aws.dynamodb(), "update_item", update)
        cancel(account)
        return update(**arguments)

    update = aws.dynamodb().update_item
    monkeypatch.setattr(aws.dynamodb(), "update_item", wished)
    submit()
    assert wire.requests == []
    assert call("poll", step(account.task(), 1))["next"] == "finalize"
    call("finalize", step(account.task(), 2))
    assert (account.task().status, wire.requests) == (Status.CANCELED, [])


def test_a_wish_to_cancel_that_comes_while_images_are_stored_changes_nothing(
    account: Account, wire: Wire, time: Clock, collecting: Task
) -> None:
    content = httpx.Response(200, content=picture())
    meanwhile(wire, "GET", OUTPUT, lambda: cancel(account), content)
    call("finalize", step(collecting, 1))
    assert (account.task().status, len(account.task().images)) == (Status.SUCCEEDED, 1)


def test_a_secret_that_is_changed_between_two_attempts_signs_the_next_one_within_a_minute(
    account: Account, wire: Wire, time: Clock, collecting: Task
) -> None:
    name = f"/{account.stack}/tenants/default/webhook-secret"
    secrets = [WEBHOOK_SECRET, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]
    wire.on("POST", RECEIVER, httpx.Response(503), httpx.Response(204))
    conclude(collecting)
    aws.ssm().put_parameter(Name=name, Value=secrets[1], Type="SecureString", Overwrite=True)
    time.forward(keys.MAX_AGE_MS / 1000)
    call("deliver", step(store.read(collecting.task_id), 1))
    for told, secret in zip(wire.sent("POST", RECEIVER), secrets, strict=True):
        moment = datetime.fromtimestamp(int(told.headers["webhook-timestamp"]), UTC)
        signature = Webhook(secret).sign(told.headers["webhook-id"], moment, told.content.decode())
        assert told.headers["webhook-signature"] == signature

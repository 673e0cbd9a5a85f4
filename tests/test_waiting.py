"""A caller who waits, or who does not want to wait for ever: Prefer and Cancel-After, through functions/submit.py."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from botocore.exceptions import EndpointConnectionError

from darkroom import aws, catalogue, clock
from darkroom.task import Status
from tests.conftest import (
    CREATE,
    MODEL,
    OUTPUT,
    QUESTION,
    RECEIVER,
    Account,
    Clock,
    Wire,
    call,
    document,
    order,
    picture,
    prediction,
    step,
    submit,
)

pytestmark = pytest.mark.usefixtures("time")


@pytest.fixture
def meanwhile(
    account: Account, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> Callable[[float, Callable[[], None]], None]:
    """Have something happen when so many seconds have been waited."""
    events: list[tuple[int, Callable[[], None]]] = []

    def sleep(seconds: float) -> None:
        time.forward(seconds)
        while events and events[0][0] <= time.now:
            events.pop(0)[1]()

    monkeypatch.setattr(clock, "sleep", sleep)
    return lambda seconds, what: events.append((time.now + round(seconds * 1000), what))


def drive(account: Account) -> None:
    """A visit of the driver that finds the picture, and brings it home."""
    task = account.task()
    call("poll", step(task))
    call("finalize", step(account.task()))


def paint(wire: Wire) -> None:
    wire.on("POST", CREATE, prediction())
    wire.on("GET", QUESTION, prediction("succeeded", output=OUTPUT))
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))


def test_who_waits_is_answered_when_the_task_has_ended(
    account: Account, wire: Wire, time: Clock, meanwhile: Callable[[float, Callable[[], None]], None]
) -> None:
    paint(wire)
    began = time.now
    meanwhile(3.2, lambda: drive(account))
    answer = submit(prefer="wait")
    assert (answer["statusCode"], answer["headers"]["preference-applied"]) == (201, "wait=25")
    assert (document(answer)["status"], len(document(answer)["images"])) == ("succeeded", 1)
    assert 3200 <= time.now - began < 5200


def test_a_failure_is_an_end_too(
    account: Account, wire: Wire, meanwhile: Callable[[float, Callable[[], None]], None]
) -> None:
    wire.on("POST", CREATE, prediction())
    wire.on("GET", QUESTION, prediction("failed", error="out of paint"))
    meanwhile(1, lambda: drive(account))
    answer = submit(prefer="wait=5")
    assert (answer["statusCode"], document(answer)["status"], document(answer)["error"]) == (
        201,
        "failed",
        "out of paint",
    )


@pytest.mark.parametrize(("prefer", "seconds"), [("wait", 25), ("wait=60", 25), ("wait=3", 3), ("wait=1", 1)])
def test_what_has_not_ended_in_time_is_starting(
    account: Account, wire: Wire, time: Clock, prefer: str, seconds: int
) -> None:
    wire.on("POST", CREATE, prediction())
    began = time.now
    answer = submit(prefer=prefer)
    assert document(answer)["status"] == "starting"
    assert account.task().status is Status.RUNNING
    assert answer["headers"]["preference-applied"] == f"wait={seconds}"
    assert time.now - began == seconds * 1000


def test_the_time_that_the_post_took_is_not_waited_again(account: Account, wire: Wire, time: Clock) -> None:
    def slowly(request: httpx.Request) -> httpx.Response:
        time.forward(18)
        return prediction()

    wire.on("POST", CREATE, slowly)
    began = time.now
    submit(prefer="wait")
    assert time.now - began <= 25_000


def test_the_time_that_a_cold_start_took_is_not_waited_again(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, prediction())
    came = time.now
    time.forward(2)
    assert document(submit(prefer="wait=3"))["status"] == "starting"
    assert time.now - came == 3000


def test_who_repeats_a_request_may_wait_as_well(
    account: Account, wire: Wire, meanwhile: Callable[[float, Callable[[], None]], None]
) -> None:
    paint(wire)
    submit()
    meanwhile(2, lambda: drive(account))
    answer = submit(prefer="wait")
    assert (answer["statusCode"], answer["headers"]["idempotent-replayed"]) == (200, "true")
    assert document(answer)["status"] == "succeeded"


def test_who_does_not_ask_for_it_does_not_wait(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, prediction())
    began = time.now
    answer = submit(prefer="respond-async")
    assert (document(answer)["status"], time.now) == ("processing", began)
    assert "preference-applied" not in answer["headers"]


def test_a_table_that_cannot_be_read_any_more_costs_the_wait_and_not_the_task(
    account: Account, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://dynamodb.example")

    wire.on("POST", CREATE, prediction())
    monkeypatch.setattr(aws.hasty_dynamodb(), "get_item", lost)
    answer = submit(prefer="wait", key=None)
    assert (answer["statusCode"], document(answer)["status"]) == (201, "starting")


def test_a_look_at_the_table_is_over_within_two_seconds_or_given_up(account: Account) -> None:
    config: Any = aws.hasty_dynamodb().meta.config
    assert (config.connect_timeout, config.read_timeout) == (1, 1)
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}


def test_what_links_are_signed_with_is_read_before_anything_is_spent(account: Account, wire: Wire) -> None:
    account.delete("link-key")
    answer = submit(prefer="wait")
    assert answer["statusCode"] == 500
    assert (account.tasks(), wire.requests) == ([], [])


def test_parameters_that_cannot_be_read_after_the_wait_cost_nobody_a_picture(
    account: Account, wire: Wire, meanwhile: Callable[[float, Callable[[], None]], None]
) -> None:
    def ended() -> None:
        drive(account)
        account.delete("link-key")

    paint(wire)
    meanwhile(2, ended)
    answer = submit(prefer="wait", key=None)
    assert (answer["statusCode"], document(answer)["status"]) == (201, "succeeded")


def test_a_task_is_canceled_when_its_caller_has_waited_long_enough(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, prediction())
    wire.on("GET", QUESTION, prediction("processing"))
    wire.on("POST", f"{QUESTION}/cancel", httpx.Response(200, json={}))
    shown = document(submit(order(webhook=RECEIVER), **{"cancel-after": "20s"}))
    assert shown["deadline"] == "2026-11-20T12:00:20.000Z"
    (started,) = account.executions().values()
    assert started["wait"] <= 20
    answer, waited = call("poll", step(account.task())), 0
    while answer["next"] == "wait":
        waited += answer["wait"]
        time.forward(answer["wait"])
        answer = call("poll", step(account.task(), turn=answer["turn"]))
    assert 20 <= waited <= 22
    assert len(wire.sent("POST", f"{QUESTION}/cancel")) == 1
    call("finalize", step(account.task()))
    ended = account.task()
    assert (ended.status, ended.failure and ended.failure.code) == (Status.CANCELED, "canceled")
    assert ended.failure
    assert ended.failure.may_be_billed
    assert "after 20 seconds, as was asked" in ended.failure.message
    assert json.loads(ended.news or "")["status"] == "canceled"


def test_a_task_that_no_gateway_took_in_time_is_canceled_and_cost_nothing(
    account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", CREATE, httpx.Response(429))
    submit(**{"cancel-after": "10"})
    time.forward(11)
    call("poll", step(account.task()))
    call("finalize", step(account.task()))
    ended = account.task()
    assert (ended.status, ended.failure and ended.failure.may_be_billed) == (Status.CANCELED, False)


def test_what_is_done_before_its_time_is_not_canceled(account: Account, wire: Wire, time: Clock) -> None:
    paint(wire)
    submit(**{"cancel-after": "5m"})
    time.forward(4)
    drive(account)
    assert account.task().status is Status.SUCCEEDED


@pytest.mark.parametrize("after", ["4", "soon", "25h"])
def test_a_time_that_cannot_be_meant_is_the_callers_fault_and_nothing_is_made(
    account: Account, wire: Wire, after: str
) -> None:
    answer = submit(**{"cancel-after": after})
    assert (answer["statusCode"], document(answer)["errors"][0]["field"]) == (422, "Cancel-After")
    assert (account.tasks(), wire.requests) == ([], [])


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (None, True),
        ([], True),
        (["completed"], True),
        (["output"], True),
        (["start", "completed"], True),
        (["start"], False),
        (["logs", "start"], False),
    ],
)
def test_a_webhook_tells_of_the_end_and_of_nothing_else(
    account: Account, wire: Wire, events: list[str] | None, told: bool
) -> None:
    wire.on("POST", CREATE, prediction())
    answer = submit(order(webhook=RECEIVER, webhook_events_filter=events))
    assert answer["statusCode"] == 201
    assert account.task().webhook == (RECEIVER if told else None)


def test_a_driver_comes_when_a_callers_time_is_over_even_if_the_picture_takes_longer(
    account: Account, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = catalogue.catalogue().models
    monkeypatch.setitem(models, "*/*", dataclasses.replace(models["*/*"], seconds=3600))
    wire.on("POST", CREATE.replace(MODEL, "somebody/something"), prediction())
    submit(model="somebody/something", **{"cancel-after": "5"})
    (started,) = account.executions().values()
    assert started["wait"] == 5

"""When a driver asks: its waits, its first question, and what it does when it comes at another moment."""

import dataclasses

import httpx
import pytest

from darkroom import catalogue, clock, store
from darkroom.answer import Finished
from darkroom.task import Task
from tests.conftest import (
    CREATE,
    MODEL,
    OUTPUT,
    QUESTION,
    Account,
    Clock,
    Wire,
    prediction,
    submit,
)
from tests.test_poll import CANCEL, found, poll


def test_the_wait_grows_with_the_time_that_has_passed(wire: Wire, time: Clock, running: Task) -> None:
    wire.on("GET", QUESTION, prediction("processing"))
    waits = []
    for elapsed in (5, 20, 60, 200, 700):
        time.now = running.created + elapsed * 1000
        waits.append(poll(running)["at"] - time.now)
    assert waits == sorted(waits)
    assert 500 <= waits[0] <= 3000
    assert waits[-1] <= 75_000


def test_what_a_wait_state_cannot_count_is_waited_for_before_the_question(
    wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, prediction("processing"))
    time.forward(4)
    poll(running, 1, at=time.now + 730)
    assert time.now == running.created + 4730


def test_who_comes_too_early_waits_again_and_asks_nothing(wire: Wire, time: Clock, running: Task) -> None:
    """As the first driver does, when the gateway took its time to accept."""
    answer = poll(running, 1, at=time.now + 3200)
    assert found(answer) == ("wait", 3)
    assert (answer["at"], answer["asked"]) == (running.created + 3200, 0)
    assert wire.sent("GET") == []


def test_the_first_question_is_timed_from_when_the_gateway_accepted(account: Account, wire: Wire, time: Clock) -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        time.forward(3)
        return prediction()

    wire.on("POST", CREATE, slow)
    submit()
    ((_, first),) = account.executions().items()
    wire.on("GET", QUESTION, prediction("processing"))
    accepted = account.task().submitted or 0
    poll(account.task(), at=first["at"])
    assert accepted + 1000 <= time.now <= accepted + 2000
    assert len(wire.sent("GET")) == 1


def test_who_is_canceled_is_asked_about_soon_however_long_tasks_take(
    account: Account, wire: Wire, time: Clock, running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.on("GET", QUESTION, prediction("processing"))
    wire.on("POST", CANCEL, prediction("processing"))
    models = catalogue.catalogue().models
    monkeypatch.setitem(models, MODEL, dataclasses.replace(models[MODEL], seconds=3000))
    time.forward(10)
    usual = poll(running)["wait"]
    store.ask_to_cancel(running)
    assert poll(account.task())["wait"] <= 2 < usual


def test_what_becomes_of_a_task_while_poll_holds_is_seen(
    account: Account, wire: Wire, time: Clock, running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the reply to the POST had everything already, and Submit was about to write that down."""

    def meanwhile(seconds: float) -> None:
        time.forward(seconds)
        assert store.hear(running, Finished((OUTPUT,), several=False), due=time.now)

    monkeypatch.setattr(clock, "sleep", meanwhile)
    assert found(poll(running, at=time.now + 800, asked=time.now)) == ("finalize", 0)
    assert wire.sent("GET") == []

"""When a driver asks: its waits, its first question, and what it does when it comes at another moment."""

import dataclasses
from typing import Any

import httpx
import pytest

from darkroom import catalogue, clock, pacing, store
from darkroom.answer import Finished
from darkroom.task import Task
from tests.conftest import (
    CREATE,
    MODEL,
    OUTPUT,
    QUESTION,
    Account,
    Clock,
    Context,
    Event,
    Wire,
    call,
    prediction,
    step,
    submit,
)
from tests.test_poll import CANCEL, found, poll


def visit(task: Task, turn: int = 0, remaining: int = 200_000, **changes: Any) -> Event:
    """What Poll answers that has time to stay; `poll` has none."""
    answer: Event = call("poll", step(task, turn, **changes), Context(remaining=remaining))
    return answer


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
    wire.on("GET", QUESTION, prediction("succeeded", output=OUTPUT))
    time.forward(4)
    assert visit(running, at=time.now + 730)["next"] == "finalize"
    assert time.now == running.created + 4730


def test_a_question_that_is_due_soon_is_asked_in_the_same_visit(
    wire: Wire, time: Clock, running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = iter([0.7, 1.1, 2.0])
    monkeypatch.setattr(pacing, "following", lambda *_: next(waits))
    wire.on("GET", QUESTION, *[prediction("processing")] * 3, prediction("succeeded", output=OUTPUT))
    time.forward(3)
    answer = visit(running, turn=4)
    assert (answer["next"], answer["turn"]) == ("finalize", 5)
    assert len(wire.sent("GET")) == 4
    assert time.now == running.created + 6800


def test_a_question_that_is_due_later_is_for_the_next_visit(
    wire: Wire, time: Clock, running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = iter([1.9, 2.1])
    monkeypatch.setattr(pacing, "following", lambda *_: next(waits))
    wire.on("GET", QUESTION, prediction("processing"))
    time.forward(3)
    answer = visit(running)
    assert (found(answer), answer["at"]) == (("wait", 2), time.now + 2100)
    assert time.now == running.created + 4900


def test_who_has_no_time_for_another_question_leaves_it_to_the_next_visit(
    wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, prediction("processing"))
    time.forward(3)
    assert found(visit(running, remaining=60_400))[0] == "wait"
    assert len(wire.sent("GET")) == 1


def test_a_question_that_came_due_before_its_pause_began_is_no_pause(
    wire: Wire, time: Clock, running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processor may have been taken away in between."""

    def ticking() -> int:
        time.now += 1
        return time.now

    pauses = list[float]()
    monkeypatch.setattr(clock, "now", ticking)
    monkeypatch.setattr(clock, "sleep", pauses.append)
    monkeypatch.setattr(pacing, "following", lambda *_: 60.0)
    wire.on("GET", QUESTION, prediction("processing"))
    for ahead in range(40):
        visit(running, at=time.now + ahead, asked=time.now)
    assert min(pauses) > 0


def test_who_is_canceled_while_poll_stays_is_canceled_there_at_the_next_question(
    account: Account, wire: Wire, time: Clock, running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(seconds: float) -> None:
        time.forward(seconds)
        store.ask_to_cancel(running)

    monkeypatch.setattr(clock, "sleep", meanwhile)
    wire.on("GET", QUESTION, prediction("processing"), prediction("canceled"))
    wire.on("POST", CANCEL, prediction("canceled"))
    time.forward(3)
    assert found(visit(running)) == ("finalize", 0)
    assert [one.method for one in wire.requests[1:]] == ["GET", "POST", "GET"]


def test_a_word_in_doubt_is_asked_about_again_in_the_same_visit_and_counted_each_time(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, *[prediction("succeeded")] * 3, prediction("succeeded", output=OUTPUT))
    time.forward(3)
    assert found(visit(running)) == ("finalize", 0)
    assert time.now == running.created + 9000
    assert account.task().outputs == (OUTPUT,)


def test_who_stays_over_the_deadline_has_not_come_late(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    """Drivers that come late are counted: a task that none of them can end is given up."""
    wire.on("GET", QUESTION, prediction("processing"))
    wire.on("POST", CANCEL, prediction("canceled"))
    time.now = running.deadline - 1500
    assert found(visit(running)) == ("finalize", 0)
    assert (time.now, account.task().late) == (running.deadline, 0)


def test_a_driver_that_was_replaced_while_it_stayed_leaves(
    account: Account, wire: Wire, time: Clock, running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(seconds: float) -> None:
        time.forward(seconds)
        assert store.take_over(account.task(), time.now)

    monkeypatch.setattr(clock, "sleep", meanwhile)
    wire.on("GET", QUESTION, prediction("processing"))
    time.forward(3)
    assert found(visit(running))[0] == "leave"
    assert len(wire.sent("GET")) == 1


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
    wire.on("GET", QUESTION, prediction("succeeded", output=OUTPUT))
    accepted = account.task().submitted or 0
    visit(account.task(), at=first["at"])
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


def test_what_becomes_of_a_task_while_poll_stays_is_seen(
    account: Account, wire: Wire, time: Clock, running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the reply to the POST had everything already, and Submit was about to write that down."""

    def meanwhile(seconds: float) -> None:
        time.forward(seconds)
        assert store.hear(running, Finished((OUTPUT,), several=False), due=time.now)

    monkeypatch.setattr(clock, "sleep", meanwhile)
    assert found(visit(running, at=time.now + 800, asked=time.now)) == ("finalize", 0)
    assert wire.sent("GET") == []

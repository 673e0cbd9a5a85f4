"""Last words that are believed only when repeated, and gateways that do not want to be asked: visits of poll."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from darkroom import aws, inquiry, store
from darkroom.answer import Finished
from darkroom.driver import GRACE_MS
from darkroom.errors import Failure
from darkroom.task import Status, Task
from tests.conftest import CREATE, GATEWAY, OUTPUT, QUESTION, Account, Clock, Wire, call, prediction, step, submit
from tests.imagen import VECTORNODE_FAL, ask
from tests.test_asking import ANYWHERE, REQUEST
from tests.test_store import lost_replies

FORGOTTEN = httpx.Response(404, json={"detail": "no such prediction"})
EMPTY = prediction("succeeded", output=None)
HALF_AN_HOUR = 30 * 60


def poll(task: Task, turn: int = 0) -> tuple[str, int]:
    answer = call("poll", step(task, turn))
    return answer["next"], answer["wait"]


def failure(account: Account) -> Failure:
    task = account.task()
    assert task.status is Status.COLLECTING
    assert task.failure is not None
    return task.failure


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Every update of an item."""
    made: list[Any] = []
    write = aws.dynamodb().update_item

    def counted(**update: Any) -> Any:
        made.append(update)
        return write(**update)

    with monkeypatch.context() as patch:
        patch.setattr(aws.dynamodb(), "update_item", counted)
        yield made


@pytest.mark.parametrize("status", [404, 410])
def test_a_gateway_that_does_not_know_the_request_for_ten_minutes_has_lost_it(
    account: Account, wire: Wire, time: Clock, running: Task, status: int
) -> None:
    wire.on("GET", QUESTION, httpx.Response(status))
    started, turn = time.now, 0
    while (found := poll(running, turn))[0] == "wait":
        assert account.task().status is Status.RUNNING
        assert found[1] >= 2
        time.forward(found[1])
        turn += 1
    assert 600_000 <= time.now - started < 640_000
    lost = failure(account)
    assert (lost.code, lost.retryable, lost.may_be_billed) == ("gateway_lost", True, True)
    assert "does not know it any more" in lost.message
    assert len(wire.sent("POST")) == 1


def test_ten_minutes_are_not_enough_if_it_was_not_said_five_times(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, FORGOTTEN)
    for turn in range(4):
        assert poll(running, turn)[0] == "wait"
        time.forward(200)
    assert poll(running, 4) == ("finalize", 0)
    assert failure(account).code == "gateway_lost"


def test_five_times_are_not_enough_if_ten_minutes_have_not_passed(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, FORGOTTEN)
    for turn in range(20):
        assert poll(running, turn)[0] == "wait"
        time.forward(31)
    assert time.now - running.created == 620_000
    assert poll(running, 20) == ("finalize", 0)


ANYTHING_ELSE = [
    prediction("processing"), httpx.Response(502), httpx.Response(401), httpx.Response(429), httpx.ReadTimeout,
    httpx.Response(200, html="<!doctype html><title>gateway</title>"), EMPTY,
]  # fmt: skip


@pytest.mark.parametrize("other", ANYTHING_ELSE, ids=lambda each: getattr(each, "status_code", each))
def test_anything_else_in_between_starts_the_count_anew(
    account: Account, wire: Wire, time: Clock, running: Task, other: Any
) -> None:
    wire.on("GET", QUESTION, *[FORGOTTEN] * 5, other, FORGOTTEN)
    for turn in range(6):
        assert poll(running, turn)[0] == "wait"
        time.forward(119)
    assert (account.task().doubt or {}).get("code") != "gateway_lost"
    for turn in range(6):
        assert poll(running, turn)[0] == "wait"
        time.forward(119)
    assert poll(running, 6) == ("finalize", 0)
    assert failure(account).code == "gateway_lost"


def test_a_prediction_that_turns_up_again_is_finished_as_if_nothing_had_been(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, FORGOTTEN, FORGOTTEN, prediction("succeeded", output=OUTPUT))
    for turn in range(2):
        time.forward(poll(running, turn)[1])
    assert poll(running, 2) == ("finalize", 0)
    assert (account.task().outputs, account.task().failure) == ((OUTPUT,), None)


@pytest.fixture
def at_fal(account: Account, wire: Wire, time: Clock) -> Task:
    wire.on("POST", VECTORNODE_FAL, httpx.Response(200, json={"status": "IN_QUEUE", "request_id": "r-1"}))
    ask(num_images=2)
    return account.task()


@pytest.mark.parametrize(
    "last", [httpx.Response(400), httpx.Response(405), httpx.Response(500), httpx.Response(200, html="<html>")]
)
def test_a_request_is_lost_only_if_it_is_not_known_under_any_of_its_addresses(
    account: Account, wire: Wire, time: Clock, at_fal: Task, last: httpx.Response
) -> None:
    answers = {REQUEST: FORGOTTEN, ANYWHERE: httpx.Response(410), f"{REQUEST}/status": FORGOTTEN}
    for url, answer in answers.items():
        wire.on("GET", url, answer)
    poll(at_fal)
    assert account.task().doubt == {"code": "gateway_lost", "since": time.now, "times": 1}
    for url, answer in answers.items():
        wire.on("GET", url, last)
        poll(at_fal)
        assert account.task().doubt is None
        wire.on("GET", url, answer)
        poll(at_fal)
        assert account.task().doubt is not None


def test_a_success_without_an_output_is_believed_after_three_times_and_a_minute(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, EMPTY)
    time.forward(400)
    for turn in range(3):
        assert poll(running, turn) == ("wait", 20)
        time.forward(20)
    assert poll(running, 3) == ("finalize", 0)
    lost = failure(account)
    assert (lost.code, lost.may_be_billed) == ("output_lost", True)
    assert "gives no output" in lost.message


def test_an_output_that_comes_after_the_success_is_taken(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, EMPTY, EMPTY, prediction("succeeded", output=OUTPUT))
    for turn in range(2):
        poll(running, turn)
    assert poll(running, 2) == ("finalize", 0)
    assert account.task().outputs == (OUTPUT,)


def test_a_result_of_fal_without_pictures_is_believed_after_three_times_and_a_minute(
    account: Account, wire: Wire, time: Clock, at_fal: Task
) -> None:
    wire.on("GET", REQUEST, httpx.Response(200, json={"images": []}))
    for turn in range(2):
        assert poll(at_fal, turn)[0] == "wait"
        time.forward(30)
    assert poll(at_fal, 2) == ("finalize", 0)
    assert failure(account).code == "output_lost"


def test_a_deadline_is_a_deadline_and_the_task_says_what_was_in_doubt(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, httpx.Response(503), FORGOTTEN)
    wire.on("POST", f"{QUESTION}/cancel", FORGOTTEN)
    time.forward(HALF_AN_HOUR)
    assert poll(running)[0] == "wait"
    time.forward(14 * 60)
    assert poll(running, 1)[0] == "wait"
    time.forward(60)
    assert poll(running, 2) == ("finalize", 0)
    late = failure(account)
    assert (late.code, late.may_be_billed) == ("timed_out", True)
    assert "said 2 times" in late.message
    assert "does not know it any more" in late.message


def test_a_word_that_can_be_believed_at_the_deadline_is(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, EMPTY)
    time.forward(HALF_AN_HOUR - 10)
    for turn in range(2):
        poll(running, turn)
    time.forward(20)
    assert poll(running, 2)[0] == "wait"
    time.forward(40)
    poll(running, 3)
    assert failure(account).code == "output_lost"


@pytest.mark.parametrize("doubtful", [FORGOTTEN, EMPTY])
def test_a_word_that_is_said_once_at_the_deadline_throws_no_picture_away(
    account: Account, wire: Wire, time: Clock, running: Task, doubtful: httpx.Response
) -> None:
    wire.on("GET", QUESTION, doubtful, prediction("succeeded", output=OUTPUT))
    time.forward(HALF_AN_HOUR + 60)
    assert poll(running)[0] == "wait"
    assert poll(running, 1) == ("finalize", 0)
    assert (account.task().outputs, account.task().failure) == ((OUTPUT,), None)


def test_a_doubt_is_counted_in_one_write_and_dropped_in_one_and_costs_nothing_else(
    account: Account, wire: Wire, time: Clock, running: Task, writes: list[Any]
) -> None:
    wire.on("GET", QUESTION, prediction("processing"), FORGOTTEN, FORGOTTEN, prediction("processing"))
    made = []
    for turn in range(6):
        poll(running, turn)
        made.append(len(writes))
        time.forward(1)
    assert made == [0, 1, 2, 3, 3, 3]
    assert account.task() == running


def as_seen(task: Task, turn: int = 0) -> tuple[str, int]:
    """A visit of a driver that has read the task a while ago."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "read", lambda _: task)
        return poll(task, turn)


def test_two_drivers_that_hear_the_same_at_once_count_it_once(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, EMPTY)
    for turn in range(2):
        seen = account.task()
        for _ in range(2):
            assert as_seen(seen, turn) == ("wait", 2)
            time.forward(0.5)
        assert (account.task().doubt or {})["times"] == turn + 1
    time.forward(60)
    assert poll(running, 2) == ("finalize", 0)


def test_what_another_driver_has_heard_meanwhile_is_not_overruled_by_what_was_counted_before(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    for counted in (1, 2):
        wire.on("GET", QUESTION, *[EMPTY] * counted, prediction("processing"), EMPTY)
        for turn in range(counted):
            poll(running, turn)
        time.forward(60)
        seen = account.task()
        assert poll(running, 2)[0] == "wait"
        assert as_seen(seen, 2)[0] == "wait"
        assert (account.task().status, account.task().doubt) == (Status.RUNNING, None)


def test_a_task_that_another_driver_has_brought_on_is_not_put_in_doubt(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    def meanwhile(_: httpx.Request) -> httpx.Response:
        assert store.hear(running, Finished((OUTPUT,), several=False), time.now + GRACE_MS)
        return FORGOTTEN

    wire.on("GET", QUESTION, meanwhile)
    assert poll(running)[0] == "wait"
    assert (account.task().status, account.task().doubt) == (Status.COLLECTING, None)


def test_a_count_that_the_sdk_repeats_is_counted_once(account: Account, wire: Wire, time: Clock, running: Task) -> None:
    wire.on("GET", QUESTION, EMPTY, EMPTY, prediction("processing"))
    counts = []
    with lost_replies("UpdateItem"):
        for turn in range(3):
            poll(running, turn)
            counts.append((account.task().doubt or {}).get("times"))
    assert counts == [1, 2, None]
    assert account.task() == running


def test_a_fresh_look_takes_nothing_back(account: Account, wire: Wire, collecting: Task) -> None:
    wire.on("GET", QUESTION, FORGOTTEN, EMPTY)
    for turn in range(1, 12):
        assert poll(collecting, turn) == ("finalize", 0)
    assert account.task() == collecting


def test_a_gateway_that_forgets_after_the_caller_canceled_is_asked_to_cancel_all_the_same(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, FORGOTTEN)
    wire.on("POST", f"{QUESTION}/cancel", FORGOTTEN)
    store.ask_to_cancel(running)
    assert poll(running)[0] == "wait"
    assert len(wire.sent("POST", f"{GATEWAY}/predictions")) == 1


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "45"}, 45),
        ({"retry-after": "3000"}, inquiry.LONGEST_PAUSE),
        ({"retry-after": "Fri, 20 Nov 2026 12:01:04 GMT"}, 60),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_gateway_that_does_not_want_to_be_asked_is_left_alone(
    account: Account, wire: Wire, time: Clock, running: Task, status: int, headers: dict[str, str], wait: int
) -> None:
    wire.on("GET", QUESTION, httpx.Response(status, headers=headers))
    time.forward(4)
    assert poll(running) == ("wait", wait)


@pytest.mark.parametrize("headers", [{}, {"retry-after": "0"}])
@pytest.mark.parametrize("status", [429, 503])
def test_a_gateway_that_is_busy_and_wishes_nothing_is_asked_as_any_other(
    account: Account, wire: Wire, time: Clock, running: Task, status: int, headers: dict[str, str]
) -> None:
    wire.on("GET", QUESTION, httpx.Response(status, headers=headers))
    time.forward(4)
    next_state, wait = poll(running)
    assert next_state == "wait"
    assert wait <= 4


def test_a_wish_does_not_shorten_a_wait_nor_reach_beyond_the_deadline(wire: Wire, time: Clock, running: Task) -> None:
    wire.on("GET", QUESTION, httpx.Response(429, headers={"retry-after": "7"}))
    time.forward(120)
    assert poll(running)[1] >= 7
    wire.on("GET", QUESTION, httpx.Response(429, headers={"retry-after": "250"}))
    time.now = running.deadline - 100_000
    assert poll(running) == ("wait", 100)


@pytest.mark.parametrize("status", [200, 404, 500, 502])
def test_only_who_is_busy_may_ask_to_be_left_alone(wire: Wire, time: Clock, running: Task, status: int) -> None:
    wire.on("GET", QUESTION, httpx.Response(status, headers={"retry-after": "45"}))
    assert poll(running)[1] < 45


def test_nobody_takes_a_driver_for_lost_that_leaves_its_gateway_alone(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, httpx.Response(503, headers={"retry-after": "300"}))
    time.forward(100)
    time.forward(poll(running)[1])
    assert call("sweep", {}) == {"rescued": 0}


def test_a_submission_says_nothing_of_doubts(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, FORGOTTEN)
    submit()
    assert account.task().doubt is None

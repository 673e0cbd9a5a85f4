"""turnstile.py: how many rows of batches may be at a gateway, in good times and in an outage."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import pytest

from darkroom import aws, settings, store, turnstile
from darkroom.errors import NotFound
from darkroom.task import Task
from darkroom.turnstile import FIRST_REST_MS, IN_HAND_MS, LONGEST_REST_MS, LONGEST_STAY_MS, LOST
from tests.conftest import Account, Clock

GATEWAY = "vectornode"

pytestmark = pytest.mark.usefixtures("account")


def inside(gateway: str = GATEWAY) -> set[str]:
    item = aws.dynamodb().get_item(TableName=settings.batches_table(), Key={"id": {"S": f"gateway#{gateway}"}})["Item"]
    return set(item["inside"]["M"])


def enter(*rows: str, limit: int = 2) -> list[bool]:
    return [turnstile.enter(GATEWAY, row, limit) for row in rows]


def leave(row: str, *, lost: bool = False, answered: int | None = None) -> bool:
    return turnstile.leave(GATEWAY, row, lost=lost, answered=answered)


def be_overtaken(monkeypatch: pytest.MonkeyPatch, limit: int, *, lost: bool = False) -> None:
    """Whoever writes next finds, when it comes to that, that another has entered meanwhile; and has left as lost."""
    write, first = turnstile._write, [True]

    def overtaken(*what: Any, **more: Any) -> Any:
        found = write(*what, **more)
        if first:
            first.clear()
            assert turnstile.enter(GATEWAY, "faster", limit)
            if lost:
                leave("faster", lost=True)
        return found

    monkeypatch.setattr(turnstile, "_write", overtaken)


def lose(times: int, time: Clock) -> None:
    """So many rows in a row whose submission is unknown."""
    for number in range(times):
        assert turnstile.enter(GATEWAY, f"lost-{number}", 100)
        assert leave(f"lost-{number}", lost=True)


def test_no_more_get_in_than_may_be_there() -> None:
    assert enter("a", "b", "c") == [True, True, False]
    assert inside() == {"a", "b"}


def test_who_leaves_makes_room_for_one() -> None:
    enter("a", "b")
    assert leave("a")
    assert enter("c", "d") == [True, False]


def test_who_enters_twice_is_inside_once() -> None:
    assert enter("a", "a", "a", "b", "a") == [True] * 5
    assert inside() == {"a", "b"}


def test_who_leaves_twice_makes_room_once_and_is_told_so() -> None:
    enter("a", "b")
    assert [leave("a"), leave("a"), leave("nobody")] == [True, False, False]
    assert inside() == {"b"}


def test_gateways_do_not_wait_for_each_other() -> None:
    assert turnstile.enter("one", "a", 1)
    assert turnstile.enter("other", "b", 1)
    assert turnstile.enter("one", "c", 1) is False


def test_a_lower_limit_holds_for_who_comes_and_throws_nobody_out() -> None:
    enter("a", "b", "c", limit=3)
    assert enter("d", limit=1) == [False]
    leave("a")
    leave("b")
    assert enter("d", limit=1) == [False]
    leave("c")
    assert enter("d", limit=1) == [True]


def test_a_crowd_that_comes_at_once_does_not_get_past_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows enter and leave in the midst of each other's visits; the table's writes come one after the other."""
    most, limit, one_at_a_time, write = 0, 3, Lock(), turnstile._write

    def atomic(*what: Any, **more: Any) -> Any:
        with one_at_a_time:
            return write(*what, **more)

    monkeypatch.setattr(turnstile, "_write", atomic)

    def life(row: int) -> None:
        nonlocal most
        for _ in range(5):
            if turnstile.enter(GATEWAY, f"row-{row}", limit):
                most = max(most, len(inside()))
                leave(f"row-{row}")

    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(life, range(8)))
    assert 1 <= most <= limit
    assert inside() == set()


def test_of_two_who_open_a_turnstile_at_once_one_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has ever been there: both find nothing, and both would make it."""
    be_overtaken(monkeypatch, limit=1)
    assert turnstile.enter(GATEWAY, "slower", 1) is False
    assert inside() == {"faster"}


def test_who_has_not_left_after_longer_than_any_row_lives_is_put_out(time: Clock) -> None:
    enter("gone")
    time.forward(1)
    enter("b")
    time.forward(LONGEST_STAY_MS / 1000)
    assert enter("c") == [False], "the places are seen to first"
    assert inside() == {"b"}
    assert enter("c") == [True]


def inside_for(seconds: int, time: Clock) -> None:
    """A row has been inside, and the only one that may be."""
    assert enter("a", limit=1) == [True]
    time.forward(seconds)


def recorded(monkeypatch: pytest.MonkeyPatch, completed: int | None) -> None:
    task = Task("a", "default", "some/model", "{}", "", created=0, deadline=0, due=None, completed=completed)
    monkeypatch.setattr(store, "read", lambda _: task)


def test_as_many_are_put_out_at_once_as_one_write_can_name(time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = [f"{number:026}" for number in range(100)]
    assert all(enter(*crowd, limit=100))
    time.forward(27 * 60 * 60)
    write, lengths = aws.dynamodb().update_item, list[int]()

    def measured(**asked: Any) -> Any:
        lengths.extend(len(asked[name]) for name in ("UpdateExpression", "ConditionExpression"))
        return write(**asked)

    monkeypatch.setattr(aws.dynamodb(), "update_item", measured)
    assert enter("new", "new", "new", limit=1) == [False, False, True]
    longest = max(lengths)
    assert 1000 < longest < 4096, "DynamoDB takes no more, and moto does not say so"


@pytest.mark.parametrize("ended_before", [None, 0, IN_HAND_MS])
def test_a_row_that_is_under_way_or_was_until_now_is_not_put_out(
    ended_before: int | None, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside_for(20 * 60 * 60, time)
    recorded(monkeypatch, None if ended_before is None else time.now - ended_before)
    assert [enter("b", limit=1) for _ in range(3)] == [[False]] * 3
    assert inside() == {"a"}


def test_a_row_that_is_over_and_whose_batch_was_stopped_makes_room(
    time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside_for(20 * 60, time)
    recorded(monkeypatch, time.now - IN_HAND_MS - 1)
    assert [enter("b", limit=1) for _ in range(2)] == [[False], [True]]
    assert inside() == {"b"}


def test_a_row_that_was_let_in_and_never_recorded_makes_room(time: Clock) -> None:
    inside_for(IN_HAND_MS // 1000, time)
    assert enter("b", limit=1) == [False], "somebody may be about to record it"
    time.forward(1)
    assert [enter("b", limit=1) for _ in range(2)] == [[False], [True]]


def test_a_row_that_comes_again_while_it_is_put_out_stays(time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    inside_for(IN_HAND_MS // 1000 + 1, time)

    def gone(task_id: str) -> Task:
        assert turnstile.enter(GATEWAY, task_id, 1)
        raise NotFound("There is no such task.")

    monkeypatch.setattr(store, "read", gone)
    assert enter("b", limit=1) == [False]
    assert inside() == {"a"}


def test_all_that_are_inside_are_looked_after_in_time(time: Clock) -> None:
    rows = [f"row-{number}" for number in range(8)]
    enter(*rows, limit=8)
    time.forward(IN_HAND_MS // 1000 + 1)
    for _ in range(8):
        assert enter("next", limit=1) == [False]
    assert enter("next", limit=1) == [True]


def test_a_row_that_comes_again_may_stay_for_as_long_again(time: Clock) -> None:
    enter("a", "b")
    time.forward(LONGEST_STAY_MS / 1000 - 1)
    enter("a")
    time.forward(2)
    enter("c")
    assert inside() == {"a"}


def test_as_long_as_few_are_lost_in_a_row_all_get_in(time: Clock) -> None:
    lose(LOST - 1, time)
    assert enter("a", "b") == [True, True]


def test_when_several_in_a_row_were_lost_nobody_gets_in_for_a_while_and_then_one(time: Clock) -> None:
    lose(LOST, time)
    time.forward(FIRST_REST_MS / 1000 - 1)
    assert enter("a") == [False]
    time.forward(1)
    assert enter("a", "b") == [True, False]


def test_each_that_is_lost_too_makes_the_rest_longer_but_no_longer_than_five_minutes(time: Clock) -> None:
    lose(LOST, time)
    rests = []
    for number in range(9):
        rest = 0
        while not turnstile.enter(GATEWAY, f"probe-{number}", 10):
            time.forward(5)
            rest += 5
        rests.append(rest)
        leave(f"probe-{number}", lost=True)
    assert rests == [15, 30, 60, 120, 240, 300, 300, 300, 300]
    assert LONGEST_REST_MS == 300_000


def test_the_first_that_is_answered_opens_it_for_all(time: Clock) -> None:
    lose(LOST, time)
    time.forward(15)
    assert enter("probe") == [True]
    leave("probe", answered=time.now + 1)
    assert enter("a", "b", "c") == [True, True, False]
    lose_again = [leave("a", lost=True), *enter("d")]
    assert lose_again == [True, True], "they are counted anew"


def test_a_row_that_was_never_posted_says_nothing_of_the_gateway(time: Clock) -> None:
    lose(LOST, time)
    time.forward(15)
    enter("probe")
    leave("probe")
    assert enter("a", "b") == [True, False]


def test_an_answer_from_before_the_outage_says_nothing_of_how_the_gateway_is_now(time: Clock) -> None:
    assert turnstile.enter(GATEWAY, "slow", 100)
    answered = time.now
    time.forward(60)
    lose(LOST, time)
    leave("slow", answered=answered)
    assert enter("a") == [False]


def test_who_was_inside_when_the_outage_began_is_waited_for(time: Clock) -> None:
    enter("slow", "slower", limit=100)
    lose(LOST, time)
    time.forward(15)
    assert enter("a", limit=100) == [False]
    leave("slow")
    assert enter("a", limit=100) == [False]
    leave("slower")
    assert enter("a", limit=100) == [True]


def test_of_two_who_come_after_a_rest_one_gets_in(
    time: Clock, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(LOST, time)
    time.forward(15)
    be_overtaken(monkeypatch, limit=10)
    assert turnstile.enter(GATEWAY, "slower", 10) is False
    assert inside() == {"faster"}


def test_who_comes_after_a_rest_and_is_overtaken_by_one_that_is_lost_waits_for_the_next(
    time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(LOST, time)
    time.forward(15)
    be_overtaken(monkeypatch, limit=10, lost=True)
    assert turnstile.enter(GATEWAY, "slower", 10) is False
    assert inside() == set()

"""When to ask next: whole seconds, soon at first, and never seldom."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from darkroom import schedule


@given(some.floats(min_value=0, max_value=86_400))
def test_every_wait_is_a_whole_second_or_more(seconds: float) -> None:
    for wait in (schedule.first(seconds), schedule.following(seconds)):
        assert isinstance(wait, int)
        assert wait >= 1


@pytest.mark.parametrize(("expected", "wait"), [(0, 1), (0.4, 1), (3, 3), (4, 4), (6.6, 7), (240, 240)])
def test_the_first_question_comes_when_the_model_is_usually_done(expected: float, wait: int) -> None:
    assert schedule.first(expected) == wait


@given(some.floats(min_value=0, max_value=86_400), some.floats(min_value=0, max_value=86_400))
def test_the_longer_it_takes_the_more_seldom_is_asked_but_never_too_seldom(one: float, other: float) -> None:
    earlier, later = sorted((one, other))
    assert schedule.following(earlier) <= schedule.following(later) <= schedule.LONGEST


def test_the_questions_of_half_an_hour_are_few_and_each_is_late_by_a_quarter_at_most() -> None:
    elapsed, questions = float(schedule.first(4)), 1
    while elapsed < 30 * 60:
        pause = schedule.following(elapsed)
        assert pause <= max(1, elapsed / 4 + 0.5)
        elapsed, questions = elapsed + pause, questions + 1
    assert questions < 80


def test_a_gateway_that_does_not_take_it_is_tried_again_ever_more_seldom_up_to_a_minute() -> None:
    assert [schedule.backoff(tries) for tries in range(1, 9)] == [2, 4, 8, 16, 32, 60, 60, 60]
    assert schedule.backoff(10_000) == 60

"""When to ask next: darkroom/schedule.py, held against what is known of optimal inspection."""

import itertools
import math
from bisect import bisect

import pytest
from hypothesis import given
from hypothesis import strategies as some

from darkroom import histogram, schedule
from darkroom.histogram import BINS, EDGES
from darkroom.schedule import Plan

weights_of_any_kind = some.lists(some.floats(min_value=0.001, max_value=100), min_size=BINS, max_size=BINS)


def asked(plan: Plan, until: float, chance: float = 0.5) -> list[float]:
    """The moments of questions."""
    moments = [plan.next(0, chance)]
    while moments[-1] < until:
        moments.append(plan.next(moments[-1], chance))
    return moments


def costs(moments: list[float], weights: list[float], price: float) -> float:
    """Seconds: of lag, and of questions at their price, by simple summation over durations within the bins."""
    total, whole = 0.0, sum(weights)
    for each, weight in enumerate(weights[:-1]):
        low, high = EDGES[each] if each else 0.0, EDGES[each + 1]
        for part in range(8):
            took = low + (high - low) * (part + 0.5) / 8
            at = bisect(moments, took)
            total += weight / whole / 8 * (moments[at] - took + price * (at + 1))
    return total


@pytest.mark.parametrize("price", [0.05, 0.25, 1])
@pytest.mark.parametrize(("median", "sigma"), [(4, 0.25), (8, 0.35), (20, 0.5), (60, 0.35)])
def test_a_plan_costs_less_than_any_fixed_interval_or_backoff(median: float, sigma: float, price: float) -> None:
    weights = [each + 1e-6 for each in histogram.lognormal(median, sigma)]
    ours = costs(asked(schedule.plan(weights, price), 900), weights, price)
    fixed = [
        costs([*itertools.takewhile(lambda t: t < 910, itertools.count(w, w)), 1000], weights, price)
        for w in (0.5, 1, 2, 5, 15)
    ]
    backoff = costs([*itertools.accumulate([min(10, 0.5 * 1.5**n) for n in range(120)])], weights, price)
    assert ours < 0.9 * min(*fixed, backoff)


@pytest.mark.parametrize("price", [0.1, 0.5])
def test_where_the_hazard_is_constant_the_questions_are_evenly_spaced(price: float) -> None:
    """Barlow, Hunter and Proschan: for a mean of m the interval d has e**(d/m) - d/m - 1 = price/m."""
    mean = 6.0
    left = [math.exp(-edge / mean) for edge in (0.0, *EDGES[1:BINS])]
    weights = [high - low + 1e-12 for high, low in itertools.pairwise([*left, 0.0])]
    interval = next(d for d in (n / 1000 for n in range(1, 9000)) if math.exp(d / mean) - d / mean - 1 >= price / mean)
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked(schedule.plan(weights, price), 12))]
    assert sum(gaps) / len(gaps) == pytest.approx(interval, rel=0.08)


def test_nothing_is_asked_while_no_task_is_ever_over() -> None:
    weights = [each + 1e-9 for each in histogram.lognormal(60, 0.1)]
    assert asked(schedule.plan(weights), 60)[0] > 40


def test_the_valley_between_two_modes_is_crossed_without_a_question() -> None:
    weights = [
        a + b + 1e-9 for a, b in zip(histogram.lognormal(4, 0.15, 85), histogram.lognormal(60, 0.15, 15), strict=True)
    ]
    assert [moment for moment in asked(schedule.plan(weights), 100) if 10 < moment < 35] == []


@given(weights_of_any_kind, some.sampled_from([0.02, 0.25, 2]), some.floats(0, 2000), some.floats(0, 1))
def test_the_next_question_is_always_ahead_and_never_far(
    weights: list[float], price: float, elapsed: float, chance: float
) -> None:
    after = schedule.plan(weights, price).next(elapsed, chance)
    assert after > elapsed
    if elapsed > 900:
        assert after <= elapsed + 1.1 * schedule.LONGEST


@given(some.floats(0, 900), some.floats(0, 1))
def test_an_operator_can_bound_the_lag(elapsed: float, chance: float) -> None:
    plan = schedule.plan(histogram.lognormal(60, 0.3), max_lag=2.5)
    assert plan.next(elapsed, chance) <= max(elapsed, 33) + 2.5


def test_a_bound_of_the_lag_does_not_hold_before_anything_can_be_late() -> None:
    moments = asked(schedule.plan(histogram.lognormal(60, 0.3), max_lag=2.5), 60)
    assert 25 < moments[0] < 33


def test_past_the_last_bin_questions_go_on_as_before_it() -> None:
    plan = schedule.plan([each + 1e-6 for each in histogram.lognormal(600, 0.35)])
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked(plan, 1800))]
    assert max(gaps[-30:]) < 1.5 * max(gaps[5:15])
    assert asked(schedule.plan(histogram.lognormal(4, 0.25), 4), 2000)[-1] > 2000


def test_dear_questions_are_fewer() -> None:
    weights = histogram.learned([0.0] * BINS, 8)
    numbers = [len(asked(schedule.plan(weights, price), 60)) for price in (0.05, 0.25, 1, 4)]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > 4 * numbers[-1]


def test_dither_moves_a_question_by_a_tenth_of_the_time_between_questions_at_most() -> None:
    plan = schedule.plan(histogram.lognormal(8, 0.35))
    early, middle, late = (plan.next(4, chance) for chance in (0.0, 0.5, 1.0))
    assert middle - early == pytest.approx(late - middle)
    assert 0.05 * (middle - 4) < late - middle <= 0.1 * (middle - 4) + 1e-9


def test_a_gateway_that_cannot_be_reached_is_tried_less_and_less_often() -> None:
    assert [schedule.backoff(tries) for tries in range(1, 9)] == [2, 4, 8, 16, 32, 60, 60, 60]
    assert schedule.backoff(10_000) == 60

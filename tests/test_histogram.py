"""What is known of how long tasks take: darkroom/histogram.py."""

import itertools
import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from darkroom import histogram
from darkroom.histogram import BINS, EDGES, HALF_LIFE

durations = some.floats(min_value=0, max_value=86_400)


def counted(*seconds: float) -> list[float]:
    counts = [0.0] * BINS
    for each in seconds:
        counts[histogram.bin_of(each)] += 1
    return counts


def median(weights: list[float]) -> float:
    """In seconds."""
    below, half = 0.0, sum(weights) / 2
    for each, weight in enumerate(weights):
        if below + weight >= half:
            return EDGES[each] + (EDGES[each + 1] - EDGES[each]) * (half - below) / weight
        below += weight
    raise AssertionError("nothing was counted")


@given(durations)
def test_every_duration_has_a_bin_that_holds_it(seconds: float) -> None:
    each = histogram.bin_of(seconds)
    assert 0 <= each < BINS
    assert each == 0 or EDGES[each] <= seconds
    assert each == BINS - 1 or seconds < EDGES[each + 1]


def test_the_bins_are_spaced_evenly_by_the_logarithm_from_a_quarter_of_a_second_to_a_quarter_of_an_hour() -> None:
    assert (EDGES[0], len(EDGES)) == (0.25, 65)
    assert EDGES[-1] == pytest.approx(900)
    steps = [math.log(high / low) for low, high in itertools.pairwise(EDGES)]
    assert steps == pytest.approx([math.log(3600) / 64] * 64)


def test_where_nothing_was_counted_the_catalogue_is_believed() -> None:
    assert median(histogram.learned([0.0] * BINS, 20)) == pytest.approx(20, rel=0.02)


def test_a_few_tasks_outweigh_a_catalogue_that_is_wrong() -> None:
    assert median(histogram.learned(counted(*[30] * 5), 3)) == pytest.approx(30, rel=0.2)


def test_where_little_was_counted_it_is_spread_the_furthest() -> None:
    """So that one cold start does not make a minute that nobody asks in."""
    weights = histogram.learned(counted(*[4.0] * 50, 60.0), 4)
    rare, usual = histogram.bin_of(60), histogram.bin_of(4)
    assert weights[rare + 3] / weights[rare] > 10 * weights[usual + 3] / weights[usual]


@given(some.lists(durations, max_size=60), some.floats(min_value=0.1, max_value=3600))
def test_no_bin_is_ruled_out_and_nothing_is_lost(seconds: list[float], expected: float) -> None:
    weights = histogram.learned(counted(*seconds), expected)
    assert all(weight >= 0 for weight in weights)
    assert 0.4 * len(seconds) <= sum(weights) <= len(seconds) + 1.01  # some is spread beyond the ends


def test_a_task_counts_half_when_so_many_came_after_it() -> None:
    epochs = {0: {10: 2.0}, 1: {20: float(HALF_LIFE)}, 2: {30: float(HALF_LIFE)}}
    left = histogram.remembered(epochs)
    assert (left[10], left[20], left[30]) == (0.5, HALF_LIFE / 2, HALF_LIFE)


def test_what_is_old_enough_is_forgotten_and_nothing_else() -> None:
    epochs = {epoch: {10: float(HALF_LIFE)} for epoch in range(8)}
    assert histogram.forgotten(epochs) == [3, 2, 1, 0]
    assert histogram.forgotten({}) == []


def test_an_end_between_two_questions_is_shared_out_as_is_likely() -> None:
    weights = [1.0] * BINS
    weights[histogram.bin_of(6)] = 3.0
    shares = histogram.spread(5.0, 8.0, weights)
    assert sum(shares.values()) == pytest.approx(1)
    assert max(shares, key=lambda each: shares[each]) == histogram.bin_of(6)
    assert min(shares) == histogram.bin_of(5)
    assert max(shares) <= histogram.bin_of(8)


@given(durations, durations)
def test_an_end_between_any_two_questions_is_one_task(one: float, another: float) -> None:
    shares = histogram.spread(min(one, another), max(one, another), histogram.lognormal(8, 1))
    assert sum(shares.values()) == pytest.approx(1)


def test_shares_teach_no_bias_where_detection_times_would() -> None:
    """Asked every four seconds, of tasks that take six: the middle of what is learnt stays at six."""
    draw, weights, counts, late = Random(3), histogram.learned([0.0] * BINS, 8), [0.0] * BINS, [0.0] * BINS
    for _ in range(400):
        took = draw.lognormvariate(math.log(6), 0.3)
        asked = math.ceil(took / 4) * 4
        for each, share in histogram.spread(asked - 4, asked, weights).items():
            counts[each] += share
        late[histogram.bin_of(asked)] += 1
        weights = histogram.learned(counts, 8)
    assert median(weights) == pytest.approx(6, rel=0.12)
    assert median(histogram.learned(late, 8)) > 7


def test_what_the_gateway_says_of_a_task_narrows_what_is_known_of_all() -> None:
    known = histogram.learned(counted(*[4.0] * 20, *[40.0] * 20), 8)
    assert median(histogram.narrowed(known, 38)) == pytest.approx(40, rel=0.15)
    assert all(weight > 0 for weight in histogram.narrowed(known, 38))

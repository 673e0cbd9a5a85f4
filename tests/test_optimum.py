"""The optimum that our questions are compared with is the papers', and ours are not far from it."""

import math
import random
from dataclasses import dataclass
from itertools import pairwise

import pytest

from benchmarks.detection.durations import KINDS, Lognormal
from benchmarks.detection.learning import Route, outcome
from benchmarks.detection.optimum import Known, average, questions_at
from darkroom import schedule


@dataclass(frozen=True)
class Exponential:
    rate: float

    def above(self, seconds: float) -> float:
        return math.exp(-self.rate * seconds)

    def draw(self, chance: random.Random) -> float:
        return chance.expovariate(self.rate)


@dataclass(frozen=True)
class Uniform:
    longest: float

    def above(self, seconds: float) -> float:
        return max(0.0, 1 - seconds / self.longest)

    def draw(self, chance: random.Random) -> float:
        return chance.uniform(0, self.longest)


@pytest.mark.parametrize("price", [0.25, 2])
def test_who_has_waited_for_nothing_goes_on_as_before(price: float) -> None:
    """Exponential durations have no memory: the best gaps are equal, exp(rate * gap) - 1 = rate * (price + gap)."""
    rate, gap = 0.125, 1.0
    for _ in range(100):
        gap = math.log(1 + rate * (price + gap)) / rate
    best = Known(Exponential(rate), deadline=300).best(price)
    assert [end - start for start, end in pairwise([0.0, *best[:10]])] == pytest.approx([gap] * 10, rel=0.02)


def test_the_gaps_of_evenly_distributed_durations_shrink_by_the_price() -> None:
    """Barlow, Hunter and Proschan, section 3: x(k) = k * L / n + price * k * (n - k) / 2."""
    longest, price = 20.0, 0.5
    questions = max(n for n in range(1, 100) if n * (n - 1) * price / 2 < longest)
    best = Known(Uniform(longest), deadline=longest).best(price)
    expected = [k * longest / questions + price * k * (questions - k) / 2 for k in range(1, questions)]
    # Near the end some plans are as good as each other to within a hair.
    assert best[: questions - 3] == pytest.approx(expected[: questions - 3], abs=0.1)
    known = Known(Uniform(longest), deadline=longest)
    assert known.outcome(best).cost(price) == pytest.approx(known.outcome(expected).cost(price), rel=1e-3)


def test_each_gap_follows_from_the_one_before() -> None:
    """Barlow, Hunter and Proschan's recursion: F(x(k)) - F(x(k-1)) = f(x(k)) * (x(k+1) - x(k) + price)."""
    durations, price = Lognormal(8, 0.35), 0.25
    best = Known(durations, deadline=600).best(price)
    for before, here, after in zip(best[:5], best[1:6], best[2:7], strict=True):
        density = (durations.above(here - 0.001) - durations.above(here + 0.001)) / 0.002
        ended = durations.above(before) - durations.above(here)
        assert ended == pytest.approx(density * (after - here + price), rel=0.02)


def test_what_becomes_of_tasks_is_computed_as_it_would_be_counted() -> None:
    durations, chance = KINDS["heavy tail"], random.Random(7)
    moments = [5.0, 7.0, 9.0, 12.0, 20.0, 40.0, 80.0, 160.0, 320.0]
    questions, lag, tasks = 0, 0.0, 20_000
    for _ in range(tasks):
        took = min(600.0, durations.draw(chance))
        asked = [moment for moment in moments if moment < took]
        questions += len(asked) + 1
        lag += [*moments, 600.0][len(asked)] - took
    found = Known(durations, deadline=600).outcome(moments)
    assert (found.questions, found.lag) == pytest.approx((questions / tasks, lag / tasks), rel=0.03)


def test_nobody_who_knows_nothing_asks_fewer_questions_at_the_same_lag() -> None:
    known = Known(KINDS["cold boots"], deadline=600, nodes=4000)
    front = known.front(0.01 * 1.5**n for n in range(24))
    for wait in (0.5, 1, 2, 5):
        found = known.outcome(wait * n for n in range(1, math.ceil(600 / wait)))
        assert found.questions > 1.4 * questions_at(front, found.lag)


@pytest.mark.parametrize("catalogue", [4, 40])
def test_ours_after_a_hundred_tasks_are_near_the_optimum(catalogue: float) -> None:
    durations, chance = Lognormal(8, 0.35), random.Random(7)
    known = Known(durations, deadline=600, nodes=4000)
    route = Route(expected=catalogue)
    for _ in range(100):
        route.took(durations.draw(chance))
    found = average(outcome(route.weights(), known, chance) for _ in range(5))
    assert found.questions < 1.15 * questions_at(known.front(0.05 * 1.2**n for n in range(16)), found.lag)
    assert found.cost(schedule.PRICE) < 1.1 * known.outcome(known.best(schedule.PRICE)).cost(schedule.PRICE)

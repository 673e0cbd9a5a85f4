"""
Darkroom's questions about tasks of some kind: what it has counted of a route, what it makes of that, and how that is
judged.

It goes through darkroom.histogram and darkroom.schedule as the rooms timings and pacing do, without a table or a clock
between.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

from benchmarks.detection.durations import UNEVEN, Durations, median
from benchmarks.detection.optimum import Known, Outcome, average, questions_at
from darkroom import histogram, schedule, timings

Row = dict[str, Any]

#: How long a task may take, s; those of the heavy tail are given up then.
DEADLINE = 600
#: Beyond a moment that so few tasks reach, nothing changes any more.
NEVER = 1e-9
#: Of the dither: how many tasks one outcome is the average of.
PATHS = 3


class Kind:
    """A kind of tasks, and the best that can be done about it."""

    def __init__(self, name: str, durations: Durations) -> None:
        self.name, self.durations = name, durations
        self.median, self.uneven = median(durations), name in UNEVEN
        self.known = Known(durations, DEADLINE)
        self.front = self.known.front()

    def ratio(self, found: Outcome) -> float:
        """Questions, of the fewest that are possible at this mean lag."""
        return round(found.questions / questions_at(self.front, found.lag), 3)

    def compared(self, found: Outcome, price: float) -> Row:
        """
        questions, lag (s), ratio. cost: of price * questions + lag to the least at this price, which also tells of a
        schedule that is as good as any, but for another price.
        """
        least = self.known.outcome(self.known.best(price)).cost(price)
        row = {"questions": round(found.questions, 3), "lag": round(found.lag, 4), "ratio": self.ratio(found)}
        return {**row, "cost": round(found.cost(price) / least, 3)}


@dataclass
class Route:
    """What was counted. expected: what the catalogue says that a task takes, s."""

    expected: float
    epochs: dict[int, dict[int, float]] = field(default_factory=dict)
    tasks: int = 0

    def count(self, shares: dict[int, float]) -> None:
        """One more task has ended, in a bin, or in shares in several."""
        for forgotten in histogram.forgotten(self.epochs):
            del self.epochs[forgotten]
        epoch = self.epochs.setdefault(self.tasks // timings.EPOCH, {})
        for number, share in shares.items():
            epoch[number] = epoch.get(number, 0.0) + share
        self.tasks += 1

    def took(self, seconds: float) -> None:
        """One more task has ended, and the gateway says how long it took."""
        self.count({histogram.bin_of(seconds): 1.0})

    def weights(self) -> list[float]:
        return histogram.learned(histogram.remembered(self.epochs), self.expected)


def taught(kind: Kind, tasks: int, chance: random.Random) -> Route:
    """A route whose catalogue is right, after so many tasks."""
    route = Route(kind.median)
    for _ in range(tasks):
        route.took(kind.durations.draw(chance))
    return route


def exactly(wait: float) -> float:
    """What a wait comes to, when the poll function holds the fraction of a second that a Wait state cannot."""
    return wait


def moments(
    plan: schedule.Plan, known: Known, chance: random.Random, waited: Callable[[float], float] = exactly
) -> list[float]:
    """When one task is asked about, s after it was accepted, should it never end."""
    found: list[float] = []
    elapsed = 0.0
    while known.durations.above(elapsed) > NEVER:
        elapsed += waited(plan.next(elapsed, chance.random()) - elapsed)
        if elapsed >= known.deadline:
            break
        found.append(elapsed)
    return found


def outcome(
    weights: list[float],
    known: Known,
    chance: random.Random,
    price: float = schedule.PRICE,
    max_lag: float = inf,
    waited: Callable[[float], float] = exactly,
) -> Outcome:
    """What becomes of tasks of durations that are known, by a plan that is made of other weights."""
    plan = schedule.plan(weights, price, max_lag)
    return average(known.outcome(moments(plan, known, chance, waited)) for _ in range(PATHS))

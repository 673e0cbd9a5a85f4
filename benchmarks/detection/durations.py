"""
How long tasks take: the distributions that the questions are judged on.

Of a distribution only two things are used: which share of the tasks takes longer than so long, and a task drawn.
"""

import math
import random
from dataclasses import dataclass
from typing import Protocol


class Durations(Protocol):
    """How long tasks take, s."""

    def above(self, seconds: float) -> float:
        """The share of the tasks that takes longer, 0 to 1."""
        ...

    def draw(self, chance: random.Random) -> float:
        """How long one task takes, s."""
        ...


@dataclass(frozen=True)
class Lognormal:
    """median: s. sigma: of the natural logarithm."""

    median: float
    sigma: float

    def above(self, seconds: float) -> float:
        if seconds <= 0:
            return 1.0
        return math.erfc(math.log(seconds / self.median) / (self.sigma * math.sqrt(2))) / 2

    def draw(self, chance: random.Random) -> float:
        return chance.lognormvariate(math.log(self.median), self.sigma)


@dataclass(frozen=True)
class Pareto:
    """A heavy tail: of what takes longer than `low` s, a share of (low / t)^alpha takes longer than t."""

    low: float
    alpha: float

    def above(self, seconds: float) -> float:
        return 1.0 if seconds <= self.low else (self.low / seconds) ** self.alpha

    def draw(self, chance: random.Random) -> float:
        return self.low * chance.paretovariate(self.alpha)


@dataclass(frozen=True)
class Mixture:
    """A share of the tasks is `rare`, the others are `usual`."""

    usual: Durations
    rare: Durations
    share: float

    def above(self, seconds: float) -> float:
        return (1 - self.share) * self.usual.above(seconds) + self.share * self.rare.above(seconds)

    def draw(self, chance: random.Random) -> float:
        return (self.rare if chance.random() < self.share else self.usual).draw(chance)


def median(durations: Durations) -> float:
    """What half of the tasks take longer than, s."""
    low, high = 1e-3, 1e5
    while high / low > 1.0001:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if durations.above(middle) > 0.5 else (low, middle)
    return low


#: What a model's tasks are like, by name.
KINDS: dict[str, Durations] = {
    "4 s": Lognormal(4, 0.25),
    "8 s": Lognormal(8, 0.35),
    "20 s": Lognormal(20, 0.5),
    "cold boots": Mixture(Lognormal(4, 0.25), Lognormal(60, 0.35), 0.15),
    "heavy tail": Mixture(Lognormal(8, 0.35), Pareto(12, 1.1), 0.08),
}
#: Kinds of which most tasks are of one sort and some of quite another.
UNEVEN = ("cold boots", "heavy tail")

"""
How long tasks take, as far as is known: a histogram of durations, and what it says of the next task.

What was counted last counts most, since gateways change. The catalogue's word stands in where nothing was counted.
"""

import itertools
import math
from bisect import bisect
from collections.abc import Mapping, Sequence

#: Bins grow by a seventh each, from 0.25 to 900 s; the first begins at 0, and the last has no end.
BINS = 64
GROWTH: float = (900 / 0.25) ** (1 / BINS)
EDGES: tuple[float, ...] = tuple(0.25 * GROWTH**edge for edge in range(BINS + 1))
#: A task counts half when so many others came after it, and not at all when they are four times as many.
HALF_LIFE = 60
FORGOTTEN = 4 * HALF_LIFE

#: The catalogue's word weighs as much as one task, and may be wrong by a factor of e**1.5.
_CATALOGUE, _DOUBT = 1.0, 1.5
#: Bins around a bin that say how much is known there; and over how many a count is spread at least and at most.
_NEIGHBOURS, _LEAST, _MOST = 2.0, 0.3, 6.0
#: How likely a bin is at least, of what is likely most.
_SLIGHT = 1e-3


def bin_of(seconds: float) -> int:
    """The bin of a duration, 0 to 63."""
    return min(BINS - 1, max(0, bisect(EDGES, seconds) - 1))


def lognormal(median: float, sigma: float, weight: float = 1.0) -> list[float]:
    """`weight` tasks in bins, of this median, s, and mostly within a factor of e**sigma of it."""
    below = [0.5 + 0.5 * math.erf(math.log(edge / median) / (sigma * math.sqrt(2))) for edge in EDGES[1:-1]]
    return [weight * (high - low) for low, high in itertools.pairwise((0.0, *below, 1.0))]


def learned(counts: Sequence[float], expected: float) -> list[float]:
    """
    How likely each bin is, by what was counted, and by the catalogue, which says that it takes about `expected` s.

    Each count is spread over the bins around it, and the further, the less was counted there (Abramson, "On bandwidth
    variation in kernel estimates", 1982).
    """
    weights = lognormal(expected, _DOUBT, _CATALOGUE)
    counted = [(each, count) for each, count in enumerate(counts) if count]
    for each, count in counted:
        known = sum(other * _bell(there - each, _NEIGHBOURS) for there, other in counted)
        width = min(_MOST, max(_LEAST, 1.5 * known ** (-1 / 3)))
        reach = math.ceil(4 * width)
        for there in range(max(0, each - reach), min(BINS, each + reach + 1)):
            weights[there] += count * _bell(there - each, width)
    return weights


def narrowed(weights: Sequence[float], about: float) -> list[float]:
    """The same, for a task of which its gateway lets us think that it takes `about` so many s, give or take a third."""
    return [weight * (_bell(bin_of(about) - each, 2.0) + _SLIGHT) for each, weight in enumerate(weights)]


def remembered(epochs: Mapping[int, Mapping[int, float]]) -> list[float]:
    """What is left of all that was counted, by epoch and bin, since newer epochs have made older ones fade."""
    left, later = [0.0] * BINS, 0.0
    for epoch in sorted(epochs, reverse=True):
        for each, count in epochs[epoch].items():
            left[each] += count * 0.5 ** (later / HALF_LIFE)
        later += sum(epochs[epoch].values())
    return left


def forgotten(epochs: Mapping[int, Mapping[int, float]]) -> list[int]:
    """The epochs that do not count any more."""
    later, old = 0.0, list[int]()
    for epoch in sorted(epochs, reverse=True):
        if later >= FORGOTTEN:
            old.append(epoch)
        later += sum(epochs[epoch].values())
    return old


def spread(low: float, high: float, weights: Sequence[float]) -> dict[int, float]:
    """One task that was over somewhere between two questions, s: in shares over the bins in which it may have been."""
    parts = {each: weights[each] * _overlap(each, low, high) for each in range(bin_of(low), bin_of(high) + 1)}
    total = sum(parts.values())
    return {each: part / total for each, part in parts.items() if part} if total else {bin_of(high): 1.0}


def _overlap(each: int, low: float, high: float) -> float:
    """The share of a bin that lies between `low` and `high`."""
    start, end = EDGES[each], EDGES[each + 1]
    return max(0.0, min(end, high) - max(start, low)) / (end - start)


def _bell(distance: float, width: float) -> float:
    """The normal distribution's density."""
    return math.exp(-0.5 * (distance / width) ** 2) / (width * math.sqrt(2 * math.pi))

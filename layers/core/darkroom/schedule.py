"""When to ask next, and until when. All waits are whole seconds: a Wait state knows no others."""

import itertools
import math
from collections.abc import Mapping

#: How long a task may take before it is given up, s.
DEADLINE_S = 30 * 60
#: How long a row of a batch waits for a gateway to take it, s; only then its time to be made begins.
PATIENCE_S = 24 * 60 * 60

#: The longest pause between two questions, s: past it a caller would notice.
LONGEST = 30

#: The shortest pause before a gateway is asked to say again what is in doubt, s: its tables need a moment.
SHORTEST_IN_DOUBT = 2

#: What is remembered of a route: how many tasks took how long, in bins that grow by a seventh, from 0.25 to 900 s.
BINS = 64
_LOW, _HIGH = 0.25, 900.0
_GROWTH = math.log(_HIGH / _LOW) / BINS
#: Fewer tasks than these say less than the catalogue does.
ENOUGH = 10


def first(expected: float) -> int:
    """Seconds from the start of a driver to its first question, for a route that usually takes `expected` seconds."""
    return max(1, round(expected))


def following(elapsed: float) -> int:
    """
    Seconds to the next question, when the gateway has been at it for `elapsed` seconds.

    A quarter of the time that has passed: the number of questions grows with the logarithm of a task's duration, and
    the answer is late by an eighth of it on average.
    """
    return min(LONGEST, max(1, round(elapsed / 4)))


def in_doubt(elapsed: float, times: int, seconds: int) -> int:
    """Seconds to the next question, when a last word must be said `times` times over `seconds` to be believed."""
    return max(SHORTEST_IN_DOUBT, min(following(elapsed), seconds // times))


def backoff(tries: int, *, patient: bool = False) -> int:
    """
    Seconds until a request that no gateway took, in `tries` tries, is tried again. Who is patient has a day for it, and
    every try leaves a line on the task, which holds some hundreds.
    """
    return min(480 if patient else 60, 1 << min(tries, 9))


def bin_of(seconds: float) -> int:
    """The bin of a duration, 0 to 63; the first and the last take what lies beyond them."""
    return min(BINS - 1, max(0, int(math.log(max(seconds, _LOW) / _LOW) / _GROWTH)))


def typical(counts: Mapping[int, int]) -> float | None:
    """The median of the durations in bins, s, to within a bin's width; None if there are too few."""
    total = sum(counts.values())
    if total < ENOUGH:
        return None
    bins = sorted(counts)
    sums = itertools.accumulate(counts[each] for each in bins)
    median = next(each for each, below in zip(bins, sums, strict=True) if 2 * below >= total)
    return _LOW * math.exp((median + 0.5) * _GROWTH)

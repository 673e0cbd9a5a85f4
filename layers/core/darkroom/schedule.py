"""
When to ask next, and until when.

A task's end is found by asking, as the failure of a machine is found by inspecting it. A question has a price, in
seconds of lag; a plan makes the expected price of all questions plus the expected lag as small as it can be, for what
is known of how long tasks take on a route (Barlow, Hunter and Proschan, "Optimum checking procedures", 1963). With S(t)
for the share of tasks that are not over after t seconds, who has asked at t and means to ask again at u does so with
probability S(t), and then hears u - t later. So the sum of

    S(t) * (price + u - t)    over all pairs of neighbours t, u

is to be made small: one pass from the end to the beginning finds the best u for each t. The moments to choose from lie
closer than the questions will, by the law that those follow where they are many: sqrt(hazard / (2 * price)) a second
(Keller, "Optimum checking schedules for systems subject to random failure", 1974).
"""

import itertools
import math
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from darkroom.histogram import BINS, EDGES

#: How long a task may take before it is given up, s.
DEADLINE_S = 30 * 60
#: How long a row of a batch waits for a gateway to take it, s; only then its time to be made begins.
PATIENCE_S = 24 * 60 * 60

#: Seconds of lag that one question is worth, unless the catalogue says otherwise.
PRICE = 0.25
#: The longest pause between questions past all that is known, and the shortest of all, s.
LONGEST, SHORTEST = 60.0, 0.1
#: The shortest pause before a gateway is asked to say again what is in doubt, s: its tables need a moment.
SHORTEST_IN_DOUBT = 2
#: By how much of the time between questions one comes earlier or later, so that tasks do not ask in step.
DITHER = 0.1
#: Moments to choose from, for each question that there will be.
_CHOICES = 8
#: The share of tasks that are not over as long as hardly any is.
_HARDLY_ANY = 0.99


@dataclass(frozen=True)
class Plan:
    """
    When to ask: who has asked at `moments[i]`, s after the request was accepted, does so at `following[i]` next, and
    after the last of them each `pace` s. After `quiet`, questions are no further apart than `max_lag`.
    """

    moments: tuple[float, ...]
    following: tuple[float, ...]
    pace: float
    max_lag: float
    quiet: float

    def next(self, elapsed: float, chance: float = 0.5) -> float:
        """The moment of the next question after `elapsed`, dithered by a `chance` from 0 to 1; 0.5 leaves it alone."""
        moment = self._next(elapsed)
        gap = min(moment - elapsed, self._next(moment) - moment)
        return min(moment + DITHER * (2 * chance - 1) * gap, max(elapsed, self.quiet) + self.max_lag)

    def _next(self, elapsed: float) -> float:
        after = bisect(self.moments, elapsed)
        if after == len(self.moments):
            return elapsed + self.pace
        nearest = after - (2 * elapsed < self.moments[after - 1] + self.moments[after])
        return max(self.following[nearest], elapsed + SHORTEST)


def plan(weights: Sequence[float], price: float = PRICE, max_lag: float = math.inf) -> Plan:
    """
    The best plan for tasks whose durations are distributed over the bins of a histogram like `weights`.

    price: seconds of lag that one question is worth. max_lag: s between questions at most, from when one task in a
    hundred is over.
    """
    moments, left = _moments(weights, price)
    last = len(moments) - 1
    costs, best = [0.0] * (last + 1), [last] * (last + 1)
    for here in reversed(range(last)):
        # Who asks earlier does not ask later next: so the search ends at what is best for the moment after.
        choices = range(here + 1, best[here + 1] + 1)
        through = [left[here] * (price + moments[there] - moments[here]) + costs[there] for there in choices]
        costs[here] = min(through)
        best[here] = choices[through.index(costs[here])]
    quiet = next((moments[here] for here in range(last) if left[here] < _HARDLY_ANY), moments[last])
    # The last bin has no end, and nobody knows what is in it: so it goes on as before.
    pace = min(LONGEST, max(LONGEST / 4, moments[last] - moments[best.index(last)]))
    return Plan(tuple(moments), tuple(moments[there] for there in best), pace, max_lag, quiet)


def _moments(weights: Sequence[float], price: float) -> tuple[list[float], list[float]]:
    """The moments to choose from, s, and the share of tasks that are not over then; within a bin they end evenly."""
    moments, left = [0.0], [1.0]
    beyond = [*itertools.accumulate(reversed(weights))][::-1]
    for each in range(BINS - 1):
        start, end = EDGES[each] if each else 0.0, EDGES[each + 1]
        weight, rest = weights[each], beyond[each + 1]
        hazard = weight / (rest + weight / 2) / (end - start) if weight else 0.0
        choices = max(1, math.ceil(_CHOICES * (end - start) * math.sqrt(hazard / (2 * price))))
        moments += [start + (end - start) * part / choices for part in range(1, choices + 1)]
        left += [(rest + weight * (1 - part / choices)) / beyond[0] for part in range(1, choices + 1)]
    return moments, left


def following(elapsed: float) -> int:
    """Whole seconds to the next question where no plan helps, for who has waited `elapsed` s: a quarter of that."""
    return min(30, max(1, round(elapsed / 4)))


def in_doubt(elapsed: float, times: int, seconds: int) -> int:
    """Seconds to the next question, when a last word must be said `times` times over `seconds` to be believed."""
    return max(SHORTEST_IN_DOUBT, min(following(elapsed), seconds // times))


def backoff(tries: int, *, patient: bool = False) -> int:
    """
    Seconds until a request that no gateway took, in `tries` tries, is tried again. Who is patient has a day for it, and
    every try leaves a line on the task, which holds some hundreds.
    """
    return min(480 if patient else 60, 1 << min(tries, 9))

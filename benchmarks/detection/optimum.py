"""
The best moments to ask, for tasks whose durations are known: what darkroom.schedule is judged by.

The problem is optimal inspection: choose moments x1 < x2 < … such that price * E[questions] + E[lag] is least. R. E.
Barlow, L. C. Hunter and F. Proschan, Optimum checking procedures, J. SIAM 11 (1963) 1078-1095, have its conditions: at
the optimum each gap follows from the one before, x(k+1) - x(k) = (F(x(k)) - F(x(k-1))) / f(x(k)) - price. J. B. Keller,
Optimum checking schedules for systems subject to random failure, Management Science 21 (1974) 256-260, has what it
comes to when questions are cheap: they are as dense as sqrt(hazard / (2 * price)).

That recursion is unstable, and wants a density. Here it is solved for any distribution on a fine grid, exactly: with
S(t) the share that takes longer than t, what is to come from a question at t on costs

    U(t) = S(t) * (price - t) + min over s > t of (S(t) * s + U(s))

of questions, and of time until the answer is seen; that is the lag, up to the tasks' own mean. The minimum is over
lines in S(t) with slopes s, and both only move one way: all of it takes one walk over the grid.

Its rule: it shares no code with darkroom.schedule.
"""

import itertools
import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchmarks.detection.durations import Durations

#: Where the grid begins, s, after zero, and how fine it is.
FINEST = 0.02
NODES = 12_000
#: Seconds of lag that one question may be worth.
PRICES = tuple(0.0002 * 1.25**n for n in range(68))


@dataclass(frozen=True)
class Outcome:
    """Per task: questions asked, and seconds from its end to the question that sees it."""

    questions: float
    lag: float

    def cost(self, price: float) -> float:
        """What the two come to, s, if a question is worth `price` s of lag."""
        return price * self.questions + self.lag


class Known:
    """Durations that are known, of tasks that are given up at a deadline (s): the last question is asked there."""

    def __init__(self, durations: Durations, deadline: float, nodes: int = NODES) -> None:
        self.durations, self.deadline = durations, deadline
        growth = math.log(deadline / FINEST) / (nodes - 1)
        self._times = [0.0, *(FINEST * math.exp(growth * n) for n in range(nodes - 1)), deadline]
        self._above = [durations.above(time) for time in self._times]
        #: What a task takes on average, s; one that is given up counts up to its deadline.
        self.mean = sum(
            (later - time) * (here + there) / 2
            for (time, later), (here, there) in zip(
                itertools.pairwise(self._times), itertools.pairwise(self._above), strict=True
            )
        )

    def outcome(self, moments: Iterable[float]) -> Outcome:
        """What becomes of tasks that are asked about at these moments (s, rising), and at the deadline."""
        questions = seen = 0.0
        for moment, following in itertools.pairwise([0.0, *moments, self.deadline]):
            above = self.durations.above(moment)
            questions += above
            seen += above * (following - moment)
        return Outcome(questions, seen - self.mean)

    def lag_of(self, moments: Sequence[float], share: float) -> float:
        """The lag, s, that a share of the tasks (0 to 1) keeps within."""
        gaps = list(itertools.pairwise([0.0, *moments, self.deadline]))
        above = self.durations.above
        low, high = 0.0, max(end - start for start, end in gaps)
        while high - low > 0.001:
            middle = (low + high) / 2
            late = sum(above(start) - above(end - middle) for start, end in gaps if end - start > middle)
            low, high = (middle, high) if late > 1 - share else (low, middle)
        return high

    def best(self, price: float) -> list[float]:
        """The best moments (s, rising; the deadline is not among them), if a question is worth `price` s of lag."""
        times, above = self._times, self._above
        last = len(times) - 1
        costs = [0.0] * (last + 1)
        after = [last] * (last + 1)
        lines, first = [last], 0
        for node in range(last - 1, -1, -1):
            here = above[node]

            def worth(of: int, here: float = here) -> float:
                return here * times[of] + costs[of]

            while first + 1 < len(lines) and worth(lines[first + 1]) <= worth(lines[first]):
                first += 1
            after[node] = lines[first]
            costs[node] = here * (price - times[node]) + worth(lines[first])
            while len(lines) - first > 1 and self._hidden(lines[-1], lines[-2], node, costs):
                lines.pop()
            lines.append(node)
        moments, node = [], after[0]
        while node != last:
            moments.append(times[node])
            node = after[node]
        return moments

    def _hidden(self, line: int, before: int, new: int, costs: list[float]) -> bool:
        """Whether a line is nowhere the lowest between the one before it and a new one."""
        times = self._times
        crossing_new = (costs[new] - costs[line]) * (times[before] - times[line])
        crossing_before = (costs[line] - costs[before]) * (times[line] - times[new])
        return crossing_new <= crossing_before

    def front(self, prices: Iterable[float] = PRICES) -> list[Outcome]:
        """The best outcomes: fewer questions cannot be had at the same mean lag. The shortest lag comes first."""
        return [self.outcome(self.best(price)) for price in sorted(prices)]


def average(outcomes: Iterable[Outcome]) -> Outcome:
    every = list(outcomes)
    return Outcome(fmean(each.questions for each in every), fmean(each.lag for each in every))


def questions_at(front: Sequence[Outcome], lag: float) -> float:
    """
    The fewest questions at a mean lag (s); where the front has ended it is the one that every task needs.

    Raises ValueError for a lag that is shorter than the front's shortest.
    """
    number = bisect_left(front, lag, key=lambda outcome: outcome.lag)
    if number == 0:
        raise ValueError(f"the front begins at a lag of {front[0].lag:.3f} s: {lag:.3f} s is not on it")
    if number == len(front):
        return 1.0
    shorter, longer = front[number - 1], front[number]
    share = math.log(lag / shorter.lag) / math.log(longer.lag / shorter.lag)
    return shorter.questions * math.pow(longer.questions / shorter.questions, share)

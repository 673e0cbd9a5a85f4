"""What came of a run, in figures; and how many requests it takes us to be as late as somebody else."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True)
class Told:
    """One task of a contestant's. requests: the POST and all, without downloads. lag: as in Row."""

    requests: int
    lag: float


@dataclass(frozen=True)
class Row:
    """
    One contestant. requests: of a task, the POST and all, without downloads. request: what one has taken, s, median.
    Lags are seconds from a job's end at its gateway until it is known; stored: until the images are stored, too, on
    average. cpu_ms: of the client's process for a task.
    """

    who: str
    tasks: int
    requests: float
    request: float
    mean: float
    p50: float
    p99: float
    stored: float | None = None
    cpu_ms: float | None = None


def tasks(who: str, seen: Mapping[str, Any], known: Mapping[str, float]) -> list[Told]:
    """
    In the order in which they were made, which is the same for all contestants.

    seen: what the gateway tells (gateways.py). known: when a job's end was known. Raises SystemExit if anything has
    been made that nobody knows of, or the other way round.
    """
    jobs = dict(sorted(seen["jobs"].items(), key=lambda job: float(job[1]["began"])))
    if jobs.keys() != known.keys():
        raise SystemExit(f"{who} knows {len(known)} tasks of {len(jobs)}.")
    found = [Told(1 + len(each["asked"]), known[job] - each["ended"]) for job, each in jobs.items()]
    if sum(each.requests for each in found) != seen["requests"]:
        raise SystemExit(f"{who} has sent requests that are of no task.")
    return found


def row(
    who: str, told: Sequence[Told], request: float, stored: float | None = None, cpu_ms: float | None = None
) -> Row:
    """What its tasks come to."""
    lags = sorted(each.lag for each in told)
    return Row(
        who=who,
        tasks=len(told),
        requests=statistics.fmean(each.requests for each in told),
        request=request,
        mean=statistics.fmean(lags),
        p50=quantile(lags, 0.5),
        p99=quantile(lags, 0.99),
        stored=stored,
        cpu_ms=cpu_ms,
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the (sorted) values lies, between two of them in proportion."""
    place = share * (len(values) - 1)
    low, high = values[math.floor(place)], values[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


def times(theirs: Sequence[Told], front: Sequence[Sequence[Told]]) -> tuple[float, bool]:
    """How many times fewer requests ours would be, were they as late as theirs; and as at_lag."""
    points = [_averages(each) for each in front]
    lag, requests = _averages(theirs)
    ours, between = at_lag(points, lag)
    return requests / ours, between


def error(theirs: Sequence[Told], front: Sequence[Sequence[Told]]) -> float:
    """The standard error of `times`, by leaving out each task in turn (the jackknife: Quenouille 1949, Tukey 1958)."""
    (size,) = {len(theirs), *map(len, front)}
    without = [times(_without(theirs, one), [_without(each, one) for each in front])[0] for one in range(size)]
    return math.sqrt((size - 1) * statistics.pvariance(without))


def _averages(told: Sequence[Told]) -> tuple[float, float]:
    """Of the lags, and of the requests."""
    return statistics.fmean(each.lag for each in told), statistics.fmean(each.requests for each in told)


def _without(told: Sequence[Told], one: int) -> list[Told]:
    return [*told[:one], *told[one + 1 :]]


def at_lag(front: Sequence[tuple[float, float]], lag: float) -> tuple[float, bool]:
    """
    Requests with which somebody on a front would be so late on average, and whether it reaches there.

    front: lags, and the requests that they take.

    It is read on the straight line, in logarithms, between the two neighbours; the true front hangs below that line.
    Where it does not reach, nothing is made of it that could flatter: to be half as late takes twice the requests, and
    to be later spares none.
    """
    points = sorted(front)
    (soonest, most), (latest, fewest) = points[0], points[-1]
    if not soonest <= lag <= latest:
        return (most * soonest / lag if lag < soonest else fewest), False
    (x0, y0), (x1, y1) = next(line for line in pairwise(points) if lag <= line[1][0])
    return y0 * (y1 / y0) ** (math.log(lag / x0) / math.log(x1 / x0)), True

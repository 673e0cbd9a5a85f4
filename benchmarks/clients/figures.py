"""What came of a run, in figures; and how many requests it takes us to be as late as somebody else."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


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


def row(
    who: str,
    seen: Mapping[str, Any],
    known: Mapping[str, float],
    stored: Mapping[str, float] | None = None,
    cpu_ms: float | None = None,
) -> Row:
    """
    seen: what the gateway tells (gateways.py). known, stored: when a job's end was known, and its images stored. Raises
    SystemExit if anything has been made that nobody knows of, or the other way round.
    """
    ended = {job: each["ended"] for job, each in seen["jobs"].items()}
    if ended.keys() != known.keys():
        raise SystemExit(f"{who} knows {len(known)} tasks of {len(ended)}.")
    lags = sorted(known[job] - ended[job] for job in known)
    return Row(
        who=who,
        tasks=len(lags),
        requests=seen["requests"] / len(lags),
        request=seen["median_s"],
        mean=statistics.fmean(lags),
        p50=quantile(lags, 0.5),
        p99=quantile(lags, 0.99),
        stored=statistics.fmean(stored[job] - ended[job] for job in known) if stored else None,
        cpu_ms=cpu_ms,
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the (sorted) values lies, between two of them in proportion."""
    place = share * (len(values) - 1)
    low, high = values[math.floor(place)], values[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


def at_lag(front: Sequence[Row], lag: float) -> tuple[float, bool]:
    """
    Requests with which the contestants of a front would be so late on average, and whether it reaches there.

    It is read on the straight line, in logarithms, between the two neighbours; the true front hangs below that line.
    Where it does not reach, nothing is made of it that could flatter: to be half as late takes twice the requests, and
    to be later spares none.
    """
    points = sorted((each.mean, each.requests) for each in front)
    (soonest, most), (latest, fewest) = points[0], points[-1]
    if not soonest <= lag <= latest:
        return (most * soonest / lag if lag < soonest else fewest), False
    (x0, y0), (x1, y1) = next(line for line in pairwise(points) if lag <= line[1][0])
    return y0 * (y1 / y0) ** (math.log(lag / x0) / math.log(x1 / x0)), True

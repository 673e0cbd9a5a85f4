"""
The timings table: how long tasks take on each route, and how much each gateway minds being asked.

What is counted is the gateways' own timestamps, never when an end was noticed: else questions that come late would
teach to ask later. Where a gateway tells none, a task counts in shares for all the time between the last two questions.
It all only helps to ask at a better moment, so nothing here ever fails a task.

An item is under its route or gateway behind `2#`; what is under a route alone is of a version that cannot read these. A
route's item holds `n`, the tasks that were counted, and for each epoch of them a number by bin: `3:17` for the whole
of a task, `3:17r` for its run, which is what follows when the gateway begins with it. A gateway's item holds `dearer`,
and `refused`, when it became so.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from darkroom import aws, clock, histogram, schedule, settings
from darkroom.route import Gateway, Model, Route
from darkroom.schedule import Plan

#: Milliseconds for which a warm function keeps what it has read.
MAX_AGE_MS = 60_000
#: In so many ms a warm function counts one task of a route: a sample, so that no item is ever written to too often.
SAMPLE_MS = 1_000
#: Tasks in an epoch.
EPOCH = 25
#: A gateway that refuses a question is asked as if questions were dearer, twice each time, so many times at most; after
#: so many ms without it, half as dear again.
DEAREST, EASED_MS = 16.0, 300_000

Epochs = Mapping[int, Mapping[int, float]]

logger = Logger(child=True)


@dataclass(frozen=True)
class Known:
    """Tasks of a route that were counted: how many ever, and by epoch and bin as a whole, and from when they ran."""

    count: int
    whole: Epochs
    run: Epochs


def plan(model: Model, route: Route, *, run: bool = False) -> Plan:
    """When to ask about a task; run: counted from when the gateway began with it, not from when it accepted it."""
    table, age = settings.timings_table(), clock.now() // MAX_AGE_MS
    return _plan(table, route.name, age, model.seconds, price(route.gateway), model.max_lag, run)


def weights(model: Model, route: Route, *, run: bool = False) -> tuple[float, ...]:
    """How likely it is to take how long, by bin."""
    return _weights(settings.timings_table(), route.name, clock.now() // MAX_AGE_MS, model.seconds, run)


def runs_known(route: Route) -> bool:
    """Whether the gateway tells when it begins with a task."""
    return bool(_known(settings.timings_table(), route.name, clock.now() // MAX_AGE_MS).run)


def price(gateway: Gateway) -> float:
    """Seconds of lag that a question to a gateway is worth now."""
    dearer = _dearer(settings.timings_table(), gateway.name, clock.now() // MAX_AGE_MS)
    return dearer * (gateway.question or schedule.PRICE)


def record(model: Model, route: str, took: float | tuple[float, float], ran: float | None = None) -> None:
    """
    One more task of a route is over.

    took: seconds by the gateway's clock; or, where that does not tell, after how many it was found under way last, and
    found over. ran: how many of them the gateway worked on it, if it tells.
    """
    table, now = settings.timings_table(), clock.now()
    if not _sampled(table, route, now):
        return
    known = _known(table, route, now // MAX_AGE_MS)
    if isinstance(took, tuple):
        shares = histogram.spread(*took, _weights(table, route, now // MAX_AGE_MS, model.seconds, run=False))
    else:
        shares = {histogram.bin_of(took): 1.0}
    epoch = known.count // EPOCH
    added = {"n": 1.0} | {f"{epoch}:{each}": share for each, share in shares.items()}
    if ran is not None:
        added[f"{epoch}:{histogram.bin_of(ran)}r"] = 1.0
    faded = [f"{old}:{each}" for old in histogram.forgotten(known.whole) for each in known.whole[old]]
    faded += [f"{old}:{each}r" for old in histogram.forgotten(known.run) for each in known.run[old]]
    _update(table, route, added, faded)


def refused(gateway: str) -> None:
    """A gateway does not want to be asked so often."""
    table, now = settings.timings_table(), clock.now()
    if not _sampled(table, gateway, now):
        return
    _dearer.cache_clear()  # others may have made it dearer
    dearer = min(DEAREST, 2 * _dearer(table, gateway, now // MAX_AGE_MS))
    _write(table, gateway, "SET dearer = :dearer, refused = :now", {":dearer": f"{dearer:.3f}", ":now": str(now)})
    _dearer.cache_clear()


@lru_cache(maxsize=256)
def _plan(table: str, route: str, age: int, expected: float, price: float, max_lag: float, run: bool) -> Plan:
    return schedule.plan(_weights(table, route, age, expected, run), price, max_lag)


@lru_cache(maxsize=256)
def _weights(table: str, route: str, age: int, expected: float, run: bool) -> tuple[float, ...]:
    known = _known(table, route, age)
    return tuple(histogram.learned(histogram.remembered(known.run if run else known.whole), expected))


@lru_cache(maxsize=256)
def _known(table: str, route: str, _age: int) -> Known:
    item = _read(table, route)
    whole, run = (defaultdict[int, dict[int, float]](dict) for _ in range(2))
    for name, number in item.items():
        epoch, colon, each = name.partition(":")
        if colon:
            (run if each.endswith("r") else whole)[int(epoch)][int(each.removesuffix("r"))] = number
    return Known(int(item.get("n", 0)), whole, run)


@lru_cache(maxsize=64)
def _dearer(table: str, gateway: str, _age: int) -> float:
    """How many times its price a question to a gateway is worth now."""
    item = _read(table, gateway)
    halvings = (clock.now() - item.get("refused", 0)) / EASED_MS
    return max(1.0, item.get("dearer", 1.0) * math.exp2(-halvings))


def _sampled(table: str, key: str, now: int) -> bool:
    """Whether this is the first for an item in a while, of what this warm function has to count."""
    if counted := _counted(table, key, now // SAMPLE_MS):
        return False
    counted.append(key)
    return True


@lru_cache(maxsize=256)
def _counted(_table: str, _key: str, _moment: int) -> list[str]:
    return []


def _read(table: str, key: str) -> dict[str, float]:
    """The numbers of an item; none where there is none, or it cannot be read."""
    try:
        found = aws.hasty_dynamodb().get_item(TableName=table, Key={"route": {"S": f"2#{key}"}})
    except (ClientError, BotoCoreError):
        logger.warning("timings could not be read", exc_info=True)
        return {}
    return {name: float(value["N"]) for name, value in found.get("Item", {}).items() if "N" in value}


def _update(table: str, route: str, added: Mapping[str, float], removed: Iterable[str]) -> None:
    names, values = dict[str, str](), dict[str, str]()
    for number, (name, value) in enumerate(added.items()):
        names[f"#a{number}"], values[f":a{number}"] = name, f"{value:.3f}"
    old = {f"#r{number}": name for number, name in enumerate(removed)}
    expression = "ADD " + ", ".join(f"#a{number} :a{number}" for number in range(len(added)))
    _write(table, route, expression + (f" REMOVE {', '.join(old)}" if old else ""), values, names | old)


def _write(
    table: str, key: str, expression: str, values: Mapping[str, str], names: Mapping[str, str] | None = None
) -> None:
    named: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
    try:
        aws.hasty_dynamodb().update_item(
            TableName=table,
            Key={"route": {"S": f"2#{key}"}},
            UpdateExpression=expression,
            ExpressionAttributeValues={name: {"N": value} for name, value in values.items()},
            **named,
        )
    except (ClientError, BotoCoreError):
        logger.warning("a timing was not recorded", exc_info=True)

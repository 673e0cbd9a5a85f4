"""
When to ask next, where a gateway or the loop gets in the way, or helps: no times are told, phases are told, waits are
whole seconds, questions are refused, lag has a limit.
"""

import math
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from unittest import mock

from benchmarks.detection.durations import Lognormal
from benchmarks.detection.learning import Kind, Route, Row, exactly, moments, outcome, taught
from benchmarks.detection.optimum import Outcome, average, questions_at
from darkroom import clock, histogram, pacing, schedule, timings
from darkroom.answer import Running

#: The tables, in their order: title, and name among the figures.
TITLES = [
    ("Where a gateway tells no times", "told"),
    ("Where it tells how far it is; of the questions at the same lag without that", "phases"),
    ("What a Wait state's whole seconds cost", "whole_seconds"),
    ("After refusals, which make questions dearer", "refused"),
    ("With a longest lag of 5 s", "max_lag"),
]
#: Tasks for which a plan is kept before it is made anew.
KEPT = 10
#: Tasks after which it is measured, where no times are told.
STAGES = (100, 300, 1000)
#: What is waited for in a gateway's queue, and what follows, s.
QUEUE, RUN = Lognormal(5, 0.8), Lognormal(4, 0.15)
#: Tasks that are drawn where outcomes cannot be computed.
TASKS = 3000
#: How far off a gateway's percent are: done to the power of e to the power of what is drawn with this deviation.
PERCENT_OFF = 0.2


def measured(kinds: Sequence[Kind], seed: int, times: int) -> dict[str, list[Row]]:
    """All of the tables, by name."""
    even, uneven = [kind for kind in kinds if not kind.uneven], [kind for kind in kinds if kind.uneven]
    return {
        "told": [row for kind in kinds for row in told(kind, seed, max(3, times // 2))],
        "phases": list(phases(seed)),
        "whole_seconds": [row for kind in even for row in whole_seconds(kind, seed, times)],
        "refused": [row for kind in kinds for row in refused(kind, seed, times)],
        "max_lag": [row for kind in uneven or kinds for row in max_lag(kind, seed, times)],
    }


def told(kind: Kind, seed: int, times: int) -> Iterator[Row]:
    """What is counted decides what is asked next, and what is asked what is counted: so this can drift."""

    ways: dict[str, Callable[[float, float, float, list[float]], dict[int, float]]] = {
        "the gateway's own times": lambda _asked, _seen, took, _weights: {histogram.bin_of(took): 1.0},
        "between two questions (ours)": lambda asked, seen, _took, weights: histogram.spread(asked, seen, weights),
        "when it was seen (naive)": lambda _asked, seen, _took, _weights: {histogram.bin_of(seen): 1.0},
    }
    for counted, shares in ways.items():
        found: dict[int, list[Outcome]] = {}
        for turn in range(times):
            chance, dice = (random.Random(f"{seed} {kind.name} told {turn} {of}") for of in ("tasks", "dither"))
            route = Route(kind.median)
            for tasks in range(STAGES[-1] + 1):
                if tasks % KEPT == 0:
                    weights = route.weights()
                    plan = schedule.plan(weights)
                if tasks in STAGES:
                    found.setdefault(tasks, []).append(outcome(weights, kind.known, dice))
                took = kind.durations.draw(chance)
                if took < kind.known.deadline:
                    route.count(shares(*_noticed(plan, took, kind.known.deadline, dice), took, weights))
        for tasks, outcomes in found.items():
            about = {"kind": kind.name, "counted": counted, "tasks": tasks}
            yield {**about, **kind.compared(average(outcomes), schedule.PRICE)}


def _noticed(plan: schedule.Plan, took: float, deadline: float, chance: random.Random) -> tuple[float, float]:
    """When a task was found under way last, and when it was found over, s."""
    asked, seen = 0.0, 0.0
    while seen < took:
        asked, seen = seen, min(deadline, plan.next(seen, chance.random()))
    return asked, seen


def phases(seed: int) -> Iterator[Row]:
    """Tasks that wait in a queue first; sampled, with the same tasks and the same chances for each way."""
    chance = random.Random(f"{seed} phases")
    drawn = [(QUEUE.draw(chance), RUN.draw(chance), math.exp(chance.gauss(0, PERCENT_OFF))) for _ in range(TASKS)]
    whole, run = (taught_by(durations) for durations in ([q + r for q, r, _ in drawn], [r for _, r, _ in drawn]))

    def silent(_asked: float, _queued: float, _ran: float, _off: float) -> Running:
        return Running()

    def begun(asked: float, queued: float, _ran: float, _off: float) -> Running:
        return Running(began=queued) if asked >= queued else Running(queued=True)

    def percent(asked: float, queued: float, ran: float, off: float) -> Running:
        done = max(0.0, asked - queued) / ran
        return Running(began=queued, done=done**off) if done else Running(queued=True)

    def asked_of(price: float, says: Callable[[float, float, float, float], Running]) -> Outcome:
        weights = {False: tuple(whole.weights()), True: tuple(run.weights())}
        plans = {of: schedule.plan(known, price) for of, known in weights.items()}
        dice = random.Random(f"{seed} phases {price}")
        model: Any = SimpleNamespace(max_lag=math.inf)
        way: Any = SimpleNamespace(gateway=None)
        questions, lags = [], []
        with (
            mock.patch.multiple(
                timings,
                plan=lambda _model, _way, *, run=False: plans[run],
                weights=lambda _model, _way, *, run=False: weights[run],
                price=lambda _gateway: price,
                runs_known=lambda _way: True,
            ),
            mock.patch.object(clock, "chance", dice.random),
        ):
            for queued, ran, off in drawn:
                elapsed, asked = pacing.first(model, way, dice.random()), 1
                while elapsed < queued + ran:
                    elapsed += pacing.following(model, way, elapsed, says(elapsed, queued, ran, off))
                    asked += 1
                questions.append(asked)
                lags.append(elapsed - queued - ran)
        return Outcome(statistics.fmean(questions), statistics.fmean(lags))

    without = [asked_of(0.01 * 1.35**n, silent) for n in range(20)]
    for price in (0.1, 0.25, 1.0):
        for tells, says in (("nothing", silent), ("queued, and since when it runs", begun), ("percent, too", percent)):
            found = asked_of(price, says)
            ratio = round(found.questions / questions_at(without, found.lag), 3)
            about = {"price": price, "it tells": tells}
            yield {**about, "questions": round(found.questions, 2), "lag": round(found.lag, 3), "of those": ratio}


def taught_by(durations: Sequence[float]) -> Route:
    route = Route(statistics.median(durations))
    for seconds in durations[:1000]:
        route.took(seconds)
    return route


def whole_seconds(kind: Kind, seed: int, times: int) -> Iterator[Row]:
    """A Wait state knows no fractions."""
    ways: dict[str, Callable[[float], float]] = {
        "rounded up": lambda wait: math.ceil(wait),
        "rounded": lambda wait: max(1, round(wait)),
        "with the fraction held by poll (ours)": exactly,
    }
    for price in (0.1, 0.25, 1.0):
        for waited, way in ways.items():
            found = average(
                outcome(taught(kind, 300, chance).weights(), kind.known, chance, price, waited=way)
                for chance in (random.Random(f"{seed} {kind.name} whole {turn}") for turn in range(times))
            )
            yield {"kind": kind.name, "price": price, "waits": waited, **kind.compared(found, price)}


def refused(kind: Kind, seed: int, times: int) -> Iterator[Row]:
    """Each refusal doubles the price."""
    for doubled in range(5):
        price = schedule.PRICE * 2**doubled
        found = average(
            outcome(taught(kind, 300, chance).weights(), kind.known, chance, price)
            for chance in (random.Random(f"{seed} {kind.name} refused {turn}") for turn in range(times))
        )
        row = {"questions": round(found.questions, 2), "lag": round(found.lag, 3), "ratio": kind.ratio(found)}
        yield {"kind": kind.name, "refusals": doubled, "price": price, **row}


def max_lag(kind: Kind, seed: int, times: int) -> Iterator[Row]:
    """What an operator pays for a limit."""
    for limit in (math.inf, 5.0):
        ways = []
        for turn in range(times):
            chance = random.Random(f"{seed} {kind.name} max_lag {turn}")
            plan = schedule.plan(taught(kind, 300, chance).weights(), max_lag=limit)
            ways.append(moments(plan, kind.known, chance))
        found = average(map(kind.known.outcome, ways))
        yield {
            "kind": kind.name,
            "max_lag": "none" if limit == math.inf else f"{limit:g} s",
            "questions": round(found.questions, 2),
            "lag": round(found.lag, 3),
            "p99": round(statistics.fmean(kind.known.lag_of(way, 0.99) for way in ways), 2),
            "longest": round(max(end - start for way in ways for start, end in pairwise(way)), 1),
        }

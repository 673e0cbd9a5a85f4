"""
When to ask next: how many questions Darkroom asks, and how late it sees the end, beside the best that could be done.

    python -m benchmarks.detection --seed 7
    python -m benchmarks.detection --median 12 --sigma 0.4     # tasks like yours; only prints

A route's tasks are drawn, counted, and asked about as darkroom.schedule says after so many of them. What comes of it is
computed, not sampled: questions and lag are sums over the moments of the questions. The figure is the ratio of our
questions to the fewest that are possible at the same mean lag by who knows the distribution (optimum.py).
"""

import argparse
import random
import statistics
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from benchmarks import report
from benchmarks.detection import circumstances, picture
from benchmarks.detection.durations import KINDS, UNEVEN, Lognormal
from benchmarks.detection.learning import DEADLINE, Kind, Route, Row, moments, outcome, taught
from benchmarks.detection.optimum import Outcome, average
from darkroom import schedule

PICTURE = Path(__file__).parents[2] / "docs" / "detection.svg"
PRICES = (0.1, 0.25, 1.0)
#: What the catalogue says, of what is true.
CATALOGUES = (0.2, 0.5, 1.0, 2.0, 5.0)
#: Tasks that have been seen when it is measured.
STAGES = (0, 3, 10, 30, 100, 300, 1000)
#: The most questions, of the fewest possible: after so many tasks, for even kinds and for uneven ones.
MOST = {30: (1.25, 1.25), 100: (1.10, 1.15), 1000: (1.05, 1.10)}
#: Tasks before a shift of regime, and those after it when it is measured.
BEFORE, AFTER = 1000, (0, 10, 30, 50, 100, 200)
#: The most questions, of the fewest possible, so many tasks after a shift.
MOST_AFTER = {100: 1.35}

#: The others: name, first wait, growth, longest wait; s.
PEERS = [(f"every {wait:g} s", wait, 1.0, wait) for wait in (0.1, 0.5, 1, 2, 5, 15)] + [
    ("back-off 0.5 s x 1.5, at most 10 s", 0.5, 1.5, 10),
    ("back-off 1 s x 2, at most 60 s", 1, 2, 60),
]


def learned(kind: Kind, seed: int, times: int) -> Iterator[Row]:
    """After so many tasks, with a catalogue that is right or wrong."""
    for catalogue in CATALOGUES:
        found: dict[tuple[int, float], list[Outcome]] = {}
        for turn in range(times):
            chance, dice = (random.Random(f"{seed} {kind.name} {turn} {of}") for of in ("tasks", "dither"))
            route = Route(kind.median * catalogue)
            for tasks in range(STAGES[-1] + 1):
                if tasks in STAGES:
                    weights = route.weights()
                    for price in PRICES:
                        found.setdefault((tasks, price), []).append(outcome(weights, kind.known, dice, price))
                route.took(kind.durations.draw(chance))
        for (tasks, price), outcomes in found.items():
            noise = statistics.stdev(each.cost(price) for each in outcomes) / len(outcomes) ** 0.5
            compared = kind.compared(average(outcomes), price)
            about = {"kind": kind.name, "catalogue": catalogue, "tasks": tasks, "price": price}
            yield {**about, **compared, "noise": round(noise / average(outcomes).cost(price), 4)}


def shifted(regimes: list[Kind], seed: int, times: int) -> Iterator[Row]:
    """Tasks become of another kind, and of the first one again."""
    found: dict[tuple[int, int, float], list[Outcome]] = {}
    for turn in range(times):
        regime = f"{seed} {regimes[0].name} {regimes[1].name} {turn}"
        chance, dice = (random.Random(f"{regime} {of}") for of in ("tasks", "dither"))
        route = Route(regimes[0].median)
        for number, kind in enumerate(regimes):
            for tasks in range(BEFORE if kind is not regimes[-1] else AFTER[-1] + 1):
                if number and tasks in AFTER:
                    weights = route.weights()
                    for price in PRICES:
                        place = found.setdefault((number, tasks, price), [])
                        place.append(outcome(weights, kind.known, dice, price))
                route.took(kind.durations.draw(chance))
    for (number, tasks, price), outcomes in found.items():
        shift = f"{regimes[number - 1].name} → {regimes[number].name}"
        yield {"shift": shift, "tasks": tasks, "price": price, **regimes[number].compared(average(outcomes), price)}


def beside(kind: Kind, seed: int, times: int) -> Iterator[Row]:
    """The others, the optimum, and ours after 100 and 1,000 tasks, with a catalogue that is right."""

    def row(policy: str, ways: list[list[float]]) -> Row:
        found = average(map(kind.known.outcome, ways))
        late = {
            f"p{share}": round(statistics.fmean(kind.known.lag_of(way, share / 100) for way in ways), 2)
            for share in (50, 99)
        }
        outcome = {"questions": round(found.questions, 3), "lag": round(found.lag, 4)}
        return {"kind": kind.name, "policy": policy, **outcome, **late, "ratio": kind.ratio(found)}

    for name, wait, growth, longest in PEERS:
        yield row(name, [list(_waiting(wait, growth, longest))])
    for price in (0.02, *PRICES):
        yield row(f"the optimum, price {price:g}", [kind.known.best(price)])
    for tasks in (100, 1000):
        ways: dict[float, list[list[float]]] = {price: [] for price in PRICES}
        for turn in range(times):
            chance = random.Random(f"{seed} {kind.name} beside {turn}")
            weights = taught(kind, tasks, chance).weights()
            for price in PRICES:
                ways[price].append(moments(schedule.plan(weights, price), kind.known, chance))
        for price in PRICES:
            yield row(f"Darkroom after {tasks:,}, price {price:g}", ways[price])


def _waiting(wait: float, growth: float, longest: float) -> Iterator[float]:
    elapsed = wait
    while elapsed < DEADLINE:
        yield elapsed
        wait = min(wait * growth, longest)
        elapsed += wait


def too_many(figures: Mapping[str, list[Row]]) -> Iterator[str]:
    """Where more questions are asked than may be."""
    for row in figures["learned"]:
        most = MOST.get(row["tasks"], (float("inf"), float("inf")))[row["kind"] in UNEVEN]
        if max(row["ratio"], row["cost"]) > most:
            yield f"{row} is over {most}"
    for row in figures["shifted"]:
        if max(row["ratio"], row["cost"]) > MOST_AFTER.get(row["tasks"], float("inf")):
            yield f"{row} is over {MOST_AFTER[row['tasks']]}"


def show(figures: Mapping[str, list[Row]]) -> str:
    """The tables of docs/performance.md."""
    parts = {
        "Questions, of the fewest at the same mean lag; in brackets for the catalogue that is worst": _curves(
            figures["learned"], "ratio"
        ),
        "The same by cost: price x questions + lag, of the least at this price": _curves(figures["learned"], "cost"),
        "After a shift: questions, of the fewest at the same lag / cost, of the least": _shifts(figures["shifted"]),
    }
    for title, name in [("Beside others", "beside"), *circumstances.TITLES]:
        parts[title] = report.table(list(figures[name][0]), [list(row.values()) for row in figures[name]])
    return "\n\n".join(f"{title}.\n\n{table}" for title, table in parts.items())


def _curves(rows: list[Row], measure: str) -> str:
    cells = {(row["kind"], row["price"], row["tasks"], row["catalogue"]): row[measure] for row in rows}

    def cell(kind: str, price: float, tasks: int) -> str:
        worst = max(cells[kind, price, tasks, each] for each in CATALOGUES)
        return f"{cells[kind, price, tasks, 1.0]:.2f} ({worst:.2f})"

    return report.table(
        ["kind", "price", *(f"after {tasks:,}" for tasks in STAGES)],
        [
            [kind, price, *(cell(kind, price, tasks) for tasks in STAGES)]
            for kind in dict.fromkeys(row["kind"] for row in rows)
            for price in PRICES
        ],
    )


def _shifts(rows: list[Row]) -> str:
    cells = {(row["shift"], row["price"], row["tasks"]): f"{row['ratio']:.2f} / {row['cost']:.2f}" for row in rows}
    return report.table(
        ["shift", "price", *(f"after {tasks}" for tasks in AFTER)],
        [
            [shift, price, *(cells[shift, price, tasks] for tasks in AFTER)]
            for shift in dict.fromkeys(row["shift"] for row in rows)
            for price in PRICES
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description="When to ask, measured.")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--times", type=int, default=20, help="repetitions, of which figures are the averages")
    parser.add_argument("--median", type=float, help="of tasks like yours, s; lognormal")
    parser.add_argument("--sigma", type=float, default=0.35, help="of the logarithm of their durations")
    arguments = parser.parse_args()
    named = partial(map, lambda each: Kind(*each))
    if own := arguments.median:
        own_kinds = {"yours": Lognormal(own, arguments.sigma), "3 x slower": Lognormal(3 * own, arguments.sigma)}
        usual, slower = named(own_kinds.items())
        kinds, shifts = [usual], [[usual, slower, usual]]
    else:
        kinds = list(named(KINDS.items()))
        by_name = {kind.name: kind for kind in kinds}
        shifts = [
            [by_name["4 s"], by_name["20 s"], by_name["4 s"]],
            [by_name["8 s"], Kind("3 x slower", Lognormal(24, 0.35)), by_name["8 s"]],
        ]
    seed, times = arguments.seed, arguments.times
    figures: dict[str, list[Row]] = {
        "learned": [row for kind in kinds for row in learned(kind, seed, times)],
        "shifted": [row for regimes in shifts for row in shifted(regimes, seed, times)],
        "beside": [row for kind in kinds for row in beside(kind, seed, times)],
        **circumstances.measured(kinds, seed, times),
    }
    print(show(figures))
    over = list(too_many(figures))
    if not own:
        report.write("detection", figures, seed=seed, times=times)
        PICTURE.write_text(picture.drawn(figures["beside"], {kind.name: kind.front for kind in kinds}))
    if over:
        raise SystemExit("\n".join(["More questions than may be:", *over]))


if __name__ == "__main__":
    main()

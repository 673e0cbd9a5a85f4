"""
What AWS would charge for 1,000 tasks: with the textbook's loop, with ours, and with ours as an Express workflow.

    python -m benchmarks.bill --seed 7

The real handlers and the real state machine make them in virtual time (rehearsed.py); what AWS would meter is counted
there (meter.py) and priced (prices.py). The textbook's loop is the same machine with the same functions, and always
waits five seconds. What a laptop cannot know is assumed; `assumptions` lists all of it. Money without lag says nothing,
so the lag and the questions stand beside it.

Free tiers are left out, and so is what does not depend on how a task is driven: storing and sending pictures, and what
a stack costs at rest. The two are said beside.
"""

import argparse
import math
import multiprocessing
import os
import statistics
from typing import Any

from moto import mock_aws

from benchmarks import report
from benchmarks.bill.charges import (
    COLD,
    COLD_S,
    HAND_OVER_S,
    KEPT_MONTHS,
    LINES,
    WHOLE_MB,
    as_express,
    billed,
    express_mb,
    logged_whole,
    memory,
    units,
)
from benchmarks.bill.meter import Units
from benchmarks.bill.prices import MONTH_H, PRICES, REGION, WHEN, dollars
from benchmarks.bill.rehearsed import LATENCIES, TURN_S, Rehearsal, Story
from darkroom import schedule
from tests.conftest import event, template
from tests.harness import stack as stacks

#: Medians of how long the gateway takes, s.
DURATIONS = (4, 12, 60, 600)
#: What 1,000 images cost, $.
IMAGES = (20, 40)
#: Share of the tasks that have to succeed. Of those that take 600 s, one in 1,000 runs into its deadline.
SUCCEED = 0.98

#: What drives the tasks of a run. Whoever minds the bill more than the lag says so in the catalogue: `question = 1`.
LOOPS = {"textbook": "textbook", "ours": "ours", "sparing": "ours, question = 1"}
COLUMNS = {**LOOPS, "express": "ours as Express"}
#: Seconds of lag that a question is worth to who spares them.
SPARING = 1.0


def resting() -> Units:
    """What a stack needs in a month in which nobody wants anything: the sweeper, and its alarms."""
    found = Units(float)
    rehearsal = Rehearsal(_stack(), seed=0, textbook=False)
    work, counts = rehearsal.alone("sweep", event("sweep"))
    runs = MONTH_H * 60
    found["invocations"] = runs
    found["compute"] = runs * memory("sweep") / 1024 * billed(work) / 1000
    found["reads"] = runs * counts["reads"]
    found["logged"] = runs * LINES
    found["alarms"] = [each["Type"] for each in template()["Resources"].values()].count("AWS::CloudWatch::Alarm")
    return found


def run(wanted: tuple[float, str, int, int]) -> dict[str, Any]:
    """Figures for 1,000 tasks. wanted: their median, the loop, how many to make, the seed."""
    median, loop, tasks, seed = wanted
    if loop == "sparing":
        schedule.PRICE = SPARING
    story = Rehearsal(_stack(), seed=seed, textbook=loop == "textbook").told(median, tasks)
    lags = sorted(story.lags)
    found = {
        "units": _for_a_thousand(units(story), tasks),
        "questions": round(story.questions / tasks, 2),
        "lag_mean": round(statistics.mean(lags), 2),
        "lag_p99": round(lags[math.ceil(0.99 * len(lags)) - 1], 2),
        "ended": dict(story.endings),
        "functions": _functions(story),
        "whole_log": round(1000 / tasks * logged_whole(story)),
        "pictures": round(1000 / tasks * sum(_bytes(item) for item in story.items)),
    }
    if loop == "ours":
        found["express"] = _for_a_thousand(as_express(story, units(story)), tasks)
    return found


def _for_a_thousand(counts: Units, tasks: int) -> dict[str, float]:
    return {name: round(1000 / tasks * counts[name], 4) for name in PRICES if counts[name]}


def _functions(story: Story) -> dict[str, dict[str, float]]:
    """Of each function: invocations for 1,000 tasks, and ms of each: billed, at work here, waiting for others, holding
    a question back until its moment."""
    found = {}
    for name in sorted({work.function for work in story.works}):
        works = [work for work in story.works if work.function == name]
        found[name] = {
            "invocations": round(1000 / story.tasks * len(works), 1),
            "billed": round(statistics.mean(billed(work) for work in works), 1),
            "at_work": round(1000 * statistics.mean(work.processor for work in works), 2),
            "waiting": round(1000 * statistics.mean(work.waited for work in works), 1),
            "holding": round(1000 * statistics.mean(work.elapsed - work.waited for work in works), 1),
        }
    return found


def _bytes(item: dict[str, Any]) -> int:
    return sum(int(image["M"]["bytes"]["N"]) for image in item["images"]["L"])


def _stack() -> stacks.Stack:
    """A process has one moto."""
    stacks.environment()
    mock_aws().start()
    return stacks.Stack()


def total(counts: dict[str, float]) -> float:
    return sum(dollars(name, each) for name, each in counts.items())


def bill(columns: dict[str, dict[str, float]], told: dict[str, dict[str, Any]]) -> str:
    """The bill of one duration as a table: $ for 1,000 tasks, and in brackets the units of one task."""
    spent = [name for name in PRICES if any(name in counts for counts in columns.values())]
    rows = [[PRICES[name].unit, *(_cell(name, counts.get(name, 0)) for counts in columns.values())] for name in spent]
    rows.append(["**together, $**", *(f"**{total(counts):.3f}**" for counts in columns.values())])
    rows.append(["of what the images cost", *(_share(total(counts)) for counts in columns.values())])
    for label, name in (("questions", "questions"), ("mean lag, s", "lag_mean"), ("p99 of the lag, s", "lag_p99")):
        rows.append([label, *(str(told["ours" if column == "express" else column][name]) for column in columns)])
    return report.table(["$ for 1,000 tasks (units of one)", *(COLUMNS[column] for column in columns)], rows)


def _cell(name: str, count: float) -> str:
    return f"{dollars(name, count):.4f} ({count / 1000:,.4g})" if count else ""


def _share(spent: float) -> str:
    return " to ".join(f"{spent / images:.2%}" for images in reversed(IMAGES))


def summary(found: dict[str, Any]) -> str:
    """All bills in short: $ for 1,000 tasks, and the mean lag and the questions that they buy."""
    head = ["median, s", *(f"{label}: $" for label in COLUMNS.values())]
    head += [f"{figure}: {label}" for figure in ("lag, s", "questions") for label in LOOPS.values()]
    rows = []
    for median, each in found.items():
        spent = [f"{each['dollars'][column]:.3f}" for column in COLUMNS]
        rows.append([median, *spent, *(each[loop][figure] for figure in ("lag_mean", "questions") for loop in LOOPS)])
    return report.table(head, rows)


def functions(told: dict[str, Any]) -> str:
    head = ["function", "invocations", "ms billed", "at work here", "waiting for others", "holding a question back"]
    return report.table(head, [[name, *each.values()] for name, each in told["functions"].items()])


def assumptions() -> str:
    """All that is taken for true here, and not measured."""
    rows: list[list[object]] = [
        ["arrivals", "one task a second; functions are warm"],
        *([f"seconds of a call, {name}*", seconds] for name, seconds in LATENCIES.items()),
        ["seconds that Step Functions takes to get to a function, beside its wait", TURN_S],
        ["processor", f"as fast as this machine's; a function has its memory / {WHOLE_MB} MB of one"],
        ["cold starts", f"{COLD:.0%} of invocations, {COLD_S} s each"],
        ["bytes that Lambda logs for an invocation", LINES],
        ["traces", "all are recorded"],
        ["items", f"kept for {KEPT_MONTHS} months"],
        ["a caller", "one; it is told by webhook, and never asks"],
        ["Express", f"the same waits; logs errors only; {express_mb()} MB; hands over at {HAND_OVER_S} s"],
    ]
    return report.table(["assumed", ""], rows)


def price_list() -> str:
    rows = [[price.unit, f"{price.dollars:g}", f"{price.per:,.0f}", price.page] for price in PRICES.values()]
    return report.table([f"prices in {REGION}, {WHEN}", "$", "for", "page"], rows)


def measured(tasks: int, seed: int) -> dict[str, Any]:
    """All runs, on all processors."""
    wanted = [(median, loop, tasks, seed) for median in reversed(DURATIONS) for loop in LOOPS]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        runs = dict(zip(wanted, pool.map(run, wanted, chunksize=1), strict=True))
    found = {}
    for median in DURATIONS:
        told = {loop: runs[median, loop, tasks, seed] for loop in LOOPS}
        columns = {loop: told[loop].pop("units") for loop in LOOPS} | {"express": told["ours"].pop("express")}
        spent = {name: round(total(counts), 4) for name, counts in columns.items()}
        found[str(median)] = {**told, "units": columns, "dollars": spent}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bill", description="What AWS would charge.")
    parser.add_argument("--tasks", type=int, default=200, help="of each duration, beside those that are learned from")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    found = measured(arguments.tasks, arguments.seed)
    rest = resting()
    at_rest = {name: round(dollars(name, count), 4) for name, count in rest.items()}
    prices = {name: {"dollars": each.dollars, "per": each.per, "unit": each.unit} for name, each in PRICES.items()}
    figures = {"tasks": arguments.tasks, "prices_of": WHEN, "prices": prices, "bill": found, "at_rest": at_rest}
    report.write("bill", figures, seed=arguments.seed)
    print(f"Of {arguments.tasks} tasks of each duration, seed {arguments.seed}.\n\n{summary(found)}")
    for median, each in found.items():
        print(f"\n### Tasks of {median} s\n\n{bill(each['units'], each)}")
    print(f"\n### Functions, for 1,000 tasks of 12 s\n\n{functions(found['12']['ours'])}")
    kept = found["12"]["ours"]["pictures"]
    logs = {median: round(dollars("logged", each["ours"]["whole_log"]), 4) for median, each in found.items()}
    print(f"\nAt rest, $ a month: {sum(at_rest.values()):.2f} {at_rest}")
    print(f"A month of {kept / 1e6:,.0f} MB of pictures: ${dollars('objects', kept):.4f}")
    print(f"What Express would log for all that Standard shows, $ more, by median: {logs}")
    print(f"\n{assumptions()}\n\n{price_list()}")
    ended = [each[name]["ended"] for each in found.values() for name in LOOPS]
    if any(each.get("succeeded", 0) < SUCCEED * arguments.tasks for each in ended):
        raise SystemExit(f"this is no bill of tasks that succeed: {ended}")

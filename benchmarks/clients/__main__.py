"""
The official clients and Darkroom side by side: requests a task, and how late its end is known.

    python -m benchmarks.clients --seed 7

All have the same tasks, of the same simulator in real time, at the end of a line of 80 ms: first the clients, all at
once, then Darkroom through its state machine in the local cloud, at several prices of a question side by side. Before
it is measured, other tasks have been made at gateways of their own, and what was learnt of them is handed over.

Who asks more often knows sooner: what counts is how many requests it takes to be as late on average. Ours are read from
the front of requests over lag that the prices give.
"""

import argparse
import math
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx

from benchmarks import report
from benchmarks.clients import figures, peers
from benchmarks.clients.figures import Row, Told
from benchmarks.clients.gateways import FAL, FINAL, QUICK, REPLICATE, WARM
from benchmarks.clients.pulse import Pulse
from benchmarks.clients.stack import Contestant, Made, Stack, in_turn
from local.simulator.jobs import QUEUE_MEDIAN_SECONDS, SPREAD

ROOT = Path(__file__).parents[2]
#: Seconds for which a request and its reply are on their way.
LINE = 0.08
#: How many times fewer requests it must be at the lag of a client, where the median is what the numbers were set for.
MUST, MEDIAN = {"replicate": 1.7, "fal-client": 3.0}, 8.0
#: How late, s, a machine may be on average, and how many times longer its line may be, for figures to mean much.
LATE, LONG = 0.1, 1.25
#: Tasks whose replies are final, and seconds between two of them.
FINALS, FINALS_PAUSE = 8, 0.5


@contextmanager
def gateways(seed: int, median: float) -> Iterator[str]:
    """Their address, while they run."""
    words = ["--seed", str(seed), "--median", str(median), "--line", str(LINE)]
    command = [sys.executable, "-m", "benchmarks.clients.gateways", *words]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def told(address: str, name: str) -> dict[str, Any]:
    """What the gateway of a contestant has seen."""
    found: dict[str, Any] = httpx.get(f"{address}/_told/{name}").raise_for_status().json()
    return found


def of_peers(address: str, tasks: int, pause: float) -> Iterator[tuple[str, list[Told], Row]]:
    """By name: their tasks, and what those come to."""
    for name, found in peers.run(address, tasks, pause).items():
        seen = told(address, name)
        own = figures.tasks(name, seen, found["known"])
        yield name, own, figures.row(name, own, seen["median_s"], cpu_ms=found["cpu_ms"])


def of_ours(address: str, contestant: Contestant, made: Sequence[Made]) -> tuple[list[Told], Row]:
    seen = told(address, contestant.name)
    stored = {each.job: each for each in made if each.contestant == contestant.name}
    own = figures.tasks(contestant.title, seen, {job: each.answered for job, each in stored.items()})
    late = statistics.fmean(each.completed - seen["jobs"][job]["ended"] for job, each in stored.items())
    return own, figures.row(contestant.title, own, seen["median_s"], late)


def compare(
    tasks: Mapping[str, Sequence[Told]], fronts: Mapping[str, Sequence[Contestant]]
) -> Iterator[dict[str, Any]]:
    """Each client, and how many times fewer requests ours would have been, to be just as late."""
    for peer in peers.PEERS:
        theirs, front = tasks[peer.name], [tasks[each.name] for each in fronts[peer.upstream]]
        times, between = figures.times(theirs, front)
        yield {
            "as_late_as": peer.name,
            "times": times,
            "error": figures.error(theirs, front),
            "between": between,
            "must": MUST.get(peer.name),
        }


def measure(wish: argparse.Namespace) -> dict[str, Any]:
    """All of it, as it goes into the results."""
    median = wish.median * wish.slower
    duration = (QUEUE_MEDIAN_SECONDS + median) * math.exp(SPREAD**2 / 2)
    pause = duration / wish.ours_at_once
    ours = {
        upstream: [Contestant(f"{dialect}-{price:g}".replace(".", "-"), upstream, price) for price in prices]
        for dialect, upstream, prices in (
            ("replicate", REPLICATE, wish.replicate_prices),
            ("fal", FAL, wish.fal_prices),
        )
    }
    measured = [*ours[REPLICATE], *ours[FAL]]
    teachers = {each: Contestant(f"{WARM}-{each.split('.')[1]}", each) for each in ours}
    final = Contestant(f"{FINAL}-reply", REPLICATE, model=QUICK)
    with gateways(wish.seed, median) as address:
        tasks, rows = dict[str, list[Told]](), list[Row]()
        for name, own, row in of_peers(address, wish.tasks, duration / wish.at_once):
            tasks[name] = own
            rows.append(row)
        with Stack(address, [*teachers.values(), *measured, final], wish.median) as stack:
            warming = [*in_turn([*teachers.values()], wish.warm, pause)]
            finals = [*in_turn([final], FINALS, FINALS_PAUSE, after=len(warming) * pause)]
            before = stack.run([*warming, *finals])
            learnt = {upstream: stack.hand_over(teacher, ours[upstream]) for upstream, teacher in teachers.items()}
            with Pulse() as pulse:
                made = stack.run(in_turn(measured, wish.tasks, pause))
        for each in measured:
            tasks[each.name], row = of_ours(address, each, made)
            rows.append(row)
        rows.append(of_ours(address, final, before)[1])
        questions = told(address, final.name)["requests"] - len(finals)
        names = [*(each.name for each in peers.PEERS), *(each.name for each in measured)]
        _same_jobs([told(address, each) for each in names])
    return {
        "wish": vars(wish),
        "rows": [asdict(each) for each in rows],
        "compared": list(compare(tasks, ours)),
        "machine_late": pulse.late(),
        "learnt": learnt,
        "questions_after_a_final_reply": questions,
    }


def _same_jobs(seen: Sequence[Mapping[str, Any]]) -> None:
    """Raises SystemExit if anybody's jobs have lasted longer than another's."""
    lasted = [sorted(round(job["ended"] - job["began"], 3) for job in each["jobs"].values()) for each in seen]
    if any(each != lasted[0] for each in lasted):
        raise SystemExit("They have not had the same tasks.")


def show(found: Mapping[str, Any]) -> str:
    """The tables of docs/performance.md."""
    head = (
        "contestant",
        "tasks",
        "requests a task",
        "lag: mean, s",
        "p50",
        "p99",
        "until stored",
        "CPU ms",
        "line, ms",
    )
    rows = [
        (
            *(each["who"], each["tasks"], f"{each['requests']:.2f}"),
            *("" if each[lag] is None else f"{each[lag]:.3f}" for lag in ("mean", "p50", "p99", "stored")),
            *("" if each["cpu_ms"] is None else f"{each['cpu_ms']:.1f}", f"{1000 * each['request']:.0f}"),
        )
        for each in found["rows"]
    ]
    compared = [
        (
            *(each["as_late_as"], f"{each['times']:.2f}{'' if each['between'] else ' (beyond the front)'}"),
            *(f"{each['error']:.2f}", each["must"] or ""),
        )
        for each in found["compared"]
    ]
    late = {name: f"{1000 * found['machine_late'][name]:.0f}" for name in ("mean", "p99")}
    return "\n\n".join(
        (
            report.table(head, rows),
            report.table(("as late as", "times fewer requests", "give or take", "at least"), compared),
            f"While ours were made, this machine was late by {late['mean']} ms on average, "
            f"{late['p99']} at the 99th percentile. "
            f"Questions after a reply that is final: {found['questions_after_a_final_reply']}. "
            f"Learnt beforehand: {', '.join(f'{tasks} tasks at {who}' for who, tasks in found['learnt'].items())}.",
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clients", description="Side by side, measured.")
    add = parser.add_argument
    add("--tasks", type=int, default=240, help="of each contestant")
    add("--seed", type=int, default=7)
    add("--median", type=float, default=MEDIAN, help="seconds that a job runs, as the catalogue has it")
    add("--slower", type=float, default=1.0, help="how many times longer it runs than the catalogue says")
    add("--at-once", type=int, default=15, help="tasks of each client that are under way")
    add("--ours-at-once", type=int, default=20, help="tasks of Darkroom that are under way, all in all")
    add("--warm", type=int, default=240, help="tasks of each protocol from which to learn beforehand")
    add("--replicate-prices", type=_prices, default="0.015,0.03", metavar="S,S…", help="two at least")
    add("--fal-prices", type=_prices, default="0.004,0.008,0.05", metavar="S,S…", help="two at least")
    wish = parser.parse_args()
    found = measure(wish)
    report.write("clients", found, seed=wish.seed, times=1, **{each.name: each.version for each in peers.PEERS})
    print(show(found))
    line = max(each["request"] for each in found["rows"][:-1])  # the last one's POSTs are held
    if line > LONG * LINE or found["machine_late"]["mean"] > LATE:
        raise SystemExit("The machine was too busy: these figures are more of its own than of the contestants.")
    as_asked = wish.median * wish.slower == MEDIAN
    # Below by more than its standard error.
    broken = [
        each for each in found["compared"] if as_asked and each["must"] and each["times"] + each["error"] < each["must"]
    ]
    if broken or found["questions_after_a_final_reply"]:
        raise SystemExit(f"Not as it must be: {broken or 'questions after a final reply'}")


def _prices(text: str) -> list[float]:
    return [float(each) for each in text.split(",")]


if __name__ == "__main__":
    main()

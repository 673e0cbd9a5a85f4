"""
What Submit does for one order, in a warm function, beside the one POST that all of it is about.

    make bench

Each way is a process of its own, and all that it speaks to is a sink in another that answers at once (sink.py): what is
measured is work, not waiting. The ways take turns. What Submit makes of an order: it records the task, starts
its driver, claims the task, posts on a connection of its own, and writes the ticket down.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from benchmarks import report
from benchmarks.hot_paths import beyond
from benchmarks.hot_paths.beyond import ROOT

#: Of one bare POST: what Submit's own work for an order may take, beside its five requests.
MOST = 3.0
NAMES = {
    "kept": "one POST: httpx.Client().post, kept",
    "fresh": "one POST: httpx.post",
    "ours": "Submit",
    "keyed": "Submit, with an Idempotency-Key",
    "typical": "boto3, httpx, Powertools, pydantic",
}


def run(way: str, calls: int, address: str) -> tuple[dict[str, float], dict[str, int]]:
    """One way's figures, and what the sink was asked meanwhile."""
    folders = (ROOT, ROOT / "layers" / "core", ROOT / "functions")
    environment = beyond.environment(address) | {"PYTHONPATH": os.pathsep.join(map(str, folders)), "DOOR": "submit"}
    beyond.counts(address)
    command = [sys.executable, "-m", "benchmarks.hot_paths.submitters", way, str(calls)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} has failed:\n{done.stdout[-2000:]}{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found, beyond.counts(address)


def figures(
    found: Mapping[str, Sequence[Mapping[str, float]]], asked: Mapping[str, Mapping[str, int]], calls: int
) -> dict[str, dict[str, object]]:
    """Medians by way; ratios are those of the same turn."""
    rows: dict[str, dict[str, object]] = {}
    for way, turns in found.items():
        medians = {name: round(statistics.median(turn[name] for turn in turns), 2) for name in turns[0]}
        ratios = {
            f"times_bare_{name}": round(
                statistics.median(
                    turn[f"{name}_ms"] / bare[f"{name}_ms"] for turn, bare in zip(turns, found["kept"], strict=True)
                ),
                2,
            )
            for name in ("p50", "cpu")
        } | {
            "times_bare_own": round(
                statistics.median(
                    turn["own_ms"] / bare["cpu_ms"] for turn, bare in zip(turns, found["kept"], strict=True)
                ),
                2,
            )
        }
        # What is asked once, and kept, does not count.
        each = {name: number // calls for name, number in asked[way].items() if number >= calls}
        rows[way] = {**medians, **ratios, "requests": each}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.hot_paths.submitting", description="Submit's work, measured.")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7, help="taken, and of no use: nothing here is drawn by lot")
    arguments = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {way: [] for way in NAMES}
    asked: dict[str, dict[str, int]] = {}
    with beyond.sink() as address:
        for turn in range(arguments.times):
            for way in list(NAMES)[:: -1 if turn % 2 else 1]:
                one, asked[way] = run(way, arguments.calls, address)
                found[way].append(one)
    rows = figures(found, asked, arguments.calls)
    versions = {name: version(name) for name in ("aws-lambda-powertools", "boto3", "httpx", "pydantic")}
    report.write(
        "submitting", {"calls": arguments.calls, "rows": rows}, seed=arguments.seed, times=arguments.times, **versions
    )
    head = [
        "an order",
        "first ms",
        "p50 ms",
        "p99 ms",
        "CPU ms",
        "of that without its requests",
        "p50, times the bare POST",
        "CPU, times",
        "without its requests, times",
        "requests",
    ]
    print(
        report.table(
            head,
            [
                [
                    NAMES[way],
                    *list(row.values())[:-1],
                    ", ".join(f"{number} {name}" for name, number in requests.items()),
                ]
                for way, row in rows.items()
                if isinstance(requests := row["requests"], dict)
            ],
        )
    )
    if slow := [NAMES[way] for way in ("ours",) if float(str(rows[way]["times_bare_own"])) > MOST]:
        sys.exit(f"More own work than {MOST} times one bare POST: {', '.join(slow)}")


if __name__ == "__main__":
    main()

"""
How fast a file comes home, and what that takes of memory.

    make bench

From a source on this machine to a place that takes S3's PUT on this machine (files.py): two processes that do nothing
else, without TLS. Each copy is a process of its own, and the ways take turns. The bytes are no picture, so nothing is
decoded: that would be the decoder's time. Ours is all that Finalize does of a task: the file is spooled, hashed and
looked at, stored with a checksum that S3 holds it against, and a record beside it; the task ends.
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

#: Bytes.
SIZES = {"100 KB": 100_000, "5 MB": 5_000_000, "200 MB": 200_000_000}
#: How many times as fast as the naive way a large file has to be, and MB that it may take beyond what a small one does.
LEAST, MORE_MB = 2.5, 8.0
NAMES = {
    "naive": "requests.get().content, put_object",
    "uploaded": "requests.get(stream), upload_fileobj",
    "curl": "curl \\| curl -T -",
    "ours": "Finalize",
}


def run(way: str, size: int, environment: Mapping[str, str]) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.hot_paths.copiers", way, str(size)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} has failed:\n{done.stdout}{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def figures(turns: Sequence[Mapping[str, Mapping[str, float]]], size: int) -> dict[str, dict[str, float | None]]:
    """Medians by way; the ratios are those of the same turn."""
    rows: dict[str, dict[str, float | None]] = {}
    for way in NAMES:
        seconds = statistics.median(turn[way]["seconds"] for turn in turns)
        rows[way] = {
            "ms": round(1000 * seconds, 1),
            "mb_per_second": round(size / 1e6 / seconds),
            "times_naive": round(
                statistics.median(turn["naive"]["seconds"] / turn[way]["seconds"] for turn in turns), 2
            ),
            # What other processes take is not in it.
            "grown_mb": None if way == "curl" else round(max(turn[way]["grown_mb"] for turn in turns), 1),
        }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.hot_paths.copying", description="Copies of outputs, measured.")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7, help="of the bytes that are copied")
    arguments = parser.parse_args()
    measured = {}
    with beyond.sink() as aws, beyond.files(arguments.seed) as source, beyond.files(arguments.seed) as home:
        folders = os.pathsep.join(map(str, (ROOT, ROOT / "layers" / "core")))
        there = {"PYTHONPATH": folders, "SOURCE": source, "AWS_ENDPOINT_URL_S3": home}
        environment = beyond.environment(aws) | there
        for name, size in SIZES.items():
            turns = [
                {way: run(way, size, environment) for way in list(NAMES)[:: -1 if turn % 2 else 1]}
                for turn in range(arguments.times)
            ]
            measured[name] = figures(turns, size)
    versions = {name: version(name) for name in ("boto3", "requests")}
    versions["curl"] = subprocess.check_output(["curl", "--version"], text=True).split()[1]
    report.write("copying", {"sizes": measured}, seed=arguments.seed, times=arguments.times, **versions)
    head = ["a file of", "by", "ms", "MB/s", "times as fast as the naive way", "MB that the process grew by"]
    print(
        report.table(
            head,
            [
                [name, NAMES[way], *("" if value is None else value for value in row.values())]
                for name, rows in measured.items()
                for way, row in rows.items()
            ],
        )
    )
    large, small = measured["200 MB"]["ours"], measured["5 MB"]["ours"]
    if (large["times_naive"] or 0) < LEAST:
        sys.exit(f"Less than {LEAST} times as fast as the naive way")
    if (large["grown_mb"] or 0) > (small["grown_mb"] or 0) + MORE_MB:
        sys.exit("Memory grows with the file")


if __name__ == "__main__":
    main()

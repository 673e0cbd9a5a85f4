"""
How fast a dropped file is taken in and its results are written, and what they take of memory.

    make bench

Each measurement is a process of its own (doors.py) that runs the function's handler on a file in moto's S3. Beside it,
in the same run, the way that comes to mind first: read the whole file, parse every line, hold all rows, put them back.
That checks nothing, and is what the ratio is against.
"""

import argparse
import csv
import io
import json
import logging
import os
import platform
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.server import ThreadedMotoServer

from darkroom import aws, batches, items, store
from darkroom.task import Image, Status, Task
from tests.conftest import Account

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parents[1] / "results"
MODEL = "black-forest-labs/flux-schnell"
#: Of Lambda's memory, MB: the functions may not take more.
MEMORY = 512
KEY = "default/bench/{}"


def content(form: str, rows: int, bytes_each: int, seed: int) -> bytes:
    """A file of a form, with so many rows of about so many bytes."""
    draw = random.Random(seed)
    words = [f"{draw.getrandbits(32):08x}" for _ in range(4096)]

    def prompt() -> str:
        return " ".join(draw.choices(words, k=max(1, bytes_each // 9)))

    orders: Iterator[dict[str, Any]] = (
        {"custom_id": f"row-{n}", "model": MODEL, "input": {"prompt": prompt()}} for n in range(rows)
    )
    match form:
        case "jsonl":
            return "\n".join(map(json.dumps, orders)).encode()
        case "json":
            return json.dumps(list(orders)).encode()
        case "csv":
            file = io.StringIO()
            sheet = csv.writer(file)
            sheet.writerow(["custom_id", "model", "prompt"])
            sheet.writerows([order["custom_id"], order["model"], order["input"]["prompt"]] for order in orders)
            return file.getvalue().encode()
        case _:
            return "\n".join(order["input"]["prompt"] for order in orders).encode()


def run(environment: dict[str, str], work: str, *arguments: str) -> dict[str, float]:
    """One measurement, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.batches.doors", work, *arguments]
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{work} has failed:\n{done.stdout}{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_intake(
    environment: dict[str, str], inbox: str, rows: int, times: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Each form, and the largest file that is taken; ours and the naive way take turns."""
    cases = [(form, rows, 200) for form in ("jsonl", "csv", "txt", "json")] + [("jsonl", rows, 1_900)]
    for number, (form, count, size) in enumerate(cases):
        body = content(form, count, size, seed)
        ours, theirs = [], []
        for turn in range(times):
            # Another key each time: what has been taken in once is not taken in again.
            key = KEY.format(f"{number}-{turn}.{form}")
            version = aws.s3().put_object(Bucket=inbox, Key=key, Body=body)["VersionId"]
            ours.append(run(environment, "intake", key, version))
            theirs.append(run(environment, "naive", key, version))
            aws.s3().delete_object(Bucket=inbox, Key=key, VersionId=version)
        yield {"file": f"{form}, {len(body) / 1e6:.0f} MB", "rows": count, **compared(ours, theirs, count)}


def compared(ours: list[dict[str, float]], theirs: list[dict[str, float]], rows: int) -> dict[str, float]:
    seconds = statistics.median(each["seconds"] for each in ours)
    return {
        "seconds": round(seconds, 2),
        "rows_per_second": round(rows / seconds),
        "peak_mb": round(max(each["peak"] for each in ours)),
        "naive_seconds": round(statistics.median(each["seconds"] for each in theirs), 2),
        "naive_peak_mb": round(max(each["peak"] for each in theirs)),
        "times_naive": round(seconds / statistics.median(each["seconds"] for each in theirs), 1),
    }


def measure_collate(environment: dict[str, str], account: Account, rows: int, times: int, seed: int) -> dict[str, Any]:
    """A batch whose tasks have all ended."""
    key = KEY.format("collate.jsonl")
    body = content("jsonl", rows, 200, seed)
    version = aws.s3().put_object(Bucket=account.inbox, Key=key, Body=body)["VersionId"]
    run(environment, "intake", key, version)
    (document,) = [each for each in account.executions("batch").values() if _of(each, key)]
    batch = batches.load(document["files"])
    _put_tasks(account, batch, rows)
    found = [run(environment, "collate", json.dumps({**document, "over": True})) for _ in range(times)]
    manifest = json.loads(aws.s3().get_object(Bucket=account.bucket, Key=f"{batch.folder}manifest.json")["Body"].read())
    if manifest["successRecordCount"] != rows:
        raise SystemExit(f"not all rows are there: {manifest}")
    seconds = statistics.median(each["seconds"] for each in found)
    peak = max(each["peak"] for each in found)
    return {
        "rows": rows,
        "seconds": round(seconds, 2),
        "rows_per_second": round(rows / seconds),
        "peak_mb": round(peak),
    }


def _of(document: dict[str, Any], key: str) -> bool:
    return batches.load(document["files"]).key == key


def _put_tasks(account: Account, batch: batches.Batch, rows: int) -> None:
    table = f"{account.stack}-TasksTable"
    puts = []
    for number in range(rows):
        custom_id = f"row-{number}"
        task_id = batches.task_id(batch, custom_id)
        image = Image(f"{batch.folder}images/{custom_id}-0.webp", "image/webp", 120_000, "0" * 64, True, 1024, 1024)
        task = Task(
            task_id=task_id, tenant=batch.tenant, model=MODEL, input='{"prompt": "a mug"}', digest="0" * 64, created=1,
            deadline=2, due=None, status=Status.SUCCEEDED, route=f"replicate/replicate/{MODEL}", submitted=2,
            answered=3, completed=4, images=(image,),
            row={"batch_id": batch.id, "custom_id": custom_id, "folder": batch.folder},
        )  # fmt: skip
        puts.append({"PutRequest": {"Item": items.serialized(items.to_item(task) | {"v": store.VERSION})}})
    for first in range(0, rows, 25):
        aws.dynamodb().batch_write_item(RequestItems={table: puts[first : first + 25]})  # type: ignore[dict-item]


def show(measurements: dict[str, Any]) -> str:
    """The tables of docs/performance.md."""
    lines = [
        "| file | rows | seconds | rows/s | peak MB | the naive way: seconds | peak MB | times as long |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in measurements["intake"]:
        told = (
            each["file"], f"{each['rows']:,}", each["seconds"], f"{each['rows_per_second']:,}", each["peak_mb"],
            each["naive_seconds"], each["naive_peak_mb"], each["times_naive"],
        )  # fmt: skip
        lines.append("| " + " | ".join(map(str, told)) + " |")
    each = measurements["collate"]
    lines += [
        "",
        "| results of | seconds | rows/s | peak MB |",
        "|---|---|---|---|",
        f"| {each['rows']:,} rows | {each['seconds']} | {each['rows_per_second']:,} | {each['peak_mb']} |",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batches", description="Dropped files, measured.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it would tell of every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.get_host_and_port()[1]}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1",
        "STACK": "bench",
        "POWERTOOLS_LOG_LEVEL": "WARNING",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "layers" / "core", ROOT / "functions"))),
    }
    account = Account("bench")
    environment = account.build()
    os.environ |= environment
    measurements = {
        "when": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "seed": arguments.seed,
        "times": arguments.times,
        "intake": list(measure_intake(environment, account.inbox, arguments.rows, arguments.times, arguments.seed)),
        "collate": measure_collate(environment, account, arguments.rows, arguments.times, arguments.seed),
    }
    server.stop()
    over = [each for each in [*measurements["intake"], measurements["collate"]] if each["peak_mb"] > MEMORY]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "batches.json").write_text(json.dumps(measurements, indent=2) + "\n")
    print(show(measurements))
    if over:
        raise SystemExit(f"More memory than {MEMORY} MB: {over}")


if __name__ == "__main__":
    main()

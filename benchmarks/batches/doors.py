"""
What one measurement's process does: a function's handler, or the way that comes to mind first, on a file in S3.

It says on its last line how long that took (s) and how much memory the process has had at most (MB, its imports with
it). It imports nothing but what that takes.
"""

import csv
import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3


def intake(key: str, version: str) -> None:
    """Intake's handler, on the event that the queue would bring."""
    import intake as door

    detail = {"bucket": {"name": os.environ["INBOX_BUCKET"]}, "object": {"key": key, "version-id": version}}
    event = {"version": "0", "detail-type": "Object Created", "source": "aws.s3", "detail": detail}
    record = {
        "messageId": "1",
        "receiptHandle": "1",
        "body": json.dumps(event),
        "attributes": {"ApproximateReceiveCount": "1"},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:intake",
    }
    answer = door.handler({"Records": [record]}, CONTEXT)
    if answer["batchItemFailures"]:
        raise SystemExit("intake has failed")


def naive(key: str, version: str) -> None:
    """The whole file at once, every line parsed, all rows held and put back; nothing is checked."""
    s3 = boto3.client("s3")
    body = s3.get_object(Bucket=os.environ["INBOX_BUCKET"], Key=key, VersionId=version)["Body"].read()
    rows = json.loads(body) if key.endswith(".json") else _naive_rows(body.decode(), key)
    put = "\n".join(json.dumps(row) for row in rows).encode()
    s3.put_object(Bucket=os.environ["IMAGES_BUCKET"], Key=f"naive/{key}", Body=put)


def _naive_rows(text: str, key: str) -> list[Any]:
    if key.endswith(".csv"):
        return list(csv.DictReader(io.StringIO(text)))
    return [json.loads(line) if key.endswith(".jsonl") else {"prompt": line} for line in text.splitlines()]


def collate(document: str) -> None:
    """Collate's handler, when the map is through."""
    import collate as door

    door.handler(json.loads(document), CONTEXT)


class Context:
    """As much of Lambda's context as the handlers look at."""

    function_name = "bench"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:bench"
    aws_request_id = "bench"

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


CONTEXT: Any = Context()


def main(work: str, *arguments: str) -> None:
    started = time.perf_counter()
    works: dict[str, Callable[..., None]] = {"intake": intake, "naive": naive, "collate": collate}
    works[work](*arguments)
    seconds = time.perf_counter() - started
    # Not ru_maxrss: on Linux a process inherits that of whoever has started it.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"seconds": seconds, "peak": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])

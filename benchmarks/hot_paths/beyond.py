"""What a benchmark puts around a function: processes that it speaks to, and the environment that leads there."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
STACK = "bench"


def sink() -> AbstractContextManager[str]:
    """The address of a sink, for which one gateway has a key."""
    return _beside("sink", f"/{STACK}/gateways/vectornode", f"/{STACK}/link-key")


def files(seed: int) -> AbstractContextManager[str]:
    """The address of where files come from and go to."""
    return _beside("files", str(seed))


@contextmanager
def _beside(module: str, *arguments: str) -> Iterator[str]:
    command = [sys.executable, "-m", f"benchmarks.hot_paths.{module}", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


def counts(address: str) -> dict[str, int]:
    """What the sink has been asked since this was asked last, by name."""
    with urllib.request.urlopen(f"{address}/counts") as reply:
        counted: dict[str, int] = json.load(reply)
    return counted


def environment(address: str) -> dict[str, str]:
    """What a function is given: where everything is, and what Lambda says. Nothing of ours but where programs are."""
    return {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        "GATEWAY": address,
        "STACK": STACK,
        "POWERTOOLS_SERVICE_NAME": STACK,
        "TASKS_TABLE": "bench-tasks",
        "TIMINGS_TABLE": "bench-timings",
        "BATCHES_TABLE": "bench-batches",
        "IMAGES_BUCKET": "bench-images",
        "INBOX_BUCKET": "bench-inbox",
        "GENERATION_MACHINE": "arn:aws:states:us-east-1:123456789012:stateMachine:bench-generation",
        "TASK_RETENTION_DAYS": "90",
    }

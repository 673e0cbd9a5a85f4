"""
One way to bring a file home, in a process of its own: `python -m benchmarks.hot_paths.copiers WAY BYTES`. The last line
that it prints tells the seconds, and by how many megabytes the process has grown meanwhile.

The first, small file is not measured: a function is warm.
"""

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SOURCE, HOME = os.environ["SOURCE"], os.environ["AWS_ENDPOINT_URL_S3"]
BUCKET = os.environ["IMAGES_BUCKET"]

Way = Callable[[int], object]


def naive() -> Way:
    """As one writes it first: the whole file, and then the whole file."""
    import boto3
    import requests

    s3 = boto3.client("s3")

    def copy(size: int) -> None:
        s3.put_object(Bucket=BUCKET, Key="file", Body=requests.get(f"{SOURCE}/{size}", timeout=60).content)

    return copy


def uploaded() -> Way:
    """As boto3 has it: a stream, in parts, by threads."""
    import boto3
    import requests

    s3 = boto3.client("s3")

    def copy(size: int) -> None:
        with requests.get(f"{SOURCE}/{size}", stream=True, timeout=60) as reply:
            s3.upload_fileobj(reply.raw, BUCKET, "file")

    return copy


def curl() -> Way:
    """Without Python."""

    def copy(size: int) -> None:
        line = f"curl -sf {SOURCE}/{size} | curl -sf -T - {HOME}/{BUCKET}/file"
        subprocess.run(["bash", "-o", "pipefail", "-c", line], check=True, stdout=subprocess.DEVNULL)

    return copy


def ours() -> Way:
    """What Finalize does of a task that has one output, to its end."""
    import darkroom.http
    from darkroom import clock, collection, store
    from darkroom.task import Status, Task
    from local.cloud.functions.loopback import Loopback

    darkroom.http.transport = lambda: Loopback(SOURCE)
    now = clock.now()
    task = Task(
        task_id="", tenant="bench", model="google/imagen-4-fast", input="{}", digest="", created=now, deadline=now,
        due=now, status=Status.COLLECTING, answered=now,
    )  # fmt: skip

    def copy(size: int) -> None:
        output = f"https://replicate.delivery/{size}"
        recorded = store.create(dataclasses.replace(task, task_id=clock.nonce(), outputs=(output,)))
        ended = collection.settle(recorded, "https://darkroom.example.com")
        if [image.bytes for image in ended.images] != [size]:
            raise SystemExit(f"not copied: {ended}")

    return copy


WAYS: dict[str, Callable[[], Way]] = {way.__name__: way for way in (naive, uploaded, curl, ours)}


def memory(kind: str) -> float:
    """MB that this process has (VmRSS), or has had at most (VmHWM)."""
    with suppress(OSError):
        return int(Path("/proc/self/status").read_text().partition(f"{kind}:")[2].split()[0]) / 1024
    return 0.0


def main(name: str, size: str) -> None:
    copy = WAYS[name]()
    copy(1000)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the most that it has had is what it has now
    idle, began = memory("VmRSS"), time.perf_counter()
    copy(int(size))
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "grown_mb": memory("VmHWM") - idle, "idle_mb": idle}))


if __name__ == "__main__":
    main(*sys.argv[1:])

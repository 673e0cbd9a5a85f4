"""The second act: two files dropped into the inbox, and the folders of their results as they fill."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from local.cloud.errors import CloudError
from local.installation import Installation

EXAMPLES = Path(__file__).parent.parent / "examples"
FILES = ("mugs.jsonl", "posters.csv")
FOLDER = "default/spring"
WIDTH = 30


def show(darkroom: Installation, folder: Path) -> None:
    """Drop the example files, and put their results into `folder`. Raises CloudError if it goes wrong."""
    print("\nThe second act: files in a bucket\n")
    charged = len(_charges(darkroom))
    inbox = darkroom.cloud.outputs["InboxBucket"]
    for name in FILES:
        darkroom.cloud.client("s3").put_object(
            Bucket=inbox, Key=f"{FOLDER}/{name}", Body=(EXAMPLES / name).read_bytes()
        )
        print(f"  put s3://{inbox}/{FOLDER}/{name}")
    batches = [Results(darkroom, f"results/{FOLDER}/{Path(name).stem}/") for name in FILES]
    print()
    _follow(batches)
    for batch in batches:
        _tell(batch, folder)
    events = [event for event in darkroom.cloud.events() if event.detail_type == "batch.completed"]
    print(f"\nAnnounced on EventBridge: {len(events)} times batch.completed.", end=" ")
    made = sum(batch.manifest()["successRecordCount"] for batch in batches)
    charges = len(_charges(darkroom)) - charged
    print(f"Charged by the gateways: {charges} times, for {made} rows.")
    if charges != made:
        raise CloudError("The gateways have not charged for each row once.")


class Results:
    """The results folder of one dropped file."""

    def __init__(self, darkroom: Installation, folder: str) -> None:
        self.folder = folder
        self._s3 = darkroom.cloud.client("s3")
        self._bucket = darkroom.cloud.outputs["ImagesBucket"]

    def names(self) -> list[str]:
        """What lies in the folder so far."""
        listed = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=self.folder).get("Contents", [])
        return [each["Key"].removeprefix(self.folder) for each in listed]

    def read(self, name: str) -> bytes:
        content: bytes = self._s3.get_object(Bucket=self._bucket, Key=self.folder + name)["Body"].read()
        return content

    def manifest(self) -> dict[str, Any]:
        """Empty until the file has been taken in."""
        found: dict[str, Any] = json.loads(self.read("manifest.json")) if "manifest.json" in self.names() else {}
        return found

    def done(self) -> int:
        """Rows that are over: those with a record beside their pictures, and those that could not be read."""
        made = sum(name.startswith("records/") for name in self.names())
        refused = self.manifest().get("errorRecordCount") or 0
        return made + int(refused)


def _follow(batches: list[Results]) -> None:
    """A progress bar, until the results of all are there."""
    deadline = time.monotonic() + 180
    shown = ""
    while True:
        manifests = [batch.manifest() for batch in batches]
        total = sum(manifest.get("totalRecordCount") or 0 for manifest in manifests)
        over = sum(batch.done() for batch in batches)
        bar = "█" * (WIDTH * over // total) if total else ""
        pictures = sum(name.startswith("images/") for batch in batches for name in batch.names())
        line = f"  {bar:░<{WIDTH}}  {over} of {total} rows, pictures: {pictures}"
        if total and line != shown:
            print(f"\r{line}" if sys.stdout.isatty() else line, end="" if sys.stdout.isatty() else "\n", flush=True)
            shown = line
        states = [manifest.get("status") for manifest in manifests]
        if "failed" in states:
            raise CloudError(f"A file could not be read: {manifests}")
        if all(state == "completed" for state in states):
            break
        if time.monotonic() > deadline:
            raise CloudError(f"The batches are not done after three minutes: {states}.")
        time.sleep(0.2)
    print()


def _tell(batch: Results, folder: Path) -> None:
    """What lies in the folder of the results; all of it goes to `folder`, too."""
    manifest = batch.manifest()
    counts = f"{manifest['successRecordCount']} made, {manifest['errorRecordCount']} not"
    print(f"\n{batch.folder}   {counts}")
    for name in sorted(batch.names()):
        content = batch.read(name)
        place = folder / batch.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        if not name.startswith("records/"):
            print(f"  {name:<34}{len(content):>10,} bytes")
    for line in batch.read("errors.jsonl").decode().splitlines():
        error = json.loads(line)["error"]
        print(f"  line {error['line']}: {error['message'].strip()}")


def _charges(darkroom: Installation) -> dict[str, Any]:
    ledger = httpx.get(f"{darkroom.simulator_url}/_simulator/ledger").json()
    charges: dict[str, Any] = ledger["charges"]
    return charges

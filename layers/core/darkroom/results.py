"""
The result files of a batch: what became of each of its rows, in the row's own words.

They are written when it begins, as far as they are known, and when it is over; the manifest comes last, so that whoever
finds it final finds the others whole. Rows, tasks and results pass through, a few at a time, however many there are.
All of it may be repeated: then the same is written again.
"""

import heapq
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from itertools import islice
from operator import attrgetter
from typing import Any

from darkroom import batches, clock, listing, manifests, rows, settings, streams
from darkroom.batches import Batch, Stored
from darkroom.errors import Unavailable
from darkroom.manifests import Manifest
from darkroom.predictions import timestamp
from darkroom.task import Status, Task

#: Rows whose tasks are read at once: as many as DynamoDB takes in one request.
CHUNK = 100
#: What is told of a picture.
TOLD_OF_IMAGE = ("key", "content_type", "bytes", "width", "height", "sha256")


@dataclass(frozen=True)
class Result:
    """A line of a result file. One of made and error is there: what the row has got, or why it has got nothing."""

    line: int
    custom_id: str
    text: bytes
    made: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


@dataclass
class Tally:
    """What the manifest says of all results. cost: US dollars, of the pictures that have a price; None if none has."""

    made: int = 0
    failed: int = 0
    cost: Decimal | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)

    def add(self, result: Result) -> None:
        if result.made:
            self.made += 1
            if "price" in result.made:
                price = Decimal(result.made["price"])
                self.cost = (self.cost or Decimal(0)) + price * len(result.made["images"])
        elif result.error:
            self.failed += 1
            if len(self.errors) < manifests.ERRORS_SHOWN:
                told = {name: result.error[name] for name in ("code", "message")}
                self.errors.append({"line": result.line, "custom_id": result.custom_id, **told})


def begin(batch: Batch) -> None:
    """What is known before a row is made: how many there are, and which never will be. Raises Unavailable."""
    if batch.error:
        return
    tally = Tally()
    with _upload(batch, "errors.jsonl") as errors:
        for result in _bad(batch):
            errors.write(result.text + b"\n")
            tally.add(result)
    _tell(batch, lambda _: manifests.of(batch, "in_progress", tally.errors))


def finish(batch: Batch) -> Manifest:
    """All that there will be; the final manifest. Raises Unavailable."""
    tally = Tally() if batch.error else _settled(batch)
    spent = Decimal(0) if batch.dry_run or not tally.made else tally.cost

    def final(there: Manifest) -> Manifest:
        told = manifests.of(batch, "failed" if batch.error else "completed", tally.errors)
        told |= {
            "processedRecordCount": tally.made + tally.failed,
            "successRecordCount": tally.made,
            "errorRecordCount": tally.failed,
            "cost": {**told["cost"], "actual": None if spent is None else float(spent)},
        }
        # The same again, if it was over before: a webhook says what stands here.
        return told | {
            "updated_at": there["updated_at"],
            "completed_at": there["completed_at"] or timestamp(clock.now()),
        }

    told = _tell(batch, final)
    manifests.keep(batch, told)
    return told


def _settled(batch: Batch) -> Tally:
    """The result files, written anew; what is in them."""
    tally = Tally()
    if batch.dry_run:
        for result in _bad(batch):
            tally.add(result)
        tally.made = batch.rows
        return tally
    with _upload(batch, "output.jsonl") as output, _upload(batch, "errors.jsonl") as errors:
        for result in heapq.merge(_bad(batch), _good(batch), key=attrgetter("line")):
            (output if result.made else errors).write(result.text + b"\n")
            tally.add(result)
    return tally


def _tell(batch: Batch, change: Callable[[Manifest], Manifest]) -> Manifest:
    """Raises Unavailable: somebody else has written the manifest meanwhile."""
    if (told := manifests.update(batch, change)) is None:
        raise Unavailable("The manifest is being written by somebody else. Try again soon.")
    return told


def _upload(batch: Batch, name: str) -> streams.Upload:
    return streams.Upload(settings.images_bucket(), f"{batch.folder}{name}", batches.JSON_LINES)


def _bad(batch: Batch) -> Iterator[Result]:
    """The rows that could not be taken, by line: as they shall stand in errors.jsonl."""
    for text in streams.lines(settings.images_bucket(), f"{batch.files}errors.jsonl"):
        document = json.loads(text)
        error = document["error"]
        custom_id = rows.custom_id(document, error["line"])
        yield Result(error["line"], custom_id, text, error=error)


def _good(batch: Batch) -> Iterator[Result]:
    """The rows that could be taken, by line, and what became of each."""
    stored = map(json.loads, streams.lines(settings.images_bucket(), f"{batch.files}rows.jsonl"))
    while chunk := list(islice(stored, CHUNK)):
        ids = [batches.task_id(batch, row["custom_id"]) for row in chunk]
        tasks = listing.named(ids)
        for row, task_id in zip(chunk, ids, strict=True):
            yield _result(row, tasks.get(task_id), batch.picture)


def _result(row: Stored, task: Task | None, picture: str | None) -> Result:
    """task: the row's; None if it has none. picture: the one whose sidecar the row's file is."""
    line, custom_id, document = row["line"], row["custom_id"], row["document"]
    if task and task.status is Status.SUCCEEDED:
        made = _made(task)
        told = rows.output(document, line, custom_id, made)
        return Result(line, custom_id, rows.written(told), made=made)
    error = _error(task)
    return Result(line, custom_id, rows.written(rows.with_error(document, line, error, picture)), error=error)


def _made(task: Task) -> dict[str, Any]:
    """What a row has got: nothing in it ever changes, or lapses."""
    made: dict[str, Any] = {
        "task_id": task.task_id,
        "model": task.model,
        "status": task.status.value,
        "images": [
            {name: value for name, value in asdict(each).items() if name in TOLD_OF_IMAGE} for each in task.images
        ],
        "output": [f"s3://{settings.images_bucket()}/{image.key}" for image in task.images],
        "metadata": task.metadata,
        "route": task.route,
        "metrics": {
            "total_time": ((task.completed or task.created) - task.created) / 1000,
            "image_count": len(task.images),
        },
    }
    price = next((each["price"] for each in task.attempts if each["outcome"] == "accepted" and "price" in each), None)
    return made | ({"price": price} if price else {}) | ({"missing": list(task.missing)} if task.missing else {})


def _error(task: Task | None) -> dict[str, Any]:
    """Why a row has got nothing."""
    if task is None:
        message = "This row was never begun, and nothing was spent on it."
        return {"code": "not_accepted", "message": message, "retryable": True, "may_be_billed": False}
    if task.failure and task.status.terminal:
        return {**asdict(task.failure), "task_id": task.task_id}
    message = "This row had not come to its end when its batch was ended. It goes on alone: ask for its task."
    return {
        "code": "unfinished",
        "message": message,
        "retryable": False,
        "may_be_billed": True,
        "task_id": task.task_id,
    }

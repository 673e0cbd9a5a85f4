"""
One row of a batch, from where it stands in a file to a task, and to that task's end.

Nothing is remembered between two visits but what the tables hold, so each may be repeated, by whoever comes:

    its task is over        it leaves the turnstiles that it has passed, and is counted
    its task is under way   it is driven, or, where that has been tried, waited for
    it has no task yet      it is one as soon as its pictures are there and the turnstile lets it in

What is wrong with a row when its turn comes is the end of its task, and not of the file.
"""

from typing import Any, Literal

from darkroom import batches, catalogue, clock, driver, filing, inbox, manifests, store, submission, turnstile
from darkroom.answer import Failed
from darkroom.batches import Batch, Stored
from darkroom.errors import NotFound, Reason
from darkroom.route import gateway_of
from darkroom.task import Status, Task
from darkroom.verdict import Verdict

VERSION = 1
#: Milliseconds from the beginning of its batch for which a row waits for the pictures that it refers to.
PICTURES_MS = 15 * 60 * 1000
#: Milliseconds after which rows of a batch are not begun any more, so that it can tell its results: the machine has 30
#: days for all of it.
BATCH_MS = 28 * 24 * 60 * 60 * 1000
#: Seconds of a pause, at first at least and in the end at most: for a picture, and for all else.
PICTURE_PAUSES = (5, 30)
PAUSES = (15, 900)
#: What became of a POST when the gateway has said so.
_ANSWERS = (Verdict.ACCEPTED.value, Verdict.REJECTED.value, Verdict.UNAVAILABLE.value)

#: What statemachines/batch.asl.yaml may be told to do next with a row.
Next = Literal["drive", "wait", "done"]


def accept(document: dict[str, Any]) -> dict[str, Any]:
    """The document of a row as it travels, with what to do next. Raises ValueError for a version that is not known."""
    if document["v"] != VERSION:
        raise ValueError(f"a row of version {document['v']!r}; this code knows version {VERSION}")
    batch = batches.load(document["files"])
    stored = batches.row(batch, document["row"]["offset"], document["row"]["length"])
    task_id = batches.task_id(batch, stored["custom_id"])
    next_state, wait = _next(batch, stored, task_id, document)
    carried = {name: document[name] for name in ("v", "files", "row", "driven")}
    step = {"step": driver.Step(task_id, 1, 0).document()} if next_state == "drive" else {}
    return carried | {"task_id": task_id, "next": next_state, "wait": wait} | step


def _next(batch: Batch, stored: Stored, task_id: str, document: dict[str, Any]) -> tuple[Next, int]:
    """What to do next with a row, and after how many seconds if that is to wait."""
    before = document.get("wait", 0)
    try:
        task = store.read(task_id)
    except NotFound:
        return _record(batch, stored, task_id, before)
    if task.status.terminal:
        _count(batch, stored["gateway"], task)
        return "done", 0
    return ("wait", _pause(before, PAUSES)) if document["driven"] else ("drive", 0)


def _record(batch: Batch, stored: Stored, task_id: str, before: int) -> tuple[Next, int]:
    if clock.now() > batch.created + BATCH_MS:
        return "done", 0
    row = batches.order(batch, stored)
    faults = inbox.faults(row.order.input, batch.tenant)
    if faults and clock.now() < batch.created + PICTURES_MS:
        return "wait", _pause(before, PICTURE_PAUSES)
    if not turnstile.enter(stored["gateway"], task_id, _limit(batch, stored["gateway"])):
        return "wait", _pause(before, PAUSES)
    told = " ".join(f"{fault['field']}: {fault['message']}." for fault in faults)
    submission.record(
        row.order,
        row.model,
        batch.tenant,
        filing.row_key(batch.bucket, batch.key, batch.version, stored["custom_id"]),
        row={"batch_id": batch.id, "custom_id": stored["custom_id"], "folder": batch.folder},
        word=Failed(Reason.INVALID_INPUT, told) if faults else None,
    )
    return "drive", 0


def _count(batch: Batch, first: str, task: Task) -> None:
    """
    A row that is over makes room for another at each gateway where it has been, and last at the one that it went to
    first: then it is counted. Whose turn it is says in the manifest how far the batch has come.
    """
    routes = [*(each["route"] for each in task.attempts), task.route]
    for gateway in {gateway_of(route) for route in routes if route} - {first}:
        _leave(gateway, task)
    if not _leave(first, task):
        return
    if counts := manifests.count(batch, task.status is Status.SUCCEEDED):
        manifests.update(batch, lambda manifest: manifest | {"status": "in_progress"} | counts)


def _leave(gateway: str, task: Task) -> bool:
    """Whether the row was inside there. Only where its POST was lost does that tell of the gateway."""
    unknown = task.failure is not None and task.failure.code == Reason.SUBMISSION_UNKNOWN.code
    lost = unknown and gateway_of(task.route or "") == gateway
    answers = [each for each in task.attempts if each["outcome"] in _ANSWERS]
    answered = next((each["at"] for each in reversed(answers) if gateway_of(each["route"]) == gateway), None)
    return turnstile.leave(gateway, task.task_id, lost=lost, answered=answered)


def _limit(batch: Batch, gateway: str) -> int:
    """How many rows may be at a gateway, as the catalogue says it now; if it knows the gateway no more, as it did."""
    known = catalogue.catalogue().gateways.get(gateway)
    return known.concurrency if known else batch.limits[gateway]


def _pause(before: int, pauses: tuple[int, int]) -> int:
    """
    Seconds of a pause, by chance, so that not all come at once, and longer by and by than the one before: an
    execution's history holds 25,000 events, and has to last for days.
    """
    first, longest = pauses
    return min(longest, max(round(first * (1 + 3 * clock.chance())), round(before * (1 + clock.chance() / 10))))

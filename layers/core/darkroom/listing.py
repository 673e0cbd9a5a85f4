"""
A tenant's tasks, the newest first, a page at a time.

The index by tenant has four shards, each in order of creation; a page merges them. A cursor says how far each has been
read, so that nothing is shown twice or left out, however many tasks were made in one millisecond or come meanwhile.

Besides, several tasks by their names.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlencode

from darkroom import aws, items, settings
from darkroom.conditions import Attr
from darkroom.errors import InvalidOrder, NotFound, Unavailable
from darkroom.shapes import Prediction
from darkroom.store import TENANT_SHARDS
from darkroom.task import Task

#: Tasks on a page at most, and bytes of it: a function's response holds 6 MB.
PAGE, PAGE_BYTES = 100, 5_500_000
#: Tasks that are read at once: DynamoDB gives 16 MB at most, and an item has up to 400 KB.
CHUNK = 25

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

#: How far a shard has been read: when its last task was created (ms), and that task's id.
Place = tuple[int, str]


@dataclass(frozen=True)
class Wanted:
    """
    What somebody wants to see.

    places: how far each shard has been read, by its number. after, before: when the tasks were created, ms.
    """

    places: dict[int, Place] = field(default_factory=dict)
    after: int | None = None
    before: int | None = None
    nothing: bool = False

    @classmethod
    def read(
        cls, cursor: str | None, created_after: str | None, created_before: str | None, source: str | None
    ) -> Self:
        """
        From a query; what is None was not said. Raises InvalidOrder, and NotFound for a cursor that is none of ours.

        source: Replicate's clients may ask for what was made on its web site (`web`), where nothing is.
        """
        faults: list[dict[str, str]] = []

        def moment(name: str, text: str | None) -> int | None:
            try:
                return None if text is None else _moment(text)
            except (ValueError, OverflowError):
                faults.append({"field": name, "message": "must be a time like 2026-11-21T14:00:00Z"})
                return None

        after, before = moment("created_after", created_after), moment("created_before", created_before)
        if faults:
            raise InvalidOrder(faults)
        try:
            found = _decoded(cursor) if cursor is not None else cls()
        except (ValueError, TypeError) as error:
            raise NotFound("There is no page of this cursor. Take it from `next`, as it is.") from error
        return cls(
            found.places,
            found.after if after is None else after,
            found.before if before is None else before,
            nothing=source is not None,
        )


def page(tenant: str, wanted: Wanted, show: Callable[[Task], Prediction]) -> tuple[list[Prediction], str]:
    """
    A page of what `show` makes of the tasks, and the query that leads to the next one; empty at the end.

    Raises Unavailable.
    """
    if wanted.nothing:
        return [], ""
    shards = [_shard(tenant, shard, wanted) for shard in range(TENANT_SHARDS)]
    # What is older than the end of a shard that has more to give has to wait for that.
    horizon = max((entries[-1][1][0] for entries, more in shards if more), default=0)
    entries = [entry for entries, _ in shards for entry in entries if entry[1][0] >= horizon]
    # Stable: tasks of one shard and one millisecond stay in the index's own order, or a cursor would not lead on.
    found = sorted(entries, key=lambda entry: entry[1][0], reverse=True)
    shown, places, size, seen = list[Prediction](), dict(wanted.places), 0, 0
    for (shard, place), task in _read(found[:PAGE]):
        if task:
            prediction = show(task)
            size += _size(prediction)
            if size > PAGE_BYTES and shown:
                break
            shown.append(prediction)
        seen += 1
        places[shard] = place
    if found and not seen:
        raise Unavailable("The tasks cannot be read now. Try again soon.")
    more = seen < len(found) or any(more for _, more in shards)
    return shown, _encoded(places, wanted) if more else ""


def named(task_ids: list[str]) -> dict[str, Task]:
    """
    Tasks by their ids, up to 100; those that are not there are left out.

    What DynamoDB leaves for later is asked for again, as long as some come each time. Raises Unavailable.
    """
    found, left = dict[str, Task](), task_ids
    while left:
        asked = len(left)
        some, left = _get(left)
        if len(left) == asked:
            raise Unavailable("The tasks cannot be read now. Try again soon.")
        found |= some
    return found


def _size(prediction: Prediction) -> int:
    """Bytes in a function's response, which is JSON that holds the document as a text."""
    return len(json.dumps(json.dumps(prediction, ensure_ascii=False), ensure_ascii=False).encode())


def _shard(tenant: str, shard: int, wanted: Wanted) -> tuple[list[tuple[int, Place]], bool]:
    """Where the next tasks of one shard are, up to a page of them, and whether there are more."""
    name = f"{tenant}#{shard}"
    first, last = (wanted.after or 0) + 1, (wanted.before or 10**15) - 1
    place = wanted.places.get(shard)
    if first > last or (place and place[0] < first):
        return [], False
    condition = (Attr("tenant_shard").eq(name) & Attr("created").between(first, last)).written()
    start: dict[str, Any] = {}
    if place and place[0] <= last:  # else it lies before what is wanted, where DynamoDB would not begin
        key = {"tenant_shard": name, "created": place[0], "task_id": place[1]}
        start = {"ExclusiveStartKey": items.serialized(key)}
    reply = aws.dynamodb().query(
        TableName=settings.tasks_table(),
        IndexName="tenant",
        KeyConditionExpression=condition.expression,
        ExpressionAttributeNames=condition.names,
        ExpressionAttributeValues=items.serialized(condition.values),
        ScanIndexForward=False,
        Limit=PAGE,
        **start,
    )
    entries = [(shard, (int(item["created"]["N"]), item["task_id"]["S"])) for item in reply["Items"]]
    return entries, bool(entries) and "LastEvaluatedKey" in reply


def _read(entries: list[tuple[int, Place]]) -> Iterator[tuple[tuple[int, Place], Task | None]]:
    """
    Each of the entries with its task, or without one if it has been deleted meanwhile, up to the first that DynamoDB
    does not give now.
    """
    for start in range(0, len(entries), CHUNK):
        chunk = entries[start : start + CHUNK]
        tasks, held_back = _get([place[1] for _, place in chunk])
        for entry in chunk:
            task_id = entry[1][1]
            if task_id in held_back:
                return
            yield entry, tasks.get(task_id)


def _get(task_ids: list[str]) -> tuple[dict[str, Task], list[str]]:
    """Those of up to 100 tasks that are there, by their ids, and the ids that DynamoDB does not look up now."""
    table = settings.tasks_table()
    keys = [{"task_id": {"S": task_id}} for task_id in task_ids]
    reply = aws.dynamodb().batch_get_item(RequestItems={table: {"Keys": keys, "ConsistentRead": True}})
    tasks = {item["task_id"]["S"]: items.from_item(item) for item in reply["Responses"].get(table, [])}
    left = reply.get("UnprocessedKeys", {})
    return tasks, [key["task_id"]["S"] for key in left[table]["Keys"]] if table in left else []


def _encoded(places: dict[int, Place], wanted: Wanted) -> str:
    document = {"places": places, "after": wanted.after, "before": wanted.before}
    text = json.dumps(document, separators=(",", ":"))
    return urlencode({"cursor": base64.urlsafe_b64encode(text.encode()).decode()})


def _decoded(cursor: str) -> Wanted:
    """Raises ValueError, TypeError for anything that is no cursor."""
    document = json.loads(base64.b64decode(cursor[:1000], altchars=b"-_", validate=True))
    if not isinstance(document, dict) or document.keys() != {"places", "after", "before"}:
        raise ValueError("no cursor")
    if not isinstance(document["places"], dict):
        raise TypeError("no places")
    places: dict[int, Place] = {}
    for shard, (created, task_id) in document["places"].items():
        if not re.fullmatch("[0-3]", shard, re.ASCII) or not re.fullmatch("[a-z2-7]{26}", task_id, re.ASCII):
            raise ValueError("no place")
        places[int(shard)] = _milliseconds(created), task_id
    after, before = (None if document[each] is None else _milliseconds(document[each]) for each in ("after", "before"))
    return Wanted(places, after, before)


def _milliseconds(value: object) -> int:
    if type(value) is not int or not 0 <= value < 10**15:
        raise ValueError("no time")
    return value


def _moment(text: str) -> int:
    """Milliseconds since 1970 of a time by RFC 3339. Raises ValueError, OverflowError."""
    if not _TIME.fullmatch(text):
        raise ValueError("no time")
    return max(0, round(datetime.fromisoformat(text.upper()).timestamp() * 1000))

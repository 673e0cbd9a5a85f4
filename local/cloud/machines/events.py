"""EventBridge's default bus: what is put on it is kept, for whoever looks, and shown to those who listen.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.cloud.errors import ApiError
from local.cloud.machines.execution import Execution

MOST_ENTRIES = 10
MAX_BYTES = 262_144  # of all entries of a request together
FIELDS = {"Source", "DetailType", "Detail", "Resources"}
REQUIRED = ("Source", "DetailType", "Detail")

Entry = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """What rules see of an entry. `time` is seconds since the epoch."""

    id: str
    time: float
    source: str
    detail_type: str
    detail: dict[str, Any]
    resources: tuple[str, ...]


class Bus:
    """`events` are all that it took, the oldest first; each of `listeners` is called with each."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.events: list[Event] = []
        self.listeners: list[Callable[[Event], None]] = []
        self._clock = clock

    async def put(self, entries: list[Entry], _by: Execution) -> dict[str, Any]:
        """PutEvents: an id or an error for each entry. Raises ApiError for a request that is refused as a whole."""
        if not 1 <= len(entries) <= MOST_ENTRIES:
            raise ApiError("ValidationException", f"A request has from 1 to {MOST_ENTRIES} entries.")
        for entry in entries:
            if unknown := entry.keys() - FIELDS:
                raise ApiError("ValidationException", f"An entry's {', '.join(sorted(unknown))} is not known here.")
        if sum(map(_size, entries)) > MAX_BYTES:
            raise ApiError("ValidationException", "Total size of the entries in the request is over the limit.")
        results = [self._taken(entry) for entry in entries]
        return {"Entries": results, "FailedEntryCount": sum("ErrorCode" in each for each in results)}

    def _taken(self, entry: Entry) -> dict[str, str]:
        if missing := [name for name in REQUIRED if not entry.get(name)]:
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": f"Parameter {missing[0]} is not valid."}
        try:
            detail = json.loads(entry["Detail"])
        except ValueError:
            detail = None
        if not isinstance(detail, dict):
            return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
        resources = tuple(entry.get("Resources", ()))
        return {"EventId": self.take(entry["Source"], entry["DetailType"], detail, resources).id}

    def take(self, source: str, detail_type: str, detail: dict[str, Any], resources: tuple[str, ...]) -> Event:
        """Put on the bus what is known to be right, as services of AWS do."""
        event = Event(str(uuid.uuid4()), self._clock(), source, detail_type, detail, resources)
        self.events.append(event)
        for listener in self.listeners:
            listener(event)
        return event


def _size(entry: Entry) -> int:
    """Bytes: https://docs.aws.amazon.com/eventbridge/latest/userguide/calculate-putevents-entry-size.html"""
    texts = [*(entry.get(name) or "" for name in REQUIRED), *entry.get("Resources", ())]
    return sum(len(text.encode()) for text in texts)

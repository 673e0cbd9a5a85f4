"""
What AWS's services would write on their meters, read off the requests that moto answers.

DynamoDB's units are computed from the items' sizes before and after each request, by its documents:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html,
…/read-write-operations.html, and …/GSI.html#GSI.ThroughputConsiderations.Writes.

The rule: a request that it has no rule for is an error, never a zero.
"""

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from moto.core.botocore_stubber import BotocoreStubber
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from tests.conftest import template
from tests.harness.invocation import Invocation, current
from tests.harness.stack import ACCOUNT, REGION

#: Bytes of an item that one unit writes, and reads.
WRITTEN, READ = 1024, 4096
#: Bytes that DynamoDB adds to an item, and to its place in an index, where it is kept.
KEPT_WITH = 100

Item = Mapping[str, Any]
#: Units by their name in prices.PRICES.
Units = defaultdict[str, float]


class Meter:
    """`counts`: units, while it is `running`; `theirs`: s of processor time in an
    invocation's thread that others took."""

    def __init__(self) -> None:
        self.running = False
        self.counts = Units(float)
        self.theirs = defaultdict[Invocation, float](float)

    def add(self, name: str, units: float) -> None:
        if self.running:
            self.counts[name] += units

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Read along, for as long as this lasts."""
        answer: Any = BotocoreStubber.process_request

        def read_along(stubber: BotocoreStubber, request: Any) -> Any:
            with self.aside():
                return self._metered(request, lambda: answer(stubber, request))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(BotocoreStubber, "process_request", read_along)
            yield

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is done meanwhile is done elsewhere, though in the thread of an invocation."""
        began, invocation = time.thread_time(), current()
        try:
            yield
        finally:
            if invocation:
                self.theirs[invocation] += time.thread_time() - began

    def _metered(self, request: Any, answer: Callable[[], Any]) -> Any:
        service, method = urlsplit(request.url).netloc.split("."), request.method
        if "s3" in service:
            found = answer()
            self.add("puts" if method in ("PUT", "POST") else "gets" if method in ("GET", "HEAD") else "deletes", 1)
            return found
        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).partition(".")[2]
        body = json.loads(request.body)
        if service[0] == "ssm":
            found = answer()
            parameter = json.loads(found[2]).get("Parameter", {})
            self.add("decryptions", parameter.get("Type") == "SecureString")
            return found
        match operation:
            case "PutItem" | "UpdateItem" | "DeleteItem":
                key = _key(body)
                before = _item(body["TableName"], key)
                found = answer()
                self.add("writes", write_units(before, _item(body["TableName"], key), _indexes(body["TableName"])))
            case "GetItem":
                found = answer()
                self.add("reads", read_units([_item(body["TableName"], _key(body)) or {}], body))
            case "Query":
                found = answer()
                self.add("reads", read_units([{}, *json.loads(found[2]).get("Items", [])], body))
            case _:
                raise NotImplementedError(f"no rule for what {target} costs")
        return found


def size(item: Item) -> int:
    """Bytes of an item, as DynamoDB counts."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def write_units(before: Item | None, after: Item | None, indexes: list[tuple[str, ...]]) -> int:
    """
    What a write costs, the ones in indexes with it: of the larger of the item before and after, though its condition
    did not hold and nothing was written.

    indexes: the attributes that each has, which projects no others.
    """
    units = max(1, *(math.ceil(size(each or {}) / WRITTEN) for each in (before, after)))
    for names in indexes:
        was, is_ = _entry(before, names), _entry(after, names)
        if was != is_:
            units += (was is not None) + (is_ is not None)
    return units


def read_units(items: list[Item], request: Mapping[str, Any]) -> float:
    """What one request costs that has read these items together."""
    units = max(1, math.ceil(sum(map(size, items)) / READ))
    return units if request.get("ConsistentRead") else units / 2


def kept(item: Item, indexes: list[tuple[str, ...]]) -> int:
    """Bytes for which an item and its places in indexes are billed while they are kept."""
    entries = [entry for names in indexes if (entry := _entry(item, names)) is not None]
    return sum(size(each) + KEPT_WITH for each in (item, *entries))


def task_indexes() -> list[tuple[str, ...]]:
    """The attributes that each index of the tasks table has."""
    return _indexes("-TasksTable")


def _size(value: Mapping[str, Any]) -> int:
    kind: str
    content: Any
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            digits = content.lstrip("-").replace(".", "").strip("0")
            return math.ceil(len(digits) / 2) + 1 + int(content.startswith("-"))
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + _size(each) for each in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _size(each) for name, each in content.items())
        case _:
            raise NotImplementedError(f"no rule for the size of a {kind}")


def _entry(item: Item | None, names: tuple[str, ...]) -> dict[str, Any] | None:
    """An item's place in an index; None if it lacks a key of it."""
    return {name: item[name] for name in names} if item and all(name in item for name in names) else None


def _key(body: Mapping[str, Any]) -> Any:
    (name,) = (each["AttributeName"] for each in _properties(body["TableName"])["KeySchema"])
    return (body["Key"] if "Key" in body else body["Item"])[name]


def _item(table: str, key: Any) -> dict[str, Any] | None:
    there: Any = dynamodb_backends[ACCOUNT][REGION].tables[table].items
    found = there.get(DynamoType(key))
    return found.to_json()["Attributes"] if found else None


def _indexes(table: str) -> list[tuple[str, ...]]:
    properties = _properties(table)
    own = [each["AttributeName"] for each in properties["KeySchema"]]
    indexes = properties.get("GlobalSecondaryIndexes", [])
    if any(each["Projection"] != {"ProjectionType": "KEYS_ONLY"} for each in indexes):
        raise NotImplementedError("no rule for an index that has more than keys")
    return [(*(key["AttributeName"] for key in each["KeySchema"]), *own) for each in indexes]


def _properties(table: str) -> dict[str, Any]:
    properties: dict[str, Any] = template()["Resources"][table.rpartition("-")[2]]["Properties"]
    return properties

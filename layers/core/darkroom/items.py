"""
A task as an item of DynamoDB, and the one shape that every later write to it has.

A write that was repeated because its reply was lost (calls.py) finds its condition broken by itself; it is told from a
lost race by the item already saying what was to be written.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from darkroom import aws, settings
from darkroom.conditions import Attr, Condition
from darkroom.errors import Failure
from darkroom.task import Delivery, Image, Status, Task

#: Where an item keeps the nonces of writes that are known by one.
_NONCES = "nonces"
_MEMBERS = {kind: {field.name for field in dataclasses.fields(kind)} for kind in (Task, Image, Failure)}


def change(
    task: Task,
    condition: Condition,
    put: dict[str, Any],
    *,
    append: dict[str, Any] | None = None,
    drop: tuple[str, ...] = (),
    proof: tuple[str, ...] = (),
    once: str = "",
) -> Task | None:
    """
    One conditional update; the task after it, or None if the condition did not hold.

    put: attributes and their new values, None to leave one out. append: lists and what to add to each. proof: those of
    `put` that nobody else writes; where there are any, they alone tell that this write was made. once: a nonce of this
    write, which the item keeps and which alone tells so; then it does not matter what others append meanwhile.
    """
    put = {name: value for name, value in put.items() if value is not None}
    append = append or {}
    condition = Attr("task_id").exists() & condition
    # So that a write that is repeated does not append twice.
    if once:
        condition = condition & ~Attr(_NONCES).contains(once)
        append = {**append, _NONCES: once}
    else:
        for name in append:
            condition = condition & Attr(name).has(len(getattr(task, name)))
    expression, names, values = condition.written()
    assignments = []
    for number, (name, value) in enumerate(put.items()):
        names[f"#put{number}"], values[f":put{number}"] = name, value
        assignments.append(f"#put{number} = :put{number}")
    for number, (name, value) in enumerate(append.items()):
        names[f"#add{number}"], values[f":add{number}"], values[":none"] = name, [value], []
        assignments.append(f"#add{number} = list_append(if_not_exists(#add{number}, :none), :add{number})")
    names |= {f"#drop{number}": name for number, name in enumerate(drop)}
    sets = f"SET {', '.join(assignments)}" if assignments else ""
    removal = f"REMOVE {', '.join(f'#drop{number}' for number in range(len(drop)))}" if drop else ""
    client = aws.dynamodb()
    try:
        done = client.update_item(
            TableName=settings.tasks_table(),
            Key={"task_id": {"S": task.task_id}},
            ConditionExpression=expression,
            UpdateExpression=f"{sets} {removal}".strip(),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=serialized(values),
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except client.exceptions.ConditionalCheckFailedException as error:
        there = broken_by(error)
        made = _noted(there, once) if once else there and _made(there, put, append, drop, proof)
        return from_item(there) if made else None
    return from_item(done["Attributes"])


def _made(
    there: dict[str, Any], put: dict[str, Any], append: dict[str, Any], drop: tuple[str, ...], proof: tuple[str, ...]
) -> bool:
    """Whether an item says what was to be written."""
    told = {name: put[name] for name in proof} or put
    return (
        all(there.get(name) == value for name, value in serialized(told).items())
        and all(there[name]["L"][-1:] == [value] for name, value in serialized(append).items())
        and not any(name in there for name in drop)
    )


def _noted(there: dict[str, Any], once: str) -> bool:
    """Whether an item knows a write by its nonce."""
    return {"S": once} in there.get(_NONCES, {"L": []})["L"]


def broken_by(error: ClientError) -> dict[str, Any]:
    """The item that broke a condition; empty if there was none."""
    response: Mapping[str, Any] = error.response
    return dict(response.get("Item", {}))


def serialized(values: dict[str, Any]) -> dict[str, Any]:
    """Values as DynamoDB writes them."""
    return {name: _wire(value) for name, value in values.items()}


def deserialized(item: Mapping[str, Any]) -> dict[str, Any]:
    """Values as they were, from what DynamoDB gives."""
    return {name: _plain(value) for name, value in item.items()}


def to_item(task: Task) -> dict[str, Any]:
    """The attributes of a task."""
    item = vars(task) | {
        "metadata": json.dumps(task.metadata, ensure_ascii=False),
        "images": [vars(image) for image in task.images],
        "failure": task.failure and vars(task.failure),
    }
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in item.items()
        # An absent flag, so that a condition can ask for its absence.
        if value is not None and value is not False
    }


def from_item(item: dict[str, Any]) -> Task:
    """A task from its item, as DynamoDB gives it; attributes and members of later versions are passed over."""
    values = deserialized(_known(Task, item))
    values["status"] = Status(values["status"])
    values["delivery"] = Delivery(values["delivery"])
    values["metadata"] = json.loads(values["metadata"])
    values["images"] = tuple(Image(**_known(Image, image)) for image in values["images"])
    values["failure"] = Failure(**_known(Failure, values["failure"])) if values.get("failure") else None
    for name in ("attempts", "outputs", "missing", "deliveries"):
        values[name] = tuple(values.get(name, ()))
    return Task(**{"due": None, **values})


def _known(kind: type[Task | Image | Failure], values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in _MEMBERS[kind]}


def _wire(value: Any) -> dict[str, Any]:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html"""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": str(value)}
        case dict():
            return {"M": {name: _wire(each) for name, each in value.items()}}
        case list() | tuple():
            return {"L": [_wire(each) for each in value]}
        case _:
            raise TypeError(f"an item cannot hold a {type(value).__name__}")


def _plain(value: Mapping[str, Any]) -> Any:
    """All numbers of ours are whole."""
    ((kind, held),) = value.items()
    match kind:
        case "NULL":
            return None
        case "BOOL" | "S":
            return held
        case "N":
            return int(held)
        case "M":
            return {name: _plain(each) for name, each in held.items()}
        case "L":
            return [_plain(each) for each in held]
        case _:
            raise TypeError(f"no item of ours holds a {kind}")

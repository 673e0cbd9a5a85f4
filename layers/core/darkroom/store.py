"""
The tasks table: every write to it is here and has a name.

Each write is conditional on the status that it moves from, so that of two that race one loses, and nothing goes back.
A write that the SDK repeated because its reply was lost finds its condition broken by itself; it is told from a lost
race by the item already saying what was to be written.
"""

import dataclasses
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder, Key
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from darkroom import aws, clock, settings
from darkroom.answer import Failed, Finished
from darkroom.errors import Failure, NotFound
from darkroom.task import Delivery, Image, Status, Task

#: Shards of the index by due time, and of each tenant's part of the index by tenant.
DUE_SHARDS = 8
TENANT_SHARDS = 4
#: Characters that are kept of a gateway's words.
MESSAGE_CAP = 2000
#: The layout of an item. Later versions add attributes, and never change the meaning of one.
VERSION = 1


def create(task: Task) -> Task:
    """Put a new task, or return the one that is there under its id (its `nonce` tells which)."""
    item = _to_item(task) | {
        "v": VERSION,
        "tenant_shard": f"{task.tenant}#{_shard(task.task_id, TENANT_SHARDS)}",
        "due_shard": due_shard(task.task_id),
    }
    client = aws.dynamodb()
    try:
        client.put_item(
            TableName=settings.tasks_table(),
            Item=_serialized(item),
            ConditionExpression="attribute_not_exists(task_id)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except client.exceptions.ConditionalCheckFailedException as error:
        return _from_item(_item_there(error))
    return task


def read(task_id: str) -> Task:
    """The task as it is now. Raises NotFound."""
    found = aws.dynamodb().get_item(
        TableName=settings.tasks_table(), Key={"task_id": {"S": task_id}}, ConsistentRead=True
    )
    if "Item" not in found:
        raise NotFound("There is no such task.")
    return _from_item(found["Item"])


def claim(task: Task, nonce: str, lease: int) -> Task | None:
    """accepted → submitting: until `lease` (ms) the holder of `nonce` alone may post. None: somebody else may."""
    condition = Attr("status").eq(Status.ACCEPTED) & Attr("cancel").not_exists()
    return _move(task, condition, {"status": Status.SUBMITTING, "nonce": nonce, "lease": lease})


def keep_ticket(task: Task, ticket: str, attempt: dict[str, Any]) -> Task | None:
    """submitting → running: the gateway has accepted the request of this claim."""
    return _move(
        task,
        _claimed(task),
        {"status": Status.RUNNING, "ticket": ticket, "route": attempt["route"], "submitted": clock.now()},
        append={"attempts": attempt},
    )


def release(task: Task, attempt: dict[str, Any]) -> Task | None:
    """submitting → accepted: the request of this claim was certainly not accepted."""
    return _move(task, _claimed(task), {"status": Status.ACCEPTED}, append={"attempts": attempt})


def note(task: Task, attempt: dict[str, Any]) -> Task | None:
    """submitting, with what became of the POST on record: nothing certain."""
    return _move(task, _claimed(task), {"lease": task.lease}, append={"attempts": attempt})


def hear(task: Task, word: Finished | Failed, due: int, attempt: dict[str, Any] | None = None) -> Task | None:
    """
    Any status before → collecting: the last word about this task is known.

    due: when it has to be collected, ms. attempt: the POST, if this is the reply to it.
    """
    put: dict[str, Any] = {"status": Status.COLLECTING, "answered": clock.now(), "due": due}
    match word:
        case Finished():
            put |= {"outputs": list(word.outputs), "several": word.several}
        case Failed():
            put["failure"] = dataclasses.asdict(failure(word))
    unchanged = _claimed(task) if task.status is Status.SUBMITTING else Attr("status").eq(task.status)
    if task.status.terminal:
        return None
    return _move(task, unchanged, put, append={"attempts": attempt} if attempt else None)


def refresh(task: Task, outputs: tuple[str, ...], due: int) -> Task | None:
    """collecting, with the outputs where the gateway offers them now."""
    return _move(task, Attr("status").eq(Status.COLLECTING), {"outputs": list(outputs), "due": due})


def end(task: Task, ended: Task) -> Task | None:
    """
    THE end: collecting → a terminal status, with the manifest or the failure, and the pending webhook, in one write.

    task: as it was read. ended: as it shall be. None: somebody else has ended it.
    """
    put = {
        "status": ended.status,
        "completed": ended.completed,
        "images": [dataclasses.asdict(image) for image in ended.images],
        "failure": dataclasses.asdict(ended.failure) if ended.failure else None,
        "delivery": ended.delivery,
        "news": ended.news,
    }
    failed = Attr("failure").exists() if ended.failure else Attr("failure").not_exists()
    heard = Attr("status").eq(Status.COLLECTING) & failed
    if ended.delivery is Delivery.PENDING:
        return _move(task, heard, {**put, "due": ended.due})
    return _move(task, heard, {**put, "expires": _expiry()}, drop=("due", "due_shard"))


def ask_to_cancel(task: Task) -> Task | None:
    """Flag a task whose caller does not want it any more. What becomes of it is for its driver to find out."""
    return _move(task, ~Attr("status").is_in([status for status in Status if status.terminal]), {"cancel": True})


def postpone(task: Task, due: int) -> Task | None:
    """A driver says that it is alive and will be back before `due` (ms)."""
    return _move(task, Attr("generation").eq(task.generation) & Attr("due").exists(), {"due": due})


def take_over(task: Task, due: int) -> Task | None:
    """The next generation, for a task that nobody came back to in time. None: somebody did, after all."""
    overdue = Attr("generation").eq(task.generation) & Attr("due").eq(task.due)
    return _move(task, overdue, {"generation": task.generation + 1, "due": due})


def overdue(shard: str, now: int, limit: int) -> Iterator[str]:
    """Ids of up to `limit` tasks of a shard that somebody should have come back to before `now` (ms), oldest first."""
    key = ConditionExpressionBuilder().build_expression(
        Key("due_shard").eq(shard) & Key("due").lt(now), is_key_condition=True
    )
    found = aws.dynamodb().query(
        TableName=settings.tasks_table(),
        IndexName="due",
        KeyConditionExpression=key.condition_expression,
        ExpressionAttributeNames=key.attribute_name_placeholders,
        ExpressionAttributeValues=_serialized(key.attribute_value_placeholders),
        Limit=limit,
    )
    return (item["task_id"]["S"] for item in found["Items"])


def delivered(task: Task, attempt: dict[str, Any]) -> Task | None:
    """The receiver has taken the news."""
    return _told(task, Delivery.DELIVERED, attempt)


def give_up(task: Task, attempt: dict[str, Any]) -> Task | None:
    """The receiver will not be told any more."""
    return _told(task, Delivery.GIVEN_UP, attempt)


def undelivered(task: Task, attempt: dict[str, Any], due: int) -> Task | None:
    """An attempt failed, and there will be another before `due` (ms)."""
    return _move(task, Attr("delivery").eq(Delivery.PENDING), {"due": due}, append={"deliveries": attempt})


def failure(word: Failed) -> Failure:
    """A gateway's last word as it stands on the task."""
    return Failure(word.reason.code, word.message[:MESSAGE_CAP], word.reason.retryable, word.reason.may_be_billed)


def due_shard(task_id: str) -> str:
    return str(_shard(task_id, DUE_SHARDS))


def _shard(task_id: str, shards: int) -> int:
    return zlib.crc32(task_id.encode()) % shards


def _claimed(task: Task) -> ConditionBase:
    return Attr("status").eq(Status.SUBMITTING) & Attr("nonce").eq(task.nonce)


def _told(task: Task, delivery: Delivery, attempt: dict[str, Any]) -> Task | None:
    return _move(
        task,
        Attr("delivery").eq(Delivery.PENDING),
        {"delivery": delivery, "expires": _expiry()},
        append={"deliveries": attempt},
        drop=("due", "due_shard"),
    )


def _expiry() -> int:
    """When DynamoDB may delete an item that ends now: its TTL counts seconds, not milliseconds."""
    return clock.now() // 1000 + settings.task_retention_days() * 86_400


def _move(
    task: Task,
    condition: ConditionBase,
    put: dict[str, Any],
    *,
    append: dict[str, Any] | None = None,
    drop: tuple[str, ...] = (),
) -> Task | None:
    """
    One conditional update; the task after it, or None if the condition did not hold.

    put: attributes and their new values, None to leave one out. append: lists and what to add to each.
    """
    put = {name: value for name, value in put.items() if value is not None}
    append = append or {}
    condition = Attr("task_id").exists() & condition
    for name in append:
        # So that a write that the SDK repeats does not append twice.
        condition = condition & Attr(name).size().eq(len(getattr(task, name)))
    built = ConditionExpressionBuilder().build_expression(condition)
    names = dict(built.attribute_name_placeholders)
    values = dict(built.attribute_value_placeholders)
    assignments = []
    for number, (name, value) in enumerate(put.items()):
        names[f"#put{number}"], values[f":put{number}"] = name, value
        assignments.append(f"#put{number} = :put{number}")
    for number, (name, value) in enumerate(append.items()):
        names[f"#add{number}"], values[f":add{number}"], values[":none"] = name, [value], []
        assignments.append(f"#add{number} = list_append(if_not_exists(#add{number}, :none), :add{number})")
    names |= {f"#drop{number}": name for number, name in enumerate(drop)}
    removal = f" REMOVE {', '.join(f'#drop{number}' for number in range(len(drop)))}" if drop else ""
    client = aws.dynamodb()
    try:
        done = client.update_item(
            TableName=settings.tasks_table(),
            Key={"task_id": {"S": task.task_id}},
            ConditionExpression=built.condition_expression,
            UpdateExpression=f"SET {', '.join(assignments)}{removal}",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=_serialized(values),
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except client.exceptions.ConditionalCheckFailedException as error:
        there = _item_there(error)
        already = all(there.get(name) == value for name, value in _serialized(put).items()) and all(
            there[name]["L"][-1:] == [value] for name, value in _serialized(append).items()
        )
        return _from_item(there) if there and already else None
    return _from_item(done["Attributes"])


def _item_there(error: ClientError) -> dict[str, Any]:
    """The item that broke a condition; empty if there was none."""
    response: Mapping[str, Any] = error.response
    return dict(response.get("Item", {}))


def _serialized(values: dict[str, Any]) -> dict[str, Any]:
    serialize = TypeSerializer().serialize
    return {name: serialize(str(value) if isinstance(value, str) else value) for name, value in values.items()}


def _to_item(task: Task) -> dict[str, Any]:
    item = dataclasses.asdict(task) | {"metadata": json.dumps(task.metadata, ensure_ascii=False)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in item.items()
        # An absent flag, so that a condition can ask for its absence.
        if value is not None and value is not False
    }


def _from_item(item: dict[str, Any]) -> Task:
    deserialize = TypeDeserializer().deserialize
    known = {each.name for each in dataclasses.fields(Task)}
    values = {name: _plain(deserialize(value)) for name, value in item.items() if name in known}
    values["status"] = Status(values["status"])
    values["delivery"] = Delivery(values["delivery"])
    values["metadata"] = json.loads(values["metadata"])
    values["images"] = tuple(Image(**image) for image in values["images"])
    values["failure"] = Failure(**values["failure"]) if values.get("failure") else None
    for name in ("attempts", "outputs", "deliveries"):
        values[name] = tuple(values[name])
    return Task(**{"due": None, **values})


def _plain(value: Any) -> Any:
    """DynamoDB's numbers are decimals; all of ours are whole."""
    match value:
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case bool() | str() | None:
            return value
        case _:
            return int(value)

"""
The tasks table: every write to it is here and has a name.

Each write is conditional on the status that it moves from, so that of two that race one loses, and nothing goes back.
"""

import dataclasses
import zlib
from contextlib import suppress
from typing import Any

from darkroom import aws, clock, items, schedule, settings
from darkroom.answer import Failed, Finished
from darkroom.conditions import Attr, Condition
from darkroom.errors import Failure, NotFound
from darkroom.task import Delivery, Status, Task

#: Shards of the index by due time, and of each tenant's part of the index by tenant.
DUE_SHARDS = 8
TENANT_SHARDS = 4
#: Characters that are kept of a gateway's words.
MESSAGE_CAP = 2000
#: Days for which a batch may still be made when the first of its rows has ended: its results are read from them all.
BATCH_DAYS = 90
#: The layout of an item. Later versions add attributes, and never change the meaning of one.
VERSION = 1


def create(task: Task) -> Task:
    """Put a new task, or return the one that is there under its id (its `nonce` tells which)."""
    item = items.to_item(task) | {
        "v": VERSION,
        "tenant_shard": f"{task.tenant}#{_shard(task.task_id, TENANT_SHARDS)}",
        "due_shard": due_shard(task.task_id),
    }
    client = aws.dynamodb()
    try:
        client.put_item(
            TableName=settings.tasks_table(),
            Item=items.serialized(item),
            ConditionExpression="attribute_not_exists(task_id)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except client.exceptions.ConditionalCheckFailedException as error:
        return items.from_item(items.broken_by(error))
    return task


def read(task_id: str, *, hasty: bool = False) -> Task:
    """The task as it is now. Raises NotFound. hasty: within two seconds; raises what botocore has if not."""
    client = aws.hasty_dynamodb() if hasty else aws.dynamodb()
    found = client.get_item(TableName=settings.tasks_table(), Key={"task_id": {"S": task_id}}, ConsistentRead=True)
    if "Item" not in found:
        raise NotFound("There is no such task.")
    return items.from_item(found["Item"])


def claim(task: Task, nonce: str, route: str, lease: int, due: int) -> Task | None:
    """
    accepted → submitting: until `lease` (ms) the holder of `nonce` alone may post, on `route`. None: somebody else may,
    or has been refused since the task was read.
    """
    unclaimed = Attr("status").eq(Status.ACCEPTED) & Attr("attempts").has(len(task.attempts))
    claimed = {"status": Status.SUBMITTING, "nonce": nonce, "route": route, "lease": lease, "due": due}
    # Others may have moved `due` before this is repeated, and a claim of ours that we took for lost is never used.
    return items.change(task, unclaimed & Attr("cancel").not_exists(), claimed, proof=("status", "nonce"))


def keep_ticket(task: Task, ticket: str, attempt: dict[str, Any]) -> Task | None:
    """
    submitting → running: the gateway has accepted the request of this claim. What was patient until then has its time
    from now on.
    """
    now = clock.now()
    put = {"status": Status.RUNNING, "ticket": ticket, "submitted": now}
    put |= {"deadline": now + schedule.DEADLINE_S * 1000} if task.patient else {}
    return items.change(task, _claimed(task), put, append={"attempts": attempt})


def release(task: Task, attempt: dict[str, Any]) -> Task | None:
    """submitting → accepted: the request of this claim was certainly not accepted."""
    return items.change(task, _claimed(task), {"status": Status.ACCEPTED}, append={"attempts": attempt})


def remark(task: Task, attempt: dict[str, Any]) -> Task | None:
    """accepted, with on record why there was no POST."""
    status = {"status": Status.ACCEPTED}
    return items.change(task, Attr("status").eq(Status.ACCEPTED), status, append={"attempts": attempt})


def note(task: Task, attempt: dict[str, Any]) -> Task | None:
    """submitting, with what became of the POST on record: nothing certain. Its holder is done, so the lease is over."""
    return items.change(task, _claimed(task), {"lease": clock.now()}, append={"attempts": attempt})


def hear(task: Task, word: Finished | Failed, due: int, attempt: dict[str, Any] | None = None) -> Task | None:
    """
    Any status before → collecting: the last word about this task is known. None: somebody has heard another word since
    the task was read, if only one that is in doubt.

    due: when it has to be collected, ms. attempt: the POST, if this is the reply to it.
    """
    put: dict[str, Any] = {"status": Status.COLLECTING, "answered": clock.now(), "due": due}
    match word:
        case Finished():
            put |= {"outputs": list(word.outputs), "several": word.several, "missing": list(word.missing)}
        case Failed():
            put["failure"] = dataclasses.asdict(failure(word, accepted=task.ticket is not None))
    unchanged = _claimed(task) if task.status is Status.SUBMITTING else Attr("status").eq(task.status)
    if task.status.terminal:
        return None
    return items.change(task, unchanged & _doubted(task), put, append={"attempts": attempt} if attempt else None)


def doubt(task: Task, word: dict[str, Any]) -> Task | None:
    """running, with a last word on record that is not believed yet. None: somebody else has heard something."""
    return items.change(task, Attr("status").eq(Status.RUNNING) & _doubted(task), {"doubt": word})


def trust(task: Task) -> Task | None:
    """running, and the last word that was in doubt was not repeated. None: somebody else has heard something."""
    return items.change(task, Attr("status").eq(Status.RUNNING) & _doubted(task), {}, drop=("doubt",))


def refresh(task: Task, outputs: tuple[str, ...], due: int) -> Task | None:
    """collecting, with the outputs where the gateway offers them now."""
    return items.change(task, Attr("status").eq(Status.COLLECTING), {"outputs": list(outputs), "due": due})


def end(task: Task, ended: Task) -> Task | None:
    """
    THE end: collecting → a terminal status, with the manifest or the failure, and the news of it, in one write. The
    task stays due until the news has been announced and told.

    task: as it was read. ended: as it shall be. None: somebody else has ended it.
    """
    put = {
        "status": ended.status,
        "completed": ended.completed,
        "images": [dataclasses.asdict(image) for image in ended.images],
        "missing": list(ended.missing),
        "failure": dataclasses.asdict(ended.failure) if ended.failure else None,
        "delivery": ended.delivery,
        "news": ended.news,
        "due": ended.due,
    }
    failed = Attr("failure").exists() if ended.failure else Attr("failure").not_exists()
    return items.change(task, Attr("status").eq(Status.COLLECTING) & failed, put)


def settle(task: Task) -> Task | None:
    """An ended task, with nobody to tell of it, has been announced. None: it was settled before, or is not over."""
    untold = Attr("completed").exists() & Attr("delivery").eq(Delivery.NONE) & Attr("due").exists()
    return items.change(task, untold, {"expires": _expiry(task)}, drop=("due", "due_shard"))


def ask_to_cancel(task: Task) -> Task | None:
    """Flag a task whose caller does not want it any more. What becomes of it is for its driver to find out."""
    return items.change(task, ~Attr("status").is_in([status for status in Status if status.terminal]), {"cancel": True})


def postpone(task: Task, due: int) -> Task | None:
    """A driver says that it is alive and will be back before `due` (ms)."""
    return items.change(task, Attr("generation").eq(task.generation) & Attr("due").exists(), {"due": due})


def visited(task: Task) -> Task | None:
    """One more driver has come to this task after its deadline. None: another has counted itself meanwhile."""
    alone = Attr("late").eq(task.late) if task.late else Attr("late").not_exists() | Attr("late").eq(0)
    return items.change(task, alone, {"late": task.late + 1})


def take_over(task: Task, due: int) -> Task | None:
    """The next generation, whose driver is to come before `due` (ms). None: one has come since the task was read."""
    left_alone = Attr("generation").eq(task.generation) & Attr("due").eq(task.due)
    return items.change(task, left_alone, {"generation": task.generation + 1, "due": due})


def set_aside(task_id: str, due: int) -> None:
    """
    Let a task that cannot even be read be overdue again only at `due` (ms), so that it does not stand in the way.
    Nothing, if nobody needs to come back to it any more.
    """
    client = aws.dynamodb()
    with suppress(client.exceptions.ConditionalCheckFailedException):
        client.update_item(
            TableName=settings.tasks_table(),
            Key={"task_id": {"S": task_id}},
            ConditionExpression="attribute_exists(due)",
            UpdateExpression="SET due = :due",
            ExpressionAttributeValues=items.serialized({":due": due}),
        )


def overdue(shard: str, now: int, limit: int) -> list[str]:
    """Ids of up to `limit` tasks of a shard that somebody should have come back to before `now` (ms), oldest first."""
    return [item["task_id"]["S"] for item in _overdue(shard, now, Limit=limit)["Items"]]


def count_overdue(shard: str, now: int) -> int:
    """How many they are; of many thousands, how many of the oldest could be counted at once."""
    return int(_overdue(shard, now, Select="COUNT")["Count"])


def delivered(task: Task, attempt: dict[str, Any], nonce: str) -> Task | None:
    """The receiver has taken the news, from whichever delivery. None: it is not pending any more."""
    return _told(task, Attr("delivery").eq(Delivery.PENDING), Delivery.DELIVERED, attempt, nonce)


def give_up(task: Task, attempt: dict[str, Any], nonce: str) -> Task | None:
    """The receiver will not be told any more. None: another delivery has taken over, and decides."""
    return _told(task, _pending(task), Delivery.GIVEN_UP, attempt, nonce)


def undelivered(task: Task, attempt: dict[str, Any], due: int, nonce: str) -> Task | None:
    """An attempt failed, and there will be another before `due` (ms). None: another delivery has taken over."""
    return items.change(task, _pending(task), {"due": due}, append={"deliveries": attempt}, once=nonce)


def overtaken(task: Task, attempt: dict[str, Any], nonce: str) -> Task | None:
    """An attempt that decides nothing, for another delivery has taken over or got through: on record, and no more."""
    return items.change(task, Attr("completed").exists(), {}, append={"deliveries": attempt}, once=nonce)


def redeliver(task: Task, due: int) -> Task | None:
    """
    The receiver of an ended task shall be told anew, whatever became of it before: a new round of the schedule under
    the next generation, so that a delivery that waits leaves. None: a delivery has begun since the task was read.
    """
    over = Attr("completed").exists() & Attr("webhook").exists() & Attr("news").exists()
    put = {"delivery": Delivery.PENDING, "generation": task.generation + 1, "round": task.round + 1}
    put |= {"due": due, "due_shard": due_shard(task.task_id)}
    return items.change(task, over & Attr("generation").eq(task.generation), put, drop=("expires",))


def failure(word: Failed, *, accepted: bool) -> Failure:
    """A last word as it stands on the task. What a gateway has accepted it may have billed, whatever came of it."""
    reason = word.reason
    return Failure(reason.code, word.message[:MESSAGE_CAP], reason.retryable, accepted or reason.may_be_billed)


def due_shard(task_id: str) -> str:
    return str(_shard(task_id, DUE_SHARDS))


def _shard(task_id: str, shards: int) -> int:
    return zlib.crc32(task_id.encode()) % shards


def _overdue(shard: str, now: int, **wanted: Any) -> Any:
    key = (Attr("due_shard").eq(shard) & Attr("due").lt(now)).written()
    return aws.dynamodb().query(
        TableName=settings.tasks_table(),
        IndexName="due",
        KeyConditionExpression=key.expression,
        ExpressionAttributeNames=key.names,
        ExpressionAttributeValues=items.serialized(key.values),
        **wanted,
    )


def _claimed(task: Task) -> Condition:
    return Attr("status").eq(Status.SUBMITTING) & Attr("nonce").eq(task.nonce)


def _doubted(task: Task) -> Condition:
    """That nobody has counted, or forgotten, what is in doubt since the task was read."""
    return Attr("doubt").eq(task.doubt) if task.doubt else Attr("doubt").not_exists()


def _pending(task: Task) -> Condition:
    """That the receiver has to be told still, and by the delivery that has read the task."""
    return Attr("delivery").eq(Delivery.PENDING) & Attr("generation").eq(task.generation)


def _told(task: Task, condition: Condition, delivery: Delivery, attempt: dict[str, Any], nonce: str) -> Task | None:
    put = {"delivery": delivery, "expires": _expiry(task)}
    return items.change(task, condition, put, append={"deliveries": attempt}, drop=("due", "due_shard"), once=nonce)


def _expiry(task: Task) -> int:
    """When DynamoDB may delete an item that ends now: its TTL counts seconds, not milliseconds."""
    days = settings.task_retention_days() + (BATCH_DAYS if task.row else 0)
    return clock.now() // 1000 + days * 86_400

"""
Telling a receiver how a task ended: one attempt, its record, and when to try again.

A receiver has been told when it answers 2xx. It is told at least once, under one id, with the same body each time.
"""

from typing import Any

from aws_lambda_powertools import Logger

from darkroom import clock, driver, http, keys, metrics, store, webhooks
from darkroom.errors import DarkroomError, ForbiddenAddress, NoReply, NotSent, SettingMissing
from darkroom.metrics import Fact
from darkroom.task import Delivery, Task
from darkroom.wire import Reply

#: Seconds between the attempts; after the last the news is given up. Standard Webhooks' suggestion, up to its 10 hours.
PAUSES_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
#: By how much a pause may be longer, by chance: the receivers of many tasks shall not all be tried at the same moment.
JITTER = 0.1
#: Seconds for an attempt.
ATTEMPT_S = 15
#: The receiver does not want to hear of it any more.
GONE = 410

logger = Logger(child=True)


def attempt(task: Task) -> int | None:
    """
    Tell the receiver of an ended task, if it still has to be told.

    Returns the seconds until it should be told again, or None if that is over, one way or the other.
    """
    if task.delivery is not Delivery.PENDING or task.webhook is None:
        return None
    started = clock.now()
    record: dict[str, Any] = {"at": started}
    reply, unwanted, reason = None, False, ""
    try:
        request = webhooks.request(task, keys.webhook_secrets(task.tenant), started)
        reply = http.send(request, deadline=ATTEMPT_S, cap=64_000, cut=True)
        record["status"] = reply.status
        unwanted = reply.status == GONE
    except (NotSent, NoReply, ForbiddenAddress, SettingMissing) as error:
        record["error"], reason = _fault(error), str(error)
        unwanted = isinstance(error, ForbiddenAddress)
    record["ms"] = clock.now() - started
    logger.info("webhook attempted", extra={"task_id": task.task_id, "reason": reason, **record})
    if reply and reply.ok:
        _ = store.delivered(task, record) or store.delivered(store.read(task.task_id), record)
        return None
    tried = len(task.deliveries) - task.earlier
    if unwanted or tried >= len(PAUSES_S):
        if store.give_up(task, record):
            metrics.count(Fact.WEBHOOK_GIVEN_UP)
        else:
            _leave_to_the_other(task, record)
        return None
    pause = _pause(PAUSES_S[tried], reply)
    if store.undelivered(task, record, clock.now() + pause * 1000 + driver.GRACE_MS):
        return pause
    _leave_to_the_other(task, record)
    return None


def _pause(usual: int, reply: Reply | None) -> int:
    """Seconds until the next attempt: the usual ones, or as many as the receiver asks for, and some more by chance."""
    wish = reply.retry_after(clock.now(), cap=max(PAUSES_S)) if reply else None
    return int(max(usual, wish or 0) * (1 + JITTER * clock.chance()))


def _leave_to_the_other(task: Task, record: dict[str, Any]) -> None:
    """A delivery that has taken over goes on by its own times; what this one has seen is put on record, no more."""
    now = store.read(task.task_id)
    if now.due is not None:
        store.undelivered(now, record, now.due)


def _fault(error: DarkroomError) -> str:
    """
    Whose fault it was, and what, in words for the task's owner: nothing that the receiver has said, or where it is
    inside a network.
    """
    late = "Timeout" in type(error.__cause__).__name__
    match error:
        case SettingMissing():
            return "This installation could not sign the webhook; its operator has to mend that."
        case NotSent():
            return f"The receiver could not be reached: {error}."
        case NoReply():
            how = f"did not answer within {ATTEMPT_S} seconds" if late else "broke off, or does not speak HTTP"
            return f"The receiver {how}."
        case _:
            return str(error)

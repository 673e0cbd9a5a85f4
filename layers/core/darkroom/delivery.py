"""
Telling a receiver how a task or a batch ended: one attempt, its record, and when to try again.

A receiver has been told when it answers 2xx. It is told at least once, under one id, with the same body each time. Of a
task's attempts the record is kept on the task; of a batch's, in the log.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger

from darkroom import aws, batches, clock, driver, http, keys, manifests, metrics, store, webhooks
from darkroom.errors import DarkroomError, ForbiddenAddress, NoReply, NotSent
from darkroom.metrics import Fact
from darkroom.task import Delivery, Task
from darkroom.wire import Reply, Request

#: Seconds between the attempts; after the last the news is given up. Standard Webhooks' suggestion, up to its 10 hours.
PAUSES_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
#: By how much a pause may be longer, by chance: the receivers of many tasks shall not all be tried at the same moment.
JITTER = 0.1
#: Seconds for an attempt.
ATTEMPT_S = 15
#: The receiver does not want to hear of it any more.
GONE = 410

logger = Logger(child=True)


@dataclass(frozen=True)
class Attempt:
    """
    What became of one attempt.

    record: {"at", "status" or "error", "ms"}. reply: if there was one. unwanted: there is no use in another.
    """

    record: dict[str, Any]
    reply: Reply | None
    unwanted: bool

    @property
    def taken(self) -> bool:
        return self.reply is not None and self.reply.ok

    def pause(self, tried: int) -> int | None:
        """Seconds until the next attempt, after `tried` others before this one; None: there is none."""
        return None if self.taken or self.unwanted or tried >= len(PAUSES_S) else _pause(PAUSES_S[tried], self.reply)


def attempt(task: Task) -> int | None:
    """
    Tell the receiver of an ended task, if it still has to be told.

    Returns the seconds until it should be told again, or None if that is over, one way or the other.
    """
    if task.delivery is not Delivery.PENDING or task.webhook is None:
        return None
    nonce, tried = clock.nonce(), task.rounds.count(task.round)
    made = _attempt(task.tenant, partial(webhooks.request, task), task_id=task.task_id)
    record, pause = {**made.record, "round": task.round}, made.pause(tried)
    if made.taken:
        written = store.delivered(task, record, nonce)
    elif pause is None:
        if written := store.give_up(task, record, nonce):
            metrics.count(Fact.WEBHOOK_GIVEN_UP)
    else:
        written = store.undelivered(task, record, clock.now() + pause * 1000 + driver.GRACE_MS, nonce)
    if written is None:
        store.overtaken(task, record, nonce)
        return None
    return pause


def attempt_of_batch(files: str, tried: int) -> int | None:
    """
    Tell the receiver of a batch that is over, if its defaults name one, after `tried` other attempts.

    files: where the batch's own files lie. Returns the seconds until it should be told again, or None if that is over.
    """
    batch = batches.load(files)
    if not (receiver := batch.defaults.get("webhook")):
        return None
    request = partial(webhooks.request_of_batch, receiver, manifests.kept(batch))
    made = _attempt(batch.tenant, request, batch_id=batch.id)
    pause = made.pause(tried)
    if pause is None and not made.taken:
        metrics.count(Fact.WEBHOOK_GIVEN_UP)
    return pause


def _attempt(tenant: str, prepare: Callable[[tuple[str, ...], int], Request], **whose: str) -> Attempt:
    """
    One attempt with what `prepare` makes of the tenant's secrets and the moment (ms).

    whose: the task or the batch, for the log.
    """
    started = clock.now()
    record: dict[str, Any] = {"at": started}
    reply, unwanted, reason = None, False, ""
    try:
        reply = http.send(prepare(keys.webhook_secrets(tenant), started), deadline=ATTEMPT_S, cap=64_000, cut=True)
        record["status"] = reply.status
        unwanted = reply.status == GONE
    except Exception as error:  # whatever it is: until an attempt is on record, the end is announced again and again
        record["error"] = _fault(error)
        # What others' errors say may quote a secret.
        reason = str(error) if isinstance(error, DarkroomError) else type(error).__name__
        unwanted = isinstance(error, ForbiddenAddress)
    record["ms"] = clock.now() - started
    logger.info("webhook attempted", extra={**whose, "reason": reason, **record})
    return Attempt(record, reply, unwanted)


def _pause(usual: int, reply: Reply | None) -> int:
    """Seconds until the next attempt: the usual ones, or as many as the receiver asks for, and some more by chance."""
    wish = reply.retry_after(clock.now(), cap=max(PAUSES_S)) if reply else None
    return int(max(usual, wish or 0) * (1 + JITTER * clock.chance()))


def _fault(error: Exception) -> str:
    """
    Whose fault it was, and what, in words for the task's owner: nothing that the receiver has said, or where it is
    inside a network.
    """
    late = "Timeout" in type(error.__cause__).__name__
    match error:
        case NotSent():
            return f"The receiver could not be reached: {error}."
        case NoReply():
            how = f"did not answer within {ATTEMPT_S} seconds" if late else "broke off, or does not speak HTTP"
            return f"The receiver {how}."
        case ForbiddenAddress():
            return str(error)
        case _ if aws.away(error):
            return "This installation could not sign the webhook now: a part of AWS does not answer."
        case _:
            return "This installation could not sign the webhook; its operator has to mend that."

"""
Telling a receiver how a task ended: one attempt, its record, and when to try again.

A receiver has been told when it answers 2xx. It is told at least once, under one id, with the same body each time.
"""

from typing import Any

from aws_lambda_powertools import Logger

from darkroom import clock, driver, http, keys, metrics, store, webhooks
from darkroom.errors import ForbiddenAddress, NoReply, NotSent, SettingMissing
from darkroom.metrics import Fact
from darkroom.task import Delivery, Task

#: Seconds between the attempts; after the last the news is given up. Standard Webhooks' suggestion, up to its 10 hours.
PAUSES_S = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
#: Seconds for an attempt.
ATTEMPT_S = 15.0
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
    try:
        request = webhooks.request(task, keys.webhook_secret(task.tenant), started)
        reply = http.send(request, deadline=ATTEMPT_S, cap=64_000, cut=True)
        record["status"] = reply.status
        taken, unwanted = reply.ok, reply.status == GONE
    except (NotSent, NoReply, ForbiddenAddress, SettingMissing) as error:
        record["error"] = str(error)
        taken, unwanted = False, isinstance(error, ForbiddenAddress)
    record["ms"] = clock.now() - started
    logger.info("webhook attempted", extra={"task_id": task.task_id, **record})
    if taken:
        store.delivered(task, record)
        return None
    if unwanted or len(task.deliveries) >= len(PAUSES_S):
        if store.give_up(task, record):
            metrics.count(Fact.WEBHOOK_GIVEN_UP)
        return None
    pause = PAUSES_S[len(task.deliveries)]
    store.undelivered(task, record, clock.now() + pause * 1000 + driver.GRACE_MS)
    return pause

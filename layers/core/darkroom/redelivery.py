"""
What a task's owner sees of the attempts to tell the receiver, and can do about them: have it told again.

Telling is not done here: a redelivery is a write that makes the news pending, and a new delivery's start.
"""

from typing import cast

from aws_lambda_powertools import Logger

from darkroom import clock, driver, store, webhooks
from darkroom.errors import NotEnded, NoWebhook, ToldTooOften
from darkroom.predictions import timestamp
from darkroom.shapes import Deliveries, Telling
from darkroom.task import Delivery, Task

#: Attempts on record after which there is no further round: the record lies on the task's item, which holds 400 KB.
CAP = 100

logger = Logger(child=True)


def show(task: Task) -> Deliveries:
    """Whom it concerns, how it stands, and every attempt."""
    shown: Deliveries = {
        "webhook": task.webhook,
        "webhook_id": webhooks.message(task),
        "status": task.delivery.value,
        "attempts": [cast("Telling", {**attempt, "at": timestamp(attempt["at"])}) for attempt in task.deliveries],
    }
    if task.delivery is Delivery.PENDING and task.due is not None:
        # A delivery is taken for lost only a while after it should have been back.
        shown["next_attempt_at"] = timestamp(max(clock.now(), task.due - driver.GRACE_MS))
    return shown


def begin(task: Task) -> Task:
    """
    Have the receiver told anew, now and by a new round of the schedule; the task after it.

    Raises NotEnded, NoWebhook, ToldTooOften.
    """
    if task.webhook is None:
        raise NoWebhook("This task was ordered without a webhook, so there is nobody to tell.", task_id=task.task_id)
    if not task.status.terminal:
        raise NotEnded("This task has not ended. Its webhook is sent when it has.", task_id=task.task_id)
    if len(task.deliveries) >= CAP:
        message = f"The receiver was tried {len(task.deliveries)} times, and there is no room for more on record."
        raise ToldTooOften(message, task_id=task.task_id)
    if not task.deliveries:  # the first attempt is under way, and whoever makes it has the end announced before
        return task
    if (begun := store.redeliver(task, clock.now() + driver.GRACE_MS)) is None:
        return store.read(task.task_id)
    try:
        driver.start_delivery(begun, 0)
    except Exception:  # whatever it is: the news is pending, and the sweeper starts what tells it
        logger.exception("delivery not started", extra={"task_id": task.task_id})
    return begun

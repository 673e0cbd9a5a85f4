"""
What a task's owner sees of the attempts to tell the receiver, and can do about them: have it told again.

Telling is not done here: a redelivery is a write that makes the news pending, and a new delivery's start.
"""

from typing import Any, cast

from aws_lambda_powertools import Logger

from darkroom import clock, driver, store, webhooks
from darkroom.errors import NotEnded, NoWebhook, ToldTooOften
from darkroom.predictions import timestamp
from darkroom.shapes import Deliveries, Telling
from darkroom.task import Delivery, Task

#: Attempts after which there is no further round: their record lies on the task's item, which holds 400 KB.
CAP = 100

logger = Logger(child=True)


def show(task: Task) -> Deliveries:
    """Whom it concerns, how it stands, and every attempt."""
    shown: Deliveries = {
        "webhook": task.webhook,
        "webhook_id": webhooks.message(task),
        "status": task.delivery.value,
        "attempts": [_telling(attempt) for attempt in task.deliveries],
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
        message = "This task was ordered without a webhook, or with a webhook_events_filter that leaves out its end."
        raise NoWebhook(f"{message} So there is nobody to tell.", task_id=task.task_id)
    if not task.status.terminal:
        raise NotEnded("This task has not ended. Its webhook is sent when it has.", task_id=task.task_id)
    if (tries := _tries(task)) >= CAP:
        message = f"There were {tries} attempts, with those that are under way. There is no room for more on record."
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


def _telling(attempt: dict[str, Any]) -> Telling:
    shown = {name: attempt[name] for name in Telling.__annotations__ if name in attempt}
    return cast("Telling", {**shown, "at": timestamp(attempt["at"])})


def _tries(task: Task) -> int:
    """Attempts on record, and one for each round that has none there yet: it may be under way."""
    return len(task.deliveries) + len(set(range(task.round + 1)).difference(task.rounds))

"""The end of a task: how it ended, what there is to show for it, and the news of it, in one write."""

from dataclasses import replace

from darkroom import clock, driver, keys, metrics, predictions, store
from darkroom.errors import Reason
from darkroom.metrics import Fact
from darkroom.route import gateway_of
from darkroom.task import Delivery, Image, Status, Task


def end(task: Task, images: tuple[Image, ...], origin: str, missing: tuple[str, ...] = ()) -> Task:
    """
    End a task that is `collecting`; as it stands then (somebody else may have ended it before).

    images: those that are stored; none for a task that has failed. origin: our own scheme and host, for links.
    missing: why there are not as many images as the gateway offered.
    """
    now = clock.now()
    ended = replace(
        task,
        status=_status(task),
        images=images,
        missing=missing,
        completed=now,
        delivery=Delivery.PENDING if task.webhook else Delivery.NONE,
        due=now + driver.GRACE_MS,
    )
    ended = replace(ended, news=predictions.freeze(ended, origin, keys.link() if images else ""))
    if (over := store.end(task, ended)) is None:
        return store.read(task.task_id)
    _count(over)
    return over


def _count(task: Task) -> None:
    match task.failure.code if task.failure else None:
        case Reason.SUBMISSION_UNKNOWN.code:
            metrics.count(Fact.SUBMISSION_UNKNOWN, gateway=gateway_of(task.route or ""))
        case Reason.GATEWAY_LOST.code:
            metrics.count(Fact.GATEWAY_LOST, gateway=gateway_of(task.route or ""))
        case Reason.INTERNAL.code:
            metrics.count(Fact.INTERNAL)
        case None if task.missing:
            metrics.count(Fact.IMAGES_MISSING)


def _status(task: Task) -> Status:
    if task.failure is None:
        return Status.SUCCEEDED
    return Status.CANCELED if task.failure.code == Reason.CANCELED.code else Status.FAILED

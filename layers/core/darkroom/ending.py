"""The end of a task: how it ended, what there is to show for it, and the news of it, in one write."""

from dataclasses import replace

from darkroom import clock, driver, keys, predictions, store
from darkroom.errors import Reason
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
        due=now + driver.GRACE_MS if task.webhook else None,
    )
    if task.webhook:
        link_key = keys.link() if images else ""
        ended = replace(ended, news=predictions.freeze(ended, origin, link_key))
    return store.end(task, ended) or store.read(task.task_id)


def _status(task: Task) -> Status:
    if task.failure is None:
        return Status.SUCCEEDED
    return Status.CANCELED if task.failure.code == Reason.CANCELED.code else Status.FAILED

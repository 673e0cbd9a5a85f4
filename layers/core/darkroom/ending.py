"""The end of a task: how it ended, what there is to show for it, and the news of it, in one write."""

import json
from dataclasses import asdict, replace

from darkroom import clock, driver, keys, predictions, store
from darkroom.errors import Reason
from darkroom.task import Delivery, Image, Status, Task


def end(task: Task, images: tuple[Image, ...], origin: str) -> Task:
    """
    End a task that is `collecting`; as it stands then (somebody else may have ended it before).

    images: all of them, stored; none for a task that has failed. origin: our own scheme and host, for links.
    """
    now = clock.now()
    ended = replace(
        task,
        status=_status(task),
        images=images,
        completed=now,
        delivery=Delivery.PENDING if task.webhook else Delivery.NONE,
        due=now + driver.GRACE_MS if task.webhook else None,
    )
    if task.webhook:
        link_key = keys.link() if images else ""
        ended = replace(ended, news=predictions.freeze(ended, origin, link_key))
    return store.end(task, ended) or store.read(task.task_id)


def record(task: Task, images: tuple[Image, ...]) -> str:
    """What lies beside a task's images as `task.json`: how they came to be, in a form that outlives the table."""
    return json.dumps(
        {
            "task_id": task.task_id,
            "model": task.model,
            "route": task.route,
            "ticket": task.ticket,
            "input": json.loads(task.input),
            "metadata": task.metadata,
            "created": task.created,
            "submitted": task.submitted,
            "answered": task.answered,
            "images": [asdict(image) for image in images],
        },
        ensure_ascii=False,
        indent=2,
    )


def _status(task: Task) -> Status:
    if task.failure is None:
        return Status.SUCCEEDED
    return Status.CANCELED if task.failure.code == Reason.CANCELED.code else Status.FAILED

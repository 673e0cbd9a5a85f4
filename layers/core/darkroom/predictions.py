"""
A task as the Replicate API shows it, and what is ours on top.

Replicate's clients end at `succeeded`, `failed` and `canceled` and choke on other words, on a null `version` and on
nulls inside `urls`; so none of those is ever shown. A reply to `Prefer: wait` that says anything but `starting` is
final to them: so that is what a task is called that has not ended by then.
"""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from darkroom import links
from darkroom.task import Status, Task

if TYPE_CHECKING:
    from darkroom.shapes import Attempt, News, Prediction, Word

#: The version that predictions show of a model that was asked for by its name.
HIDDEN = "hidden"

_SHOWN: "dict[Status, Word]" = {
    Status.ACCEPTED: "starting",
    Status.SUBMITTING: "starting",
    Status.RUNNING: "processing",
    Status.COLLECTING: "processing",
    Status.SUCCEEDED: "succeeded",
    Status.FAILED: "failed",
    Status.CANCELED: "canceled",
}


def show(task: Task, origin: str, link_key: str, *, waited: bool = False) -> "Prediction":
    """
    The prediction. `origin` is our own scheme and host; the images' links are signed with `link_key`.

    waited: somebody has waited for its end.
    """
    shown: Prediction = {**_ours(task, origin, link_key), "metadata": task.metadata, "input": json.loads(task.input)}
    if waited and not task.status.terminal:
        shown["status"] = "starting"
    return shown


def freeze(task: Task, origin: str, link_key: str) -> str:
    """The prediction as JSON text, but for what the caller sent, which the task keeps anyway and which may be large."""
    return json.dumps(_ours(task, origin, link_key), ensure_ascii=False)


def thaw(task: Task) -> bytes:
    """The webhook's body from `task.news`: the same bytes at every attempt."""
    if task.news is None:
        raise ValueError(f"task {task.task_id} has no news")
    metadata = json.dumps(task.metadata, ensure_ascii=False)
    return f'{task.news[:-1]}, "metadata": {metadata}, "input": {task.input}}}'.encode()


def _ours(task: Task, origin: str, link_key: str) -> "News":
    failure = task.failure if task.status.terminal else None
    model, _, version = task.model.partition(":")
    address = f"{origin}/v1/predictions/{task.task_id}"
    # The pictures of a row lie in its batch's folder, so it takes their keys to find them.
    names = [image.key if task.row else image.name for image in task.images]
    urls = [links.link(origin, link_key, task.task_id, name) for name in names]
    news: News = {
        "id": task.task_id,
        "model": model,
        "version": version or (HIDDEN if "/" in model else model),
        "status": _SHOWN[task.status],
        "source": "api",
        "output": (urls if task.several else urls[0]) if urls else None,
        "error": failure.message if failure else None,
        "logs": "",
        "data_removed": False,
        "created_at": timestamp(task.created),
        "deadline": timestamp(task.deadline),
        "urls": {"get": address, "cancel": f"{address}/cancel", "web": address},
        "attempts": [cast("Attempt", {**attempt, "at": timestamp(attempt["at"])}) for attempt in task.attempts],
    }
    if task.submitted:
        news["started_at"] = timestamp(task.submitted)
    if task.completed:
        news["completed_at"] = timestamp(task.completed)
        news["metrics"] = {"total_time": (task.completed - task.created) / 1000, "image_count": len(task.images)}
    if failure:
        news["error_code"] = failure.code
        news["retryable"] = failure.retryable
        news["may_be_billed"] = failure.may_be_billed
    if task.row:
        news["row"] = {"batch_id": task.row["batch_id"], "custom_id": task.row["custom_id"]}
    if task.missing:
        news["missing"] = list(task.missing)
    if task.images:
        news["images"] = [
            {
                "url": url,
                "content_type": image.content_type,
                "bytes": image.bytes,
                "width": image.width,
                "height": image.height,
                "sha256": image.sha256,
                "verified": image.verified,
            }
            for url, image in zip(urls, task.images, strict=True)
        ]
    return news


def timestamp(milliseconds: int) -> str:
    """A moment as callers read it: RFC 3339, UTC."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

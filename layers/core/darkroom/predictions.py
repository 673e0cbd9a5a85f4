"""
A task as the Replicate API shows it, and what is ours on top.

Replicate's clients end at `succeeded`, `failed` and `canceled` and choke on other words, on a null `version` and on
nulls inside `urls`; so none of those is ever shown.
"""

import json
from datetime import UTC, datetime
from typing import Any

from darkroom import links
from darkroom.task import Status, Task

_SHOWN = {
    Status.ACCEPTED: "starting",
    Status.SUBMITTING: "starting",
    Status.RUNNING: "processing",
    Status.COLLECTING: "processing",
}


def show(task: Task, origin: str, link_key: str) -> dict[str, Any]:
    """The prediction. `origin` is our own scheme and host; the images' links are signed with `link_key`."""
    return {**_ours(task, origin, link_key), "metadata": task.metadata, "input": json.loads(task.input)}


def freeze(task: Task, origin: str, link_key: str) -> str:
    """The prediction as JSON text, but for what the caller sent, which the task keeps anyway and which may be large."""
    return json.dumps(_ours(task, origin, link_key), ensure_ascii=False)


def thaw(task: Task) -> bytes:
    """The webhook's body from `task.news`: the same bytes at every attempt."""
    if task.news is None:
        raise ValueError(f"task {task.task_id} has no news")
    metadata = json.dumps(task.metadata, ensure_ascii=False)
    return f'{task.news[:-1]}, "metadata": {metadata}, "input": {task.input}}}'.encode()


def _ours(task: Task, origin: str, link_key: str) -> dict[str, Any]:
    failure = task.failure if task.status.terminal else None
    urls = [links.link(origin, link_key, task.task_id, image.name) for image in task.images]
    prediction: dict[str, Any] = {
        "id": task.task_id,
        "model": task.model,
        "version": "hidden",
        "status": _SHOWN.get(task.status, str(task.status)),
        "output": (urls if task.several else urls[0]) if urls else None,
        "error": failure.message if failure else None,
        "logs": "",
        "data_removed": False,
        "created_at": _timestamp(task.created),
        "deadline": _timestamp(task.deadline),
        "urls": {
            "get": f"{origin}/v1/predictions/{task.task_id}",
            "cancel": f"{origin}/v1/predictions/{task.task_id}/cancel",
        },
        "attempts": [{**attempt, "at": _timestamp(attempt["at"])} for attempt in task.attempts],
    }
    if task.submitted:
        prediction["started_at"] = _timestamp(task.submitted)
    if task.completed:
        prediction["completed_at"] = _timestamp(task.completed)
        prediction["metrics"] = {"total_time": (task.completed - task.created) / 1000}
    if failure:
        prediction["error_code"] = failure.code
        prediction["retryable"] = failure.retryable
        prediction["may_be_billed"] = failure.may_be_billed
    if task.missing:
        prediction["missing"] = list(task.missing)
    if task.images:
        prediction["images"] = [
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
    return prediction


def _timestamp(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

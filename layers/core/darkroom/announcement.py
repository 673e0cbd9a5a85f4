"""
The end of a task or a batch as an event on EventBridge: what the webhook says, but for what only its caller may read.

An event lies open in the execution's history, and goes to whoever in the account has a rule for it. So it carries no
input, no signed link (but where each image lies in the bucket), and no words of gateways, which may quote a prompt.
"""

import json
from dataclasses import asdict
from typing import Any

from darkroom.task import Task

#: What is said as the webhook says it, and of each attempt.
TOLD = (
    "id", "model", "version", "status", "created_at", "started_at", "completed_at", "deadline", "metrics", "urls",
    "row",
)  # fmt: skip
TOLD_OF_FAILURE = ("error_code", "retryable", "may_be_billed")
TOLD_OF_ATTEMPT = ("at", "route", "outcome", "status", "code", "price")
#: What is said of a batch as its manifest says it: not the errors, which quote rows and gateways.
TOLD_OF_BATCH = (
    "tenant", "batch_id", "status", "dry_run", "source", "totalRecordCount", "processedRecordCount",
    "successRecordCount", "errorRecordCount", "cost", "started_at", "completed_at",
)  # fmt: skip
#: Bytes of metadata, and the last attempts, that an event carries. A state of Step Functions holds 256 KB, as does an
#: event; images and names are few and short by themselves (asking.OUTPUTS, catalogue.NAME_CAP).
METADATA_CAP = 64 * 1024
ATTEMPTS_CAP = 50


def announcement(task: Task, bucket: str) -> dict[str, Any]:
    """The detail of an ended task's event. bucket: the one that its images are in."""
    if task.news is None:
        raise ValueError(f"task {task.task_id} has no news")
    news = json.loads(task.news)
    prediction = _chosen(news, TOLD + TOLD_OF_FAILURE)
    where = [f"s3://{bucket}/{image.key}" for image in task.images]
    prediction["output"] = (where if task.several else where[0]) if where else None
    prediction["images"] = [asdict(image) for image in task.images]
    prediction["attempts"] = [_chosen(attempt, TOLD_OF_ATTEMPT) for attempt in news["attempts"][-ATTEMPTS_CAP:]]
    if len(json.dumps(task.metadata)) <= METADATA_CAP:  # with all but ASCII escaped, which is the longest form
        prediction["metadata"] = task.metadata
    return {"tenant": task.tenant, "bucket": bucket, "prediction": prediction}


def of_batch(manifest: dict[str, Any], bucket: str) -> dict[str, Any]:
    """The detail of the event of a batch that is over. bucket: the one that its results are in."""
    return {**_chosen(manifest, TOLD_OF_BATCH), "bucket": bucket, "folder": manifest["results"]["folder"]}


def _chosen(document: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: document[name] for name in names if name in document}

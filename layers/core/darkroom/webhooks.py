"""
The news of a task's end as a request to its receiver: Replicate's body under Standard Webhooks' headers.

https://www.standardwebhooks.com: the id is constant over attempts, the timestamp is the attempt's own, and the
signature covers both and the body.
"""

from datetime import UTC, datetime

from standardwebhooks import Webhook

from darkroom.predictions import thaw
from darkroom.task import Task
from darkroom.wire import Request


def message(task: Task) -> str:
    """The id of the news of a task's end: one for all attempts, by which receivers know what they have."""
    return f"msg_{task.task_id}"


def request(task: Task, secrets: tuple[str, ...], now: int) -> Request:
    """
    One attempt to tell `task.webhook`, at `now` (ms), signed with each of the tenant's secrets (`whsec_…`): a receiver
    looks for one signature that it believes.
    """
    if task.webhook is None:
        raise ValueError(f"task {task.task_id} has no webhook")
    body = thaw(task)
    moment = datetime.fromtimestamp(now // 1000, UTC)
    signatures = [Webhook(secret).sign(message(task), moment, body.decode()) for secret in secrets]
    headers = {
        "content-type": "application/json",
        "user-agent": "darkroom",
        "webhook-id": message(task),
        "webhook-timestamp": str(now // 1000),
        "webhook-signature": " ".join(signatures),
    }
    return Request("POST", task.webhook, headers, body)

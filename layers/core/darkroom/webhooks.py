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


def request(task: Task, secret: str, now: int) -> Request:
    """One attempt to tell `task.webhook`, signed at `now` with the tenant's secret (`whsec_…`)."""
    if task.webhook is None:
        raise ValueError(f"task {task.task_id} has no webhook")
    body = thaw(task)
    message_id = f"msg_{task.task_id}"
    moment = datetime.fromtimestamp(now // 1000, UTC)
    headers = {
        "content-type": "application/json",
        "user-agent": "darkroom",
        "webhook-id": message_id,
        "webhook-timestamp": str(now // 1000),
        "webhook-signature": Webhook(secret).sign(message_id, moment, body.decode()),
    }
    return Request("POST", task.webhook, headers, body)

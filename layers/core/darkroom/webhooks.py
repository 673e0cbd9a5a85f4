"""
The news of an end as a request to its receiver, under Standard Webhooks' headers. A task's body is Replicate's; that of
a batch has Standard Webhooks' own form.

https://www.standardwebhooks.com: the id is constant over attempts, the timestamp is the attempt's own, and the
signature covers both and the body.
"""

import json
from datetime import UTC, datetime

from standardwebhooks import Webhook

from darkroom.predictions import thaw
from darkroom.task import Task
from darkroom.wire import Request


def message(task: Task) -> str:
    """The id of the news of a task's end: one for all attempts, by which receivers know what they have."""
    return f"msg_{task.task_id}"


def request(task: Task, secrets: tuple[str, ...], now: int) -> Request:
    """One attempt to tell `task.webhook`. Raises ValueError: there is nobody to tell, or nothing yet."""
    if task.webhook is None:
        raise ValueError(f"task {task.task_id} has no webhook")
    return _signed(task.webhook, message(task), thaw(task), secrets, now)


def request_of_batch(receiver: str, manifest: bytes, secrets: tuple[str, ...], now: int) -> Request:
    """One attempt to tell of a batch. manifest: the final one, byte for byte as it lies in the bucket."""
    told = json.loads(manifest)
    timestamp = json.dumps(told["completed_at"]).encode()
    body = b'{"type": "batch.completed", "timestamp": %s, "data": %s}' % (timestamp, manifest)
    return _signed(receiver, f"msg_{told['batch_id']}", body, secrets, now)


def _signed(address: str, message_id: str, body: bytes, secrets: tuple[str, ...], now: int) -> Request:
    """
    An attempt at `now` (ms), signed with each of the tenant's secrets (`whsec_…`): a receiver looks for one signature
    that it believes.
    """
    moment = datetime.fromtimestamp(now // 1000, UTC)
    signatures = [Webhook(secret).sign(message_id, moment, body.decode()) for secret in secrets]
    headers = {
        "content-type": "application/json",
        "user-agent": "darkroom",
        "webhook-id": message_id,
        "webhook-timestamp": str(now // 1000),
        "webhook-signature": " ".join(signatures),
    }
    return Request("POST", address, headers, body)

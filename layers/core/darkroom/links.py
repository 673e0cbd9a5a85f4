"""
Links to files on our own host, which need no API key: the signature is the permission.

A link is the same for as long as the file is kept, so it can stand in a webhook's frozen body. What lies in the folder
of its task is found by its name; what lies elsewhere, as pictures of batches do, by its key in the bucket.
"""

import base64
import hashlib
import hmac
from urllib.parse import quote


def link(origin: str, key: str, task_id: str, name: str) -> str:
    """
    The link to one file of a task. `origin` is scheme and host, `key` the installation's link key.

    name: of a file in the task's folder, or the key of one that lies elsewhere.
    """
    signature = _signature(key, task_id, name)
    if "/" not in name:
        return f"{origin}/v1/files/{task_id}/{name}?signature={signature}"
    return f"{origin}/v1/files/{task_id}/{name.rpartition('-')[2]}?key={quote(name)}&signature={signature}"


def genuine(signature: str, key: str, task_id: str, name: str) -> bool:
    """Whether we made this signature for this name or key, found out in constant time."""
    return hmac.compare_digest(signature.encode(), _signature(key, task_id, name).encode())


def _signature(key: str, task_id: str, name: str) -> str:
    digest = hmac.digest(key.encode(), f"{task_id}/{name}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode()[:32]

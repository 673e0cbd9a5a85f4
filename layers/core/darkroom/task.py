"""
The task: its statuses, its facts, and its name.

    accepted ──► submitting ──► running ──► collecting ──► succeeded | failed | canceled
        ▲            │
        └────────────┘  refused for now, or never sent

Besides, `accepted` and `submitting` may go to `collecting` too: the gateway rejected the request, or the last word is
our own, as when a deadline has passed. Nothing leaves a terminal status.
The writes that move a task are in store.py.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from darkroom.errors import Failure


class Status(StrEnum):
    ACCEPTED = "accepted"  # recorded, nothing spent
    SUBMITTING = "submitting"  # somebody holds the claim and may be posting
    RUNNING = "running"  # the gateway has it; there is a ticket
    COLLECTING = "collecting"  # the last word is known; its outputs, if any, are being stored
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def terminal(self) -> bool:
        return self in (Status.SUCCEEDED, Status.FAILED, Status.CANCELED)


class Delivery(StrEnum):
    """How the news of a task's end stands with its receiver."""

    NONE = "none"  # the task has not ended, or nobody wants to be told
    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True)
class Image:
    """
    An output after it was verified and stored.

    verified: decoded to the last pixel. What cannot be (SVG, video, audio) is stored inert, without a size.
    """

    key: str
    content_type: str
    bytes: int
    sha256: str
    verified: bool
    width: int | None = None
    height: int | None = None

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]


@dataclass(frozen=True)
class Task:
    """
    One request for images that a caller owns. All times are milliseconds since 1970.

    input: the caller's input, as JSON text.
    digest: of the whole request; tells a repeated request from another one under the same idempotency key.
    cancel_after: seconds from its creation after which its caller does not want it any more, if that is its deadline.
    lease: until when the holder of the claim (`nonce`) may still be posting.
    row: {"batch_id", "custom_id", "folder"} of a task that is a row of a batch: whose it is, and where its results go.
    attempts: what became of each POST (posting.py); at most one of them may have been accepted.
    doubt: a last word that is not believed yet: {"code", "since", "times"}, as it was said in a row.
    late: drivers that have come to this task after its deadline.
    outputs, several: the gateway's last word, if it was Finished.
    missing: why outputs that the gateway offered are not among the images.
    news: the prediction but for what the caller sent, frozen when the task ended.
    deliveries: {"at", "status" or "error", "ms", "round"} of each attempt at the webhook.
    round: the present round of its schedule; each redelivery begins the next one.
    due: when somebody has to have come back to this task; None when nobody needs to any more.
    """

    task_id: str
    tenant: str
    model: str
    input: str
    digest: str
    created: int
    deadline: int
    due: int | None
    status: Status = Status.ACCEPTED
    generation: int = 1
    webhook: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    row: dict[str, str] | None = None
    cancel: bool = False
    cancel_after: int | None = None
    nonce: str | None = None
    lease: int | None = None
    route: str | None = None
    ticket: str | None = None
    submitted: int | None = None
    answered: int | None = None
    completed: int | None = None
    attempts: tuple[dict[str, Any], ...] = ()
    doubt: dict[str, Any] | None = None
    late: int = 0
    outputs: tuple[str, ...] = ()
    several: bool = False
    failure: Failure | None = None
    images: tuple[Image, ...] = ()
    missing: tuple[str, ...] = ()
    delivery: Delivery = Delivery.NONE
    deliveries: tuple[dict[str, Any], ...] = ()
    round: int = 0
    news: str | None = None

    @property
    def patient(self) -> bool:
        """Whether its caller would rather wait a day than have it fail because gateways are busy."""
        return self.row is not None

    @property
    def rounds(self) -> tuple[int, ...]:
        """The round of each attempt at the webhook; those that an older version has made were of the first."""
        return tuple(attempt.get("round", 0) for attempt in self.deliveries)


def name(tenant: str, idempotency_key: str) -> str:
    """The task's id: 26 characters of a-z and 2-7, the same for the same tenant and key."""
    digest = hashlib.sha256(json.dumps([tenant, idempotency_key]).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:26]


def digest(*parts: Any) -> str:
    """The SHA-256 of `parts` (anything that JSON can hold), whatever order their keys came in."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

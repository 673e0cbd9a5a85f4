"""What callers want, and what they get."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.conftest import Event, event
from tests.harness.network import RECEIVER


@dataclass(frozen=True)
class Order:
    """What a caller wants. Its number stands in the prompt, so that a charge tells whose it is."""

    number: int
    model: str
    more: dict[str, Any] = field(default_factory=dict)
    words: str = ""
    receiver: str | None = RECEIVER
    tenant: str = "default"

    @property
    def key(self) -> str:
        return f"order-{self.number}"

    @property
    def pictures(self) -> int:
        """How many are asked for."""
        return next((int(self.more[name]) for name in ("num_outputs", "num_images", "n") if name in self.more), 1)

    @property
    def prompt(self) -> str:
        return f"canary-{self.number} blank {self.words}".strip()

    @property
    def event(self) -> Event:
        """The request that asks for it."""
        sent = event("submit", rawPath="/v1/predictions", routeKey="POST /v1/predictions")
        sent["requestContext"]["http"]["path"] = "/v1/predictions"
        sent["requestContext"]["authorizer"]["lambda"]["tenant"] = self.tenant
        sent["headers"] |= {"idempotency-key": self.key}
        body = {"version": self.model, "input": {"prompt": self.prompt, **self.more}}
        sent["body"] = json.dumps(body | ({"webhook": f"https://{self.receiver}/told"} if self.receiver else {}))
        return sent


@dataclass(frozen=True)
class Reply:
    """What a caller got: a status of HTTP, and the JSON; None where the function died."""

    order: Order
    status: int | None
    document: dict[str, Any]

"""What the HTTP server and a dialect say to each other: a request, and a reply to it.

A dialect is the wire protocol of one kind of gateway. It never sees a socket, so that whatever goes wrong on the way
to the caller (`faults.py`) is the same for all of them; and the server never looks into a body.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Request:
    """A request below a dialect's mount.

    `path` starts after the mount; `mount` is its absolute URL as this caller addressed it, without a slash at the end;
    `headers` are looked up without regard to case; `key` is the caller's, known to be good, or "" where it was not.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    mount: str
    key: str


@dataclass(frozen=True)
class Reply:
    """A whole reply: the body is sent as it is, with its length."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Dialect(Protocol):
    """A protocol's room, as the server knows it."""

    async def answer(self, request: Request) -> Reply:
        """Do what is asked; for everything that can be said over HTTP this is a reply, never an exception."""

    def credential(self, headers: Mapping[str, str], query: Mapping[str, str], /) -> str:
        """The key as a caller of this protocol presents it, good or not; "" where there is none."""

    def refuse(self) -> Reply:
        """The reply to whatever is asked without a key, or with an unknown one."""


def bearer(headers: Mapping[str, str], _query: Mapping[str, str]) -> str:
    """The credential of most protocols: `Authorization: Bearer KEY`."""
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else ""


def as_json(
    status: int, document: object, headers: Mapping[str, str] | None = None, content_type: str = "application/json"
) -> Reply:
    """A reply with a JSON document as its body."""
    return Reply(status, json.dumps(document).encode(), {"Content-Type": content_type, **(headers or {})})

"""What the front and a dialect say to each other: a request, and a reply to it.

A dialect is the wire protocol of one kind of gateway. It never sees a socket, so that whatever goes wrong on the way
to the caller (`faults.py`) is the same for all of them; and the front never looks into a body.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from local.simulator.jobs import Job, Output

Step = Literal["create", "poll", "cancel", "download"]
"""What a request is for: work is asked for, asked about, no more wanted, or fetched from a file host."""
How = Literal["refused", "unreachable", "untrusted", "reset", "closed", "silent"]


class Lens:
    """How a job is looked at for one reply: as it is. Others show it differently, and leave it as it is."""

    def job(self, job: Job) -> Job | None:
        """The job as it is to be shown; None where there is to be none."""
        return job

    def outputs(self, job: Job) -> Sequence[Output]:
        """The files of a job that has succeeded, as they are to be shown."""
        return job.outputs


PLAIN = Lens()


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
    lens: Lens = PLAIN


@dataclass(frozen=True)
class Reply:
    """A reply: the body is sent as it is, with its length.

    Only so much of the body gets through as `cut` says, and then the connection ends; whether the length was
    `announced` decides whether that can be noticed. What `drips` comes a byte a second. `scripted`: a fault had a hand
    in it.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    announced: bool = True
    drip: Literal["head", "body"] | None = None
    scripted: bool = False

    @property
    def whole(self) -> bool:
        """Whether all of it gets through, in good time."""
        return self.cut is None and self.drip is None

    @property
    def breaks(self) -> bool:
        """Whether who reads it notices that the end is missing."""
        return self.cut is not None and self.announced


@dataclass(frozen=True)
class Lost:
    """No reply, and `how`: what a caller meets instead of one; where nothing comes, for so many real `seconds`.

    refused       nobody listens there
    unreachable   nobody answers the call; the caller gives up
    untrusted     the certificate is not the host's
    reset         the connection is torn down
    closed        the connection ends, without a word
    silent        nothing comes; then the connection ends
    """

    how: How
    seconds: float = 0.0


@dataclass(frozen=True)
class Queue:
    """How the jobs of a queue are called: the member of a reply that has the id, and the form of all ids."""

    member: str
    ids: re.Pattern[str]


class Dialect(Protocol):
    """A protocol's room, as the front knows it."""

    @property
    def queue(self) -> Queue | None:
        """None where a reply to a create is the result."""

    async def answer(self, request: Request) -> Reply:
        """Do what is asked; for everything that can be said over HTTP this is a reply, never an exception."""

    def credential(self, headers: Mapping[str, str], query: Mapping[str, str], /) -> str:
        """The key as a caller of this protocol presents it, good or not; "" where there is none."""

    def refuse(self) -> Reply:
        """The reply to whatever is asked without a key, or with an unknown one."""

    def step(self, method: str, path: str, /) -> Step | None:
        """What a request to a path below the mount is for."""

    def error(self, status: int, /) -> Reply:
        """An error of that status, in the words of this house."""


def bearer(headers: Mapping[str, str], _query: Mapping[str, str]) -> str:
    """The credential of most protocols: `Authorization: Bearer KEY`."""
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else ""


def as_json(
    status: int, document: object, headers: Mapping[str, str] | None = None, content_type: str = "application/json"
) -> Reply:
    """A reply with a JSON document as its body."""
    return Reply(status, json.dumps(document).encode(), {"Content-Type": content_type, **(headers or {})})

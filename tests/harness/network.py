"""
The wire: names, gateways and file hosts (the simulator), and a receiver of webhooks.

The guard in http.py is the real one; what it lets through arrives here, with the address that it was pinned to.
"""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import httpx
import pytest
from standardwebhooks import Webhook

from darkroom import clock, http
from darkroom.connection import Place
from local.simulator import files
from local.simulator.exchange import Lost, Reply
from local.simulator.simulator import Call, Simulator
from tests.harness.invocation import Invocation, Killed, current
from tests.harness.mishaps import Mishap

#: A receiver, and one whose name leads inside as soon as its address has been looked at and accepted.
RECEIVER, REBOUND = "shop.example.com", "rebound.example.com"
#: Where names lead.
PUBLIC, METADATA = "93.184.215.14", "169.254.169.254"
#: Every prompt has this in it, with the number of its order: so a request to a gateway tells whose it is.
PROMPT = re.compile(rb"canary-(\d+)")


class Watched(Protocol):
    """Who wants to know of effects."""

    def reach(self, invocation: Invocation, name: str) -> Mishap | None:
        """An effect is about to happen. What will be wrong with its reply; raises Killed."""

    def ended(self, task_id: str) -> bool:
        """Whether a task's end is on record."""


@dataclass(frozen=True)
class Post:
    """A paid POST that reached the network: for which order, by whom, and whether its reply said something certain."""

    order: int
    by: Invocation
    certain: bool


@dataclass(frozen=True)
class Visit:
    """An attempt to tell the receiver."""

    at: int
    id: str
    body: bytes
    signed: bool
    committed: bool  # the end was on record
    status: int | None


@dataclass
class Network:
    """
    `manners` is how the receiver answers, in turn, the last way again and again: a status, or None for no answer.
    """

    watched: Watched
    secret: str
    key_hosts: dict[str, str]
    manners: list[int | None] = field(default_factory=lambda: [200])
    posts: list[Post] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    trespasses: list[str] = field(default_factory=list)
    _left: dict[Invocation, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.simulator: Simulator | None = None

    @property
    def hopeless(self) -> bool:
        """Whether the receiver will never take anything."""
        return self.manners[-1] != 200

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(http, "transport", lambda: _Guarded(self))
            yield

    async def sleep(self, seconds: float) -> None:
        """The simulator's: time that passes at the other end, within what the caller has patience for."""
        self._pass(seconds)

    def _pass(self, seconds: float) -> None:
        invocation = _invocation()
        left = self._left[invocation]
        invocation.pause(min(seconds, left))
        self._left[invocation] = left - seconds
        if seconds >= left:
            raise httpx.ReadTimeout("scripted")

    def exchange(self, request: httpx.Request, place: Place) -> httpx.Response:
        invocation, host = _invocation(), str(place.name)
        if place.address != PUBLIC:
            self.trespasses.append(f"a connection to {place.address}")
        self._inspect(request, host)
        role = _role(request, host)
        fate = self.watched.reach(invocation, f"http.{role}")
        timeout = request.extensions["timeout"]
        if fate is Mishap.OUT_OF_REACH:
            raise httpx.ConnectError("scripted")
        self._left[invocation] = timeout["read"]
        body = request.read()
        number = int(found[1]) if role == "create" and (found := PROMPT.search(body)) else None
        certain = False
        try:
            reply = self._reply(request, host, body)
            certain = fate is None and _certain(reply)
            if fate is Mishap.KILLED_AFTER:
                invocation.kill()
            if fate is Mishap.REPLY_LOST:
                raise httpx.ReadError("scripted")
            return self._arrived(reply, timeout)
        finally:
            if number is not None:
                self.posts.append(Post(number, invocation, certain))

    def _inspect(self, request: httpx.Request, host: str) -> None:
        sent = " ".join(request.headers.values())
        for key, owner in self.key_hosts.items():
            if key in sent and owner != host:
                self.trespasses.append(f"the key of {owner} was sent to {host}")

    def _reply(self, request: httpx.Request, host: str, body: bytes) -> Reply | Lost:
        assert self.simulator
        path, _, query = request.url.raw_path.decode().partition("?")
        call = Call(request.method, "https", host, path, dict(httpx.QueryParams(query)), request.headers, body)
        try:
            if host in (RECEIVER, REBOUND):
                return self._received(request, body)
            return asyncio.run(self.simulator.answer(call))
        except (httpx.HTTPError, Killed):
            raise
        except Exception as error:  # of this harness, or of the simulator: it must not look like a bad network
            self.trespasses.append(f"no answer to {request.method} {request.url}: {error!r}")
            raise

    def _received(self, request: httpx.Request, body: bytes) -> Reply | Lost:
        head = request.headers
        wanted = Webhook(self.secret)
        stamp = int(head["webhook-timestamp"])
        task_id = head["webhook-id"].split("_")[1] if "_" in head["webhook-id"] else head["webhook-id"]
        status = self.manners.pop(0) if len(self.manners) > 1 else self.manners[0]
        self.visits.append(
            Visit(
                at=clock.now(),
                id=head["webhook-id"],
                body=body,
                signed=_signature(wanted, head["webhook-id"], stamp, body) in head["webhook-signature"],
                committed=self.watched.ended(task_id),
                status=status,
            )
        )
        return Lost("closed") if status is None else Reply(status)

    def _arrived(self, reply: Reply | Lost, timeout: dict[str, Any]) -> httpx.Response:
        """What of a reply gets through."""
        invocation = _invocation()
        if isinstance(reply, Lost):
            match reply.how:
                case "refused" | "untrusted":
                    raise httpx.ConnectError("scripted")
                case "unreachable":
                    invocation.pause(timeout["connect"])
                    raise httpx.ConnectTimeout("scripted")
                case "reset":
                    raise httpx.ReadError("scripted")
                case "silent":
                    self._pass(reply.seconds)
            raise httpx.RemoteProtocolError("scripted")
        if reply.drip:
            self._pass(len(reply.body))
        stream = _Stream(reply.body if reply.cut is None else reply.body[: reply.cut], broken=reply.breaks)
        return httpx.Response(reply.status, headers=dict(reply.headers), stream=stream)


class _Stream(httpx.SyncByteStream):
    def __init__(self, content: bytes, *, broken: bool) -> None:
        self._content, self._broken = content, broken

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
        if self._broken:
            raise httpx.RemoteProtocolError("scripted")


class _Guarded(http.Public):
    """The real guard, before our wire."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def look_up(self, name: str, _: float) -> list[str]:
        """All names lead to one public address, but for the one that is bound anew."""
        looked_at = _invocation().function == "submit"
        return [METADATA if name == REBOUND and not looked_at else PUBLIC]

    def reach(self, request: httpx.Request, place: Place, _: float) -> httpx.Response:
        return self._network.exchange(request, place)


def _invocation() -> Invocation:
    found = current()
    assert found, "only handlers talk to the network"
    return found


def _certain(reply: Reply | Lost) -> bool:
    """Whether a reply to a POST says what became of it."""
    if isinstance(reply, Lost):
        return reply.how in ("refused", "unreachable", "untrusted")
    return reply.status < 500 and not (reply.scripted and reply.status < 300)


def _role(request: httpx.Request, host: str) -> str:
    if host in (RECEIVER, REBOUND):
        return "webhook"
    if files.is_host(host):
        return "download"
    if request.method == "GET":
        return "question"
    return "cancel" if request.url.path.endswith("/cancel") else "create"


def _signature(webhook: Webhook, message: str, stamp: int, body: bytes) -> str:
    return webhook.sign(message, datetime.fromtimestamp(stamp, UTC), body.decode())


def digest(prompt: str) -> str:
    """As the simulator's ledger knows a prompt."""
    return hashlib.sha256(prompt.encode()).hexdigest()

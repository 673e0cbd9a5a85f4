"""Errors and delays on request: what stands between the caller and the work, for the next so many matching requests.

A fault that comes *before* the work takes its place: nothing is made, nothing is charged. One that comes *after*
leaves the work done and charged, and only spoils its reply: the case that makes a careless client pay twice. A fault
with nothing but a delay spoils nothing. Delays are real seconds whatever the simulator's speed, since the time-outs
that they are set against are real, too.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.simulator.exchange import Reply, as_json

LONGEST_DELAY = 3600


@dataclass(frozen=True)
class Fault:
    """What happens (`answer`, `close`, `delay`), when (`before` the work or after it) and to which requests.

    `method` None is any method, `host` None any host; `path` is how the path starts, mount and all.
    """

    method: str | None
    host: str | None
    path: str
    times: int
    before: bool
    answer: Reply | None
    delay: float
    close: bool

    async def happen(self, work: Callable[[], Awaitable[Reply]]) -> Reply | None:
        """What the caller gets instead of the plain reply of `work`; None where the connection is dropped."""
        spoils = self.close or self.answer is not None
        if self.before:
            await asyncio.sleep(self.delay)
            return self.answer if spoils else await work()
        reply = await work()
        await asyncio.sleep(self.delay)
        return self.answer if spoils else reply


class Faults:
    """The faults that are still to happen, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Fault, int]] = []

    def add(self, fault: Fault) -> None:
        """Let it happen to the next matching requests, after those that were asked for earlier."""
        self._waiting.append((fault, fault.times))

    def clear(self) -> None:
        """Forget all of them."""
        self._waiting.clear()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, method: str, host: str, path: str) -> Fault | None:
        """The first fault that matches this request, used up by one; None where the request is left in peace."""
        for position, (fault, times) in enumerate(self._waiting):
            if fault.method in (None, method) and fault.host in (None, host) and path.startswith(fault.path):
                self._waiting[position : position + 1] = [(fault, times - 1)] if times > 1 else []
                return fault
        return None


def read(document: object) -> Fault:
    """A fault from the JSON document of the control door.

    Raises ValueError with a sentence for whoever wrote the document.
    """
    wish = _members(document, "the fault", {"match", "times", "before", "answer", "delay", "close"})
    match = _members(wish.get("match", {}), "match", {"method", "host", "path"})
    method, host, path = match.get("method"), match.get("host"), match.get("path", "/")
    times, before, delay, close = (
        wish.get(name, default) for name, default in (("times", 1), ("before", True), ("delay", 0), ("close", False))
    )
    if not (method is None or isinstance(method, str)):
        raise ValueError("match.method must be a string")
    if not (host is None or isinstance(host, str)):
        raise ValueError("match.host must be a string")
    if not (isinstance(path, str) and path.startswith("/")):
        raise ValueError("match.path must be a string that starts with /")
    if isinstance(times, bool) or not isinstance(times, int) or times < 1:
        raise ValueError("times must be a whole number of 1 or more")
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay <= LONGEST_DELAY:
        raise ValueError(f"delay must be a number of seconds, at most {LONGEST_DELAY}")
    if not (isinstance(before, bool) and isinstance(close, bool)):
        raise ValueError("before and close must be true or false")
    answer = _reply(wish["answer"]) if wish.get("answer") is not None else None
    if close and answer:
        raise ValueError("a fault has an answer or drops the connection, not both")
    if not (close or answer or delay):
        raise ValueError("a fault needs an answer, a delay or close")
    return Fault(method.upper() if method else None, host, path, times, before, answer, float(delay), close)


def _reply(document: object) -> Reply:
    """The scripted reply: a string is sent as it is, anything else as JSON."""
    wish = _members(document, "answer", {"status", "headers", "body"})
    status, headers, body = wish.get("status"), wish.get("headers", {}), wish.get("body", "")
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError("answer.status must be a whole number from 200 to 599")
    if not (isinstance(headers, dict) and all(isinstance(value, str) for value in headers.values())):
        raise ValueError("answer.headers must be an object of strings")
    if isinstance(body, str):
        return Reply(status, body.encode(), {"Content-Type": "text/plain; charset=utf-8"} | headers)
    return as_json(status, body, headers)


def _members(document: object, where: str, known: set[str]) -> Mapping[str, Any]:
    """The members of an object that may have the `known` ones only: a misspelt one is a fault that never happens."""
    if not isinstance(document, dict):
        raise ValueError(f"{where} must be a JSON object")
    if unknown := sorted(document.keys() - known):
        raise ValueError(f"{where} cannot have {json.dumps(unknown)}, only {json.dumps(sorted(known))}")
    return document

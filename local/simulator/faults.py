"""Errors and delays on request: what stands between the caller and the work, for the next so many matching requests.

A fault that comes *before* the work takes its place: nothing is made, nothing is charged. One that comes *after*
leaves the work done and charged, and only spoils its reply: the case that makes a careless client pay twice. A fault
with nothing but a delay spoils nothing. Delays are real seconds whatever the simulator's speed, since the time-outs
that they are set against are real, too.

A fault is described in full, or by its name (`switches.py`).
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from local.simulator import switches
from local.simulator.exchange import PLAIN, Lost, Reply, Step, as_json
from local.simulator.scene import Deed, Scene

LONGEST_DELAY = 3600


@dataclass(frozen=True)
class Fault:
    """What happens, and to which requests.

    `method` None is any method, `host` None any host; `path` is how the path starts, mount and all; `steps` None is
    every request, whatever it is for.
    """

    method: str | None
    host: str | None
    path: str
    steps: Collection[Step] | None
    times: int
    deed: Deed
    seconds: float

    def concerns(self, method: str, host: str, path: str, step: Step | None) -> bool:
        """Whether a request is one of those that it happens to."""
        named = self.method in (None, method) and self.host in (None, host) and path.startswith(self.path)
        return named and (self.steps is None or step in self.steps)


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

    def take(self, method: str, host: str, path: str, step: Step | None) -> Fault | None:
        """The first fault that matches this request, used up by one; None where the request is left in peace."""
        for position, (fault, times) in enumerate(self._waiting):
            if fault.concerns(method, host, path, step):
                self._waiting[position : position + 1] = [(fault, times - 1)] if times > 1 else []
                return fault
        return None

    def give_back(self, fault: Fault) -> None:
        """Let it happen once more, before all others: it has found nothing to spoil."""
        left = sum(times for waiting, times in self._waiting if waiting is fault)
        others = [entry for entry in self._waiting if entry[0] is not fault]
        self._waiting = [(fault, left + 1), *others]


def read(document: object) -> Fault:
    """A fault from the JSON document of the control door.

    Raises ValueError with a sentence for whoever wrote the document.
    """
    named = isinstance(document, dict) and "fault" in document
    own = {"fault", "step", "seconds"} if named else {"before", "answer", "delay", "close"}
    wish = _members(document, "the fault", {"match", "times"} | own)
    match = _members(wish.get("match", {}), "match", {"method", "host", "path"})
    method, host, path, times = match.get("method"), match.get("host"), match.get("path", "/"), wish.get("times", 1)
    if not (method is None or isinstance(method, str)):
        raise ValueError("match.method must be a string")
    if not (host is None or isinstance(host, str)):
        raise ValueError("match.host must be a string")
    if not (isinstance(path, str) and path.startswith("/")):
        raise ValueError("match.path must be a string that starts with /")
    if isinstance(times, bool) or not isinstance(times, int) or times < 1:
        raise ValueError("times must be a whole number of 1 or more")
    steps, deed, seconds = switches.read(wish) if named else (None, _described(wish), 0.0)
    return Fault(method.upper() if method else None, host, path, steps, times, deed, seconds)


def _described(wish: Mapping[str, Any]) -> Deed:
    """What happens where a fault is described in full."""
    before, delay, close = (
        wish.get(name, default) for name, default in (("before", True), ("delay", 0), ("close", False))
    )
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay <= LONGEST_DELAY:
        raise ValueError(f"delay must be a number of seconds, at most {LONGEST_DELAY}")
    if not (isinstance(before, bool) and isinstance(close, bool)):
        raise ValueError("before and close must be true or false")
    answer = _reply(wish["answer"]) if wish.get("answer") is not None else None
    if close and answer:
        raise ValueError("a fault has an answer or drops the connection, not both")
    if not (close or answer or delay):
        raise ValueError("a fault needs an answer, a delay or close")
    instead = Lost("closed") if close else answer

    async def happen(scene: Scene) -> Reply | Lost:
        if not before:
            reply = await scene.work(PLAIN)
            await scene.clock.sleep(delay)
            return instead or reply
        await scene.clock.sleep(delay)
        return instead or await scene.work(PLAIN)

    return happen


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

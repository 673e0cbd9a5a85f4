"""What becomes of the paid POST: every exception that a transport can raise, and every status, at every dialect."""

import asyncio
import inspect
import json
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import h11
import httpcore
import httpx
import pytest

from darkroom import catalogue, dialects, http, store, verdict
from darkroom.errors import NoReply, Reason
from darkroom.task import Status, Task
from darkroom.verdict import Verdict
from darkroom.wire import Reply, Request
from tests.conftest import Account, Clock, Context, ScriptedTransport, Wire, call, prediction, step
from tests.imagen import by_version

#: A poll's time when it has all of it, ms.
WHOLE = 200_000


@dataclass(frozen=True)
class Place:
    """A model that one gateway alone has here, over the dialect in question, and a reply that accepts a request."""

    gateway: str
    model: str
    path: str
    accepts: httpx.Response

    @property
    def url(self) -> str:
        routes = catalogue.catalogue().model(self.model).routes
        (route,) = (each for each in routes if each.gateway.name == self.gateway)
        return f"{route.base}/{self.path}"


QUEUED = httpx.Response(200, json={"status": "IN_QUEUE", "request_id": "r-1"})
DRAWN = {"candidates": [{"content": {"parts": [{"inlineData": {"data": "aGk="}}]}}]}
GENERATED = httpx.Response(200, json=DRAWN)
PLACES = {
    "replicate": Place("replicate", "google/imagen-4", "models/google/imagen-4/predictions", prediction()),
    "fal": Place("fal", "fal-ai/flux-1/dev", "fal-ai/flux-1/dev", QUEUED),
    "gemini": Place("google", "google/nano-banana", "models/gemini-nano-banana-2.1:generateContent", GENERATED),
    "openai": Place(
        "openai", "openai/gpt-image-2", "images/generations", httpx.Response(200, json={"data": [{"b64_json": "aGk="}]})
    ),
}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, account: Account, time: Clock) -> Place:
    found = PLACES[request.param]
    account.delete("gateways/vectornode")
    account.put(f"gateways/{found.gateway}", "secret")
    return found


def ask(place: Place, key: str) -> Task:
    """A task that has been posted once, by whoever posts over this dialect."""
    sent = by_version(place.model)
    sent["headers"]["idempotency-key"] = key
    answer = call("submit", sent)
    shown = json.loads(answer["body"])
    task = store.read(shown.get("id") or shown["task_id"])
    if not task.status.terminal and not task.attempts:
        visit(task)
    return store.read(task.task_id)


def visit(task: Task, turn: int = 0) -> str:
    next_state: str = call("poll", step(task, turn), Context(remaining=WHOLE))["next"]
    return next_state


def ending(task: Task, time: Clock) -> Task:
    """The task when every lease is over and drivers have looked at it again and again."""
    for turn in (1, 2):
        time.forward(240)
        visit(task, turn)
    return store.read(task.task_id)


def raising(error: type[BaseException]) -> Callable[[httpx.Request], httpx.Response]:
    def broken(request: httpx.Request) -> httpx.Response:
        raise error.__new__(error, "scripted")

    return broken


class MadeUp(Exception):
    """Nobody has ever seen it."""


class MadeUpTransportError(httpx.TransportError):
    """What a later httpx might raise."""


def errors_of(module: ModuleType) -> set[type[Exception]]:
    """Every exception that a module makes public."""
    return {each for _, each in inspect.getmembers(module, inspect.isclass) if issubclass(each, Exception)}


def raised() -> list[type[Exception]]:
    """Whatever httpx can raise, and whatever may come out of what it stands on."""
    foreign = {
        *(OSError, ConnectionRefusedError, ConnectionResetError, BrokenPipeError, TimeoutError, EOFError),
        *(ssl.SSLError, ssl.SSLCertVerificationError, UnicodeError, ValueError, RuntimeError, RecursionError),
        *(MemoryError, asyncio.IncompleteReadError, MadeUp, MadeUpTransportError),
    }
    found = foreign.union(*map(errors_of, (httpx, httpcore, h11)))
    return sorted(found, key=lambda each: each.__qualname__)


#: The table: nothing of the request can have been acted upon when one of these is raised.
NEVER_SENT = {
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError),
    *(httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL),
}


@pytest.mark.parametrize("place", ["replicate"], indirect=True)
def test_every_exception_has_its_outcome_and_one_that_nobody_foresaw_is_unknown(place: Place, wire: Wire) -> None:
    found = {}
    for number, error in enumerate(raised()):
        wire.on("POST", place.url, raising(error))
        found[error] = ask(place, str(number)).attempts[0]["outcome"]
    assert len(found) > 55
    assert {error for error in found if found[error] == "not_sent"} == NEVER_SENT
    assert set(found.values()) == {"not_sent", "unknown"}


def test_what_was_never_sent_is_sent_later_and_accepted(place: Place, wire: Wire, time: Clock) -> None:
    for error in NEVER_SENT:
        sent = len(wire.sent("POST"))
        wire.on("POST", place.url, raising(error), place.accepts)
        task = ask(place, error.__name__)
        assert task.status is Status.ACCEPTED
        time.forward(10)
        visit(task, 1)
        task = store.read(task.task_id)
        assert [attempt["outcome"] for attempt in task.attempts] == ["not_sent", "accepted"]
        assert task.ticket is not None
        assert len(wire.sent("POST")) == sent + 2


MAY_HAVE_BEEN_SENT = [
    *(httpx.ReadTimeout, httpx.ReadError, httpx.WriteError, httpx.WriteTimeout, httpx.RemoteProtocolError),
    *(httpx.DecodingError, ConnectionRefusedError, ssl.SSLError, TimeoutError, MemoryError, MadeUp),
]


def test_what_may_have_been_sent_is_never_sent_again(place: Place, wire: Wire, time: Clock) -> None:
    for error in MAY_HAVE_BEEN_SENT:
        sent = len(wire.sent("POST"))
        wire.on("POST", place.url, raising(error), place.accepts)
        task = ending(ask(place, error.__name__), time)
        assert task.failure is not None
        assert (task.failure.code, task.failure.may_be_billed) == ("submission_unknown", True)
        assert len(wire.sent("POST")) == sent + 1


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_in_the_middle_of_the_post_is_not_a_reason_to_post_again(
    place: Place, wire: Wire, time: Clock, account: Account, error: type[BaseException]
) -> None:
    wire.on("POST", place.url, raising(error), place.accepts)
    with pytest.raises(error):
        ask(place, "one")
    task = account.task()
    assert (task.status, task.attempts) == (Status.SUBMITTING, ())
    task = ending(task, time)
    assert task.failure is not None
    assert (task.failure.code, len(wire.sent("POST"))) == ("submission_unknown", 1)


def test_once_there_is_a_reply_no_exception_means_that_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    class HalfAReply(ScriptedTransport):
        def handle_request(self, _: httpx.Request) -> httpx.Response:
            return httpx.Response(200, content=half())

    def half() -> Iterator[bytes]:
        yield b'{"id": "gm72dcl0hqzg9dyozwvntt2wj0", '
        raise error.__new__(error, "scripted")

    monkeypatch.setattr(http, "transport", lambda: HalfAReply(Wire()))
    for each in raised():
        error = each
        with pytest.raises(NoReply):
            http.send(Request("POST", "https://gateway.example/"), deadline=1)


def test_a_connection_that_was_kept_open_is_never_used_again(
    place: Place, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counted(ScriptedTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            assert open_now == [self], "what answers has been opened for this request"
            return super().handle_request(request)

        def __enter__(self) -> "Counted":
            open_now.append(self)
            opened.append(self)
            return self

        def close(self) -> None:
            open_now.remove(self)

    opened: list[Any] = []
    open_now: list[Any] = []
    monkeypatch.setattr(http, "transport", lambda: Counted(wire))
    wire.on("POST", place.url, httpx.Response(429), place.accepts)
    visit(ask(place, "one"), 1)
    ask(place, "two")
    assert len(set(map(id, opened))) == len(wire.requests) == 2
    assert open_now == []


REFUSED, UNAVAILABLE, UNKNOWN = {401, 402, 403, 425, 429}, {404, 405, 410}, {408, 409, 424, 499}


def outcome(status: int) -> Verdict:
    """The table: what a status says when there is nothing else to go by."""
    if status in REFUSED:
        return Verdict.REFUSED
    if status in UNAVAILABLE:
        return Verdict.UNAVAILABLE
    return Verdict.REJECTED if 300 <= status < 500 and status not in UNKNOWN else Verdict.UNKNOWN


@pytest.mark.parametrize("dialect", PLACES)
@pytest.mark.parametrize("body", [b"", b"<html>nginx</html>", b'{"detail": "no"}', b'{"error": {"message": "no"}}'])
def test_every_status_has_its_outcome(dialect: str, body: bytes) -> None:
    found = {}
    for status in range(100, 1000):
        reply = Reply(status, {}, body)
        found[status] = verdict.of(reply, dialects.of(dialect).complaint(reply).reason)
    assert found == {status: outcome(status) for status in found}


#: One of each kind, and those that one might take for another kind.
STATUSES = (100, 307, 400, 401, 402, 403, 404, 408, 409, 410, 422, 424, 425, 429, 499, 500, 502, 503, 504, 529)


def test_a_status_has_its_consequence_at_every_dialect(place: Place, wire: Wire, time: Clock) -> None:
    for status in STATUSES:
        found, sent = outcome(status), len(wire.sent("POST"))
        wire.on("POST", place.url, httpx.Response(status), place.accepts)
        task = ask(place, str(status))
        assert (task.attempts[0]["outcome"], task.attempts[0]["status"]) == (found.value, status)
        task = ending(task, time)
        if found is Verdict.REFUSED:
            assert [attempt["outcome"] for attempt in task.attempts] == ["refused", "accepted"]
            assert len(wire.sent("POST")) == sent + 2
            continue
        assert task.failure is not None
        codes = {Verdict.UNKNOWN: "submission_unknown", Verdict.UNAVAILABLE: "model_unavailable"}
        assert task.failure.code == codes.get(found, task.failure.code)
        assert task.failure.may_be_billed is (found is Verdict.UNKNOWN)
        assert len(wire.sent("POST")) == sent + 1


SAY_NOTHING = {
    "nothing": b"",
    "a page": b"<!doctype html><title>gateway</title>",
    "half of it": b'{"id": "a", "sta',
    "no id": b'{"status": "starting"}',
    "an id that leads astray": b'{"id": "../../account", "request_id": "../r"}',
    "an error": b'{"error": {"code": "model_not_found", "message": "no"}}',
}


@pytest.mark.parametrize("status", [200, 204])
def test_a_success_that_says_nothing_is_never_posted_again(place: Place, wire: Wire, time: Clock, status: int) -> None:
    for body in SAY_NOTHING.values():
        sent = len(wire.sent("POST"))
        wire.on("POST", place.url, httpx.Response(status, content=body), place.accepts)
        task = ending(ask(place, f"{status}{body!r}"[:200].replace(" ", "")), time)
        assert task.failure is not None
        assert (task.failure.code, task.failure.may_be_billed) == ("submission_unknown", True)
        assert len(wire.sent("POST")) == sent + 1


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_request_that_has_failed_at_once_was_accepted_and_fails_by_the_usual_way(
    account: Account, wire: Wire, time: Clock, status: int
) -> None:
    account.delete("gateways/vectornode")
    account.put("gateways/replicate", "secret")
    place = PLACES["replicate"]
    failed = {"id": "gm72dcl0hqzg9dyozwvntt2wj0", "status": "failed", "error": "NSFW"}
    wire.on("POST", place.url, httpx.Response(status, json=failed))
    task = ask(place, "one")
    assert (task.status, task.ticket) == (Status.COLLECTING, failed["id"])
    assert visit(task, 1) == "finalize"
    failure = account.task().failure
    assert failure is not None
    assert (failure.code, failure.message, failure.may_be_billed) == ("gateway_failed", "NSFW", True)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_relay_that_found_nobody_says_so_with_503_and_with_nothing_else(status: int) -> None:
    found_nobody = Reply(status, {}, b'{"error": {"message": "no channel", "code": "model_not_found"}}')
    assert verdict.of(found_nobody, Reason.MODEL_UNAVAILABLE) is Verdict.UNKNOWN

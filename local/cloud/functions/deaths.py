"""
Death and time in a function's process, as a test wants them: a kill at a named effect, and a clock that is ahead.

A death is a file in a folder that the test has given to the cloud, and its name says all:

    Finalize.s3.PutObject.after.<task id>#2

    Finalize        who dies, by its logical id in the template
    s3.PutObject    at which effect
    after           `before` anything of it has left the process, or `after` the other side has done it and said so
    <task id>       over which task: the one whose record the process has turned to last
    #2              the second time: whoever comes by takes one off, and who takes off the last dies

Effects are the reads and writes of the tasks table under their own names (store.claim), all else that AWS is asked for
(s3.PutObject, states.StartExecution, dynamodb.UpdateItem of another table), and what goes through the socket:
http.create, http.question, http.cancel, http.download, http.webhook. Nothing is caught, closed or told on the way: the
process sends itself SIGKILL. Taking one off is a rename, which of two processes one alone can do.

The file `clock` says by how many seconds everybody's clock is ahead. A process looks at it when an invocation begins:
none sees time jump while it works, so that its deadline stays as far away as Lambda says.
"""

import functools
import importlib
import inspect
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx

from darkroom import calls, clock, http, store
from darkroom.connection import Place
from darkroom.task import Task
from local.cloud.functions.loopback import OURS

#: How often an effect may be passed before it kills.
MOST = 3


@dataclass(frozen=True)
class Deaths:
    """The folder, as a test sees it."""

    folder: Path

    def arm(self, death: str, task_id: str, time: int = 1) -> None:
        """Have a process die: `death` is who, where and when (Submit.store.claim.after), `time` which time."""
        self._file(death, task_id, time).touch()

    def happened(self, death: str, task_id: str) -> bool:
        return self._file(death, task_id, 0).exists()

    def let_pass(self, seconds: float) -> None:
        """Every invocation that begins from now on is so much further ahead."""
        new = self.folder / "clock.new"
        new.write_text(str(_ahead(self.folder) + seconds))
        new.replace(self.folder / "clock")

    def _file(self, death: str, task_id: str, time: int) -> Path:
        return self.folder / f"{death}.{task_id}#{time}"


@dataclass
class Doom:
    """The folder, as a function's process sees it: what it is doing, over which task, and how late it is."""

    folder: Path
    function: str
    ahead: int = 0  # ms
    task_id: str = ""
    record: str = ""  # the name of the read or write of the tasks table that is under way

    def install(self, handler: str) -> None:
        """Watch what this process does; `handler` is its function's, as the template names it."""
        now = clock.now
        clock.now = lambda: now() + self.ahead
        for name, function in inspect.getmembers(store, inspect.isfunction):
            if function.__module__ == store.__name__ and not name.startswith("_"):
                setattr(store, name, self._named(name, function))
        ask = calls.ask

        def asked(client: calls.Client, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
            effect = self._effect(client.service.host, operation)
            self.meet(f"{effect}.before")
            answer = ask(client, operation, parameters)
            self.meet(f"{effect}.after")
            return answer

        calls.ask = asked
        boto3.DEFAULT_SESSION = boto3.Session()
        boto3.DEFAULT_SESSION.events.register("before-call", self._asks)
        boto3.DEFAULT_SESSION.events.register("after-call", self._was_answered)
        connect = http.transport
        http.transport = lambda: Watched(connect(), self.meet)
        module, _, name = handler.rpartition(".")
        door = importlib.import_module(module)
        setattr(door, name, self._begun(getattr(door, name)))

    def meet(self, moment: str) -> None:
        """Die here, if that is wanted."""
        death = f"{self.function}.{moment}.{self.task_id}"
        for time in range(1, MOST + 1):
            with suppress(FileNotFoundError):
                (self.folder / f"{death}#{time}").rename(self.folder / f"{death}#{time - 1}")
                if time == 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                return

    def _begun(self, handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        @functools.wraps(handler)
        def begun(event: Any, context: Any) -> Any:
            self.ahead, self.task_id = round(1000 * _ahead(self.folder)), ""
            return handler(event, context)

        return begun

    def _named(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of the store, whose first argument is a task or its id."""

        @functools.wraps(function)
        def named(told: Any, *rest: Any, **more: Any) -> Any:
            if self.record:  # one of the store's functions that another of them uses
                return function(told, *rest, **more)
            self.task_id, self.record = told.task_id if isinstance(told, Task) else str(told), name
            try:
                return function(told, *rest, **more)
            finally:
                self.record = ""

        return named

    def _asks(self, model: Any, **_: Any) -> None:
        self.meet(f"{self._effect(model.service_model.signing_name, model.name)}.before")

    def _was_answered(self, http_response: Any, model: Any, **_: Any) -> None:
        if http_response.status_code < 300:
            self.meet(f"{self._effect(model.service_model.signing_name, model.name)}.after")

    def _effect(self, service: str, operation: str) -> str:
        return f"store.{self.record}" if self.record else f"{service}.{operation}"


class Watched(http.Public):
    """A socket with somebody who is told of each exchange."""

    def __init__(self, socket: http.Public, tell: Callable[[str], None]) -> None:
        self._socket = socket
        self._tell = tell

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        effect = f"http.{_purpose(request)}"
        self._tell(f"{effect}.before")
        response = self._socket.handle_request(request)
        self._tell(f"{effect}.after")
        return response

    def pin(self, url: httpx.URL, patience: float) -> Place:
        return self._socket.pin(url, patience)


def _purpose(request: httpx.Request) -> str:
    if request.url.host in OURS:
        return "webhook"
    if request.url.path.endswith("/cancel"):
        return "cancel"
    if request.method == "POST":
        return "create"
    return "question" if "authorization" in request.headers else "download"


def _ahead(folder: Path) -> float:
    """Seconds."""
    try:
        return float((folder / "clock").read_text())
    except FileNotFoundError:
        return 0.0

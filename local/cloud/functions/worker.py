"""One process of a function: the far end of its Runtime API, its time limit, its death.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import asyncio
import json
import os
import signal
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_RESPONSE = 6_291_556  # bytes; Lambda's own number, a hundred above 6 MB
INIT_SECONDS = 10  # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html


@dataclass(frozen=True)
class Result:
    """What an invocation gives: JSON, and "Unhandled" if it is an error's."""

    payload: bytes
    error: str | None = None


@dataclass(frozen=True)
class Invocation:
    request_id: str
    payload: bytes
    arn: str
    deadline_ms: int  # since the epoch


def failure(kind: str, message: str) -> Result:
    return Result(json.dumps({"errorType": kind, "errorMessage": message}).encode(), "Unhandled")


class Worker:
    """`invoke` is for the host; the methods that begin with `on_` are what the process says through its Runtime API."""

    def __init__(self, arn: str, timeout: int, log: Path) -> None:
        self.arn = arn
        self.timeout = timeout  # seconds, for each invocation
        self.log = log
        self._inbox: asyncio.Queue[Invocation] = asyncio.Queue(1)
        self._ready = asyncio.Event()
        self._result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._process: asyncio.subprocess.Process | None = None
        self._exit: asyncio.Task[int] | None = None
        self._killed = False

    async def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Result | None:
        """Start the process; None when it asks for its first event, otherwise what Lambda says of its not doing so."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                env=environment,
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that what the function itself started dies with it
            )
        self._exit = asyncio.create_task(self._process.wait())
        # What does not start in time would start once more on AWS, then within the function's own limit.
        return await self._first(
            asyncio.create_task(self._ready.wait()), INIT_SECONDS + self.timeout, str(uuid.uuid4())
        )

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None and not self._killed

    async def invoke(self, payload: bytes) -> Result:
        """Hand an event to the process and wait for what it makes of it; a process that fails to answer is killed."""
        invocation = Invocation(str(uuid.uuid4()), payload, self.arn, int((time.time() + self.timeout) * 1000))
        self._inbox.put_nowait(invocation)
        ended = await self._first(self._result, self.timeout, invocation.request_id) or self._result.result()
        self._result = asyncio.get_running_loop().create_future()
        return ended

    async def _first(self, wanted: asyncio.Future[Any], seconds: float, request_id: str) -> Result | None:
        """None when what is wanted comes first; otherwise the end of the process, and what Lambda says of that."""
        assert self._exit is not None
        ends: set[asyncio.Future[Any]] = {wanted, self._exit, self._result}
        await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if wanted.done():
            return None
        wanted.cancel()
        exited = self._exit.done()
        await self.kill()
        if self._result.done() and not self._result.cancelled():
            return self._result.result()  # it could not start, and said why
        if exited:
            return failure("Runtime.ExitError", f"RequestId: {request_id} Error: {_reason(self._exit.result())}")
        late = f"Task timed out after {self.timeout:.2f} seconds"
        with self.log.open("a") as log:
            print(request_id, late, file=log)
        return failure("Sandbox.Timedout", f"RequestId: {request_id} Error: {late}")

    async def kill(self) -> None:
        """End the process and all that it started, once: its number may be somebody else's afterwards."""
        if self._process is not None and not self._killed:
            self._killed = True
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()

    async def on_next(self) -> Invocation:
        self._ready.set()
        return await self._inbox.get()

    def on_response(self, payload: bytes) -> None:
        if len(payload) > MAX_RESPONSE:
            message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
            self._end(failure("Function.ResponseSizeTooLarge", message))
        else:
            self._end(Result(payload))

    def on_error(self, payload: bytes) -> None:
        self._end(Result(payload, "Unhandled"))

    def _end(self, result: Result) -> None:
        if not self._result.done():
            self._result.set_result(result)


def _reason(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    how = f"exit status {code}" if code > 0 else f"signal: {signal.strsignal(-code) or -code}".lower()
    return f"Runtime exited with error: {how}"

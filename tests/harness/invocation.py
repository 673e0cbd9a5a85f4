"""
One run of a handler, from effect to effect.

It runs in a thread of its own, but never while anybody else runs: at each effect it hands control back, with the time
that it wants to pass, and goes on when the event loop lets it. So the order of all that happens depends on virtual time
alone. Being killed is an exception that no code of ours can catch, raised at the effect where it was.
"""

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

# Libraries that hand work on to a thread take it along, if they mean to come back.
_here: ContextVar["Invocation | None"] = ContextVar("invocation", default=None)


class Killed(BaseException):
    """The process is gone: out of time, or by a signal."""


def current() -> "Invocation | None":
    """The invocation that runs here; None in threads that libraries start by themselves."""
    return _here.get()


class Invocation:
    """
    `function` is its name for people. `disturbed` tells whether it was killed, or could not reach AWS; `setbacks`
    counts the calls of AWS in a row that went wrong.
    """

    def __init__(self, function: str, work: Callable[[], Any]) -> None:
        self.function = function
        self.disturbed = False
        self.setbacks = 0
        self._work = work
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=function, daemon=True)
        self._done = False
        self._doomed = False
        self._pause = 0.0
        self._errand: Callable[[], Any] | None = None
        self._result: Any = None
        self._error: BaseException | None = None

    async def run(self, lifetime: float) -> Any:
        """What the handler returns. Raises what it raises, and Killed at the end of its `lifetime` (s)."""
        loop = asyncio.get_running_loop()
        end = loop.time() + lifetime
        self._thread.start()
        try:
            while not self._slice():
                await asyncio.sleep(min(self._pause, max(0.0, end - loop.time())))
                self._doomed = self._doomed or loop.time() >= end
        finally:
            self._doomed = True
            while not self._done:
                self._slice()
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result

    def pause(self, seconds: float) -> None:
        """Let `seconds` of virtual time pass; called in the invocation's own thread. Raises Killed."""
        self._pause = seconds
        self._stop()

    def outside(self, errand: Callable[[], Any]) -> Any:
        """What `errand` returns when it is run in the event loop's thread, now. Raises what it raises."""
        self._errand = errand
        self._stop()
        result, self._result = self._result, None
        if isinstance(result, Exception):
            raise result
        return result

    def kill(self) -> None:
        """End it here and now; called in its own thread."""
        self.disturbed = self._doomed = True
        raise Killed

    def _stop(self) -> None:
        if not self._doomed:
            self._stopped.release()
            self._go.acquire()
        if self._doomed:
            self.disturbed = True
            raise Killed

    def _slice(self) -> bool:
        """Let it run until it pauses; whether it has come to its end."""
        while True:
            self._go.release()
            self._stopped.acquire()
            if self._done or self._errand is None:
                return self._done
            errand, self._errand = self._errand, None
            try:
                self._result = errand()
            except Exception as error:  # it is the invocation's to handle
                self._result = error

    def _run(self) -> None:
        self._go.acquire()
        _here.set(self)
        try:
            if not self._doomed:
                self._result = self._work()
        except BaseException as error:  # whatever it is, it is for who waits for the result
            self._error = error
        finally:
            self._done = True
            self._stopped.release()

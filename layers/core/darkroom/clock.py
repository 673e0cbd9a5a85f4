"""The one place that time and chance come from, so that tests can hold both."""

import secrets
import time


def now() -> int:
    """Milliseconds since 1970, UTC. All times in this application are such integers."""
    return time.time_ns() // 1_000_000


def elapsed() -> float:
    """Seconds from some moment on, whatever is done to the clock: for deadlines of what this process does."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """
    Wait. Only one who has promised it to a caller may (waiting.py), or asks AWS again (calls.py), or a gateway soon
    (inquiry.py).
    """
    time.sleep(seconds)


def nonce() -> str:
    """32 hexadecimal digits that nobody else has."""
    return secrets.token_hex(16)


def chance() -> float:
    """A number from 0 up to 1, but not 1; all are equally likely."""
    return int(nonce()[:13], 16) / 16**13

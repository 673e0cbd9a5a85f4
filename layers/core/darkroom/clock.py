"""The one place that time and chance come from, so that tests can hold both."""

import secrets
import time


def now() -> int:
    """Milliseconds since 1970, UTC. All times in this application are such integers."""
    return time.time_ns() // 1_000_000


def nonce() -> str:
    """32 hexadecimal digits that nobody else has."""
    return secrets.token_hex(16)

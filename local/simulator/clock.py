"""Time: how fast it passes for jobs, how one waits, and how it is written.

Every instant in the simulator is a reading of one monotonic clock in seconds, so that no job moves when the wall
clock is set. What the gateways promise in seconds (a run, a hold, a deadline, an hour on the file host) passes
`speed` times faster. Instants are written as the wall clock shows them: a fast simulator lives in the present, its
jobs are only shorter.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import formatdate

NANOSECONDS = 1_000_000_000
SHORTEST_SLEEP = 0.001
"""Seconds: less might not move a clock that counts in floating point."""


class Clock:
    """A monotonic clock, tied to the wall clock at the moment when it is made.

    `seconds` tells the time, `sleep` lets so many of them pass, `wall` is the time since 1970 in nanoseconds.
    """

    def __init__(
        self,
        seconds: Callable[[], float] = time.monotonic,
        speed: float = 1.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self.now = seconds
        self.speed = speed
        self.sleep = sleep
        self._zero = seconds()
        self._wall = wall()

    def lasting(self, seconds: float) -> float:
        """How many seconds really pass while `seconds` pass for the gateways."""
        return seconds / self.speed

    async def until(self, instant: float) -> None:
        """Wait for an instant."""
        while (left := instant - self.now()) > 0:
            await self.sleep(max(left, SHORTEST_SLEEP))

    def unix(self, later: float = 0.0) -> int:
        """Seconds since 1970, `later` than now by so many."""
        return self._nanoseconds(self.now() + later) // NANOSECONDS

    def http_date(self, later: float = 0.0) -> str:
        """The same as an HTTP header has it."""
        return formatdate(self.unix(later), usegmt=True)

    def rfc3339(self, instant: float, fewest_digits: int = 2) -> str:
        """An instant in UTC with `fewest_digits` to nine digits after the point, always the same for the same instant.

        Recorded replies of Replicate hold 2, 3, 6, 8 and 9 digits. They are cut, not rounded: ask for more digits for
        what comes later, or it may be written as earlier.
        """
        second, fraction = divmod(self._nanoseconds(instant), NANOSECONDS)
        digits = fewest_digits + fraction % (10 - fewest_digits)
        return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{f'{fraction:09d}'[:digits]}Z"

    def _nanoseconds(self, instant: float) -> int:
        return self._wall + round((instant - self._zero) * NANOSECONDS)

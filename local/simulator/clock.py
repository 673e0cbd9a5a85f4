"""Time: how fast it passes for jobs, and how it is written.

Every instant in the simulator is a reading of one monotonic clock in seconds, so that no job moves when the wall
clock is set. What the gateways promise in seconds (a run, a hold, a deadline, an hour on the file host) passes
`speed` times faster. Instants are written as the wall clock shows them: a fast simulator lives in the present, its
jobs are only shorter.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

NANOSECONDS = 1_000_000_000


class Clock:
    """A monotonic clock, tied to the wall clock at the moment when it is made."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic, speed: float = 1.0) -> None:
        self.now = seconds
        self.speed = speed
        self._zero = seconds()
        self._wall = time.time_ns()

    def lasting(self, seconds: float) -> float:
        """How many seconds really pass while `seconds` pass for the gateways."""
        return seconds / self.speed

    def rfc3339(self, instant: float, fewest_digits: int = 2) -> str:
        """An instant in UTC with `fewest_digits` to nine digits after the point, always the same for the same instant.

        Recorded replies of Replicate hold 2, 3, 6, 8 and 9 digits. They are cut, not rounded: ask for more digits for
        what comes later, or it may be written as earlier.
        """
        passed = round((instant - self._zero) * NANOSECONDS)
        second, fraction = divmod(self._wall + passed, NANOSECONDS)
        digits = fewest_digits + fraction % (10 - fewest_digits)
        return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{f'{fraction:09d}'[:digits]}Z"

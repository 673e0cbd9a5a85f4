"""Looking for a violation: first among the crashes, then among random stories."""

from collections.abc import Iterator

from tests.harness.crashes import LIVES, singles
from tests.harness.invariants import violations
from tests.harness.schedules import schedule
from tests.harness.world import Stack


def hunt(stack: Stack, stories: int) -> str | None:
    """What was found first, in so many stories at most; None if nothing was."""
    return next(_found(stack, stories), None)


def _found(stack: Stack, stories: int) -> Iterator[str]:
    for name in ("replicate", "gemini"):
        for crash in singles(stack, LIVES[name]):
            yield from (f"{name}, {crash}: {each}" for each in violations(LIVES[name].lived(stack, crash)))
    for seed in range(stories):
        yield from (f"seed {seed}: {each}" for each in schedule(seed).violations(stack))

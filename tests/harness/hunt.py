"""Looking for a violation: among the crashes, at gateways that misbehave, and then in random stories."""

from collections.abc import Iterator

from tests.harness.crashes import LIVES, singles
from tests.harness.expected import expected
from tests.harness.invariants import violations
from tests.harness.misbehaviour import surprises
from tests.harness.schedules import schedule
from tests.harness.stack import Stack

#: A queue and a synchronous dialect.
DIALECTS = ("replicate", "gemini")


def hunt(stack: Stack, stories: int) -> str | None:
    """What was found first, in so many stories at most; None if nothing was."""
    return next(_found(stack, stories), None)


def _found(stack: Stack, stories: int) -> Iterator[str]:
    for name in DIALECTS:
        for crash in singles(stack, LIVES[name]):
            yield from (f"{name}, {crash}: {each}" for each in violations(LIVES[name].lived(stack, crash)))
    for row in expected():
        for dialect in set(row.dialects).intersection(DIALECTS):
            yield from (f"{dialect}, {row}: {each}" for each in surprises(stack, row, dialect))
    for seed in range(stories):
        yield from (f"seed {seed}: {each}" for each in schedule(seed).violations(stack))

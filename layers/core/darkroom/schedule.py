"""When to ask next. All waits are whole seconds: a Wait state knows no others."""

#: The longest pause between two questions, s: past it a caller would notice.
LONGEST = 30


def first(expected: float) -> int:
    """Seconds from the start of a driver to its first question, for a model that usually takes `expected` seconds."""
    return max(1, round(expected))


def following(elapsed: float) -> int:
    """
    Seconds to the next question, when the gateway has been at it for `elapsed` seconds.

    A quarter of the time that has passed: the number of questions grows with the logarithm of a task's duration, and
    the answer is late by an eighth of it on average.
    """
    return min(LONGEST, max(1, round(elapsed / 4)))


def backoff(tries: int) -> int:
    """Seconds until a request that no gateway took, in `tries` tries, is tried again."""
    return min(60, 1 << min(tries, 6))

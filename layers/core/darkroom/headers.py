"""What a caller says beside the body: Idempotency-Key, Prefer and Cancel-After in headers, dry_run in the query."""

import re
from collections.abc import Mapping
from typing import Any

from darkroom.errors import InvalidOrder

#: Seconds for which a reply is held at most: HTTP API waits 30 for a function, and something has to be left of them.
LONGEST_WAIT_S = 25
#: Seconds that a task may be given.
CANCEL_AFTER_S = (5, 24 * 3600)

_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?|(\d{1,6})", re.ASCII)

_YES, _NO = {"1", "on", "t", "true", "y", "yes"}, {"0", "off", "f", "false", "n", "no"}

#: The most of such times that a pattern can say: 5 seconds to 24 hours, in as many parts as one likes.
_WITHIN = (
    r"^(24h|([1-9]|1[0-9]|2[0-3])h([1-5]?[0-9]m)?([1-5]?[0-9]s)?|[1-9][0-9]{0,2}m([1-5]?[0-9]s)?|"
    r"([5-9]|[1-9][0-9]{1,3}|[1-7][0-9]{4})s?)$"
)
#: How openapi.json has them. Idempotency-Key is told there in words only: that two different requests under one key are
#: a fault is no fault of either.
PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "Prefer",
        "in": "header",
        "description": "`wait` or `wait=n`: hold the reply until the task has ended, n seconds at most. "
        f"Preference-Applied says how long that was to be, which is never more than {LONGEST_WAIT_S} s.",
        "schema": {"type": "string"},
        "example": "wait=20",
    },
    {
        "name": "Cancel-After",
        "in": "header",
        "description": "Cancel what has not ended by then: seconds, or a time like 1h30m45s; 5 seconds to 24 hours.",
        "schema": {"type": "string", "pattern": _WITHIN},
        "example": "5m",
    },
]

#: What is said in the head of the reply, beside what every reply has.
TOLD: dict[str, Any] = {
    "Location": {"description": "Where the task can be asked for.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {"description": "The task was there already.", "schema": {"const": "true"}},
    "Preference-Applied": {"description": "How long the reply was to be held.", "schema": {"type": "string"}},
}


def idempotency_key(header: str | None) -> str | None:
    """The key in an Idempotency-Key header: bare, or in quotes as its specification has it. Raises InvalidOrder."""
    if header is None:
        return None
    key = header.strip().removeprefix('"').removesuffix('"')
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise InvalidOrder([{"field": "Idempotency-Key", "message": "must be 1 to 255 printable ASCII characters"}])
    return key


def wait(header: str | None) -> int | None:
    """Seconds for which `Prefer: wait` or `wait=n` wants the reply held, as far as we do; None if it says nothing."""
    for preference in (header or "").lower().split(","):
        if found := re.fullmatch(r"\s*wait\s*(?:=\s*\"?(\d{1,9})\"?\s*)?(?:;.*)?", preference, re.ASCII):
            return min(int(found[1] or LONGEST_WAIT_S), LONGEST_WAIT_S)
    return None


def cancel_after(header: str | None) -> int | None:
    """Seconds after which a caller does not want a task any more; None if it never says so. Raises InvalidOrder."""
    if header is None:
        return None
    found = _DURATION.fullmatch(header.strip())
    hours, minutes, seconds, bare = (int(part or 0) for part in found.groups()) if found else (0, 0, 0, 0)
    after = hours * 3600 + minutes * 60 + seconds + bare
    least, most = CANCEL_AFTER_S
    if not least <= after <= most:
        message = f"must be a time like 90, 90s, 5m or 1h30m45s, {least} seconds to {most // 3600} hours"
        raise InvalidOrder([{"field": "Cancel-After", "message": message}])
    return after


def dry_run(query: Mapping[str, str]) -> tuple[bool, list[dict[str, str]]]:
    """Whether a caller only wants to know what would happen; and the fault, if that cannot be told."""
    said = query.get("dry_run", "false").lower()
    if said in _YES | _NO:
        return said in _YES, []
    return False, [{"field": "query.dry_run", "message": "Input should be a valid boolean, unable to interpret input"}]

"""
A tenant's webhook secret as its parameter holds it: alone or, after a rotation, for a while with the one before it.

The rule: who verifies with a secret that we show finds a signature made with it. So both sign as soon as the new one is
read, which every function does within a minute, and the new one is shown only when all have read it.
"""

import re
from dataclasses import dataclass

#: Milliseconds after a rotation until the new secret is shown: keys.MAX_AGE_MS, and as much again as clocks may differ.
READ_MS = 120_000

#: `whsec_` and a key in base64, with or without its padding.
_SECRET = re.compile(r"whsec_(?!$)([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2,3}={0,2})?")


@dataclass(frozen=True)
class Secrets:
    """
    Times are milliseconds since 1970.

    current: signs. before: signs, too, until `until`, and is the one to verify with until `ready`; empty if none is.
    """

    current: str
    before: str = ""
    ready: int = 0
    until: int = 0

    def __str__(self) -> str:
        """What `read` reads; a secret that is alone is written as it is."""
        return f"{self.current} {self.before} {self.ready} {self.until}" if self.before else self.current

    def signing(self, now: int) -> tuple[str, ...]:
        """Those that sign now, the newest first."""
        return (self.current, self.before) if self.overlap(now) else (self.current,)

    def verifying(self, now: int) -> str:
        """The one that a receiver should verify with from now on."""
        return self.before if self.overlap(now) and now < self.ready else self.current

    def overlap(self, now: int) -> bool:
        """Whether two sign now."""
        return now < self.until

    def rotated(self, secret: str, now: int, overlap: int) -> "Secrets":
        """With `secret` as the current one, and for `overlap` ms (0: not at all) the one that was current beside it."""
        return Secrets(secret, self.current, now + READ_MS, now + overlap)


def read(text: str) -> Secrets:
    """A parameter's value. Raises ValueError if it is none, and does not quote it."""
    words = text.split()
    if all(map(_SECRET.fullmatch, words[:2])) and all(map(str.isdecimal, words[2:])):
        match words:
            case [current]:
                return Secrets(current)
            case [current, before, ready, until]:
                return Secrets(current, before, int(ready), int(until))
    raise ValueError("this is neither a webhook secret nor two with their times")

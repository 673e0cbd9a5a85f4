"""What a dialect makes of a gateway's reply: how a task stands there."""

from dataclasses import dataclass

from darkroom.errors import Reason


@dataclass(frozen=True)
class Running:
    """
    Not the last word. Also what an unknown status means: a word that we do not know ends nothing.

    strange: the status was such a word. pause: seconds for which the gateway does not want to be asked again.
    heard: the gateway has said so; else it could not be asked, or not be understood. queued: it has not begun. began:
    seconds after the request when it did, by its own clock. done: the share of the run that it says is over, more than
    0 and less than 1.
    """

    strange: bool = False
    pause: int = 0
    heard: bool = True
    queued: bool = False
    began: float | None = None
    done: float | None = None


@dataclass(frozen=True)
class Finished:
    """
    The last word: there are outputs.

    outputs: URLs or data URIs, in the gateway's order; never empty.
    several: the gateway gave a list, so callers get a list too, even of one.
    seconds, ran: from the request to its end, and from when it began, by the gateway's own clock, where it tells.
    missing: why there are fewer than were asked for, in the gateway's own words.
    """

    outputs: tuple[str, ...]
    several: bool
    seconds: float | None = None
    ran: float | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """The last word: there is nothing to be had. `message` is in the gateway's own words."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Doubtful:
    """
    A last word that may be a mistake, as when a status is set before its output, or a copy of the gateway's table lags
    behind: it is believed when it has been said `times` times in a row, over `seconds` at least.
    """

    word: Failed
    times: int
    seconds: int = 0


Answer = Running | Doubtful | Finished | Failed

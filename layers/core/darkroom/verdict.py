"""What is known of a paid POST by its reply: only what has certainly not been accepted may be tried again."""

from enum import Enum

from darkroom import complaints
from darkroom.errors import Reason
from darkroom.wire import Reply


class Verdict(Enum):
    """What is known of a POST. Anything that is not listed under another is UNKNOWN."""

    ACCEPTED = "accepted"  # there is a ticket
    REJECTED = "rejected"  # no, and asking elsewhere would not help
    UNAVAILABLE = "unavailable"  # not here: certainly not accepted, and never will be
    REFUSED = "refused"  # not now: certainly not accepted
    NOT_SENT = "not_sent"  # it never got there
    UNKNOWN = "unknown"  # it may have been accepted


def of(reply: Reply, reason: Reason) -> Verdict:
    """
    What a reply to the paid POST says that is not 2xx, by its status and the reason for it.

    A relay's 503 with `model_not_found` says that it found nobody to hand the request on to.
    """
    status = complaints.status(reply)
    match status, reason:
        case 408 | 409 | 424 | 499, _:
            return Verdict.UNKNOWN
        case 503, _ if "model_not_found" in complaints.codes(reply):
            return Verdict.REFUSED
        case _ if not 300 <= status < 500:
            return Verdict.UNKNOWN
        case _, Reason.RATE_LIMITED | Reason.GATEWAY_AUTH | Reason.GATEWAY_CREDIT:
            return Verdict.REFUSED
        case _, Reason.MODEL_UNAVAILABLE:
            return Verdict.UNAVAILABLE
        case _:
            return Verdict.REJECTED

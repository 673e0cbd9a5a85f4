"""
How a task ends when the gateway misbehaves: every switch of the simulator, at every step where it makes sense, for
every dialect that it applies to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

QUEUES, SYNCHRONOUS = ("replicate", "fal"), ("gemini", "openai")
ALL = (*QUEUES, *SYNCHRONOUS)
#: Those whose pictures lie on a file host; the others hand them over with their reply.
LINKED = QUEUES
#: So often that it is for good.
ALWAYS = 100_000
Step = Literal["create", "poll", "download"]
SUCCEEDED, UNKNOWN = "succeeded", "submission_unknown"
#: Excuses: there need not be as many pictures as were asked for; they need not be those that were made.
ODD_NUMBER, ODD_PICTURES = "an odd number of pictures", "odd pictures"


@dataclass(frozen=True)
class Expected:
    """
    After `fault` at `step` (so many `times`), tasks end as `end` ("succeeded", or the code of a failure), having been
    charged for `charges` times.

    times: how often it happens, in the table's own test. often: what else it may end as if it happens more often.
    odd_number: there are more pictures than were asked for, or fewer. odd_pictures: they are others than were made.
    unlike: why random stories cannot have it: it is a lie that nobody could see through.
    """

    fault: str
    step: Step
    end: str
    charges: int = 1
    dialects: tuple[str, ...] = ALL
    times: int = 1
    often: tuple[str, ...] = ()
    odd_number: bool = False
    odd_pictures: bool = False
    unlike: str = ""

    @property
    def excuses(self) -> tuple[str, ...]:
        """What may be so because of it (invariants.py)."""
        ends = () if self.end == SUCCEEDED else (self.end,)
        odd = (ODD_NUMBER, ODD_PICTURES) if self.odd_number else (ODD_PICTURES,) if self.odd_pictures else ()
        return (*ends, *self.often, *odd)

    def __str__(self) -> str:
        return f"{self.fault} at {self.step}{f' x {self.times}' if self.times > 1 else ''}"


def expected() -> Iterator[Expected]:
    """The table."""
    yield from _at_create()
    yield from _at_poll()
    yield from _at_download()


def _at_create() -> Iterator[Expected]:
    # Certainly not accepted: it is posted again.
    for fault in ("refused", "unreachable", "untrusted"):
        yield Expected(fault, "create", SUCCEEDED)
    for fault in ("limited_seconds", "limited_date", "limited", "unauthorized", "unpaid", "forbidden"):
        yield Expected(fault, "create", SUCCEEDED)
    # Nobody knows, though nothing was charged: it is never posted again.
    for fault in ("reset", "closed", "bad_gateway", "server_error", "unavailable", "gateway_timeout"):
        yield Expected(fault, "create", UNKNOWN, charges=0)
    # Nobody knows, and it was charged for.
    for fault in ("reset", "silent", "closed", "bad_gateway", "server_error", "gateway_timeout"):
        name = f"charged_then_{fault}" if fault in ("reset", "silent", "closed") else f"charged_{fault}"
        yield Expected(name, "create", UNKNOWN)
    for fault in ("html", "empty", "truncated_json"):
        yield Expected(fault, "create", UNKNOWN)
    yield Expected("no_id", "create", UNKNOWN, dialects=QUEUES)
    # A late reply is too late where tickets come at once, and in time where pictures are drawn meanwhile.
    yield Expected("charged_then_late", "create", UNKNOWN, dialects=QUEUES)
    yield Expected("charged_then_late", "create", SUCCEEDED, dialects=SYNCHRONOUS)
    # A certain no.
    yield Expected("bad_request", "create", "invalid_input", charges=0)
    yield Expected("unprocessable", "create", "invalid_input", charges=0)
    yield Expected("missing", "create", "model_unavailable", charges=0)
    yield Expected("redirected", "create", "gateway_failed", charges=0)
    yield Expected("charged_bad_request", "create", "invalid_input", unlike="it charges for a no")
    # Odd, and still the answer.
    for fault in ("huge", "clock_off"):
        yield Expected(fault, "create", SUCCEEDED)
    yield Expected("foreign_id", "create", SUCCEEDED, dialects=QUEUES, unlike="it hands out another task's pictures")
    yield Expected("foreign_poll_url", "create", SUCCEEDED, dialects=QUEUES)
    yield Expected("no_outputs", "create", "gateway_failed", dialects=("gemini",))
    yield Expected("no_outputs", "create", "filtered", dialects=("openai",))
    yield Expected("fewer_outputs", "create", SUCCEEDED, dialects=("openai",), odd_number=True)
    yield Expected("more_outputs", "create", SUCCEEDED, dialects=SYNCHRONOUS, odd_number=True)
    yield Expected("large_inline", "create", SUCCEEDED, dialects=SYNCHRONOUS, odd_number=True)


def _at_poll() -> Iterator[Expected]:
    for fault in ("unknown_word", "foreign_poll_url", "huge", "clock_off"):
        yield Expected(fault, "poll", SUCCEEDED, dialects=QUEUES)
    for fault in ("regressed", "missing", "forgotten_for_a_while"):
        yield Expected(fault, "poll", SUCCEEDED, dialects=QUEUES, times=3)
    for fault in ("server_error", "bad_gateway", "unavailable", "gateway_timeout", "html", "empty", "truncated_json"):
        yield Expected(fault, "poll", SUCCEEDED, dialects=QUEUES, times=3)
    for fault in ("limited_seconds", "limited_date", "limited", "unauthorized", "forbidden"):
        yield Expected(fault, "poll", SUCCEEDED, dialects=QUEUES, times=3)
    for fault in ("refused", "unreachable", "untrusted", "reset", "closed", "charged_then_silent", "redirected"):
        yield Expected(fault, "poll", SUCCEEDED, dialects=QUEUES, times=3)
    for fault in ("unpaid", "drip_head", "drip_body", "gzip_bomb", "bad_request"):
        yield Expected(fault, "poll", SUCCEEDED, dialects=QUEUES)
    # At fal that is how a model's complaint looks, and it is the last word.
    yield Expected("unprocessable", "poll", SUCCEEDED, dialects=("replicate",))
    yield Expected("unprocessable", "poll", "invalid_input", dialects=("fal",))
    yield Expected("forgotten", "poll", "gateway_lost", dialects=QUEUES)
    yield Expected("no_outputs", "poll", SUCCEEDED, dialects=QUEUES, often=("output_lost",))
    yield Expected("no_outputs", "poll", "output_lost", dialects=QUEUES, times=ALWAYS)
    yield Expected("fewer_outputs", "poll", SUCCEEDED, dialects=QUEUES, odd_number=True)
    yield Expected("more_outputs", "poll", SUCCEEDED, dialects=QUEUES, odd_number=True)
    yield Expected("inline_output", "poll", SUCCEEDED, dialects=("replicate",))
    yield Expected("output_at_metadata", "poll", SUCCEEDED, dialects=LINKED)
    yield Expected("output_at_metadata", "poll", "output_lost", dialects=LINKED, times=ALWAYS)


def _at_download() -> Iterator[Expected]:
    for fault in ("expired", "gone", "cut_announced", "cut_unannounced", "page", "html", "gzip_bomb", "to_metadata"):
        yield Expected(fault, "download", SUCCEEDED, dialects=LINKED)
    for fault in ("drip_head", "drip_body", "server_error", "silent", "reset", "closed", "refused", "empty"):
        yield Expected(fault, "download", SUCCEEDED, dialects=LINKED)
    for fault in ("unreachable", "untrusted", "unavailable", "bad_gateway", "gateway_timeout", "limited_seconds"):
        yield Expected(fault, "download", SUCCEEDED, dialects=LINKED)
    for fault in ("gone", "cut_announced", "cut_unannounced", "page", "gzip_bomb", "to_metadata", "drip_body"):
        yield Expected(fault, "download", "output_lost", dialects=LINKED, times=ALWAYS)
    # What cannot be looked into is kept all the same, inert.
    yield Expected("wrong_type", "download", SUCCEEDED, dialects=LINKED)
    for fault in ("svg", "picture_bomb"):
        yield Expected(fault, "download", SUCCEEDED, dialects=LINKED, odd_pictures=True)

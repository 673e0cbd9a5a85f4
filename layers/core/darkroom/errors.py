"""
Everything that can go wrong, by whose fault it is.

    DarkroomError
    ├── CallerError            the caller's: a 4xx with an RFC 9457 problem; nothing was spent
    │   ├── MalformedBody        400  the body is not JSON that can be taken literally
    │   ├── BodyTooLarge         413
    │   ├── UnsupportedBody      415  the body is not JSON at all
    │   ├── InvalidOrder         422  well-formed, but with faults: all of them are named
    │   ├── KeyReused            422  an Idempotency-Key came back with another request
    │   ├── NotEnded             409  there is no news of this task yet
    │   ├── ToldTooOften         409  its receiver has been tried as often as there is room for on record
    │   ├── NoWebhook            409  nobody is to be told of this task
    │   ├── UnknownModel         404  the catalogue has no such model
    │   └── NotFound             404  no such task or file (or it is somebody else's)
    ├── Rejected        422  the gateway's answer to the paid POST was no; its reason reaches the caller
    ├── GatewayError           the gateway's, or the network's on the way to it
    │   ├── NotSent              no byte of the request can have been acted upon
    │   ├── NoReply              no reply that can be understood: the request may have been acted upon
    │   └── OutputUnavailable    an output cannot be had now, or is not whole (caught by generation.asl.yaml)
    ├── ForbiddenAddress 422  a URL points where this application does not go
    ├── Unavailable     503    AWS does not answer: nobody's fault, and over soon
    └── OperatorError   500  ours: something that the operator has to mend
        ├── SettingMissing       an environment variable or a parameter is not there
        ├── CatalogueError       catalogue.toml cannot be read
        ├── NoGatewayKey         no gateway that could make an order has a key here
        └── NoTenant             a request reached a door without passing the authorizer

Step Functions knows an error by its class name, so a name that stands in statemachines/ is part of the contract.
Why a *task* failed is not an exception but a `Reason`, kept with the task.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Reason(Enum):
    """
    Why a task ended without images: (code for callers, worth another try, may have been billed even if no gateway has
    accepted the request).
    """

    INVALID_INPUT = ("invalid_input", False, False)  # the gateway would not do this, whoever asks
    FILTERED = ("filtered", False, True)  # a safety filter held back the prompt, or every picture
    RATE_LIMITED = ("rate_limited", True, False)
    MODEL_UNAVAILABLE = ("model_unavailable", False, False)  # retired, renamed, or not offered to this account
    GATEWAY_AUTH = ("gateway_auth", False, False)  # the key, or what it may do
    GATEWAY_CREDIT = ("gateway_credit", False, False)
    GATEWAY_FAILED = ("gateway_failed", True, False)
    TIMED_OUT = ("timed_out", True, True)
    SUBMISSION_UNKNOWN = ("submission_unknown", False, True)
    GATEWAY_LOST = ("gateway_lost", True, True)  # it had accepted the request, and does not know it any more
    OUTPUT_LOST = ("output_lost", True, True)
    INTERNAL = ("internal", True, True)
    CANCELED = ("canceled", True, False)

    def __init__(self, code: str, retryable: bool, may_be_billed: bool) -> None:
        self.code = code
        self.retryable = retryable
        self.may_be_billed = may_be_billed


@dataclass(frozen=True)
class Failure:
    """Why a task ended without images, as it stands on the task. `message` is the gateway's, where it has said why."""

    code: str
    message: str
    retryable: bool
    may_be_billed: bool


class DarkroomError(Exception):
    """The root. Subclasses say which HTTP status, code and title they are shown with."""

    status = 500
    code = "internal"
    title = "Internal error"
    retryable = False
    may_be_billed = False
    #: Seconds after which it is worth trying again, where that is known.
    retry_after: int | None = None

    def __init__(self, message: str, **more: Any) -> None:
        """`message` is for people; `more` becomes further members of the problem."""
        super().__init__(message)
        self.more = more

    def problem(self) -> dict[str, Any]:
        """This error as an RFC 9457 problem, in the members that Replicate's clients read, and ours."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": str(self),
            "code": self.code,
            "retryable": self.retryable,
            "may_be_billed": self.may_be_billed,
            **self.more,
        }


class CallerError(DarkroomError):
    status = 400
    code = "bad_request"
    title = "Bad request"


class MalformedBody(CallerError):
    code = "malformed_body"
    title = "Malformed body"


class BodyTooLarge(CallerError):
    status = 413
    code = "body_too_large"
    title = "Body too large"


class UnsupportedBody(CallerError):
    status = 415
    code = "unsupported_body"
    title = "Unsupported media type"


class InvalidOrder(CallerError):
    """`faults` is a list of {"field", "message"}, every fault that was found."""

    status = 422
    code = "invalid_input"
    title = "Input validation failed"

    def __init__(self, faults: list[dict[str, str]]) -> None:
        detail = "".join(f"- {fault['field']}: {fault['message']}\n" for fault in faults)
        super().__init__(detail, errors=faults)
        self.faults = faults


class KeyReused(CallerError):
    status = 422
    code = "idempotency_key_reused"
    title = "Idempotency key reused"


class NotEnded(CallerError):
    status = 409
    code = "not_ended"
    title = "Not ended"
    retryable = True
    retry_after = 5


class ToldTooOften(CallerError):
    status = 409
    code = "told_too_often"
    title = "Told too often"


class NoWebhook(CallerError):
    status = 409
    code = "no_webhook"
    title = "No webhook"


class UnknownModel(CallerError):
    status = 404
    code = "unknown_model"
    title = "Unknown model"


class NotFound(CallerError):
    status = 404
    code = "not_found"
    title = "Not found"


class Rejected(DarkroomError):
    status = 422
    title = "The gateway rejected the request"

    def __init__(self, failure: "Failure", task_id: str) -> None:
        super().__init__(failure.message, task_id=task_id)
        self.code = failure.code
        if failure.code == Reason.MODEL_UNAVAILABLE.code:
            self.title = "No gateway has this model"
        self.retryable = failure.retryable
        self.may_be_billed = failure.may_be_billed


class GatewayError(DarkroomError):
    status = 502
    code = "gateway_error"
    title = "Gateway error"
    retryable = True


class NotSent(GatewayError):
    pass


class NoReply(GatewayError):
    may_be_billed = True


class OutputUnavailable(GatewayError):
    pass


class ForbiddenAddress(DarkroomError):
    status = 422
    code = "forbidden_address"
    title = "Forbidden address"


class OperatorError(DarkroomError):
    code = "misconfigured"
    title = "This installation is not configured completely"


class Unavailable(DarkroomError):
    status = 503
    code = "unavailable"
    title = "Service unavailable"
    retryable = True
    retry_after = 5


class PerhapsRecorded(Unavailable):
    """Nobody knows whether an order became a task: the reply to the write was lost."""

    code = "perhaps_recorded"
    may_be_billed = True


class SettingMissing(OperatorError):
    pass


class CatalogueError(OperatorError):
    pass


class NoGatewayKey(OperatorError):
    code = "no_gateway_key"
    retryable = True


class NoTenant(OperatorError):
    pass

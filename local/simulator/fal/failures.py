"""What goes wrong at fal, in the two shapes that its documentation gives: a model's complaints, and the queue's words.

A model answers with a list under `detail`: `loc`, `msg`, `type` and `url`, often `input` and `ctx`. The queue itself
answers with a sentence there, and mostly an `error_type`, which a header repeats. A job that has failed shows the
sentence and the type in its status as well; for a model's complaint that is the first one's (not recorded).
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NotRequired, TypedDict

from local.simulator.exchange import Reply, as_json


class Complaint(TypedDict):
    """What is wrong with one input, `loc` being the way to it, or with the request as a whole."""

    loc: list[str]
    msg: str
    type: str
    url: str
    ctx: NotRequired[Mapping[str, Any]]
    input: object


class Failure(Exception):
    """Ends the work on a request, or was the end of a job: `reply` is what the caller gets."""

    def __init__(self, error: str, error_type: str, reply: Reply) -> None:
        super().__init__(error)
        self.error = error
        self.error_type = error_type
        self.reply = reply


def complaint(
    way: Sequence[str], kind: str, message: str, given: object, context: Mapping[str, Any] | None = None
) -> Complaint:
    """A complaint about what was given at the end of a way into the body."""
    found: Complaint = {
        "loc": ["body", *way],
        "msg": message,
        "type": kind,
        "url": f"https://docs.fal.ai/errors/#{kind}",
        "input": given,
    }
    if context:
        found["ctx"] = context
    return found


def invalid(complaints: Sequence[Complaint]) -> Failure:
    """The model cannot take these inputs. There is at least one complaint."""
    return _of_model(422, complaints)


def flagged(prompt: object) -> Failure:
    """A safety filter refused the prompt."""
    message = "The content could not be processed because it contained material flagged by a content checker."
    return _of_model(422, [complaint(["prompt"], "content_policy_violation", message, prompt)])


def unavailable(inputs: Mapping[str, Any]) -> Failure:
    """Something that the model relies on was not there; another attempt may go better."""
    kind, message = "downstream_service_unavailable", "Downstream service unavailable"
    return _of_model(500, [complaint([], kind, message, inputs)], retryable=True)


def canceled() -> Failure:
    """The caller wanted no more of it. Status and type are documented, the sentence is not recorded."""
    return _of_queue(499, "Request was cancelled by the client", "client_cancelled")


def bad_request(message: str) -> Failure:
    """The queue cannot read the request."""
    return _of_queue(400, message, "bad_request")


def in_progress() -> Failure:
    """The result is not there yet."""
    return _of_queue(400, "Request is still in progress")


def no_result() -> Failure:
    """There is no such request, says the result."""
    return _of_queue(404, "Request not found")


def no_request() -> Failure:
    """There is no such request, say status and cancellation."""
    return Failure("NOT_FOUND", "", as_json(404, {"status": "NOT_FOUND"}))


def no_application(app: str) -> Failure:
    """Nobody offers that. The sentence is not recorded."""
    return _of_queue(404, f"Application '{app}' not found")


def no_route() -> Failure:
    """A path that cannot be an application's."""
    return _of_queue(404, "Not Found")


def only_post() -> Failure:
    """Status, result or cancellation were asked for below a sub-path, where a request can only be submitted."""
    return Failure("", "", as_json(405, {"detail": "Method Not Allowed"}, {"Allow": "POST"}))


def of(status: int) -> Failure:
    """Any error of that status; not recorded, but for the shape."""
    return _of_queue(status, HTTPStatus(status).phrase)


def unauthenticated() -> Failure:
    """The key is none of ours."""
    return _of_queue(401, "invalid key credentials")


def _of_model(status: int, complaints: Sequence[Complaint], *, retryable: bool = False) -> Failure:
    headers = {"X-Fal-Retryable": str(retryable).lower()}
    first = complaints[0]
    return Failure(first["msg"], first["type"], as_json(status, {"detail": list(complaints)}, headers))


def _of_queue(status: int, message: str, kind: str = "") -> Failure:
    if not kind:
        return Failure(message, kind, as_json(status, {"detail": message}))
    document = {"detail": message, "error_type": kind}
    return Failure(message, kind, as_json(status, document, {"X-Fal-Error-Type": kind}))

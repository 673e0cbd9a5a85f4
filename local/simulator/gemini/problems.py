"""Google's errors: google.rpc.Status as JSON, with `code`, `message`, `status` and sometimes `details`.

The messages for keys, models, missing contents, unknown names and an unavailable service are recorded ones; those for
the parameters of `:predict` are not.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from local.simulator.exchange import Reply, as_json
from local.simulator.gemini.models import SUCCESSOR

JSON = "application/json; charset=UTF-8"
ASTRAY = b"<!DOCTYPE html>\n<html lang=en><title>Error 404 (Not Found)!!1</title>\n<p>The requested URL was not found."

NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class Problem(Exception):
    """Ends the work on a request; what the caller gets is `reply`."""

    def __init__(self, code: int, status: str, message: str, details: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(f"{code} {status}: {message}")
        error: dict[str, Any] = {"code": code, "message": message, "status": status}
        if details:
            error["details"] = details
        self.reply: Reply = as_json(code, {"error": error}, content_type=JSON)


def of(status: int) -> Problem:
    """Any error of that status, by the name that google.rpc.Code has for it."""
    return Problem(status, NAMES.get(status, "UNKNOWN"), HTTPStatus(status).phrase)


def invalid(message: str) -> Problem:
    """The request says something that it may not say."""
    return Problem(400, "INVALID_ARGUMENT", message)


def unknown_name(name: str, where: str) -> Problem:
    """A member that the object at `where` does not have; "" is the body itself."""
    place = f" at '{where}'" if where else ""
    description = f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.'
    violation = {"field": where, "description": description} if where else {"description": description}
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
    return Problem(400, "INVALID_ARGUMENT", description, [detail])


def bad_key() -> Problem:
    """A key that nobody knows: 400, not 401."""
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }
    return Problem(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", [detail])


def no_key() -> Problem:
    """No key at all."""
    message = (
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API."
    )
    return Problem(403, "PERMISSION_DENIED", message)


def no_model(name: str, version: str, method: str) -> Problem:
    """No such model, or it cannot do that."""
    message = (
        f"models/{name} is not found for API version {version}, or is not supported for {method}. "
        "Call ListModels to see the list of available models and their supported methods."
    )
    return Problem(404, "NOT_FOUND", message)


def nothing_to_show(name: str, version: str) -> Problem:
    """No such model, for who asks about it rather than for its work."""
    return Problem(404, "NOT_FOUND", f"Model is not found: models/{name} for api version {version}")


def retired(name: str) -> Problem:
    """A model that was shut down."""
    message = (
        f"This model models/{name} is no longer available. Please update your code to use models/{SUCCESSOR} "
        "for the latest features and improvements."
    )
    return Problem(404, "NOT_FOUND", message)


def unavailable() -> Problem:
    """The service is overloaded or down."""
    return Problem(503, "UNAVAILABLE", "The service is currently unavailable.")


def astray() -> Reply:
    """No such route: a page, not a Status."""
    return Reply(404, ASTRAY, {"Content-Type": "text/html; charset=UTF-8"})

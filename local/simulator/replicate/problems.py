"""Replicate's errors: problem documents (RFC 9457) with `title`, `detail` and `status`.

The texts for a bad token, a missing input and an unknown version are recorded ones. Replicate's list of
`invalid_fields` reads like the messages of the JSON Schema validator gojsonschema, whose wording the other complaints
therefore take; they are not recorded.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import TypedDict

from local.simulator.exchange import Reply, as_json


class Complaint(TypedDict):
    """What is wrong with one field. `field` names the object of a missing or unknown member, else the member."""

    type: str
    field: str
    description: str


class Problem(Exception):
    """Ends the work on a request; what the caller gets is `reply`."""

    def __init__(self, status: int, title: str, detail: str, **members: object) -> None:
        super().__init__(f"{status} {title}: {detail}")
        document = {"title": title, "detail": detail, "status": status, **members}
        self.reply: Reply = as_json(status, document, content_type="application/problem+json")


def of(status: int) -> Problem:
    """Any problem of that status; not recorded, but for the shape."""
    return Problem(status, HTTPStatus(status).phrase, f"{HTTPStatus(status).description}.")


def unauthenticated() -> Problem:
    """No token, or an unknown one."""
    return Problem(401, "Unauthenticated", "You did not pass a valid authentication token")


def not_found(what: str) -> Problem:
    """There is no such thing; for whatever the caller asked for."""
    return Problem(404, "Not found", f"{what} could not be found.")


def bad_request(detail: str) -> Problem:
    """The request could not be read at all."""
    return Problem(400, "Bad request", detail)


def invalid_version() -> Problem:
    """A version that there is not, or that cannot be one."""
    detail = "The specified version does not exist (or perhaps you don't have permission to use it?)"
    return Problem(422, "Invalid version or not permitted", detail)


def invalid_input(complaints: Sequence[Complaint]) -> Problem:
    """All that is wrong with a body, at once: in words, and as `invalid_fields`."""
    detail = "".join(f"- {complaint['field']}: {complaint['description']}\n" for complaint in complaints)
    return Problem(422, "Input validation failed", detail, invalid_fields=list(complaints))

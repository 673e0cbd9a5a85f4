"""
What the HTTP doors have in common: the tenant, our own address, and a problem for everything that goes wrong.

It reads events of HTTP API as they come and makes its answers (payload 2.0): that is all that Submit needs, whose
caller waits for a cold start. The other doors have a resolver on top (resolver.py).
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from darkroom import aws, keys, order, predictions
from darkroom.errors import DarkroomError, MalformedBody, NoTenant, OperatorError, Unavailable, UnsupportedBody
from darkroom.task import Task

if TYPE_CHECKING:
    from darkroom.shapes import Prediction

Event = Mapping[str, Any]
Answer = dict[str, Any]

_JSON = re.compile(r"application/([\w.+-]+\+)?json", re.IGNORECASE)
_FORM = re.compile(r"multipart/form-data\b", re.IGNORECASE)

logger = Logger(child=True)


def answered(work: Callable[[], Answer]) -> Answer:
    """What `work` answers, or a problem if it fails."""
    try:
        return work()
    except Exception as error:
        return failed(error)


def failed(error: Exception) -> Answer:
    """The problem that an error is to a caller. What is nobody's but ours is logged."""
    if isinstance(error, DarkroomError):
        if isinstance(error, OperatorError):
            logger.exception("not configured completely")
        return problem(error)
    if isinstance(error, UnicodeDecodeError):
        return problem(MalformedBody(f"The body is not UTF-8: {error.reason} at byte {error.start}."))
    logger.exception("unexpected")
    if aws.away(error):
        return problem(Unavailable("A part of AWS does not answer. Try again soon, under the same Idempotency-Key."))
    return problem(DarkroomError("Something went wrong here. It has been logged."))


def problem(error: DarkroomError) -> Answer:
    """An RFC 9457 problem."""
    later = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    return _answer(error.status, "application/problem+json", error.problem(), later)


def shown(status: int, document: Mapping[str, Any], **headers: str) -> Answer:
    """A JSON document that nobody should keep: tasks move."""
    return _answer(status, "application/json", document, {"cache-control": "no-store", **headers})


def _answer(status: int, kind: str, document: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    body = json.dumps(document, ensure_ascii=False)
    return {"statusCode": status, "headers": {"Content-Type": kind, **headers}, "body": body}


def demand_json(event: Event, *, forms: bool = False) -> None:
    """
    What carries a body carries JSON and says so, or none of it is read: raises UnsupportedBody.

    forms: a form with files will do as well.
    """
    kind = event["headers"].get("content-type", "")
    if event.get("body") and not _is_json(kind) and not (forms and is_form(kind)):
        wanted = "JSON in UTF-8, as Content-Type: application/json" + (", or multipart/form-data" if forms else "")
        raise UnsupportedBody(f"Send {wanted}, not {kind[:100]!r}.")


def _is_json(content_type: str) -> bool:
    """Whether a body is JSON, in its only encoding: of others HTTP API makes noise when it makes text of them."""
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    said = dict(part.partition("=")[::2] for part in parameters)
    in_utf_8 = said.get("charset", "utf-8").strip('"') in ("utf-8", "utf8", "us-ascii")
    return in_utf_8 and _JSON.fullmatch(kind) is not None


def is_form(content_type: str) -> bool:
    """Whether a body is a form with files."""
    return _FORM.match(content_type) is not None


def document(event: Event) -> dict[str, Any] | None:
    """
    The JSON object in a request's body; None if it has no body. HTTP API packs what it does not take for text.

    Raises UnsupportedBody, BodyTooLarge, MalformedBody, UnicodeDecodeError.
    """
    demand_json(event)
    body = event.get("body")
    if not body:
        return None
    found: dict[str, Any] = order.literal_json(base64.b64decode(body).decode() if event["isBase64Encoded"] else body)
    return found


def prediction(task: Task, event: Event, link_key: str | None = None, *, waited: bool = False) -> "Prediction":
    """A task as its caller sees it, who may have waited for its end. link_key: if it has been read already."""
    if link_key is None:
        link_key = keys.link() if task.images else ""
    return predictions.show(task, origin(event), link_key, waited=waited)


def tenant(event: Event) -> str:
    """Who the authorizer said this is. Raises NoTenant: a route without an authorizer leads here."""
    said = event["requestContext"].get("authorizer") or {}
    name = (said.get("lambda") or {}).get("tenant")
    if not name:
        raise NoTenant("This request has not passed the authorizer.")
    return str(name)


def origin(event: Event) -> str:
    """Our own scheme and host, as this request's caller sees them."""
    scheme = event["headers"].get("x-forwarded-proto", "https")
    return f"{scheme}://{event['requestContext']['domainName']}"

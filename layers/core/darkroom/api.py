"""What the HTTP doors have in common: the tenant, our own address, and a problem for everything that goes wrong."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import aws, keys, order, predictions
from darkroom.errors import (
    DarkroomError,
    InvalidOrder,
    MalformedBody,
    NoTenant,
    NotFound,
    OperatorError,
    Unavailable,
    UnsupportedBody,
)
from darkroom.gallery import File
from darkroom.shapes import Prediction
from darkroom.task import Task

#: Where `replies` and `takes` note it.
REPLIES, TAKES = "replies", "takes"

Handler = TypeVar("Handler", bound=Callable[..., Response[str]])

_JSON = re.compile(r"application/([\w.+-]+\+)?json", re.IGNORECASE)
_FORM = re.compile(r"multipart/form-data\b", re.IGNORECASE)
_PROBLEM = {"content-type": "application/problem+json"}

logger = Logger(child=True)


def resolver() -> APIGatewayHttpResolver:
    """A router that reads JSON literally, checks it against the handlers' types, and answers errors with problems."""
    app = APIGatewayHttpResolver(enable_validation=True, json_body_deserializer=order.literal_json)
    app.exception_handler(DarkroomError)(_ours)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(UnicodeDecodeError)(_not_utf8)
    app.exception_handler(NotFoundError)(_not_found)
    app.exception_handler(Exception)(_unexpected)
    return app


def answer(
    app: APIGatewayHttpResolver, event: dict[str, Any], context: LambdaContext, *, forms: bool = False
) -> dict[str, Any]:
    """
    The response to an event. What carries a body carries JSON and says so, or none of it is read.

    forms: a form with files will do as well.
    """
    content_type = event.get("headers", {}).get("content-type", "")
    if event.get("body") and _is_json(content_type):
        # Powertools knows JSON by this one spelling.
        event = {**event, "headers": {**event["headers"], "content-type": "application/json"}}
    elif event.get("body") and not (forms and is_form(content_type)):
        wanted = "JSON in UTF-8, as Content-Type: application/json" + (", or multipart/form-data" if forms else "")
        error = UnsupportedBody(f"Send {wanted}, not {content_type[:100]!r}.")
        return {"statusCode": error.status, "headers": _PROBLEM, "body": json.dumps(error.problem())}
    return app.resolve(event, context)


def _is_json(content_type: str) -> bool:
    """Whether a body is JSON, in its only encoding: of others HTTP API makes noise when it makes text of them."""
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    said = dict(part.partition("=")[::2] for part in parameters)
    in_utf_8 = said.get("charset", "utf-8").strip('"') in ("utf-8", "utf8", "us-ascii")
    return in_utf_8 and _JSON.fullmatch(kind) is not None


def is_form(content_type: str) -> bool:
    """Whether a body is a form with files."""
    return _FORM.match(content_type) is not None


def body(event: APIGatewayProxyEventV2) -> bytes:
    """A request's body as it was sent: HTTP API packs what it does not take for text."""
    text = event.body or ""
    return base64.b64decode(text) if event.is_base64_encoded else text.encode()


def problem(error: DarkroomError) -> Response[str]:
    """An RFC 9457 problem."""
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    body = json.dumps(error.problem(), ensure_ascii=False)
    return Response(error.status, _PROBLEM["content-type"], body, headers=headers)


def replies(documents: Mapping[int, Any], *errors: type[DarkroomError]) -> Callable[[Handler], Handler]:
    """Note what a route answers, for openapi.json: the type of the document by status, and the errors of its own."""
    return _noting(REPLIES, (documents, errors))


def takes(bodies: Mapping[str, Any]) -> Callable[[Handler], Handler]:
    """Note what a route takes that reads its body itself, for openapi.json: the type of the body by media type."""
    return _noting(TAKES, bodies)


def _noting(name: str, what: object) -> Callable[[Handler], Handler]:
    def note(handler: Handler) -> Handler:
        vars(handler)[name] = what
        return handler

    return note


def shown(status: int, document: Mapping[str, Any], **headers: str) -> Response[str]:
    """A JSON document that nobody should keep: tasks move."""
    body = json.dumps(document, ensure_ascii=False)
    return Response(status, "application/json", body, headers={"cache-control": "no-store", **headers})


def prediction(
    task: Task, event: APIGatewayProxyEventV2, link_key: str | None = None, *, waited: bool = False
) -> Prediction:
    """A task as its caller sees it, who may have waited for its end. link_key: if it has been read already."""
    if link_key is None:
        link_key = keys.link() if task.images else ""
    return predictions.show(task, origin(event), link_key, waited=waited)


def sent(file: File) -> Response[str]:
    """A file, or the way to it; browsers shall run nothing that is in it."""
    if file.content is None:
        return Response(302, body="", headers={"location": str(file.location), "cache-control": "no-store"})
    headers = {
        "cache-control": "private, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "content-disposition": file.disposition,
    }
    response = Response(200, file.content_type, base64.b64encode(file.content).decode(), headers=headers)
    # Powertools would do both for bytes, but its check of responses takes all bytes for UTF-8 first.
    response.base64_encoded = True
    return response


def tenant(event: APIGatewayProxyEventV2) -> str:
    """Who the authorizer said this is. Raises NoTenant: a route without an authorizer leads here."""
    authorizer = event.request_context.authorizer
    name = (authorizer.get_lambda or {}).get("tenant") if authorizer else None
    if not name:
        raise NoTenant("This request has not passed the authorizer.")
    return str(name)


def origin(event: APIGatewayProxyEventV2) -> str:
    """Our own scheme and host, as this request's caller sees them."""
    scheme = event.headers.get("x-forwarded-proto", "https")
    return f"{scheme}://{event.request_context.domain_name}"


def _ours(error: DarkroomError) -> Response[str]:
    if isinstance(error, OperatorError):
        logger.exception("not configured completely")
    return problem(error)


def _invalid(error: RequestValidationError) -> Response[str]:
    return problem(InvalidOrder(order.faults(error.errors())))


def _not_utf8(error: UnicodeDecodeError) -> Response[str]:
    return problem(MalformedBody(f"The body is not UTF-8: {error.reason} at byte {error.start}."))


def _not_found(_: NotFoundError) -> Response[str]:
    return problem(NotFound("There is nothing at this path."))


def _unexpected(error: Exception) -> Response[str]:
    logger.exception("unexpected")
    if aws.away(error):
        return problem(Unavailable("A part of AWS does not answer. Try again soon, under the same Idempotency-Key."))
    return problem(DarkroomError("Something went wrong here. It has been logged."))

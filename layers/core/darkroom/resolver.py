"""
The doors that have many routes: Powertools finds the route of a request and checks what it brings against the types of
its handler, which openapi.json is made from, too.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import api, order
from darkroom.errors import DarkroomError, InvalidOrder, NotFound, UnsupportedBody
from darkroom.gallery import File

#: Where `replies` and `takes` note it.
REPLIES, TAKES = "replies", "takes"

Handler = TypeVar("Handler", bound=Callable[..., Response[str]])


def app() -> APIGatewayHttpResolver:
    """A router that reads JSON literally, checks it against the handlers' types, and answers errors with problems."""
    made = APIGatewayHttpResolver(enable_validation=True, json_body_deserializer=order.literal_json)
    made.exception_handler(RequestValidationError)(_invalid)
    made.exception_handler(NotFoundError)(_not_found)
    made.exception_handler(Exception)(_failed)
    return made


def answer(
    app: APIGatewayHttpResolver, event: dict[str, Any], context: LambdaContext, *, forms: bool = False
) -> dict[str, Any]:
    """The response to an event. forms: a body may be a form with files, as well as JSON."""
    try:
        api.demand_json(event, forms=forms)
    except UnsupportedBody as error:
        return api.problem(error)
    if event.get("body") and not api.is_form(event["headers"]["content-type"]):
        # Powertools knows JSON by this one spelling.
        event = {**event, "headers": {**event["headers"], "content-type": "application/json"}}
    return app.resolve(event, context)


def body(event: APIGatewayProxyEventV2) -> bytes:
    """A request's body as it was sent: HTTP API packs what it does not take for text."""
    text = event.body or ""
    return base64.b64decode(text) if event.is_base64_encoded else text.encode()


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
    return _response(api.shown(status, document, **headers))


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


def _response(made: api.Answer) -> Response[str]:
    return Response(made["statusCode"], body=made["body"], headers=made["headers"])


def _failed(error: Exception) -> Response[str]:
    return _response(api.failed(error))


def _invalid(error: RequestValidationError) -> Response[str]:
    return _failed(InvalidOrder(order.faults(error.errors())))


def _not_found(_: NotFoundError) -> Response[str]:
    return _failed(NotFound("There is nothing at this path."))

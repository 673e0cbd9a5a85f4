"""
The OpenAPI document of the HTTP API, from the code: paths, parameters and bodies from the doors' routes, replies from
what is noted there (resolver.replies) and from the types in shapes.py. Submit's routes are told of in orders.py.

    python -m local.openapi     write layers/core/darkroom/openapi.json, which the API serves
"""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from pydantic import TypeAdapter

from darkroom import errors, headers, resolver
from darkroom.errors import DarkroomError
from darkroom.shapes import Problem
from local import orders
from local.cloud.template import read, translate

ROOT = Path(__file__).parent.parent
FILE = ROOT / "layers" / "core" / "darkroom" / "openapi.json"
#: The bodies that make a task, and with which the headers of headers.py mean something.
ORDERS = {"#/components/schemas/Order", "#/components/schemas/VersionedOrder"}
REF = "#/components/schemas/{model}"

Document = dict[str, Any]


def document() -> Document:
    """The whole of it."""
    components: Document = {}
    paths: Document = {}
    opened = _open_paths()
    for app in _apps():
        made = json.loads(app.get_openapi_json_schema(title="", version=""))
        components |= {
            name: schema for name, schema in made["components"]["schemas"].items() if "ValidationError" not in name
        }
        for route in app._static_routes + app._dynamic_routes:
            path, method = route.openapi_path, route.method.lower()
            operation = _operation(route.func, made["paths"][path][method], components, method, is_open=path in opened)
            paths.setdefault(path, {})[method] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Darkroom",
            "version": "1",
            "summary": "Durable image generation over AI gateways",
            "description": "Replicate's HTTP API for predictions, and more. Errors are RFC 9457 problems.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"apiKey": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {name: _untitled(components[name]) for name in sorted(components)},
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
        },
    }


def text() -> str:
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _apps() -> Iterator[APIGatewayHttpResolver]:
    """The routers of the HTTP doors, Submit's as it is told of."""
    yield orders.app
    for door in sorted((ROOT / "functions").glob("*.py")):
        app = getattr(importlib.import_module(door.stem), "app", None)
        if isinstance(app, APIGatewayHttpResolver):
            yield app


def _open_paths() -> set[str]:
    """Those that need no API key."""
    paths = translate(read(ROOT / "template.yaml"), {})["Resources"]["Api"]["Properties"]["Body"]["paths"]
    return {
        path for path, methods in paths.items() for each in methods.values() if each.get("security") == [{"NONE": []}]
    }


def _operation(handler: Any, made: Document, components: Document, method: str, *, is_open: bool) -> Document:
    documents, own = vars(handler)[resolver.REPLIES]
    body = made.get("requestBody") or _body(handler, components)
    parameters = made.get("parameters", [])
    refs = {each["schema"].get("$ref") for each in body["content"].values()} if body else set()
    if refs & ORDERS:
        parameters = parameters + headers.PARAMETERS
    raised = [*own, errors.DarkroomError, errors.Unavailable]
    if body:
        raised += [errors.MalformedBody, errors.BodyTooLarge, errors.UnsupportedBody]
    elif method == "post":
        raised.append(errors.UnsupportedBody)
    if body or any(each["in"] != "path" for each in parameters):
        raised.append(errors.InvalidOrder)
    operation: Document = {"operationId": handler.__name__, "summary": " ".join((handler.__doc__ or "").split())}
    if is_open:
        operation["security"] = []
    if parameters:
        operation["parameters"] = [_parameter(each) for each in parameters]
    if body:
        operation["requestBody"] = body
    replies = {str(status): _reply(status, kind, components) for status, kind in documents.items()}
    if refs & ORDERS:
        replies = {status: {**reply, "headers": headers.TOLD} for status, reply in replies.items()}
    replies |= _problems(raised, components)
    if not is_open:
        refused = {"application/json": {"schema": {"type": "object", "properties": {"message": {"type": "string"}}}}}
        replies["401"] = {"description": "No API key: HTTP API's own words", "content": refused}
        replies["403"] = {"description": "No API key of ours: HTTP API's own words", "content": refused}
    return operation | {"responses": dict(sorted(replies.items()))}


def _body(handler: Any, components: Document) -> Document | None:
    """What a route takes that reads its body itself."""
    kinds = vars(handler).get(resolver.TAKES, {})
    content = {media: {"schema": _schema(kind, components, "validation")} for media, kind in kinds.items()}
    return {"required": True, "content": content} if kinds else None


def _parameter(made: Document) -> Document:
    """A parameter that may be left out is left out: there is no null in an address."""
    *kinds, last = made["schema"].get("anyOf", [None])
    schema = kinds[0] if kinds and last == {"type": "null"} else made["schema"]
    return {**made, "schema": _untitled(schema)}


def _reply(status: int, kind: Any, components: Document) -> Document:
    description = {200: "Here it is", 201: "Made", 202: "Accepted", 302: "It lies there"}[status]
    if kind is None:
        return {"description": description}
    if kind is bytes:
        return {"description": description, "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
    return {"description": description, "content": {"application/json": {"schema": _schema(kind, components)}}}


def _problems(raised: list[type[DarkroomError]], components: Document) -> Document:
    found: dict[int, set[str]] = {}
    for each in raised:
        found.setdefault(each.status, set()).add(each.title)
    content = {"application/problem+json": {"schema": _schema(Problem, components)}}
    later = {each.status for each in raised if each.retry_after is not None}
    wait = {"headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}}
    return {
        str(status): {"description": ", or ".join(sorted(titles)), "content": content}
        | (wait if status in later else {})
        for status, titles in found.items()
    }


def _schema(
    kind: Any, components: Document, mode: Literal["serialization", "validation"] = "serialization"
) -> Document:
    """A reference to what is put among the components."""
    made = TypeAdapter(kind).json_schema(mode=mode, ref_template=REF)
    components |= made.pop("$defs", {})
    if "title" not in made:
        return made
    components[made["title"]] = made
    return {"$ref": REF.format(model=made["title"])}


def _untitled(schema: Any) -> Any:
    """Without the titles that pydantic makes of names."""
    match schema:
        case dict():
            return {
                name: _untitled(value) for name, value in schema.items() if name != "title" or isinstance(value, dict)
            }
        case list():
            return [_untitled(each) for each in schema]
        case _:
            return schema


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")

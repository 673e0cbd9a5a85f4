"""Replies of gateways, as the tests of the dialects script them, and as Hypothesis makes them up."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as some

from darkroom.answer import Answer, Doubtful, Failed, Finished, Running
from darkroom.errors import NoReply
from darkroom.route import Gateway, Route
from darkroom.wire import Reply

ORIGIN = "https://gateway.example"


def route(dialect: str, model: str, path: str = "") -> Route:
    """A model on a gateway that speaks the dialect under `path`."""
    return Route(Gateway("gateway", ORIGIN, "Authorization: Bearer {key}", {dialect: path}), dialect, model)


def reply(document: Any, status: int = 200, **headers: str) -> Reply:
    """A reply with a JSON body, or with the bytes that it is given."""
    body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


#: What is no JSON object, by what it is.
NO_DOCUMENTS = {
    "a web page": b"<!doctype html><title>gateway</title>",
    "a list of two": b'[{"id": "a", "status": "succeeded"}, {}]',
    "an empty list": b"[]",
    "a string": b'"succeeded"',
    "null": b"null",
    "half of it": b'{"id": "a", "sta',
    "nothing": b"",
}

_NAMES = (
    *("status", "id", "output", "error", "data_removed", "created_at", "completed_at", "request_id", "images", "image"),
    *("url", "request", "detail", "msg", "loc", "type", "message", "code", "title", "error_type", "predictions"),
    *("bytesBase64Encoded", "raiFilteredReason", "candidates", "content", "parts", "inlineData", "inline_data", "data"),
    *("thought", "text", "finishReason", "finishMessage", "promptFeedback", "blockReason", "b64_json", "details"),
    *("reason", "retryDelay", "retry_after", "usageMetadata"),
)
_WORDS = (
    *("succeeded", "failed", "canceled", "aborted", "COMPLETED", "FAILED", "CANCELLED", "IN_QUEUE", "STOP", "SAFETY"),
    *("https://files.example/a.png", "data:image/png;base64,aGk=", "aGk=", "NOT_FOUND", "model_not_found", "12.5s"),
    *("2026-01-02T03:04:05.678901234Z", "0001-01-01T00:00:00+23:59", "2026-01-02", "58061214", "internal_error"),
)
# All characters: halves of them (lone surrogates) can be written in JSON, too.
_texts = some.sampled_from(_WORDS) | some.text(some.characters(), max_size=12)
_values: some.SearchStrategy[Any] = some.recursive(
    _texts | some.none() | some.booleans() | some.integers() | some.floats(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from(_NAMES) | _texts, inner),
    max_leaves=16,
)
documents: some.SearchStrategy[dict[str, Any]] = some.dictionaries(some.sampled_from(_NAMES) | _texts, _values)
_bodies = (
    (documents | _values).map(lambda value: json.dumps(value).encode())
    | documents.map(lambda value: json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass"))
    | documents.map(lambda value: json.dumps([value]).encode()[:40])
    | some.integers(1, 30_000).map(lambda depth: b'{"detail": ' + b"[" * depth + b"]" * depth + b"}")
    | some.integers(1, 30_000).map(
        lambda depth: b'{"status": "succeeded", "output": ' + b"[" * depth + b"]" * depth + b"}"
    )
    | some.binary(max_size=64)
)
_headers = some.fixed_dictionaries(
    {},
    optional={
        "x-fal-error-type": _texts,
        "retry-after": _texts | some.sampled_from(["7", "Fri, 20 Nov 2026 12:00:30 GMT", "9" * 400]),
        "content-type": _texts,
    },
)
#: Whatever may come back.
anything = some.builds(
    Reply, some.sampled_from([200, 201, 400, 404, 422, 429, 499, 500, 503]) | some.integers(100, 599), _headers, _bodies
)


def understood(read: Callable[[Reply], Answer | str], found: Reply) -> Answer | str | None:
    """
    What `read` makes of a reply; None if it does not understand it. Any other error than NoReply fails the test, and so
    does an answer that the rest of the house could not use.
    """
    try:
        made = read(found)
    except NoReply:
        return None
    match made:
        case Finished():
            assert made.outputs
            texts = [*made.outputs, *made.missing]
        case Failed():
            texts = [made.message]
        case Doubtful():
            texts = [made.word.message]
        case Running():
            return made
        case str():
            texts = [made]
    assert all(text and isinstance(text, str) and text.encode() for text in texts)
    return made

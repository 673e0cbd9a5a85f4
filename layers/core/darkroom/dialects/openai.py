"""
OpenAI's images API, as OpenAI and the gateways that relay it speak it: synchronous, pictures by URL or in base64.

Facts from OpenAI's documents and the sources of relays: GPT image models give base64 alone; some relays put the head of
a data URI before it; `created` and `usage` may be missing; where Imagen's filter held back every picture, relays give
an empty list, and some tell an error in place of a picture. A model that has been retired is an error about the
parameter `model`.
"""

from dataclasses import replace
from typing import Any

from darkroom import complaints
from darkroom.answer import Answer, Failed, Finished
from darkroom.errors import NoReply, Reason
from darkroom.route import Route
from darkroom.wire import Reply, Request, data_uri, json_request, objects


def submission(route: Route, native_input: dict[str, Any]) -> Request:
    return json_request("POST", f"{route.base}/images/generations", {**native_input, "model": route.model})


def complaint(reply: Reply) -> Failed:
    found = complaints.read(reply)
    if found.reason is Reason.INVALID_INPUT and complaints.parameter(reply) == "model":
        return replace(found, reason=Reason.MODEL_UNAVAILABLE)
    return found


def answer(reply: Reply) -> Answer:
    document = reply.document()
    data = document.get("data")
    if isinstance(data, dict) and _output(data):
        data = [data]
    pictures = objects(data)
    outputs = tuple(output for each in pictures if (output := _output(each)))
    missing = tuple(complaints.said(each["error"]) for each in pictures if each.get("error"))
    if outputs:
        return Finished(outputs, several=True, missing=missing)
    if complaints.of_accepted(reply) is Reason.FILTERED or any(map(_filtered, pictures)):
        return Failed(Reason.FILTERED, "; ".join(missing) or complaints.words(reply))
    if not isinstance(data, list) or document.get("error"):
        raise NoReply(f"status {reply.status} without pictures: {complaints.words(reply)}")
    if not data:
        return Failed(Reason.FILTERED, "The gateway gives no picture and no reason.")
    return Failed(Reason.OUTPUT_LOST, "The gateway says that the request has been done, but gives no output.")


def _filtered(picture: dict[str, Any]) -> bool:
    """Whether a filter has held back this one: by an error's code, or (xAI) by a flag."""
    error = picture.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    held_back = isinstance(code, str) and complaints.known([code]) is Reason.FILTERED
    return held_back or picture.get("respect_moderation") is False


def _output(picture: dict[str, Any]) -> str | None:
    match picture:
        case {"b64_json": str() as inline} if inline:
            return data_uri(inline)
        case {"url": str() as url} if url:
            return url
        case _:
            return None

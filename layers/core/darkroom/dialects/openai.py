"""
OpenAI's images API, as OpenAI and the gateways that relay it speak it: synchronous, pictures by URL or in base64.

Facts from OpenAI's documents and the sources of relays: GPT image models give base64 alone; some relays put the head of
a data URI before it; `created` and `usage` may be missing; where Imagen's filter held back every picture, relays give
an empty list. A model that has been retired is an error about the parameter `model`.
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
    about_the_model = reply.status == 400 and complaints.parameter(reply) == "model"
    return replace(found, reason=Reason.MODEL_UNAVAILABLE) if about_the_model else found


def answer(reply: Reply) -> Answer:
    data = reply.document().get("data")
    if not isinstance(data, list):
        raise NoReply(f"status {reply.status} without pictures: {complaints.words(reply)}")
    outputs = tuple(output for each in objects(data) if (output := _output(each)))
    if not data:
        return Failed(Reason.FILTERED, "The gateway gives no picture and no reason.")
    if not outputs:
        return Failed(Reason.OUTPUT_LOST, "The gateway says that the request has been done, but gives no output.")
    return Finished(outputs, several=True)


def _output(picture: dict[str, Any]) -> str | None:
    match picture:
        case {"b64_json": str() as inline} if inline:
            return data_uri(inline)
        case {"url": str() as url} if url:
            return url
        case _:
            return None

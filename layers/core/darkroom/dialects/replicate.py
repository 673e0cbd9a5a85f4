"""
Replicate's predictions API, as Replicate and the gateways that relay it speak it.

Facts from Replicate's OpenAPI document and from the gateways' pages: upstream answers a create with 201 or 202, the
gateways with 200; a gateway may reply with nothing but `id` and `status`; `output` is a string, a list, an object or
null, and is taken away an hour after the end.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from darkroom.answer import Answer, Failed, Finished, Running
from darkroom.catalogue import Route
from darkroom.errors import NoReply, Reason
from darkroom.wire import Reply, Request, json_request


def submission(route: Route, model_input: dict[str, Any]) -> Request:
    return json_request("POST", f"{route.base}/models/{route.model}/predictions", {"input": model_input})


def ticket(reply: Reply) -> str:
    prediction_id = reply.document().get("id")
    if not isinstance(prediction_id, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", prediction_id):
        raise NoReply("the reply names no prediction that could be asked about")
    return prediction_id


def question(route: Route, ticket: str) -> Request:
    return Request("GET", f"{route.base}/predictions/{ticket}")


def cancellation(route: Route, ticket: str) -> Request:
    return Request("POST", f"{route.base}/predictions/{ticket}/cancel")


def answer(reply: Reply) -> Answer:
    prediction = reply.document()
    if not reply.ok:
        raise NoReply(f"status {reply.status}: {complaint(reply)}")
    match prediction.get("status"):
        case "succeeded" if prediction.get("data_removed"):
            return Failed(Reason.OUTPUT_LOST, "The gateway has already deleted the output of this prediction.")
        case "succeeded":
            return _finished(prediction)
        case "failed":
            return Failed(Reason.GATEWAY_FAILED, _text(prediction.get("error")) or "The gateway gives no reason.")
        case "canceled" | "aborted":
            return Failed(Reason.CANCELED, _text(prediction.get("error")) or "The prediction was canceled.")
        case _:
            return Running()


def complaint(reply: Reply) -> str:
    try:
        document = reply.document()
    except NoReply:
        return reply.body[:256].decode(errors="replace").strip() or "no reason given"
    # Problem details (Replicate), {"error": {"message"}} or flat {"message"} (relays).
    for words in (document.get("detail"), document.get("error"), document.get("message"), document.get("title")):
        if text := _text(words):
            return text
    return "no reason given"


def _finished(prediction: dict[str, Any]) -> Answer:
    output = prediction.get("output")
    outputs = tuple(_files(output))
    if not outputs:
        return Failed(Reason.OUTPUT_LOST, "The gateway says that the prediction succeeded, but gives no output.")
    return Finished(outputs, several=not isinstance(output, str), seconds=_seconds(prediction))


def _files(output: Any) -> Iterator[str]:
    """The files in an output, which is one, a list of them, or an object that holds some beside other things."""
    match output:
        case str() if re.match(r"https?://|data:", output):
            yield output
        case list():
            for each in output:
                yield from _files(each)
        case dict():
            for each in output.values():
                yield from _files(each)


def _seconds(prediction: dict[str, Any]) -> float | None:
    try:
        created, completed = (datetime.fromisoformat(prediction[each]) for each in ("created_at", "completed_at"))
        return (completed - created).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None


def _text(words: Any) -> str:
    """An error is a string with Replicate, an object with a `message` or `detail` with some relays."""
    if isinstance(words, dict):
        words = words.get("message") or words.get("detail")
    return words.strip() if isinstance(words, str) else ""

"""
Replicate's predictions API, as Replicate and the gateways that relay it speak it.

Facts from Replicate's OpenAPI document and from the gateways' pages: a model is asked for by its name, a version of one
by its id alone; upstream answers a create with 201 or 202, the gateways with 200; a gateway may reply with nothing but
`id` and `status`; `output` is a string, a list, an object or null, and is taken away an hour after the end.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from darkroom import complaints, progress
from darkroom.answer import Answer, Doubtful, Failed, Finished, Running
from darkroom.errors import NoReply, Reason
from darkroom.route import Route
from darkroom.wire import Reply, Request, json_request

#: A code that some models give, in the words of an error, for input or output that was flagged as sensitive.
_FILTERED = re.compile(r"\bE005\b")
#: The title of the problem that a version is gone, or somebody else's.
_NO_VERSION = "Invalid version or not permitted"
#: What it says of a prediction that is not over.
_RUNNING = ("starting", "processing")


def submission(route: Route, native_input: dict[str, Any]) -> Request:
    model, _, version = route.model.partition(":")
    if "/" not in model:
        version = model
    if version:
        return json_request("POST", f"{route.base}/predictions", {"version": version, "input": native_input})
    return json_request("POST", f"{route.base}/models/{model}/predictions", {"input": native_input})


def ticket(reply: Reply) -> str:
    prediction_id = reply.document().get("id")
    if not isinstance(prediction_id, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", prediction_id):
        raise NoReply(f"the reply names no prediction that could be asked about: {complaints.words(reply)}")
    return prediction_id


def complaint(reply: Reply) -> Failed:
    found = complaints.read(reply)
    if reply.status == 422 and complaints.title(reply) == _NO_VERSION:
        return replace(found, reason=Reason.MODEL_UNAVAILABLE)
    return found


def questions(route: Route, ticket: str) -> tuple[Request, ...]:
    return (Request("GET", f"{route.base}/predictions/{ticket}"),)


def cancellation(route: Route, ticket: str) -> Request:
    return Request("POST", f"{route.base}/predictions/{ticket}/cancel")


def answer(reply: Reply) -> Answer:
    prediction = reply.document()
    if not reply.ok:
        raise NoReply(f"status {reply.status}: {complaints.words(reply)}")
    error = complaints.said(prediction.get("error"))
    match str(prediction.get("status")).lower():
        case "succeeded" if prediction.get("data_removed"):
            return Failed(Reason.OUTPUT_LOST, "The gateway has already deleted the output of this prediction.")
        case "succeeded":
            return _finished(prediction)
        case "failed":
            reason = Reason.FILTERED if _FILTERED.search(error) else complaints.of_accepted(reply)
            return Failed(reason, error or "The gateway gives no reason.")
        case "canceled" | "aborted":
            return Failed(Reason.CANCELED, error or "The prediction was canceled.")
        case status:
            began, _ = _seconds(prediction)
            done = progress.share(prediction.get("logs"))
            return Running(strange=status not in _RUNNING, queued=status == "starting", began=began, done=done)


def _finished(prediction: dict[str, Any]) -> Answer:
    output = prediction.get("output")
    outputs = tuple(_files(output))
    if not outputs:
        lost = Failed(Reason.OUTPUT_LOST, "The gateway says that the prediction succeeded, but gives no output.")
        return Doubtful(lost, times=3, seconds=60)
    began, seconds = _seconds(prediction)
    ran = None if began is None or seconds is None else seconds - began
    return Finished(outputs, several=not isinstance(output, str), seconds=seconds, ran=ran)


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


def _seconds(prediction: dict[str, Any]) -> tuple[float | None, float | None]:
    """From the request to the start of the run, and to its end, by the gateway's clock; None where it does not tell."""
    return _between(prediction, "started_at"), _between(prediction, "completed_at")


def _between(prediction: dict[str, Any], moment: str) -> float | None:
    try:
        created, then = (datetime.fromisoformat(prediction[each]) for each in ("created_at", moment))
        return (then - created).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None

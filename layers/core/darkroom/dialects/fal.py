"""
fal's queue, as fal and the gateways that relay it speak it.

Facts from fal's documents and its official clients: what follows the app's name in the address of a request is left out
of all addresses that ask about it (`fal-ai/imagen4/preview` is asked about under `fal-ai/imagen4`); a result that is
not there yet is status 400 upstream, and 200 with a queue status at the gateways; fal never says that a request has
failed, its result is then an error, and its status has an `error`; gateways do say FAILED. Gateways answer for every
app as `fal-ai/auto`, too.
"""

import re
from collections.abc import Iterator
from typing import Any

from darkroom import complaints, progress
from darkroom.answer import Answer, Doubtful, Failed, Finished, Running
from darkroom.errors import NoReply, Reason
from darkroom.route import Route
from darkroom.wire import Reply, Request, json_request, objects

complaint = complaints.read

#: First segments that stand before an owner.
_NAMESPACES = ("workflows", "comfy")
#: What gateways answer under whatever the app is.
_ANY_APP = "fal-ai/auto"
#: Statuses under which files are not the last word; another word does not take away what is there.
_NOT_DONE = ("IN_QUEUE", "IN_PROGRESS", "FAILED", "ERROR", "CANCELLED", "CANCELED")
#: What it says of a request whose result is not there; `PROCESSING` is a relay's word.
_RUNNING = ("IN_QUEUE", "IN_PROGRESS", "PROCESSING", "COMPLETED")
#: Members that are pictures in most results; some relays give bare URLs there.
_PICTURES = ("images", "image")
#: Members of a result that are no media, though there may be URLs in them: what we sent, and what is said about it.
_NO_MEDIA = ("request", "detail", "error", "logs", "debug_latents", "debug_per_pass_latents")


def submission(route: Route, native_input: dict[str, Any]) -> Request:
    return json_request("POST", f"{route.base}/{route.model}", native_input)


def ticket(reply: Reply) -> str:
    request_id = reply.document().get("request_id")
    if not isinstance(request_id, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", request_id):
        raise NoReply(f"the reply names no request that could be asked about: {complaints.words(reply)}")
    return request_id


def questions(route: Route, ticket: str) -> tuple[Request, ...]:
    result = f"{route.base}/{_app(route)}/requests/{ticket}"
    anywhere = f"{route.base}/{_ANY_APP}/requests/{ticket}"
    return Request("GET", result), Request("GET", anywhere), Request("GET", f"{result}/status")


def cancellation(route: Route, ticket: str) -> Request:
    return Request("PUT", f"{route.base}/{_app(route)}/requests/{ticket}/cancel")


def answer(reply: Reply) -> Answer:
    result = reply.document()
    if not reply.ok:
        return _refused(reply, result)
    media = tuple(_media(result))
    outputs = tuple(dict.fromkeys(url for _, urls in media for url in urls))
    error = complaints.said(result.get("error")) or complaints.said(result.get("detail"))
    match str(result["status"]).upper() if result.get("status") else None:
        case status if outputs and status not in _NOT_DONE:
            return Finished(outputs, several=len(outputs) > 1 or any(listed for listed, _ in media))
        case "FAILED" | "ERROR":
            return Failed(complaints.of_accepted(reply), error or "The gateway gives no reason.")
        case "CANCELLED" | "CANCELED":
            return Failed(Reason.CANCELED, error or "The request was canceled.")
        case "COMPLETED" if error or result.get("error_type"):
            return Failed(complaints.of_accepted(reply), error or "The gateway gives no reason.")
        case None if objects(result.get("detail")):
            return Failed(complaints.of_accepted(reply), complaints.words(reply))
        case None | "COMPLETED" if _flagged(result):
            return Failed(Reason.FILTERED, "All pictures were flagged (has_nsfw_concepts) and left out.")
        case None | "COMPLETED" if any(name in result for name in _PICTURES):
            lost = Failed(Reason.OUTPUT_LOST, "The gateway says that the request has been done, but gives no output.")
            return Doubtful(lost, times=3, seconds=60)
        case None:
            raise NoReply("neither a result nor a status")
        case status:
            queued, done = status == "IN_QUEUE", progress.share(result.get("logs"))
            return Running(strange=status not in _RUNNING, queued=queued, done=done)


def _refused(reply: Reply, error: dict[str, Any]) -> Answer:
    """
    An error in place of a result. What a model complains about (in a list, or with status 422) is the last word, and
    so is what fal's runners end with, a cancellation (499) among it. A 400 with a mere sentence only means "not yet";
    all others (an id that is not known yet, a proxy's 502, a relay's trouble of its own, fal's `internal_error`, which
    may be the question's as well as the request's) end nothing.
    """
    ended = error.get("error_type") or reply.headers.get("x-fal-error-type") or "internal_error"
    if reply.status == 422 or isinstance(error.get("detail"), list):
        return Failed(complaints.of_accepted(reply), complaints.words(reply))
    if reply.status == 400 and ended in ("internal_error", "bad_request") and isinstance(error.get("detail"), str):
        return Running()
    if ended == "client_cancelled":
        return Failed(Reason.CANCELED, complaints.words(reply))
    if (reply.status == 400 or reply.status >= 499) and ended not in ("internal_error", "bad_request"):
        return Failed(Reason.GATEWAY_FAILED, complaints.words(reply))
    raise NoReply(f"status {reply.status}: {complaints.words(reply)}")


def _flagged(result: dict[str, Any]) -> bool:
    """Whether a result holds no picture because a filter left them out."""
    flags = result.get("has_nsfw_concepts")
    return isinstance(flags, list) and True in flags


def _app(route: Route) -> str:
    """The app of a model: its owner and alias, without what follows."""
    segments = route.model.split("/")
    return "/".join(segments[: 3 if segments[0] in _NAMESPACES else 2])


def _media(result: dict[str, Any]) -> Iterator[tuple[bool, list[str]]]:
    """The members of a result that are files, or lists of files: whether it is a list, and the files' URLs."""
    for name, value in result.items():
        listed = isinstance(value, list)
        files = value if isinstance(value, list) else [value]
        urls = [each.get("url") for each in objects(files)]
        if name in _PICTURES:
            urls += [each for each in files if isinstance(each, str)]
        if name not in _NO_MEDIA and (
            found := [url for url in urls if isinstance(url, str) and re.match(r"https?://|data:", url)]
        ):
            yield listed, found

"""
One row of a dropped file to an order, and back to a line of a result file.

Rows come in three formats: our own flat one, that of OpenAI's batches, and that of Bedrock's. What becomes of a
row is told in the format that it came in. A member `error` is what a line of errors.jsonl has beside the row, so
that the file can be dropped again: nothing of it counts but what the row was called, and the picture that it was about.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from darkroom import filing, models, order
from darkroom.errors import InvalidOrder, MalformedBody
from darkroom.inputs import COUNT
from darkroom.order import Faults, Order

#: Characters of a model's name.
MODEL_CAP = 256

#: What the body of an OpenAI row may say beside what the model takes, and what it calls the number of images.
_BESIDE = ("model", "webhook", "webhook_events_filter", "metadata")
_N = "n"
#: Where such a row may want to go: all else, as /v1/chat/completions, makes no images.
_URL = re.compile(r"(https?://[^/?#]+)?(/v1/models/(?P<model>[^/?#]+/[^/?#]+)|[^?#]*)/(predictions|images/\w+)")
#: Faults of a row that are told, and characters of the name of what is at fault.
_TOLD, _NAME = 20, 64
#: What callers of the API read of a fault, in plain words.
_UNKNOWN, _NO_OBJECT = "is not known here", "must be an object"
_PLAIN = {
    order.MISSING: "is missing",
    order.UNKNOWN: _UNKNOWN,
    order.NO_OBJECT: _NO_OBJECT,
    order.NO_STRING: "must be a string",
    order.NO_BOOLEAN: "must be true or false",
}
#: A line of errors.jsonl whose row nobody could read.
_UNREAD = {"row", "error"}

_DEFAULTS: Mapping[str, order.Rule] = {
    "model": order.optional(order.text(MODEL_CAP, filled=True)),
    "input": order.drawable,
    "webhook": order.optional(order.address),
    "metadata": order.optional(order.table),
    "dry_run": order.boolean,
}


@dataclass(frozen=True)
class Defaults:
    """What `_defaults.json` says for the files beside and below it. `webhook` is told of a batch, not of its rows."""

    model: str | None = None
    input: dict[str, Any] = field(default_factory=dict)
    webhook: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    dry_run: bool = False

    @property
    def said(self) -> dict[str, Any]:
        """Without what goes without saying."""
        return {name: value for name, value in vars(self).items() if value not in (None, {}, False)}


@dataclass(frozen=True)
class _Format:
    """What a row calls its custom_id, and the member that holds what is asked for, if that is not the row itself."""

    custom_id: str = "custom_id"
    body: str | None = None
    members: tuple[str, ...] = ()


_FLAT = _Format()
_OPENAI = _Format("custom_id", "body", ("custom_id", "method", "url", "body", "error"))
_BEDROCK = _Format("recordId", "modelInput", ("recordId", "model", "modelInput", "error"))


@dataclass(frozen=True)
class Row:
    """What one row asks for. Whether there is such a model, the catalogue knows."""

    custom_id: str
    model: str
    order: Order


def defaults_of(text: bytes) -> Defaults:
    """The defaults in a file. Raises MalformedBody, BodyTooLarge and InvalidOrder."""
    try:
        document = order.literal_json(text.decode("utf-8-sig"), "The file")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The file is not UTF-8: {error.reason} at byte {error.start}.") from error
    if faults := order.wrong(document, _DEFAULTS):
        raise InvalidOrder(_plain(faults))
    return Defaults(**{**document, "metadata": document.get("metadata") or {}})


def read(
    document: Mapping[str, Any],
    number: int,
    defaults: Defaults,
    picture: str | None,
    known: Callable[[str], frozenset[str]],
) -> Row:
    """
    What a row asks for. Raises InvalidOrder with every fault.

    number: of its line; the custom_id of a row that has none. picture: the address of the picture whose sidecar the
    file is: it is the row's `image`, or the only one of its `images`, unless it names one itself. known: the inputs
    that a model's routes have words for; none, if nobody knows.
    """
    if document.keys() == _UNREAD:
        raise InvalidOrder(
            [_fault("row", "could not be read the first time: mend it, and write it as a row, or take this line out")]
        )
    row_format, faults = _format(document), Faults()
    carried = _carried(document, "picture")
    picture = picture or (carried if isinstance(carried, str) else None)
    if fault := _id_fault(_said_id(document, number)):
        faults.append(_fault(row_format.custom_id, fault))
    asked, named = _asked(row_format, document, faults)
    model = _model([each for each in named if each is not None] or [defaults.model], faults)
    own = asked.get("input", {})
    if isinstance(own, dict) and ("input" in asked or defaults.input or picture):
        words = known(model) if model and (picture or _N in own) else frozenset()
        if row_format is _OPENAI and words and COUNT not in own:
            own = {COUNT if name == _N else name: value for name, value in own.items()}
        asked["input"] = defaults.input | _pictured(picture, own, words) | own
    if isinstance(asked.get("metadata") or {}, dict):
        asked["metadata"] = defaults.metadata | (asked.get("metadata") or {})
    try:
        ordered = order.read(asked, order.MEMBERS)
    except InvalidOrder as error:
        faults += _plain(error.faults)
    if faults:
        raise InvalidOrder([{**fault, "field": fault["field"][:_NAME]} for fault in faults[:_TOLD]])
    return Row(custom_id(document, number), model, ordered)


def custom_id(document: Mapping[str, Any], number: int) -> str:
    """What a row is called: its custom_id; if it has none, or an impossible one, the number of its line."""
    said = _said_id(document, number)
    return str(number if _id_fault(said) else said)


def with_error(
    document: Mapping[str, Any], number: int, error: Mapping[str, Any], picture: str | None = None
) -> dict[str, Any]:
    """
    A line of errors.jsonl: the row as it came, and what is wrong with it.

    error: `code` and `message` at least. It also says what the row is called: one without a custom_id of its own keeps
    the name that it was given when it is dropped again, on whatever line, and one of a sidecar has its `picture`.
    """
    named = {"line": number, "custom_id": custom_id(document, number)}
    told: dict[str, Any] = {"retryable": False, "may_be_billed": False, **error, **named}
    if kept := picture or _carried(document, "picture"):
        told["picture"] = kept
    if _format(document) is _BEDROCK:
        told |= {"errorCode": 500 if told["retryable"] else 400, "errorMessage": told["message"]}
    return {**document, "error": told}


def output(document: Mapping[str, Any], number: int, custom_id: str, made: Mapping[str, Any]) -> dict[str, Any]:
    """A line of output.jsonl. made: what became of the row, its `task_id` with it."""
    row_format = _format(document)
    if row_format is _OPENAI:
        response = {"status_code": 200, "request_id": made["task_id"], "body": made}
        return {"id": made["task_id"], "custom_id": custom_id, "response": response, "error": None}
    if row_format is _BEDROCK:
        return {"recordId": custom_id, "modelInput": document.get("modelInput"), "modelOutput": made}
    return {"custom_id": custom_id, "line": number, **made}


def written(document: Mapping[str, Any]) -> bytes:
    """A line of a file of rows, without its end."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def complaint(error: Exception, name: Callable[[str], str] = str) -> str:
    """What is wrong, on one line. name: what a fault's field is called by whoever reads it."""
    if isinstance(error, InvalidOrder):
        return "; ".join(f"{name(fault['field'])}: {fault['message']}" for fault in error.faults)
    return str(error)


def _format(document: Mapping[str, Any]) -> _Format:
    if "modelInput" in document or "recordId" in document:
        return _BEDROCK
    return _FLAT if {"body", "url", "method"}.isdisjoint(document) else _OPENAI


def _said_id(document: Mapping[str, Any], number: int) -> Any:
    """What a row says that it is called, or was called at its last try; or else its number."""
    said = document.get(_format(document).custom_id)
    return next(each for each in (said, _carried(document, "custom_id"), number) if each is not None)


def _carried(document: Mapping[str, Any], name: str) -> Any:
    """What a row has brought from its last try."""
    error = document.get("error")
    return error.get(name) if isinstance(error, dict) else None


def _id_fault(said: Any) -> str | None:
    if type(said) not in (str, int) or said == "":
        return "must be a string, or a whole number"
    try:
        filing.safe(str(said))
    except ValueError as error:
        return str(error)
    return None


def _asked(row_format: _Format, document: Mapping[str, Any], faults: Faults) -> tuple[dict[str, Any], list[Any]]:
    """What a row asks for, as the body of a create request; and what it says of its model, in one place or several."""
    if row_format.body is None:
        asked = {name: value for name, value in document.items() if name not in ("custom_id", "error")}
        return asked, [asked.pop("model", None), asked.pop("version", None)]
    unknown = (name for name in document if name not in row_format.members)
    faults += [_fault(name, _UNKNOWN) for name in unknown]
    body = document.get(row_format.body)
    if not isinstance(body, dict):
        faults.append(_fault(row_format.body, _NO_OBJECT))
        body = {}
    if isinstance(body.get("input"), dict):
        asked = dict(body)
    elif row_format is _OPENAI:
        asked = {name: value for name, value in body.items() if name in _BESIDE}
        asked["input"] = {name: value for name, value in body.items() if name not in _BESIDE}
    else:
        asked = {"input": body}
    elsewhere = _addressed(document, faults) if row_format is _OPENAI else document.get("model")
    return asked, [asked.pop("model", None), asked.pop("version", None), elsewhere]


def _addressed(document: Mapping[str, Any], faults: Faults) -> str | None:
    """The model that an OpenAI row names in its address."""
    url = document.get("url")
    if document.get("method") not in (None, "POST"):
        faults.append(_fault("method", "must be POST"))
    found = _URL.fullmatch(url) if isinstance(url, str) else None
    if url is not None and not found:
        faults.append(_fault("url", "must be /v1/images/generations, or /v1/models/{owner}/{name}/predictions"))
    return found["model"] if found else None


def _model(said: list[Any], faults: Faults) -> str:
    """The one model that is named; "" with a fault if there is none."""
    well_named = [each for each in said if isinstance(each, str) and 0 < len(each) <= MODEL_CAP]
    named = {models.named(each) for each in well_named}
    if said == [None]:
        faults.append(_fault("model", "is missing: name one in the row, or in _defaults.json"))
    elif well_named != said:
        faults.append(_fault("model", f"must be a string of 1 to {MODEL_CAP} characters"))
    elif len(named) > 1:
        faults.append(_fault("model", "is named twice, and differently"))
    else:
        return named.pop()
    return ""


def _pictured(picture: str | None, own: Mapping[str, Any], words: frozenset[str]) -> dict[str, Any]:
    """A sidecar's picture, under the name that the model has for it."""
    if picture is None or "image" in own or "images" in own:
        return {}
    return {"images": [picture]} if "images" in words and "image" not in words else {"image": picture}


def _plain(faults: Faults) -> Faults:
    return [_fault(fault["field"], _PLAIN.get(fault["message"], fault["message"])) for fault in faults]


def _fault(field: str, message: str) -> dict[str, str]:
    return {"field": field, "message": message}

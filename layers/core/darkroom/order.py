"""
What a caller may ask for: from a body to an Order, or every fault at once.

Strict about the top level, open about `input`: what a model takes is between the caller and the gateway. Refused is
only what could not be passed on, or what would cost money for nothing.

It is checked by hand, for the sake of Submit's cold start (decision 11); the words of its faults are pydantic's, which
callers know.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from darkroom.errors import BodyTooLarge, InvalidOrder, MalformedBody
from darkroom.wire import depth

#: Bytes of a request's body. An input lies in one DynamoDB item, which holds 400 KB.
BODY_CAP = 256 * 1024
#: Bytes of a prompt in UTF-8.
PROMPT_CAP = 32 * 1024
#: How deep a body may be nested.
DEPTH_CAP = 32
#: Characters of a webhook's address, and of the name of a version.
ADDRESS_CAP, VERSION_CAP = 2048, 256

#: What is wrong with a member that is missing, not known, or of another type.
MISSING = "Field required"
UNKNOWN = "Extra inputs are not permitted"
NO_OBJECT = "Input should be a valid dictionary"
NO_STRING = "Input should be a valid string"
NO_BOOLEAN = "Input should be a valid boolean"

#: Characters that a prompt may not hold, as in a regular expression.
CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
_CONTROLS = re.compile(f"[{CONTROL}]")
_IN_NO_ADDRESS = re.compile(r"[\s\\\x00-\x1f\x7f]")
_EVENTS = ("start", "output", "logs", "completed")

Faults = list[dict[str, str]]
#: What is wrong with a value: in it as a whole (""), or below it (".0"); and in which words.
Wrong = Mapping[str, str]
Rule = Callable[[Any], Wrong]


def literal_json(text: str, what: str = "The body") -> Any:
    """
    JSON that means one thing only. Raises BodyTooLarge and MalformedBody, whose messages begin with `what` it is.

    Python's parser also takes NaN and Infinity (and makes one of 1e999), lets the last of two equal keys win, passes
    lone surrogates, and recurses as deep as it is told to.
    """
    if len(text) > BODY_CAP or len(text.encode(errors="replace")) > BODY_CAP:
        raise BodyTooLarge(f"{what} is larger than {BODY_CAP // 1024} KB. Pass large files by URL.")
    try:
        document = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise MalformedBody(f"{what} holds a lone surrogate (half of a UTF-16 pair): it is not Unicode.") from error
    except ValueError as error:
        raise MalformedBody(f"{what} is not JSON: {error}") from error
    except RecursionError as error:
        raise MalformedBody(f"{what} is nested more than {DEPTH_CAP} deep.") from error
    if depth(document) > DEPTH_CAP:
        raise MalformedBody(f"{what} is nested more than {DEPTH_CAP} deep.")
    if not isinstance(document, dict):
        raise MalformedBody(f"{what} must be a JSON object.")
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"the key {key[:64]!r} stands twice in one object")
        document[key] = value
    return document


@dataclass(frozen=True)
class Order:
    """
    What a caller asks for: the body of a create request. Its members are Replicate's, and `metadata`.

    version: what is to make it, where the request's address does not say so.
    """

    input: dict[str, Any]
    webhook: str | None = None
    webhook_events_filter: list[str] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    #: What Replicate's older clients still send; both are read and have no effect.
    stream: bool | None = None
    webhook_completed: str | None = None
    version: str | None = None

    @property
    def wants_the_end(self) -> bool:
        """Whether its webhook is to tell of the end, the only news that there is; `start` and `logs` are never sent."""
        return not self.webhook_events_filter or not {"output", "completed"}.isdisjoint(self.webhook_events_filter)

    @property
    def said(self) -> dict[str, Any]:
        """
        What it says, but for its version. A digest of this is kept with each task, to know a repeated order by: what is
        not said must never be in it.
        """
        more = {name: value for name, value in vars(self).items() if name != "version" and value not in (None, {})}
        return {"input": self.input, **more}


def read(
    document: Mapping[str, Any] | None, members: Mapping[str, Rule], others: Sequence[dict[str, str]] = ()
) -> Order:
    """
    The order in a document; None stands for a body that did not come. Raises InvalidOrder with every fault.

    members: MEMBERS or VERSIONED. others: faults that were found elsewhere in the request, which are told first.
    """
    found = [*others, *wrong(document, members, REQUIRED)]
    if document is None or found:
        raise InvalidOrder(found)
    return Order(**{**document, "metadata": document.get("metadata") or {}})


def wrong(document: Mapping[str, Any] | None, members: Mapping[str, Rule], required: Collection[str] = ()) -> Faults:
    """All that is wrong with a document, without repeating any value in it."""
    if document is None:
        return [_fault("body", MISSING)]
    found = Faults()
    for name, rule in members.items():
        if name in document:
            found += [_fault(name + below, message) for below, message in rule(document[name]).items()]
        elif name in required:
            found.append(_fault(name, MISSING))
    return found + [_fault(name or "body", UNKNOWN) for name in document if name not in members]


def _fault(name: str, message: str) -> dict[str, str]:
    return {"field": name, "message": message}


def optional(rule: Rule) -> Rule:
    """A member that may be null: some clients send null for what they leave out."""
    return lambda value: {} if value is None else rule(value)


def boolean(value: Any) -> Wrong:
    return {} if isinstance(value, bool) else {"": NO_BOOLEAN}


def table(value: Any) -> Wrong:
    return {} if isinstance(value, dict) else {"": NO_OBJECT}


def text(most: int | None = None, *, filled: bool = False) -> Rule:
    """A string of so many characters at most; and of one at least, if it has to be filled."""

    def rule(value: Any) -> Wrong:
        if not isinstance(value, str):
            return {"": NO_STRING}
        if filled and not value:
            return {"": "String should have at least 1 character"}
        if most is not None and len(value) > most:
            return {"": f"String should have at most {most} characters"}
        return {}

    return rule


def drawable(value: Any) -> Wrong:
    """An input; its prompt, if it has one, can be drawn."""
    if not isinstance(value, dict):
        return {"": NO_OBJECT}
    prompt = value.get("prompt", "anything")
    if not isinstance(prompt, str):
        return {"": "prompt must be a string"}
    if not prompt.strip():
        return {"": "prompt is empty"}
    if len(prompt.encode()) > PROMPT_CAP:
        return {"": f"prompt is longer than {PROMPT_CAP} bytes"}
    if found := _CONTROLS.search(prompt):
        return {"": f"prompt holds the control character U+{ord(found[0]):04X} at position {found.start()}"}
    return {}


def address(value: Any) -> Wrong:
    """A webhook's address; which ones are forbidden, http.py knows."""
    if no_text := text(ADDRESS_CAP)(value):
        return no_text
    try:
        parts = urlsplit(value)
        well_formed = parts.scheme in ("http", "https") and parts.hostname and not parts.username and parts.port != 0
    except ValueError:
        well_formed = False
    if not well_formed or _IN_NO_ADDRESS.search(value):
        return {"": "must be an absolute URL without user name or white space"}
    return {}


def _events(value: Any) -> Wrong:
    if not isinstance(value, list):
        return {"": "Input should be a valid list"}
    unknown = "Input should be 'start', 'output', 'logs' or 'completed'"
    return {f".{number}": unknown for number, each in enumerate(value) if each not in _EVENTS}


#: The members of an order, and of one that names what it wants itself: a model, or a version of one.
MEMBERS: Mapping[str, Rule] = {
    "input": drawable,
    "webhook": optional(address),
    "webhook_events_filter": optional(_events),
    "metadata": optional(table),
    "stream": optional(boolean),
    "webhook_completed": optional(text()),
}
VERSIONED: Mapping[str, Rule] = {**MEMBERS, "version": text(VERSION_CAP)}
REQUIRED = ("input", "version")


def faults(errors: Any) -> Faults:
    """pydantic's list of errors as {"field", "message"}, without the values that callers sent."""
    return [
        _fault(
            ".".join(str(part) for part in error["loc"] if part != "body") or "body",
            str(error["msg"]).removeprefix("Value error, "),
        )
        for error in errors
    ]

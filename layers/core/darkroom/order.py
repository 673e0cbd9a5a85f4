"""
What a caller may ask for: from a body to an Order, or every fault at once.

Strict about the top level, open about `input`: what a model takes is between the caller and the gateway. Refused is
only what could not be passed on, or what would cost money for nothing.
"""

import json
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from darkroom.errors import BodyTooLarge, MalformedBody
from darkroom.wire import depth

#: Bytes of a request's body. An input lies in one DynamoDB item, which holds 400 KB.
BODY_CAP = 256 * 1024
#: Bytes of a prompt in UTF-8.
PROMPT_CAP = 32 * 1024
#: How deep a body may be nested.
DEPTH_CAP = 32

#: What openapi.json says of a webhook's address; which ones are forbidden, http.py knows.
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: dict[str, Any] = {
    "pattern": rf"^https://({_LABEL}\.){{1,8}}[A-Za-z]{{2,63}}(:443|:8443)?(/[!-\[\]-~]*)?$",
}

_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
_CONTROLS = re.compile(f"[{_CONTROL}]")
#: What openapi.json says of an input.
_INPUT: dict[str, Any] = {
    "properties": {"prompt": {"type": "string", "pattern": rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$"}}
}


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


def _prompt_that_can_be_drawn(model_input: dict[str, Any]) -> dict[str, Any]:
    prompt = model_input.get("prompt", "anything")
    if not isinstance(prompt, str):
        raise ValueError("prompt must be a string")
    if not prompt.strip():
        raise ValueError("prompt is empty")
    if len(prompt.encode()) > PROMPT_CAP:
        raise ValueError(f"prompt is longer than {PROMPT_CAP} bytes")
    if found := _CONTROLS.search(prompt):
        raise ValueError(f"prompt holds the control character U+{ord(found[0]):04X} at position {found.start()}")
    return model_input


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        well_formed = parts.scheme in ("http", "https") and parts.hostname and not parts.username and parts.port != 0
    except ValueError:
        well_formed = False
    if not well_formed or re.search(r"[\s\\\x00-\x1f\x7f]", url):
        raise ValueError("must be an absolute URL without user name or white space")
    return url


def _nothing_if_null(value: Any) -> Any:
    """Some clients send null for what they leave out."""
    return {} if value is None else value


Input = Annotated[dict[str, Any], Field(json_schema_extra=_INPUT), AfterValidator(_prompt_that_can_be_drawn)]
Webhook = Annotated[str, Field(max_length=2048, json_schema_extra=_ADDRESS), AfterValidator(_address)]
Metadata = Annotated[dict[str, Any], BeforeValidator(_nothing_if_null, json_schema_input_type=dict[str, Any] | None)]


class Order(BaseModel):
    """The body of a create request: Replicate's, and `metadata`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input: Input
    webhook: Webhook | None = None
    webhook_events_filter: list[Literal["start", "output", "logs", "completed"]] | None = None
    metadata: Metadata = {}
    #: What Replicate's older clients still send; both are read and have no effect.
    stream: bool | None = None
    webhook_completed: str | None = None

    @property
    def wants_the_end(self) -> bool:
        """Whether its webhook is to tell of the end, the only news that there is; `start` and `logs` are never sent."""
        return not self.webhook_events_filter or not {"output", "completed"}.isdisjoint(self.webhook_events_filter)


class VersionedOrder(Order):
    """
    The body of a create request that names what it wants itself: a model, or a version of one as `owner/name:version`.
    """

    version: Annotated[str, Field(max_length=256)]


def faults(errors: Any) -> list[dict[str, str]]:
    """pydantic's list of errors as {"field", "message"}, without the values that callers sent."""
    return [
        {
            "field": ".".join(str(part) for part in error["loc"] if part != "body") or "body",
            "message": str(error["msg"]).removeprefix("Value error, "),
        }
        for error in errors
    ]

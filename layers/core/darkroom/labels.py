"""
What is said about a file: from a form or a body to a label, or every fault at once.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, NotRequired, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    with_config,
)
from typing_extensions import TypedDict

from darkroom import order
from darkroom.errors import CallerError, InvalidOrder
from darkroom.forms import Part

#: Bytes of a file that goes straight to the bucket: what S3 takes in one PUT.
RESERVED_CAP = 5 * 1024**3

_MEDIA_TYPE = r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$"
_ANYTHING = "application/octet-stream"
#: How pictures begin.
_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
)


def _essence(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _whole(size: Any) -> Any:
    """In JSON, 464.0 is a whole number."""
    return int(size) if isinstance(size, float) and size.is_integer() else size


Name = Annotated[str, Field(min_length=1, max_length=255)]
MediaType = Annotated[str, Field(max_length=255, pattern=_MEDIA_TYPE), AfterValidator(_essence)]


@with_config(ConfigDict(extra="forbid"))
class Form(TypedDict):
    """The form that brings a file, as Replicate has it. `filename` and `type` if the head of `content` does not say."""

    content: Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary", "minLength": 1})]
    filename: NotRequired[Name]
    type: NotRequired[MediaType]
    metadata: NotRequired[dict[str, Any]]


class Label(BaseModel):
    """What is said about a file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    content_type: MediaType
    metadata: dict[str, Any] = {}


class Reservation(Label):
    """The body that asks for a place for a file that does not fit through a function. `size`: its bytes, if known."""

    size: Annotated[int, Field(ge=1, le=RESERVED_CAP), BeforeValidator(_whole)] | None = None


Said = TypeVar("Said", bound=Label)


def of_form(parts: Sequence[Part]) -> tuple[Label, bytes]:
    """What a form says about its file, and the file. Raises InvalidOrder."""
    known = tuple(Form.__annotations__)
    times = Counter(part.name for part in parts)
    faults = [
        {"field": name[:64], "message": "stands twice" if name in known else f"the parts are {', '.join(known)}"}
        for name, number in times.items()
        if number > 1 or name not in known
    ]
    if not times["content"]:
        faults.append({"field": "content", "message": "Field required"})
    if faults:
        raise InvalidOrder(faults)
    by_name = {part.name: part for part in parts}
    file = by_name["content"]
    if not file.content:
        raise InvalidOrder([{"field": "content", "message": "is empty"}])
    told = {name: part.content.decode() for name, part in by_name.items() if part is not file}
    content_type = told.get("type", _essence(file.content_type or "") or _ANYTHING)
    document = {
        "name": told.get("filename", file.filename or "file"),
        "content_type": _kind(file.content) if content_type == _ANYTHING else content_type,
        "metadata": _metadata(told.get("metadata", "{}")),
    }
    return checked(Label, document), file.content


def _metadata(text: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = order.literal_json(text)
    except CallerError as error:
        raise InvalidOrder([{"field": "metadata", "message": str(error)}]) from error
    return document


def checked(model: type[Said], document: dict[str, Any]) -> Said:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidOrder(order.faults(error.errors())) from error


def _kind(content: bytes) -> str:
    """What a file is that came without saying so, as bytes from memory do: some gateways go by that."""
    return next((kind for signature, kind in _SIGNATURES if signature.match(content)), _ANYTHING)

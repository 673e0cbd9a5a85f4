"""
A form with files (multipart/form-data, RFC 7578), taken apart.

Bytes stay as they came; only the heads of parts are text.
"""

from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser

from darkroom.errors import MalformedBody

_LINE = b"\r\n"


@dataclass(frozen=True)
class Part:
    """One part of a form. `filename` and `content_type` are as its head says them, None where it does not."""

    name: str
    filename: str | None
    content_type: str | None
    content: bytes


def parts(content_type: str, body: bytes) -> list[Part]:
    """The parts of a body, in order; `content_type` is the header that it came with. Raises MalformedBody."""
    boundary = _said(_head(f"Content-Type: {content_type}"), "boundary", "content-type")
    if not boundary:
        raise MalformedBody("The Content-Type says no boundary, so nobody knows where the form's parts end.")
    pieces = (_LINE + body).split(_LINE + b"--" + boundary.encode())[1:]
    closing = next((number for number, piece in enumerate(pieces) if piece.startswith(b"--")), None)
    if closing is None:
        raise MalformedBody("The form's closing boundary is missing: some of it may have been lost.")
    return [_part(piece) for piece in pieces[:closing]]


def _part(piece: bytes) -> Part:
    head, found, content = piece.partition(_LINE + _LINE)
    fields = _head(head.decode().strip())
    name = _said(fields, "name", "content-disposition")
    if not found or name is None:
        raise MalformedBody("A part of the form has no Content-Disposition with a name.")
    return Part(name, _said(fields, "filename", "content-disposition"), fields.get("content-type"), content)


def _head(text: str) -> Message:
    return HeaderParser().parsestr(text)


def _said(fields: Message, parameter: str, header: str) -> str | None:
    """A header's parameter. What mail writes as `filename*=` has no place in a form (RFC 7578, 4.2)."""
    value = fields.get_param(parameter, header=header)
    return value if isinstance(value, str) else None

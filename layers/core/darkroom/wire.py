"""What goes over a wire and what comes back: the two shapes that pure rooms and the socket share."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote_to_bytes

from darkroom.errors import NoReply


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def authorized(self, authorization: str) -> "Request":
        """The same request with somebody's credentials."""
        return Request(self.method, self.url, {**self.headers, "authorization": authorization}, self.body)


@dataclass(frozen=True)
class Reply:
    """`headers` are lower-cased."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def retry_after(self, now: int) -> int | None:
        """Seconds that the Retry-After header asks for, seen from `now` (ms); None if it asks for nothing."""
        value = self.headers.get("retry-after", "").strip()
        try:
            seconds = (
                float(value)
                if value.isascii() and value.isdigit()
                else parsedate_to_datetime(value).timestamp() - now / 1000
            )
            return round(min(max(0.0, seconds), 3600.0))
        except (ValueError, OverflowError):
            return None

    def document(self) -> dict[str, Any]:
        """
        The body as a JSON object.

        Raises NoReply for anything else: relays answer unknown paths with status 200 and their web page,
        so a status says nothing about a body.
        """
        try:
            document = json.loads(self.body)
            if b"\\ud" in self.body.lower():
                # Half a character can be written in JSON, but in nothing that we write.
                document = json.loads(json.dumps(document, ensure_ascii=False).encode(errors="replace"))
        except (ValueError, RecursionError) as error:
            raise NoReply(f"status {self.status} with a body that is not JSON") from error
        if not isinstance(document, dict):
            raise NoReply(f"status {self.status} with JSON that is not an object")
        return document


def inline(uri: str) -> bytes | None:
    """The bytes of a data URI (RFC 2397); None for any other URI. Raises NoReply if they cannot be decoded."""
    if not uri.startswith("data:"):
        return None
    head, _, data = uri.partition(",")
    try:
        return base64.b64decode(data, validate=True) if head.endswith(";base64") else unquote_to_bytes(data)
    except ValueError as error:
        raise NoReply(f"an inline output cannot be decoded: {error}") from error


def json_request(method: str, url: str, document: Mapping[str, Any]) -> Request:
    """A request that carries `document`, in UTF-8."""
    body = json.dumps(document, ensure_ascii=False).encode()
    return Request(method, url, {"content-type": "application/json"}, body)

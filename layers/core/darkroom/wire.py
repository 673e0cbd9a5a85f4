"""What goes over a wire and what comes back: the two shapes that pure rooms and the socket share."""

import base64
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote_to_bytes

from darkroom.errors import NoReply

#: A reply that is nested deeper says nothing that we could look for, and would exhaust whoever looks.
DEPTH_CAP = 100

_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def authorized(self, credentials: Mapping[str, str]) -> "Request":
        """The same request with headers that say who sends it."""
        return Request(self.method, self.url, {**self.headers, **credentials}, self.body)


@dataclass(frozen=True)
class Reply:
    """`headers` are lower-cased."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def retry_after(self, now: int, cap: int = 3600) -> int | None:
        """
        Seconds that a peer asks us to wait, seen from `now` (ms), `cap` at most; None if it asks for nothing.

        It asks in the header Retry-After (OpenAI and Azure in retry-after-ms, too), or in the body of an error: in
        `retry_after` (Replicate), or in the `retryDelay` of a google.rpc.RetryInfo; or else it tells with a 429 when
        its limit is over (Replicate's ratelimit-reset).
        """
        wish = self._wish_in_head(now)
        if wish is None and not self.ok:
            wish = self._wish_in_body()
        if wish is None and self.status == 429 and _NUMBER.fullmatch(over := self.headers.get("ratelimit-reset", "")):
            wish = float(over)
        return None if wish is None else math.ceil(min(max(0.0, wish), float(cap)))

    def document(self) -> dict[str, Any]:
        """
        The body as a JSON object, or the only one in a list (as some of Google's errors come).

        Raises NoReply for anything else: relays answer unknown paths with status 200 and their web page,
        so a status says nothing about a body. What is not UTF-8 in it is replaced: a log that was cut in the middle of
        a character must not cost a picture.
        """
        try:
            document = json.loads(self.body.decode("utf-8-sig", errors="replace"))
            if b"\\ud" in self.body.lower():
                # Half a character can be written in JSON, but in nothing that we write.
                document = json.loads(json.dumps(document, ensure_ascii=False).encode(errors="replace"))
        except (ValueError, RecursionError) as error:
            raise NoReply(f"status {self.status} with a body that is not JSON") from error
        if isinstance(document, list) and len(document) == 1:
            (document,) = document
        if not isinstance(document, dict):
            raise NoReply(f"status {self.status} with JSON that is not an object")
        if depth(document) > DEPTH_CAP:
            raise NoReply(f"status {self.status} with JSON that is nested too deeply")
        return document

    def _wish_in_head(self, now: int) -> float | None:
        value = self.headers.get("retry-after", "").strip()
        milliseconds = self.headers.get("retry-after-ms", "").strip()
        try:
            if _NUMBER.fullmatch(value):
                return float(value)
            if _NUMBER.fullmatch(milliseconds):
                return float(milliseconds) / 1000
            return parsedate_to_datetime(value).timestamp() - now / 1000
        except (ValueError, OverflowError):
            return None

    def _wish_in_body(self) -> float | None:
        try:
            document = self.document()
        except NoReply:
            return None
        error = document.get("error")
        details = objects(error.get("details")) if isinstance(error, dict) else []
        wishes = (document.get("retry_after"), *(each.get("retryDelay") for each in details))
        found = (re.fullmatch(r"(\d+(\.\d+)?)s?", str(wish), re.ASCII) for wish in wishes)
        return next((float(each[1]) for each in found if each), None)


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in what should be a list of objects; none in anything else."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def depth(value: Any) -> int:
    """Levels of nesting, found without recursion."""
    deepest, level = 0, [value]
    while level:
        deepest += 1
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
    return deepest


def data_uri(picture: str) -> str:
    """A picture in base64 as a data URI; some relays send the head of one with it."""
    return picture if picture.startswith("data:") else f"data:;base64,{picture}"


def inline(uri: str) -> bytes | None:
    """
    The bytes of a data URI (RFC 2397); None for any other URI. Raises NoReply if they cannot be decoded.

    Base64 comes in both alphabets, in lines, and without its padding, too; a picture is worth more than the letter.
    """
    if not uri.startswith("data:"):
        return None
    head, _, data = uri.partition(",")
    try:
        content = unquote_to_bytes(data)
        if not head.endswith(";base64"):
            return content
        letters = b"".join(content.split()).translate(bytes.maketrans(b"-_", b"+/"))
        return base64.b64decode(letters + b"=" * (-len(letters) % 4), validate=True)
    except ValueError as error:
        raise NoReply(f"an inline output cannot be decoded: {error}") from error


def json_request(method: str, url: str, document: Mapping[str, Any]) -> Request:
    """A request that carries `document`, in UTF-8."""
    body = json.dumps(document, ensure_ascii=False).encode()
    return Request(method, url, {"content-type": "application/json"}, body)

"""
A connection that is kept for one request after another: a POST to `/` goes out in one piece, and its reply is read.

http.client does the same at three times the price: it sends head and body apart, and reads a head as if it were a mail.
What is understood is what a server of HTTP/1.1 may answer a POST with (RFC 9112); all else is an error.
"""

import select
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

#: Bytes that are read at a time, bytes of the longest head, or of a line between chunks, and lines behind them.
PIECE, HEAD_CAP, TRAILERS_CAP = 65_536, 32_768, 100
#: Of a line, and of a head.
_END, _HEAD_END = b"\r\n", b"\r\n\r\n"


def post(headers: Mapping[str, str], body: bytes) -> bytes:
    """A request. headers: with `host`, and without the body's length. Raises ValueError for one of several lines."""
    head = [f"{name}: {value}" for name, value in headers.items()]
    if any("\n" in line or "\r" in line for line in head):
        raise ValueError("a header of more than one line")
    lines = ["POST / HTTP/1.1", *head, "accept-encoding: identity", f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@dataclass(frozen=True)
class Heard:
    """A reply. The names of its headers are in lower case. last: whether the connection is of no use after it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    last: bool


class Connection:
    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, patience: float) -> None:
        """patience: seconds for each step. Raises an OSError: a TimeoutError, an ssl.SSLError, or another."""
        self._socket = socket.create_connection((host, port), patience)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self._socket = tls.wrap_socket(self._socket, server_hostname=host)

    def exchange(self, request: bytes, patience: float) -> Heard:
        """
        One request and its reply. patience: seconds for each silence. Raises an OSError or an EOFError if the reply
        does not come whole, and a ValueError if it is no HTTP.
        """
        self._socket.settimeout(patience)
        self._socket.sendall(request)
        return _heard(_Reply(self._socket))

    @property
    def idle(self) -> bool:
        """Whether the other side has said nothing since, not even that it is gone."""
        poll = select.poll()  # select() itself knows of no more than 1,024 files
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self._socket.close()


class _Reply:
    """What comes over a socket, in lines and in pieces. Raises EOFError if it ends before them."""

    def __init__(self, source: socket.socket) -> None:
        self._source, self._held = source, bytearray()

    @property
    def over(self) -> bool:
        """Whether all that came is read."""
        return not self._held

    def until(self, end: bytes) -> str:
        """All up to this end, which is read, too, and left out."""
        while (length := self._held.find(end)) < 0:
            if len(self._held) > HEAD_CAP:
                raise ValueError("a head or a line that is too long")
            self._more()
        return self._taken(length + len(end))[:length].decode("latin-1")

    def exactly(self, length: int) -> bytes:
        if length < 0:
            raise ValueError("less than nothing")
        while len(self._held) < length:
            self._more()
        return self._taken(length)

    def rest(self) -> bytes:
        with suppress(EOFError):
            while True:
                self._more()
        return self._taken(len(self._held))

    def _more(self) -> None:
        if not (piece := self._source.recv(PIECE)):
            raise EOFError("the reply ends too early")
        self._held += piece

    def _taken(self, length: int) -> bytes:
        taken = bytes(self._held[:length])
        del self._held[:length]
        return taken


def _heard(reply: _Reply) -> Heard:
    status = 100
    while status < 200:  # what comes before the reply itself
        first, *lines = reply.until(_HEAD_END).split("\r\n")
        version, status = _status(first)
    headers = dict(map(_header, lines))
    last = version != "HTTP/1.1" or "close" in headers.get("connection", "").lower()
    if status in (204, 304):
        body = b""
    elif headers.get("transfer-encoding", "").lower() == "chunked":
        body = b"".join(_chunks(reply))
    elif "content-length" in headers:
        body = reply.exactly(_number(headers["content-length"]))
    else:
        body, last = reply.rest(), True
    # What comes unasked must not be taken for the next reply.
    return Heard(status, headers, body, last or not reply.over)


def _status(line: str) -> tuple[str, int]:
    version, _, rest = line.partition(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError("this is no HTTP")
    return version, _number(rest[:3])


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


def _chunks(reply: _Reply) -> Iterator[bytes]:
    while size := _number(reply.until(_END).partition(";")[0], 16):
        yield reply.exactly(size)
        if reply.until(_END):
            raise ValueError("a chunk that is longer than it says")
    for _ in range(TRAILERS_CAP):  # what may come behind a body
        if not reply.until(_END):
            return
    raise ValueError("a tail that is too long")


def _number(text: str, base: int = 10) -> int:
    """Raises a ValueError that does not say of what: it may be a piece of a body, and errors are logged."""
    try:
        return int(text, base)
    except ValueError:
        raise ValueError("this is no number") from None

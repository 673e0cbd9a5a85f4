"""
One connection for one request, and every step of it within the time that is left.

A socket's timeout is for one step, so that a peer that drips bytes could stretch the whole: here each step gets what
the steps before it have left. What is HTTP and what is not, h11 says.
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import h11
import httpx

from darkroom import clock, tls

#: Bytes that are read at a time, and bytes of the longest head.
PIECE = 262_144
HEAD_CAP = 100_000


class Place(NamedTuple):
    """Where to connect to. name: whom the certificate must be for; None where there is no TLS."""

    address: str
    port: int
    name: str | None


def exchange(request: httpx.Request, place: Place, until: float) -> httpx.Response:
    """
    One request to a place, and the head of the response. Who closes the response closes the connection.

    Its extension `timeout` says for how many seconds it may take to connect, and again to greet. until: when all is
    over, by clock.elapsed().
    Raises httpx.LocalProtocolError, ConnectError and ConnectTimeout before anything was sent. After that, and while the
    body is read, an OSError (a TimeoutError when time is up) or a h11.RemoteProtocolError.
    """
    talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_CAP)
    try:
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        said = b"".join(talk.send(event) or b"" for event in (head, h11.Data(request.read()), h11.EndOfMessage()))
    except h11.LocalProtocolError as error:
        raise httpx.LocalProtocolError("this is no HTTP") from error
    connection = _Connection(place, talk, request.extensions["timeout"]["connect"], until)
    try:
        connection.say(said)
        heard = connection.hear()
    except BaseException:
        connection.close()
        raise
    return httpx.Response(heard.status_code, headers=heard.headers.raw_items(), stream=connection)


class _Connection(httpx.SyncByteStream):
    """What is iterated over is the body of the response."""

    def __init__(self, place: Place, talk: h11.Connection, patience: float, until: float) -> None:
        self._talk, self._until = talk, until
        self._socket = socket.socket(socket.AF_INET6 if ":" in place.address else socket.AF_INET)
        try:
            self._socket.settimeout(min(patience, self._left()))
            self._socket.connect((place.address, place.port))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if place.name is not None:
                self._socket.settimeout(min(patience, self._left()))
                self._socket = tls.context().wrap_socket(self._socket, server_hostname=place.name)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raised = httpx.ConnectTimeout if isinstance(error, TimeoutError) else httpx.ConnectError
                raise raised("no connection") from error
            raise

    def say(self, said: bytes) -> None:
        # Who has heard enough may hang up on the rest, and have answered all the same.
        with suppress(OSError):
            rest = memoryview(said)
            while rest:
                self._socket.settimeout(self._left())
                rest = rest[self._socket.send(rest) :]

    def hear(self) -> h11.Response:
        """The head of the response."""
        while not isinstance(event := self._event(), h11.Response):
            pass
        self._length = _length(event)
        return event

    def __iter__(self) -> Iterator[bytes]:
        if self._length is None:
            while isinstance(event := self._event(), h11.Data):
                yield bytes(event.data)
            return
        # What has a length is counted here: h11 would copy it three times over.
        piece, rest = self._talk.trailing_data[0][: self._length], self._length
        while rest := rest - len(piece):
            yield piece
            if not (piece := self._receive(min(rest, PIECE))):
                raise h11.RemoteProtocolError("the body ends before its length")
        yield piece

    def close(self) -> None:
        self._socket.close()

    def _event(self) -> object:
        while (event := self._talk.next_event()) is h11.NEED_DATA:
            self._talk.receive_data(self._receive(PIECE))
        return event

    def _receive(self, most: int) -> bytes:
        self._socket.settimeout(self._left())
        return self._socket.recv(most)

    def _left(self) -> float:
        """Seconds, and more than none: that would tell a socket not to wait at all. Raises TimeoutError."""
        left = self._until - clock.elapsed()
        if left <= 0:
            raise TimeoutError
        return left


def _length(head: h11.Response) -> int | None:
    """Bytes of the body, where the head alone says so. h11 has seen to it that it is one number."""
    told = dict(head.headers)
    if head.status_code in (204, 304) or b"transfer-encoding" in told or b"content-length" not in told:
        return None
    return int(told[b"content-length"])

"""
THE socket: every request that leaves this application goes through here.

Its rules: one attempt, on a connection of its own; a total deadline, which a peer that drips bytes cannot stretch
(httpx's own timeouts are for each read); a cap on what is read; no proxy, cookie or redirect that nobody asked for; and
only public addresses over TLS, looked up once and connected to as looked up.

Its errors say the one thing that matters about a request that costs money: NotSent, it certainly was not acted upon;
NoReply, it may have been.
"""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import lru_cache
from threading import Thread
from typing import Any

import httpx

from darkroom import addresses, clock, connection
from darkroom.connection import Place
from darkroom.errors import ForbiddenAddress, NoReply, NotSent, OutputUnavailable
from darkroom.unpacking import Unpacker
from darkroom.wire import Reply, Request

#: Seconds for finding and greeting a peer. Who is not there by then has not been sent anything.
CONNECT_S = 5.0
#: How often an output may say that it has moved.
REDIRECTS = 2

#: What httpx raises before the first byte of a request can have been acted upon. All else is NoReply.
NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
)


def send(request: Request, *, deadline: float, cap: int = 1_000_000, cut: bool = False) -> Reply:
    """
    One request, and its reply whatever its status.

    deadline: seconds for everything. cap: bytes of the reply, unpacked; a longer one is NoReply. cut: its status and
    headers will do: what is beyond the cap is left, and a body that does not come to its end counts as empty.
    Raises ForbiddenAddress, NotSent, NoReply.
    """
    reply = None
    try:
        with _exchange(request, deadline) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            if cut:
                reply = Reply(response.status_code, headers, b"")
            body = bytearray()
            for piece in _pieces(response):
                body += piece
                if len(body) > cap and cut:
                    break
                if len(body) > cap:
                    raise NoReply(f"the reply of {_host(request.url)} is larger than {cap} bytes")
            reply = Reply(response.status_code, headers, bytes(body[:cap]))
    except Exception as error:  # whatever it is: nobody knows what became of the request
        if reply is None and isinstance(error, ForbiddenAddress | NotSent | NoReply):
            raise
        if reply is None:
            raise NoReply(f"{type(error).__name__} while talking to {_host(request.url)}") from error
    return reply


def fetch(url: str, write: Callable[[bytes], object], *, deadline: float, cap: int) -> None:
    """
    `write` what lies at `url`, a piece at a time. No credentials; two redirects, each guarded like the first address.

    Raises OutputUnavailable for every way in which that can fail, a size over `cap` bytes included.
    """
    host, until = _host(url), clock.elapsed() + deadline
    try:
        for _ in range(1 + REDIRECTS):
            with _exchange(Request("GET", url), until - clock.elapsed()) as response:
                if response.has_redirect_location:
                    url = str(httpx.URL(url).join(response.headers["location"]))
                    continue
                if response.status_code != 200:
                    raise OutputUnavailable(f"{host} answered {response.status_code} for an output")
                size = 0
                for piece in _pieces(response):
                    size += len(piece)
                    if size > cap:
                        raise OutputUnavailable(f"an output at {host} is larger than {cap} bytes")
                    write(piece)
                return
        raise OutputUnavailable(f"{host} redirects an output more than {REDIRECTS} times")
    except OutputUnavailable:
        raise
    except Exception as error:  # whatever it is: the output is not there, and may be another time
        raise OutputUnavailable(f"{type(error).__name__} while copying an output from {host}") from error


def examine(url: str) -> None:
    """Raises ForbiddenAddress if `url` points where `send` would not go. A name unknown now may be known later."""
    try:
        transport().pin(_understood(url), CONNECT_S)
    except NotSent:
        return


class Public(httpx.BaseTransport):
    """Connections to public addresses over TLS."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """
        Within `read` seconds, as the request's timeouts say; `connect` of them to look up, to connect, to greet.
        """
        timeout = request.extensions["timeout"]
        until = clock.elapsed() + timeout["read"]
        return self.reach(request, self.pin(request.url, timeout["connect"]), until)

    def pin(self, url: httpx.URL, patience: float) -> Place:
        """
        Where a URL leads. The certificate is held against the name, not against the address that the name has led to.

        patience: seconds for a lookup. Raises as `address`.
        """
        return Place(self.address(url, patience), url.port or 443, _ascii(url))

    def address(self, url: httpx.URL, patience: float) -> str:
        """
        Where a URL's host is. Raises ForbiddenAddress, NotSent.

        A public address in place of a name will do: nobody can make it lead elsewhere between a look and a connection,
        and its certificate must be one for that address. patience: seconds for a lookup.
        """
        if url.scheme != "https" or url.port not in (None, 443, 8443) or url.userinfo or not url.host:
            raise ForbiddenAddress("Only https URLs at port 443 or 8443, without a user name, are allowed.")
        host = _ascii(url)
        literal = addresses.literal(host)
        if not literal and not addresses.name(host):
            raise ForbiddenAddress("The URL's host is neither an address nor the full name of a host on the internet.")
        found = [host] if literal else self.look_up(host, patience)
        if not found or not all(map(addresses.public, found)):
            raise ForbiddenAddress("The URL's host is not, or not only, at public addresses.")
        return found[0]

    def look_up(self, name: str, patience: float) -> list[str]:
        """The addresses of a host, from one lookup. Raises NotSent for a name that nobody knows."""
        looked_up: Future[list[Any]] = Future()

        def look() -> None:
            try:
                looked_up.set_result(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM))
            except Exception as error:  # it is for who waits for the result
                looked_up.set_exception(error)

        # In a thread that may be left behind: a resolver cannot be told to stop.
        Thread(target=look, daemon=True).start()
        try:
            found = looked_up.result(patience)
        except (OSError, UnicodeError) as error:
            raise NotSent(f"the name {name} cannot be resolved") from error
        return [str(entry[4][0]) for entry in found]

    def reach(self, request: httpx.Request, place: Place, until: float) -> httpx.Response:
        """The way on for what has passed the guard; `until` as connection.exchange has it."""
        return connection.exchange(request, place, until)


#: How connections are made. Nothing in the environment changes it; the local cloud's own processes do.
transport: Callable[[], Public] = Public


@contextmanager
def _exchange(request: Request, deadline: float) -> Iterator[httpx.Response]:
    """
    One request on a connection of its own, up to the head of its response. Raises ForbiddenAddress, NotSent, and
    whatever a transport raises.

    It goes to the transport directly: httpx's client has a mind of its own about redirects and cookies, and what it
    raises over a reply's Location would look like a request that was never sent.
    """
    timeout = httpx.Timeout(deadline, connect=min(CONNECT_S, deadline)).as_dict()
    # What is packed costs time to unpack, and could be a bomb.
    headers = {"accept-encoding": "identity", "user-agent": "darkroom", **request.headers}
    url = _understood(request.url)
    try:
        outgoing = httpx.Request(
            request.method, url, headers=headers, content=request.body, extensions={"timeout": timeout}
        )
    except UnicodeError as error:
        raise NotSent("a header cannot be written in ASCII") from error
    with transport() as way:
        try:
            response = way.handle_request(outgoing)
        except NEVER_SENT as error:
            raise NotSent(f"{type(error).__name__} on the way to {_host(request.url)}") from error
        try:
            yield response
        finally:
            response.close()


def _pieces(response: httpx.Response) -> Iterator[bytes]:
    """A response's body, unpacked, a piece at a time: what counts for a cap is what it unpacks to."""
    unpacker = Unpacker(response.headers.get("content-encoding", ""))
    for chunk in response.iter_raw():
        yield from unpacker.pieces(chunk)
    unpacker.end()


@lru_cache(maxsize=64)
def _understood(url: str) -> httpx.URL:
    """Kept, because new requests go to the same few addresses. Raises ForbiddenAddress."""
    try:
        understood = httpx.URL(url)
        str(understood.host)  # may turn out to be no IDNA
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ForbiddenAddress("The URL cannot be understood.") from error
    return understood


def _ascii(url: httpx.URL) -> str:
    """The host as it is looked up and certified. URL.host may be Unicode, which sockets read differently."""
    return url.raw_host.decode("ascii")


def _host(url: str) -> str:
    """All of a URL that may be told: its path and query may be signed."""
    try:
        return httpx.URL(url).host or "an address without a host"
    except (httpx.InvalidURL, UnicodeError):
        return "an address that is no URL"

"""THE socket, against peers on 127.0.0.1 that misbehave. Its guard is in test_http_guard.py."""

import gzip
import io
import random
import socket
import socketserver
import ssl
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from darkroom import http
from darkroom.connection import Place
from darkroom.errors import DarkroomError, NoReply, NotSent, OutputUnavailable
from darkroom.wire import Request
from tests.conftest import Wire

#: Nothing of it but the host may ever be told.
URL = "https://peer.example/secret?signature=secret"
POST = Request("POST", URL, {"authorization": "Bearer secret"}, b"the body")
HEAD = b"HTTP/1.1 200 OK\r\n"
Talk = Callable[[socket.socket], None]


class Peer(socketserver.ThreadingTCPServer):
    """Hears a request out, then talks as it was told to, and hangs up."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *talks: Talk) -> None:
        self.talks, self.heard = list(talks), list[bytes]()
        super().__init__(("127.0.0.1", 0), Conversation)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The other side has hung up first."""


class Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Peer)
        head = b"".join(iter(self.rfile.readline, b"\r\n"))
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        self.server.heard.append(head + b"\r\n" + self.rfile.read(length))
        talks = self.server.talks
        (talks.pop(0) if len(talks) > 1 else talks[0])(self.request)


class Here(http.Public):
    """peer.example is at 127.0.0.1; the guard stands before everything else."""

    def __init__(self, port: int, scheme: str) -> None:
        super().__init__()
        self._port, self._scheme = port, scheme

    def pin(self, url: httpx.URL, patience: float) -> Place:
        if (url.scheme, url.host) != ("https", "peer.example"):
            return super().pin(url, patience)
        return Place("127.0.0.1", self._port, url.host if self._scheme == "https" else None)


Serve = Callable[..., Peer]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a peer that talks like this, once for each connection, the last way again and again."""
    with ExitStack() as stack:

        def start(*talks: Talk, scheme: str = "http") -> Peer:
            peer = stack.enter_context(Peer(*talks))
            threading.Thread(target=peer.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(peer.shutdown)
            monkeypatch.setattr(http, "transport", lambda: Here(peer.server_address[1], scheme))
            return peer

        yield start


def say(*parts: bytes, pause: float = 0) -> Talk:
    def talk(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)

    return talk


def drip(*parts: bytes) -> Talk:
    """A byte now and then, for ever: each read is soon answered, and nothing comes to an end."""
    return say(*parts, *[b"a"] * 200, pause=0.02)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def page(body: bytes = b"", status: str = "200 OK", *headers: str) -> Talk:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return say("\r\n".join([*head, "\r\n"]).encode() + body)


def fails(error: type[DarkroomError], attempt: Callable[[], object]) -> None:
    """It fails like this, soon, and without telling what is secret."""
    started = time.monotonic()
    with pytest.raises(error) as caught:
        attempt()
    assert time.monotonic() - started < 2
    assert "secret" not in str(caught.value)


def send(deadline: float = 1.5, cap: int = 1_000_000) -> Any:
    return http.send(POST, deadline=deadline, cap=cap)


def fetch(deadline: float = 1.5, cap: int = 1_000_000) -> bytes:
    file = io.BytesIO()
    http.fetch(URL, file.write, deadline=deadline, cap=cap)
    return file.getvalue()


def test_a_request_arrives_as_it_is_and_each_on_a_connection_of_its_own(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    peer = serve(page(b"{}", "201 Created", "X-Request-Id: 7", "Set-Cookie: a=b"))
    replies = [send(), send()]
    assert [(reply.status, reply.headers["x-request-id"], reply.body) for reply in replies] == [(201, "7", b"{}")] * 2
    head, _, body = peer.heard[1].partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert (lines[0], body, len(peer.heard)) == ("post /secret?signature=secret http/1.1", b"the body", 2)
    assert {"host: peer.example", "accept-encoding: identity", "authorization: bearer secret"} <= set(lines)
    assert not any(line.startswith("cookie") for line in lines)


DRIPS = {
    "no word": say(b"", pause=3),
    "a head": drip(HEAD + b"x-filler: "),
    "many heads": say(*[b"HTTP/1.1 103 Early Hints\r\n\r\n"] * 200, pause=0.02),
    "a body": drip(HEAD + b"Content-Length: 9000\r\n\r\n"),
    "chunks": say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\na\r\n"] * 200, pause=0.02),
}


@pytest.mark.parametrize("talk", DRIPS.values(), ids=DRIPS)
def test_a_peer_that_drips_cannot_stretch_the_deadline(serve: Serve, talk: Talk) -> None:
    serve(talk)
    started = time.monotonic()
    fails(NoReply, lambda: send(deadline=0.2))
    fails(OutputUnavailable, lambda: fetch(deadline=0.2))
    assert 0.4 <= time.monotonic() - started < 2


BROKEN = {
    "hangs up": say(),
    "resets": reset,
    "half a head": say(HEAD + b"Content-Le"),
    "half a body": say(HEAD + b"Content-Length: 9\r\n\r\nhalf"),
    "half a chunk": say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf"),
    "no last chunk": say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
    "no chunk at all": say(HEAD + b"Transfer-Encoding: chunked\r\n\r\nhalf\r\n"),
    "no HTTP": say(b"220 mail.example ESMTP\r\n"),
    "two lengths": say(HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nhalf"),
    "no length": say(HEAD + b"Content-Length: -1\r\n\r\nhalf"),
    "an endless head": say(HEAD + b"x: " + b"x" * 300_000),
}


@pytest.mark.parametrize("talk", BROKEN.values(), ids=BROKEN)
def test_a_reply_that_breaks_off_may_have_been_acted_upon(serve: Serve, talk: Talk) -> None:
    peer = serve(talk)
    fails(NoReply, send)
    assert len(peer.heard) == 1
    fails(OutputUnavailable, fetch)


def test_a_reply_is_read_up_to_the_cap_and_not_beyond(serve: Serve) -> None:
    serve(page(b"x" * 1000))
    assert len(send(cap=1000).body) == len(fetch(cap=1000)) == 1000
    fails(NoReply, lambda: send(cap=999))
    fails(OutputUnavailable, lambda: fetch(cap=999))


@pytest.mark.parametrize(
    "talk",
    [
        drip(HEAD, b"\r\n"),
        say(HEAD, b"Content-Length: 9000\r\n\r\n", b"no more"),
        say(HEAD, b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n", b"not so at"),
        say(HEAD, b"\r\n", *[bytes(100_000)] * 50),
    ],
    ids=["late", "broken", "not what it says", "endless"],
)
def test_a_body_that_nobody_needs_may_be_endless_broken_or_late(serve: Serve, talk: Talk) -> None:
    serve(talk)
    reply = http.send(POST, deadline=1.0, cap=64_000, cut=True)
    assert reply.status == 200
    assert len(reply.body) <= 64_000


def test_a_whole_reply_is_kept_though_the_connection_ends_badly(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: http.Public) -> None:
        raise OSError("the other side was faster")

    serve(page(b"a ticket"))
    monkeypatch.setattr(http.Public, "close", broken)
    assert send().body == b"a ticket"


def test_who_is_not_there_was_sent_nothing(serve: Serve) -> None:
    peer = serve(page())
    peer.shutdown()
    peer.server_close()
    fails(NotSent, send)
    fails(OutputUnavailable, fetch)


def test_who_cannot_greet_in_tls_was_sent_nothing(serve: Serve) -> None:
    peer = serve(page(), scheme="https")
    peer.RequestHandlerClass = type("Greeting", (socketserver.BaseRequestHandler,), {"handle": greet_in_plain_text})
    fails(NotSent, send)


def greet_in_plain_text(conversation: socketserver.BaseRequestHandler) -> None:
    conversation.request.sendall(HEAD + b"\r\n")


BODY = bytes(range(256)) * 1000
BARE = zlib.compress(BODY, wbits=-zlib.MAX_WBITS)
PACKED = {
    "gzip": ("gzip", gzip.compress(BODY)),
    "in capitals": ("GZip", gzip.compress(BODY)),
    "by its old name": ("x-gzip", gzip.compress(BODY)),
    "in two streams": ("gzip", gzip.compress(BODY[:1000]) + gzip.compress(BODY[1000:])),
    "stored": ("gzip", gzip.compress(BODY, 0)),
    "deflate": ("deflate", zlib.compress(BODY)),
    "bare deflate": ("deflate", BARE),
    "as it is": ("identity", BODY),
}


@pytest.mark.parametrize(("encoding", "packed"), PACKED.values(), ids=PACKED)
def test_what_is_packed_although_nobody_asked_for_it_is_unpacked(serve: Serve, encoding: str, packed: bytes) -> None:
    serve(page(packed, "200 OK", f"Content-Encoding: {encoding}"))
    assert send().body == fetch() == BODY
    split = say(HEAD + f"Content-Encoding: {encoding}\r\nContent-Length: {len(packed)}\r\n\r\n".encode(),
                packed[:1], packed[1:7], packed[7:-3], packed[-3:], pause=0.01)  # fmt: skip
    serve(split)
    assert send().body == fetch() == BODY


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized"])
def test_a_packed_reply_without_a_body_is_a_reply(serve: Serve, status: str) -> None:
    serve(page(b"", status, "Content-Encoding: gzip"))
    assert (send().status, send().body) == (int(status[:3]), b"")


def test_of_a_bomb_no_more_is_unpacked_than_may_be_read(serve: Serve) -> None:
    bomb = gzip.compress(bytes(200_000_000), 1)
    serve(page(bomb, "200 OK", "Content-Encoding: gzip"))
    tracemalloc.start()
    try:
        fails(NoReply, lambda: send(cap=2_000_000))
        fails(OutputUnavailable, lambda: fetch(cap=2_000_000))
        assert len(http.send(POST, deadline=1.5, cap=2_000_000, cut=True).body) == 2_000_000
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("size", "bomb"), [(9_900_000, False), (10_100_000, True)])
def test_what_grows_a_hundredfold_is_a_bomb_long_before_the_cap(serve: Serve, size: int, bomb: bool) -> None:
    serve(page(gzip.compress(bytes(size), 1), "200 OK", "Content-Encoding: gzip"))
    if bomb:
        fails(NoReply, lambda: send(cap=250_000_000))
        fails(OutputUnavailable, lambda: fetch(cap=250_000_000))
    else:
        assert len(send(cap=250_000_000).body) == len(fetch(cap=250_000_000)) == size


def test_what_is_large_and_does_not_grow_so_is_none(serve: Serve) -> None:
    large = random.Random(7).randbytes(200_000) * 60
    serve(page(gzip.compress(large, 1), "200 OK", "Content-Encoding: gzip"))
    assert send(cap=20_000_000).body == fetch(cap=20_000_000) == large


def test_what_is_packed_counts_as_what_it_unpacks_to(serve: Serve) -> None:
    serve(page(gzip.compress(BODY), "200 OK", "Content-Encoding: gzip"))
    assert len(send(cap=len(BODY)).body) == len(fetch(cap=len(BODY))) == len(BODY)
    fails(NoReply, lambda: send(cap=len(BODY) - 1))
    fails(OutputUnavailable, lambda: fetch(cap=len(BODY) - 1))


SPOILED = {
    "half": ("gzip", gzip.compress(BODY)[:-20]),
    "a wrong sum": ("gzip", gzip.compress(BODY)[:-8] + bytes(8)),
    "not packed at all": ("gzip", BODY),
    "not packed, either": ("deflate", b"{}"),
    "more behind it": ("gzip", gzip.compress(BODY) + b"more"),
    "in another way": ("br", zlib.compress(BODY)),
    "twice": ("gzip, gzip", gzip.compress(gzip.compress(BODY))),
}


@pytest.mark.parametrize(("encoding", "packed"), SPOILED.values(), ids=SPOILED)
def test_what_cannot_be_unpacked_is_a_reply_that_broke_off(serve: Serve, encoding: str, packed: bytes) -> None:
    peer = serve(page(packed, "200 OK", f"Content-Encoding: {encoding}"))
    fails(NoReply, send)
    assert len(peer.heard) == 1
    fails(OutputUnavailable, fetch)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_request_follows_no_redirect(serve: Serve, status: int) -> None:
    peer = serve(page(b"", f"{status} Elsewhere", "Location: https://elsewhere.example/"))
    assert (send().status, len(peer.heard)) == (status, 1)


def test_an_output_is_followed_through_two_redirects_without_credentials(serve: Serve) -> None:
    peer = serve(page(b"", "302 Found", "Location: /b"), page(b"", "307 Over there", "Location: /c"), page(b"picture"))
    assert fetch() == b"picture"
    assert [one.split(b" ")[1] for one in peer.heard[1:]] == [b"/b", b"/c"]
    assert not any(b"authorization" in one.lower() for one in peer.heard)
    peer = serve(page(b"", "302 Found", "Location: /again"))
    fails(OutputUnavailable, fetch)
    assert len(peer.heard) == 3


@pytest.mark.parametrize("where", ["https://127.0.0.1/", "https://[::1]/", "http://8.8.8.8/", "file:///etc/passwd"])
def test_a_redirect_is_guarded_like_the_first_address(serve: Serve, where: str) -> None:
    peer = serve(page(b"", "302 Found", f"Location: {where}"), page(b"inside"))
    fails(OutputUnavailable, fetch)
    assert len(peer.heard) == 1


@pytest.mark.parametrize(
    "status", ["204 No Content", "206 Partial", "304 Not Modified", "403 Expired", "404 Gone", "500"]
)
def test_only_a_200_is_an_output(serve: Serve, status: str) -> None:
    serve(page(b"", status))
    fails(OutputUnavailable, fetch)


RAISED = [
    each
    for each in (getattr(httpx, name) for name in httpx.__all__)
    if isinstance(each, type) and issubclass(each, Exception)
]


def scripted(wire: Wire, error: type[Exception]) -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise error.__new__(error, "secret")

    wire.on("POST", URL, broken)
    wire.on("GET", URL, broken)


def test_of_all_that_httpx_raises_only_these_mean_that_nothing_was_sent(wire: Wire) -> None:
    not_sent = set()
    for error in [*RAISED, ZeroDivisionError, OSError, ssl.SSLError, UnicodeError, RuntimeError, EOFError]:
        scripted(wire, error)
        with pytest.raises((NotSent, NoReply)) as caught:
            send()
        assert "secret" not in str(caught.value)
        if caught.type is NotSent:
            not_sent.add(error.__name__)
    assert len(RAISED) > 25
    assert not_sent == {
        *("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"),
        *("UnsupportedProtocol", "LocalProtocolError", "InvalidURL"),
    }


@pytest.mark.parametrize(
    "error", [each for each in RAISED if issubclass(each, httpx.TransportError | httpx.InvalidURL)]
)
def test_an_output_that_cannot_be_copied_is_unavailable(wire: Wire, error: type[Exception]) -> None:
    scripted(wire, error)
    fails(OutputUnavailable, fetch)


@pytest.mark.parametrize("location", ["https:foo", "http:x", "mailto:a", "https://h:x/", "https://xn--/", "//"])
def test_a_reply_that_redirects_to_nonsense_is_a_reply_all_the_same(wire: Wire, location: str) -> None:
    wire.on("POST", URL, httpx.Response(307, headers={"location": location}))
    assert send().status == 307
    wire.on("GET", URL, httpx.Response(302, headers={"location": location}))
    fails(OutputUnavailable, fetch)


def test_a_header_that_cannot_be_written_was_sent_nothing(wire: Wire) -> None:
    fails(NotSent, lambda: http.send(Request("POST", URL, {"authorization": "secret\u2026"}), deadline=1))
    assert wire.requests == []


def test_a_cookie_is_not_carried_from_one_host_to_the_next(wire: Wire) -> None:
    next_url = "https://elsewhere.example/"
    wire.on("GET", URL, httpx.Response(302, headers={"location": next_url, "set-cookie": "spy=1; Domain=example"}))
    wire.on("GET", next_url, httpx.Response(200, content=b"picture"))
    assert fetch() == b"picture"
    assert "cookie" not in wire.requests[-1].headers

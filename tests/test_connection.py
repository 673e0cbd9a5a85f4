"""One connection for one request: its certificate, its time, and where a body ends. See test_http.py for the rest."""

import socket
import socketserver
import ssl
import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import pytest
import trustme

from darkroom import http
from darkroom.errors import NoReply, NotSent, OutputUnavailable
from darkroom.wire import Request
from tests.test_http import HEAD, URL, Conversation, Peer, Serve, Talk, drip, fails, fetch, page, say, send, serve

__all__ = ["serve"]
MB = 1_000_000


def secured(peer: Peer, certificate: trustme.LeafCert, protocols: tuple[str, ...] = ()) -> None:
    """From now on the peer speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    context.set_alpn_protocols(protocols)

    class Secured(Conversation):
        request: socket.socket

        def setup(self) -> None:
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def finish(self) -> None:
            super().finish()
            self.request.close()

    peer.RequestHandlerClass = Secured


def test_who_has_a_certificate_for_the_name_is_spoken_to(serve: Serve, authority: trustme.CA) -> None:
    body = bytes(range(256)) * 10_000
    peer = serve(page(body), scheme="https")
    secured(peer, authority.issue_cert("peer.example"), ("h2", "http/1.1"))
    assert send(cap=3 * MB).body == body
    assert fetch(cap=3 * MB) == body
    assert len(peer.heard) == 2


@pytest.mark.parametrize("names", [("127.0.0.1",), ("other.example", "127.0.0.1")], ids=["its address", "another"])
def test_a_certificate_for_anything_but_the_name_is_none(
    serve: Serve, authority: trustme.CA, names: tuple[str, ...]
) -> None:
    peer = serve(page(), scheme="https")
    secured(peer, authority.issue_cert(*names))
    fails(NotSent, send)
    fails(OutputUnavailable, fetch)
    assert peer.heard == []


def test_a_certificate_that_nobody_vouches_for_is_none(serve: Serve, authority: trustme.CA) -> None:
    peer = serve(page(), scheme="https")
    secured(peer, trustme.CA().issue_cert("peer.example"))
    fails(NotSent, send)
    assert peer.heard == []


def greeting(connection: socketserver.BaseRequestHandler) -> None:
    """The beginning of a record that never ends, a byte now and then."""
    drip(b"\x16\x03\x03\x40\x00")(connection.request)


def test_a_peer_that_drips_its_greeting_was_sent_nothing_and_cannot_stretch_the_deadline(serve: Serve) -> None:
    peer = serve(page(), scheme="https")
    peer.RequestHandlerClass = type("Dripping", (socketserver.BaseRequestHandler,), {"handle": greeting})
    fails(NotSent, partial(send, deadline=0.2))
    fails(OutputUnavailable, partial(fetch, deadline=0.2))


def sip(conversation: socketserver.BaseRequestHandler) -> None:
    """Take a little of the request now and then."""
    while conversation.request.recv(500_000):
        time.sleep(0.02)


def test_a_peer_that_sips_cannot_stretch_the_deadline(serve: Serve) -> None:
    peer = serve(page())
    peer.RequestHandlerClass = type("Sipping", (socketserver.BaseRequestHandler,), {"handle": sip})
    request = Request("POST", URL, {}, bytes(80 * MB))
    fails(NoReply, lambda: http.send(request, deadline=0.3))


def hold(*parts: bytes) -> Talk:
    """Say it all, and keep the connection."""

    def talk(connection: socket.socket) -> None:
        say(*parts, pause=0.01)(connection)
        time.sleep(2.5)

    return talk


BODY = bytes(range(256)) * 5_000
LENGTH = HEAD + f"Content-Length: {len(BODY)}\r\n".encode()
ENDS = {
    "with the head": hold(LENGTH + b"\r\n" + BODY),
    "after the head": hold(LENGTH + b"\r\n", BODY),
    "in parts": hold(LENGTH + b"\r\n" + BODY[:10], BODY[10:600_000], BODY[600_000:]),
    "with more behind it": hold(LENGTH + b"\r\n" + BODY + b"HTTP/1.1 200 OK\r\n\r\n", BODY),
    "in chunks": hold(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + f"{len(BODY):x}\r\n".encode() + BODY, b"\r\n0\r\n\r\n"
    ),
    "in chunks, whatever the length": hold(
        LENGTH + b"Transfer-Encoding: chunked\r\n\r\n" + f"{len(BODY):x}\r\n".encode() + BODY, b"\r\n0\r\n\r\n"
    ),
    "when its length is said twice": hold(LENGTH + LENGTH.removeprefix(HEAD) + b"\r\n" + BODY),
}


@pytest.mark.parametrize("talk", ENDS.values(), ids=ENDS)
def test_a_body_ends_where_it_says_and_nobody_waits_for_more(serve: Serve, talk: Talk) -> None:
    serve(talk)
    assert fetch(cap=2 * MB) == BODY
    assert send(cap=2 * MB).body == BODY
    fails(OutputUnavailable, partial(fetch, cap=len(BODY) - 1))


NONE = {
    "of no bytes": HEAD + b"Content-Length: 0\r\n\r\n",
    "of no bytes, and more behind": HEAD + b"Content-Length: 0\r\n\r\nmore",
    "204": b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
}


@pytest.mark.parametrize("head", NONE.values(), ids=NONE)
def test_where_there_is_no_body_nobody_waits_for_one(serve: Serve, head: bytes) -> None:
    serve(hold(head))
    started = time.monotonic()
    assert send().body == b""
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("rest", [1, 600_000], ids=["the last byte", "more"])
def test_a_body_that_is_shorter_than_its_length_is_none(serve: Serve, rest: int) -> None:
    serve(say(LENGTH + b"\r\n" + BODY[:-rest]))
    fails(NoReply, partial(send, cap=2 * MB))
    fails(OutputUnavailable, partial(fetch, cap=2 * MB))


def test_who_hangs_up_on_the_rest_of_a_request_may_have_answered(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(page(b"too large", "413 Too Large"))
    sent: Callable[..., int] = socket.socket.send

    def broken(self: socket.socket, part: bytes) -> int:
        sent(self, part)
        raise BrokenPipeError

    monkeypatch.setattr(socket.socket, "send", broken)
    reply = http.send(Request("GET", URL), deadline=1)
    assert (reply.status, reply.body) == (413, b"too large")


def test_what_is_fetched_is_never_held_whole(serve: Serve) -> None:
    serve(say(HEAD + b"Content-Length: 30000000\r\n\r\n", *[bytes(MB)] * 30))
    tracemalloc.start()
    try:
        http.fetch(URL, len, deadline=1.5, cap=30 * MB)
        # A megabyte of it is the peer's, who lives here.
        assert tracemalloc.get_traced_memory()[1] < 4 * MB
    finally:
        tracemalloc.stop()

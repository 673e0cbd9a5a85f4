"""A connection that is kept: what goes out over it, and which replies are understood. See tests/aws for the rest."""

import fcntl
import resource
import socket
import traceback
from collections.abc import Iterator
from contextlib import suppress

import pytest

from darkroom import keepalive
from darkroom.keepalive import Connection, Heard

HEAD = b"HTTP/1.1 200 OK\r\n"
REQUEST = keepalive.post({"host": "aws.example", "x-amz-target": "Get"}, b"{}")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def hear(listener: socket.socket, said: bytes, *, hang_up: bool = False) -> Heard:
    """What is understood of it, by somebody who waits for a fifth of a second."""
    ours = Connection("127.0.0.1", listener.getsockname()[1], None, 1)
    theirs = listener.accept()[0]
    try:
        theirs.sendall(said)
        if hang_up:
            theirs.shutdown(socket.SHUT_WR)
        return ours.exchange(REQUEST, 0.2)
    finally:
        with suppress(OSError):
            theirs.close()
        ours.close()


def test_a_request_is_its_head_and_its_body() -> None:
    assert REQUEST == (
        b"POST / HTTP/1.1\r\nhost: aws.example\r\nx-amz-target: Get\r\n"
        b"accept-encoding: identity\r\ncontent-length: 2\r\n\r\n{}"
    )


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "\u2026"])
def test_a_header_that_is_none_is_not_written(value: str) -> None:
    with pytest.raises(ValueError, match=r"more than one line|encode"):
        keepalive.post({"host": "aws.example", "x-amz-security-token": value}, b"")


WHOLE = {
    "with a length": (HEAD + b"Content-Length: 2\r\n\r\n{}", 200, b"{}", False),
    "of no bytes": (HEAD + b"content-length:0\r\n\r\n", 200, b"", False),
    "in chunks": (HEAD + b"Transfer-Encoding: Chunked\r\n\r\n1;a=b\r\n{\r\n1\r\n}\r\n0\r\n\r\n", 200, b"{}", False),
    "in chunks, and more": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nx-sum: 1\r\n\r\n", 200, b"", False),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", False),
    "after another": (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 1\r\n\r\n7", 200, b"7", False),
    "without a reason": (b"HTTP/1.1 400\r\nContent-Length: 1\r\n\r\n7", 400, b"7", False),
    "of somebody who hangs up": (HEAD + b"Connection: Close\r\nContent-Length: 1\r\n\r\n7", 200, b"7", True),
    "of an older time": (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n7", 200, b"7", True),
    "with more behind it": (HEAD + b"Content-Length: 1\r\n\r\n7" + HEAD, 200, b"7", True),
}


@pytest.mark.parametrize(("said", "status", "body", "last"), WHOLE.values(), ids=WHOLE)
def test_a_reply_ends_where_it_says_and_nobody_waits_for_more(
    listener: socket.socket, said: bytes, status: int, body: bytes, last: bool
) -> None:
    heard = hear(listener, said)
    assert (heard.status, heard.body, heard.last) == (status, body, last)


def test_a_reply_that_does_not_say_ends_with_the_connection(listener: socket.socket) -> None:
    heard = hear(listener, HEAD + b"X-Amzn-RequestId:  7 \r\n\r\n" + bytes(200_000), hang_up=True)
    assert (heard.headers, heard.body, heard.last) == ({"x-amzn-requestid": "7"}, bytes(200_000), True)


BROKEN = {
    "nothing": b"",
    "half a head": HEAD + b"Content-Le",
    "half a body": HEAD + b"Content-Length: 9\r\n\r\nhalf",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf",
    "no last chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "no chunk at all": HEAD + b"Transfer-Encoding: chunked\r\n\r\nhalf\r\n",
}
NONSENSE = {
    "no HTTP": b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "no length": HEAD + b"Content-Length: -1\r\n\r\nhalf",
    "a chunk that goes on": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nhalf\r\n0\r\n\r\n",
    "an endless tail": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * 1_000,
    "an endless line": HEAD + b"x: " + b"x" * 300_000,
    "an endless head": HEAD + b"x: y\r\n" * 10_000,
}


@pytest.mark.parametrize("hang_up", [True, False])
@pytest.mark.parametrize("said", BROKEN.values(), ids=BROKEN)
def test_a_reply_that_breaks_off_is_an_error(listener: socket.socket, said: bytes, hang_up: bool) -> None:
    with pytest.raises((OSError, EOFError, ValueError)):
        hear(listener, said, hang_up=hang_up)


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_known_before_it_ends(listener: socket.socket, said: bytes) -> None:
    with pytest.raises(ValueError, match=r"no HTTP|no number|less than|too long|longer"):
        hear(listener, said)


def test_a_connection_is_idle_until_the_other_side_says_something_or_goes(listener: socket.socket) -> None:
    ours = Connection("127.0.0.1", listener.getsockname()[1], None, 1)
    theirs = listener.accept()[0]
    assert ours.idle
    theirs.close()
    ours._socket.recv(1)
    assert not ours.idle
    ours.close()


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 a castle by the sea\r\n",
        HEAD + b"Content-Length: a castle by the sea\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\na castle by the sea\r\n",
    ],
)
def test_what_was_said_does_not_stand_in_an_error(listener: socket.socket, said: bytes) -> None:
    """It may be a piece of a body, and a prompt be in it."""
    with pytest.raises(ValueError, match="no number") as raised:
        hear(listener, said + b"\r\n")
    assert "castle" not in "".join(traceback.format_exception(raised.value))


def test_a_connection_is_seen_to_be_idle_however_many_files_are_open(listener: socket.socket) -> None:
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(few, 1200), most))
    ours = Connection("127.0.0.1", listener.getsockname()[1], None, 1)
    theirs = listener.accept()[0]
    try:
        near, ours._socket = ours._socket, socket.socket(fileno=fcntl.fcntl(ours._socket, fcntl.F_DUPFD, 1100))
        near.close()
        assert ours.idle
        theirs.sendall(b"!")
        ours._socket.recv(1, socket.MSG_PEEK)
        assert not ours.idle
    finally:
        ours.close()
        theirs.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))

"""How long is waited, which connections are kept, and whose certificates are believed."""

import socket
import ssl
import time
from contextlib import ExitStack
from typing import Any

import pytest
import trustme
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)

from darkroom import aws, clock
from darkroom.aws import DYNAMODB, HASTY
from darkroom.calls import Patience
from tests.aws.conftest import BRIEF, BROKEN, FOUND, THERE, Way, get
from tests.aws.scripted_server import Mishap, ScriptedServer, reply


def test_a_reply_may_take_longer_than_a_connection(way: Way) -> None:
    with ScriptedServer(Mishap.DELAY, FOUND) as server:
        assert get(way(DYNAMODB, server.url, Patience(0.15, 10, 1))) == THERE


def test_a_reply_that_stops_in_the_middle_is_waited_for_as_long_as_any(way: Way) -> None:
    with ScriptedServer(reply(200, "{", length=9), Mishap.SILENCE) as server, pytest.raises(ReadTimeoutError):
        get(way(DYNAMODB, server.url, BRIEF))


def test_a_connection_is_used_again(way: Way, pauses: list[float]) -> None:
    with ScriptedServer(FOUND, FOUND, BROKEN, FOUND) as server:
        client = way(DYNAMODB, server.url)
        assert get(client) == get(client) == THERE
        with pytest.raises(ClientError):
            get(client)
        assert get(client) == THERE
    assert ([number for number, _, _ in server.requests], pauses) == ([1, 1, 1, 1], [])


def test_a_connection_that_was_closed_meanwhile_is_not_used_again(way: Way, pauses: list[float]) -> None:
    with ScriptedServer(FOUND, Mishap.HANG_UP, BROKEN) as server:
        client = way(DYNAMODB, server.url)
        assert get(client) == THERE
        while server.left > 1:
            time.sleep(0.001)
        with pytest.raises(ClientError) as raised:
            get(client)
    assert aws.refused(raised.value), "nothing was sent over the one that was closed"
    assert ([number for number, _, _ in server.requests], pauses) == ([1, 2], [])


@pytest.mark.parametrize(("rest", "connections"), [(20_000, [1, 1]), (20_001, [1, 2])])
def test_a_connection_that_has_rested_for_long_is_not_used_again(
    ours: Way, monkeypatch: pytest.MonkeyPatch, pauses: list[float], rest: int, connections: list[int]
) -> None:
    """It may have gone without a word, and then its silence would be waited for."""
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)
    with ScriptedServer(FOUND, FOUND) as server:
        client = ours(DYNAMODB, server.url)
        get(client)
        monkeypatch.setattr(clock, "now", lambda: moment + rest)
        assert get(client) == THERE
    assert ([number for number, _, _ in server.requests], pauses) == (connections, [])


def test_a_connection_that_another_thread_takes_at_the_same_time_is_not_missed(ours: Way) -> None:
    class Taken(list[Any]):
        def __len__(self) -> int:
            return 1

    with ScriptedServer(FOUND) as server:
        client = ours(DYNAMODB, server.url)
        client._idle = Taken()
        assert get(client) == THERE


def test_a_server_that_says_that_it_hangs_up_is_believed(way: Way) -> None:
    with ScriptedServer(reply(200, {}, headers={"Connection": "close"}), Mishap.HANG_UP, FOUND) as server:
        client = way(DYNAMODB, server.url)
        assert get(client) == {}
        assert get(client) == THERE
    assert [number for number, _, _ in server.requests] == [1, 2]


def test_nobody_there_is_an_error(way: Way) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(EndpointConnectionError) as raised:
        get(way(DYNAMODB, f"http://127.0.0.1:{port}"))
    assert aws.away(raised.value)
    with pytest.raises(EndpointConnectionError):
        get(way(DYNAMODB, "http://nobody.invalid", HASTY))


def test_who_does_not_take_a_connection_is_an_error(way: Way) -> None:
    with ExitStack() as crowd:
        listener = crowd.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            one = crowd.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        with pytest.raises(ConnectTimeoutError) as raised:
            get(way(DYNAMODB, f"http://127.0.0.1:{listener.getsockname()[1]}", Patience(0.1, 2, 1)))
    assert aws.away(raised.value)


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_a_certificate_that_is_trusted_is_good(way: Way, authority: trustme.CA) -> None:
    with ScriptedServer(FOUND, FOUND, tls=certified(authority, "127.0.0.1")) as server:
        client = way(DYNAMODB, server.url)
        assert get(client) == get(client) == THERE


@pytest.mark.parametrize("whose", ["a stranger's", "another host's"])
def test_a_certificate_that_is_not_is_refused_before_anything_is_said(
    way: Way, authority: trustme.CA, whose: str
) -> None:
    tls = certified(trustme.CA(), "127.0.0.1") if whose == "a stranger's" else certified(authority, "127.0.0.2")
    with ScriptedServer(*[Mishap.REFUSED] * 4, tls=tls) as server, pytest.raises(SSLError) as raised:
        get(way(DYNAMODB, server.url))
    assert server.requests == []
    assert aws.away(raised.value)

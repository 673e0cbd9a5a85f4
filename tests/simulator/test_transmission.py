"""How replies leave over a real connection: what a client of sockets and HTTP sees of each way to lose one."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from aiohttp import ServerDisconnectedError
from aiohttp.test_utils import TestClient, TestServer

from local.simulator.server import application
from tests.simulator.conftest import BOAT, FAST, create, ended, fetched, ledger

CREATE = f"/replicate/v1/models/{FAST}/predictions"


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    at = urlsplit(url)
    with socket.create_connection((at.hostname, at.port or 0), timeout=5) as connection:
        yield connection


def announced(length: int) -> bytes:
    """The head of a create, whose body never comes."""
    return f"POST {CREATE} HTTP/1.1\r\nHost: relay.example\r\nContent-Length: {length}\r\n\r\n".encode()


def test_a_reset_tears_the_connection_down_before_the_body_is_read(url: str, faults: Callable[..., None]) -> None:
    faults(fault="reset")
    with connected(url) as connection:
        connection.sendall(announced(1000))
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_closed_connection_ends_without_a_word(url: str, faults: Callable[..., None]) -> None:
    faults(fault="closed")
    with connected(url) as connection:
        connection.sendall(announced(1000))
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("fault", "error"), [("charged_then_reset", httpx.ReadError), ("charged_then_closed", httpx.RemoteProtocolError)]
)
def test_a_connection_can_end_when_the_work_is_charged(
    http: httpx.Client, faults: Callable[..., None], fault: str, error: type[Exception]
) -> None:
    before = len(ledger(http)["charges"])
    faults(fault=fault)
    with pytest.raises(error):
        http.post(CREATE, json=BOAT)
    assert len(ledger(http)["charges"]) == before + 1
    assert ledger(http)["requests"][-1]["status"] is None


def test_half_of_a_file_is_missing_with_or_without_notice(
    url: str, http: httpx.Client, faults: Callable[..., None]
) -> None:
    address = ended(http, create(http, prompt="a blank boat"))["output"]
    file = fetched(url, address)
    faults(fault="cut_announced")
    with pytest.raises(httpx.RemoteProtocolError, match=f"expected {len(file.content)}"):
        fetched(url, address)
    faults(fault="cut_unannounced")
    half = fetched(url, address)
    assert "Content-Length" not in half.headers
    assert half.content == file.content[: len(file.content) // 2]
    assert half.headers["Content-Type"] == file.headers["Content-Type"]


@pytest.mark.parametrize("how", ["refused", "unreachable", "untrusted"])
def test_what_a_listener_cannot_do_is_said_in_a_header(
    http: httpx.Client, faults: Callable[..., None], how: str
) -> None:
    before = len(ledger(http)["charges"])
    faults(fault=how)
    reply = http.post(CREATE, json=BOAT)
    assert (reply.status_code, reply.headers["x-simulator-network"]) == (599, how)
    assert len(ledger(http)["charges"]) == before


def slept(fault: str, error: type[Exception] | None = None) -> tuple[list[float], int]:
    """How long the server sleeps over a reply that is to come so, and how many bytes of a body come of it."""
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        await asyncio.sleep(0)

    async def story() -> int:
        server = TestServer(application(sleep=nap))
        async with TestClient(server, headers={"Authorization": "Bearer simulator-key"}) as client:
            await client.post("/_simulator/faults", json={"fault": fault, "step": "create"})
            if error:
                with pytest.raises(error):
                    await client.post(CREATE, json=BOAT)
                return 0
            reply = await client.post(CREATE, json=BOAT)
            assert (await reply.json())["status"] == "starting"
            return len(await reply.read())

    return naps, asyncio.run(story())


def test_a_body_can_come_a_byte_a_second() -> None:
    naps, size = slept("drip_body")
    assert naps == [1.0] * size != []


def test_a_head_can_come_a_byte_a_second() -> None:
    naps, _ = slept("drip_head")
    assert set(naps) == {1.0}
    assert len(naps) > len("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")


def test_a_silent_connection_ends_after_an_hour() -> None:
    naps, _ = slept("silent", ServerDisconnectedError)
    assert naps == [3600.0]

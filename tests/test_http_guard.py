"""The guard of THE socket: a corpus of addresses that nothing is ever connected to, and those that may be."""

import io
import json
import socket
import ssl
import time
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from darkroom import http
from darkroom.errors import ForbiddenAddress, NoReply, NotSent, OutputUnavailable
from darkroom.wire import Request
from tests.test_http import fails, send

DATA = Path(__file__).parent / "data"


def corpus(name: str) -> list[str]:
    lines = (DATA / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names resolve to. Numbers are left to the real resolver, which knows more spellings than one would think."""
    real = socket.getaddrinfo
    names = {
        "example.com": ["93.184.215.14"],
        "inside.example": ["127.0.0.1"],
        "mixed.example": ["93.184.215.14", "10.0.0.1"],
        "localhost": ["::1", "127.0.0.1"],
        "localhost.": ["127.0.0.1"],
        "metadata.google.internal": ["169.254.169.254"],
        "instance-data": ["169.254.169.254"],
        "127.0.0.1.nip.io": ["127.0.0.1"],
    }

    def getaddrinfo(host: str, port: object, **more: Any) -> Any:
        if host in names:
            return [(0, 0, 0, "", (address, 0)) for address in names[host]]
        return real(
            host, None, flags=0 if host.replace(".", "").isalnum() and host[0].isdigit() else socket.AI_NUMERICHOST
        )

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Where sockets were connected to, or would have been."""
    places: list[Any] = []

    def connect(_: socket.socket, address: Any) -> None:
        places.append(address[:2])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect)
    return places


@pytest.mark.parametrize("address", corpus("forbidden_addresses.txt"))
def test_no_socket_is_connected_to_a_forbidden_address(
    dns: dict[str, list[str]], connected: list[Any], address: str
) -> None:
    literal = f"[{address}]" if ":" in address else address
    dns["example.com"], dns["mixed.example"] = [address], ["93.184.215.14", address]
    for host in (literal, "example.com", "mixed.example"):
        url = f"https://{host}/secret"
        fails(ForbiddenAddress, partial(http.examine, url))
        fails(ForbiddenAddress, partial(http.send, Request("POST", url), deadline=1))
    assert connected == []


@pytest.mark.parametrize("url", [json.loads(line) for line in corpus("forbidden_urls.txt")])
def test_no_socket_is_connected_for_a_forbidden_url(dns: dict[str, list[str]], connected: list[Any], url: str) -> None:
    with pytest.raises((ForbiddenAddress, NotSent, NoReply)):
        http.send(Request("POST", url), deadline=1)
    assert connected == []


PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "169.253.255.255"),
    *("172.15.255.255", "172.32.0.1", "192.167.255.255", "198.17.255.255", "198.20.0.1", "223.255.255.255"),
    *("2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450:4001:829::200e"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_connected_to_as_it_was_looked_up(
    dns: dict[str, list[str]], connected: list[Any], address: str
) -> None:
    dns["example.com"] = [address]
    http.examine("https://example.com/")
    assert connected == []
    fails(NotSent, lambda: http.send(Request("POST", "https://example.com:8443/secret"), deadline=1))
    assert connected == [(address, 8443)]


def test_a_name_that_nobody_knows_was_sent_nothing_and_may_be_known_later(
    dns: dict[str, list[str]], connected: list[Any]
) -> None:
    http.examine("https://unknown.example/secret")
    fails(NotSent, lambda: http.send(Request("POST", "https://unknown.example/secret"), deadline=1))
    fails(OutputUnavailable, lambda: http.fetch("https://unknown.example/secret", io.BytesIO(), deadline=1, cap=1))


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CONNECT_S", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1.5))
    started = time.monotonic()
    fails(NotSent, send)
    assert time.monotonic() - started < 1


def test_one_lookup_is_pinned_and_the_certificate_must_be_that_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    lookups, requests, options = list[str](), list[httpx.Request](), dict[str, Any]()

    def rebind(host: str, *_: Any, **__: Any) -> Any:
        lookups.append(host)
        return [(0, 0, 0, "", ("93.184.215.14" if len(lookups) == 1 else "127.0.0.1", 0))]

    class Inner(httpx.AsyncBaseTransport):
        def __init__(self, **given: Any) -> None:
            options.update(given)

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            requests.append(request)
            return httpx.Response(200, stream=httpx.ByteStream(b"{}"))

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    monkeypatch.setattr(httpx, "AsyncHTTPTransport", Inner)
    assert send().status == 200
    (request,) = requests
    assert (lookups, request.url.host) == (["peer.example"], "93.184.215.14")
    assert (request.headers["host"], request.extensions["sni_hostname"]) == ("peer.example", "peer.example")
    assert (options["retries"], options["trust_env"]) == (0, False)
    assert (options["verify"].verify_mode, options["verify"].check_hostname) == (ssl.CERT_REQUIRED, True)

"""The guard of THE socket: a corpus of addresses that nothing is ever connected to, and those that may be."""

import io
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from darkroom import catalogue, connection, http
from darkroom.connection import Place
from darkroom.errors import ForbiddenAddress, NotSent, OutputUnavailable
from darkroom.task import Task
from darkroom.wire import Request
from tests.conftest import OUTPUT, QUESTION, Account, Clock, call, document, order, step, submit
from tests.test_http import fails, send

DATA = Path(__file__).parent / "data"
PUBLIC = "93.184.215.14"


def corpus(name: str) -> list[str]:
    lines = (DATA / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


ADDRESSES = corpus("forbidden_addresses.txt")
URLS = [json.loads(line) for line in corpus("forbidden_urls.txt")]


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names resolve to: most are public, however odd, so that no luck with a resolver hides a gap in the guard."""
    names = {
        "unknown.example": [],
        "inside.example": ["127.0.0.1"],
        "mixed.example": [PUBLIC, "10.0.0.1"],
        "127.0.0.1.nip.io": ["127.0.0.1"],
    }

    def getaddrinfo(host: str, *_: Any, **__: Any) -> Any:
        if found := names.get(host, [PUBLIC]):
            return [(0, 0, 0, "", (address, 0)) for address in found]
        raise socket.gaierror

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


@dataclass
class Reached:
    """What lies behind the guard, in place of sockets: all that got there."""

    reply: Callable[[], httpx.Response]
    requests: list[httpx.Request] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)

    def __call__(self, request: httpx.Request, place: Place, _: float) -> httpx.Response:
        self.requests.append(request)
        self.places.append(place)
        return self.reply()


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> Reached:
    reached = Reached(lambda: httpx.Response(200, stream=httpx.ByteStream(b"{}")))
    monkeypatch.setattr(connection, "exchange", reached)
    return reached


def literal(address: str) -> str:
    return f"https://[{address}]/secret" if ":" in address else f"https://{address}/secret"


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_socket_is_connected_to_a_forbidden_address(
    dns: dict[str, list[str]], connected: list[Any], address: str
) -> None:
    dns["example.com"], dns["mixed.example"] = [address], [PUBLIC, address]
    for url in (literal(address), "https://example.com/secret", "https://mixed.example/secret"):
        fails(ForbiddenAddress, partial(http.examine, url))
        fails(ForbiddenAddress, partial(http.send, Request("POST", url), deadline=1))
    assert connected == []


@pytest.mark.parametrize("url", URLS)
def test_no_socket_is_connected_for_a_forbidden_url(dns: dict[str, list[str]], connected: list[Any], url: str) -> None:
    fails(ForbiddenAddress, lambda: http.examine(url))
    fails(ForbiddenAddress, lambda: http.send(Request("POST", url), deadline=1))
    assert connected == []


def test_an_order_whose_webhook_is_forbidden_is_refused_and_leaves_nothing(
    account: Account, time: Clock, dns: dict[str, list[str]], connected: list[Any]
) -> None:
    for url in [*map(literal, ADDRESSES), *URLS, f"https://example.com/{'a' * 9000}"]:
        answer = submit(order(webhook=url))
        faults = {fault["field"] for fault in document(answer).get("errors", [])}
        assert (url, answer["statusCode"], faults) == (url, 422, {"webhook"})
    assert (account.tasks(), account.executions(), account.files(), connected) == ([], {}, {}, [])


@pytest.mark.parametrize("url", [*map(literal, ADDRESSES), *URLS])
def test_an_output_is_not_copied_from_a_forbidden_address(
    dns: dict[str, list[str]], reached: Reached, url: str
) -> None:
    fails(OutputUnavailable, lambda: http.fetch(url, io.BytesIO().write, deadline=1, cap=1))
    assert reached.requests == []


#: What is a path on the host that said so, when it stands in a Location.
AT_THE_SAME_HOST = {"", "https:127.0.0.1", "https:///x"}


@pytest.mark.parametrize("url", [*map(literal, ADDRESSES), *URLS])
def test_an_output_that_moves_to_a_forbidden_address_is_not_followed(
    dns: dict[str, list[str]], reached: Reached, url: str
) -> None:
    reached.reply = lambda: httpx.Response(302, headers={b"location": url.encode()})
    fails(OutputUnavailable, lambda: http.fetch("https://files.example/a", io.BytesIO().write, deadline=1, cap=1))
    assert {one.headers["host"] for one in reached.requests} == {"files.example"}
    assert set(reached.places) == {Place(PUBLIC, 443, "files.example")}
    assert len(reached.requests) == (1 + http.REDIRECTS if url in AT_THE_SAME_HOST else 1)


def test_no_key_goes_where_an_output_is_or_is_said_to_be(
    collecting: Task, dns: dict[str, list[str]], reached: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "transport", http.Public)
    for url in [*map(literal, ADDRESSES), *URLS, QUESTION]:
        reached.reply = partial(httpx.Response, 302, headers={b"location": url.encode()})
        with pytest.raises(OutputUnavailable):
            call("finalize", step(collecting, 1))
    hosts = {one.headers["host"] for one in reached.requests}
    assert hosts == {str(urlsplit(url).hostname) for url in (OUTPUT, QUESTION)}
    assert {name for one in reached.requests for name in one.headers} == {"host", "accept-encoding", "user-agent"}
    assert not any("vectornode-key" in str(one.url) for one in reached.requests)


ALLOWED = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "169.253.255.255"),
    *("172.15.255.255", "172.32.0.1", "192.167.255.255", "198.17.255.255", "198.20.0.1", "223.255.255.255"),
    *("168.63.129.15", "168.63.129.17", "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450:4001:829::200e"),
]


@pytest.mark.parametrize("address", ALLOWED)
def test_a_public_address_is_connected_to_as_it_was_looked_up_or_written(
    dns: dict[str, list[str]], connected: list[Any], address: str
) -> None:
    dns["example.com"] = [address]
    for url in ("https://example.com/secret", literal(address)):
        http.examine(url)
        assert connected == []
        fails(NotSent, partial(http.send, Request("POST", url), deadline=1))
        assert connected == [(address, 443)]
        connected.clear()


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111"])
def test_an_address_must_have_a_certificate_of_its_own(reached: Reached, address: str) -> None:
    assert http.send(Request("POST", literal(address)), deadline=1).status == 200
    assert reached.places == [Place(address, 443, address)]


NAMES = [
    *(gateway.url.removeprefix("https://") for gateway in catalogue.catalogue().gateways.values()),
    *("replicate.delivery", "v3b.fal.media", "oaidalleapiprodscus.blob.core.windows.net"),
    *("1.2.3.4.example", "a-b--c.example", "internal.example", "example.nonlocal", "localhost.example"),
    *("xn--bcher-kva.example", "example.xn--p1ai", f"{'a' * 63}.example", f"{'a.' * 123}example"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_full_name_is_looked_up_as_it_is_written(dns: dict[str, list[str]], reached: Reached, name: str) -> None:
    http.examine(f"https://{name}/")
    assert http.send(Request("POST", f"https://{name}:8443/"), deadline=1).status == 200
    assert reached.places == [Place(PUBLIC, 8443, name)]


def test_a_name_in_unicode_is_looked_up_and_certified_in_one_reading(
    dns: dict[str, list[str]], reached: Reached
) -> None:
    dns |= {"xn--fa-hia.example": ["8.8.8.8"], "fa\u00df.example": ["1.1.1.1"]}
    for host in ("fa\u00df.example", "xn--fa-hia.example"):
        assert http.send(Request("POST", f"https://{host}/"), deadline=1).status == 200
    assert {one.headers["host"] for one in reached.requests} == {"xn--fa-hia.example"}
    assert set(reached.places) == {Place("8.8.8.8", 443, "xn--fa-hia.example")}


def test_a_name_that_nobody_knows_was_sent_nothing_and_may_be_known_later(
    dns: dict[str, list[str]], connected: list[Any]
) -> None:
    http.examine("https://unknown.example/secret")
    fails(NotSent, lambda: http.send(Request("POST", "https://unknown.example/secret"), deadline=1))
    fails(
        OutputUnavailable, lambda: http.fetch("https://unknown.example/secret", io.BytesIO().write, deadline=1, cap=1)
    )


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CONNECT_S", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1.5))
    started = time.monotonic()
    fails(NotSent, send)
    assert time.monotonic() - started < 1


def test_one_lookup_is_pinned_and_the_certificate_must_be_that_of_the_name(
    reached: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookups = list[str]()

    def rebind(host: str, *_: Any, **__: Any) -> Any:
        lookups.append(host)
        return [(0, 0, 0, "", (PUBLIC if len(lookups) == 1 else "127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    assert send().status == 200
    (request,) = reached.requests
    assert (lookups, request.headers["host"]) == (["peer.example"], "peer.example")
    assert reached.places == [Place(PUBLIC, 443, "peer.example")]

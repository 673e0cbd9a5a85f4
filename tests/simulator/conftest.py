"""The simulated gateways, seen from outside: through the official Replicate client, plain HTTP and the control door.

Most tests talk to one real process, a hundred times as fast as the gateways. What depends on an exact instant runs in
the test's own process, against a clock that stands still until it is told to move.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from replicate.client import Client

from local.simulator.server import application

ROOT = Path(__file__).parents[2]
FAST = "google/imagen-4-fast"
FLUX = "black-forest-labs/flux-schnell"
VERSION = "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc"
NSFW = "NSFW content detected. Try running it again, or try a different prompt."
BOAT = {"input": {"prompt": "a boat"}}

Json = dict[str, Any]
Official = Callable[..., Client]
Simulated = TestClient[web.Request, web.Application]


@contextmanager
def started(*arguments: str, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """The command, as a user would start it; it does not outlive the test, whatever the test finds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "local.simulator", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def ready(process: subprocess.Popen[str]) -> str:
    """The URL that it prints when it listens."""
    assert process.stdout
    url: str = json.loads(process.stdout.readline())["url"]
    return url


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with started("--port", "0", "--speed", "100", "--key", "simulator-key", "--key", "second-key") as process:
        yield ready(process)
        process.terminate()
        _, complaints = process.communicate(timeout=5)
        assert (process.returncode, complaints) == (0, "")


@pytest.fixture(scope="session")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": "Bearer simulator-key"}, timeout=10) as client:
        yield client


@pytest.fixture
def faults(http: httpx.Client) -> Iterator[Callable[..., None]]:
    """Ask for a fault; none outlives its test."""

    def script(**fault: object) -> None:
        assert http.post("/_simulator/faults", json=fault).status_code == 201

    yield script
    assert http.delete("/_simulator/faults").status_code == 204


class Redirected(httpx.HTTPTransport):
    """Leads the sockets for the file host to the simulator, and leaves the requests as they are."""

    def __init__(self, url: str) -> None:
        super().__init__(verify=False)
        self._url = httpx.URL(url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "replicate.delivery":
            request.url = request.url.copy_with(scheme="http", host=self._url.host, port=self._url.port)
        return super().handle_request(request)


@pytest.fixture
def official(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Official]:
    """The official client, unmodified, at a mount of the simulator."""
    monkeypatch.setenv("REPLICATE_POLL_INTERVAL", "0.01")

    with Redirected(url) as transport:

        def client(mount: str = "/replicate", key: str = "simulator-key", at: str = url) -> Client:
            return Client(api_token=key, base_url=f"{at}{mount}", transport=transport)

        yield client


def create(http: httpx.Client, model: str = FAST, **inputs: object) -> Json:
    """A new prediction, as the create reply shows it."""
    reply = http.post(f"/replicate/v1/models/{model}/predictions", json={"input": {"prompt": "a boat"} | inputs})
    reply.raise_for_status()
    document: Json = reply.json()
    return document


def ended(http: httpx.Client, prediction: Json) -> Json:
    """The prediction, once it has ended."""
    while True:
        document: Json = http.get(f"/api.replicate.com/v1/predictions/{prediction['id']}").json()
        if document["status"] not in ("starting", "processing"):
            return document
        time.sleep(0.01)


def fetched(url: str, address: str) -> httpx.Response:
    """A file, from the file host."""
    return httpx.get(url + httpx.URL(address).path, headers={"Host": "replicate.delivery"}, verify=False)


def ledger(http: httpx.Client) -> Json:
    document: Json = http.get("/_simulator/ledger").json()
    return document


class Watch:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait until it has been moved so far, or so much time has really passed."""
        until, patience = self.now + seconds, time.monotonic() + seconds
        while self.now < until and time.monotonic() < patience:
            await asyncio.sleep(0.005)


def simulated(story: Callable[[Simulated, Watch], Awaitable[None]], *, seed: int = 7, speed: float = 1.0) -> None:
    """Let a story happen against a simulator in this process, whose clock stands still."""

    async def told() -> None:
        watch = Watch()
        server = TestServer(application(seed=seed, speed=speed, keys=["simulator-key"], clock=watch, sleep=watch.sleep))
        async with TestClient(server, headers={"Authorization": "Bearer simulator-key"}) as client:
            await story(client, watch)

    asyncio.run(told())


async def order(client: Simulated, headers: dict[str, str] | None = None, model: str = FAST) -> Json:
    """A new prediction, behind the gateway's door."""
    reply = await client.post(f"/replicate/v1/models/{model}/predictions", json=BOAT, headers=headers)
    document: Json = await reply.json()
    return document


async def seen(client: Simulated, prediction: Json) -> Json:
    document: Json = await (await client.get(f"/replicate/v1/predictions/{prediction['id']}")).json()
    return document


async def truth(client: Simulated, prediction: Json) -> Json:
    document: Json = await (await client.get(f"/_simulator/jobs/{prediction['id']}")).json()
    return document

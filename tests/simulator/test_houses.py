"""Gateways of a catalogue, played at their own hosts, under their own paths, with their own headers."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from local.simulator.server import application

CATALOGUE = """
[gateways.lumen]
url = "https://api.lumen.example"
dialects = { fal = "/proxy/fal", replicate = "/proxy/replicate/v1" }

[gateways.pixelhub]
url = "https://pixelhub.example:8443"
dialects = { openai = "/compat/v1" }
auth = "X-Pixel-Token: token {key}"

[models."lumen/quick"]
seconds = 5
routes = [{ gateway = "lumen", dialect = "fal", model = "lumen/quick/v2" }]

[models."pixelhub/vision"]
seconds = 5
routes = [{ gateway = "pixelhub", dialect = "openai", model = "vision-xl" }]
"""
FAL = "/proxy/fal/fal-ai/imagen4/preview"
PIXELS = {"model": "vision-xl", "prompt": "a boat"}

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Status and document of the reply to a POST."""
    file = tmp_path / "catalogue.toml"
    file.write_text(CATALOGUE)

    async def post(host: str, path: str, body: object, headers: dict[str, str]) -> tuple[int, Any]:
        async with TestClient(TestServer(application(speed=1000, catalogue=file))) as client:
            reply = await client.post(path, json=body, headers={"Host": host, **headers})
            return reply.status, await reply.json(content_type=None) if reply.status != 404 else None

    def asked(host: str, path: str, body: object, **headers: str) -> tuple[int, Any]:
        return asyncio.run(post(host, path, body, headers))

    return asked


def test_a_gateway_stands_at_its_host_under_its_path(ask: Ask) -> None:
    bearer = {"Authorization": "Bearer simulator-key"}
    status, queued = ask("api.lumen.example", FAL, {"prompt": "a boat"}, **bearer)
    assert (status, queued["status"]) == (200, "IN_QUEUE")
    assert ask("api.lumen.example", "/fal-ai/imagen4/preview", {"prompt": "a boat"}, **bearer)[0] == 404
    assert ask("another.example", FAL, {"prompt": "a boat"}, **bearer)[0] == 404


def test_a_gateway_has_models_of_other_owners_where_the_catalogue_says_so(ask: Ask) -> None:
    bearer = {"Authorization": "Bearer simulator-key"}
    status, queued = ask("api.lumen.example", "/proxy/fal/lumen/quick/v2", {"prompt": "a boat"}, **bearer)
    assert (status, queued["status"]) == (200, "IN_QUEUE")
    assert queued["response_url"].startswith("https://queue.fal.run/lumen/quick/requests/")


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("X-Pixel-Token", "token simulator-key", 200),
        ("x-pixel-token", "token simulator-key", 200),
        ("X-Pixel-Token", "simulator-key", 401),
        ("X-Pixel-Token", "token another", 401),
        ("Authorization", "Bearer simulator-key", 401),
    ],
)
def test_a_gateway_wants_its_key_in_its_own_header(ask: Ask, header: str, value: str, status: int) -> None:
    assert ask("pixelhub.example", "/compat/v1/images/generations", PIXELS, **{header: value})[0] == status


def test_a_gateway_sells_what_the_catalogue_says_and_nothing_unheard_of(ask: Ask) -> None:
    key = {"X-Pixel-Token": "token simulator-key"}
    status, document = ask("pixelhub.example", "/compat/v1/images/generations", PIXELS, **key)
    assert (status, len(document["data"])) == (200, 1)
    assert ask("pixelhub.example", "/compat/v1/images/generations", PIXELS | {"model": "vision-m"}, **key)[0] == 503

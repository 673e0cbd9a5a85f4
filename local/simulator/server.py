"""The HTTP server: the simulator on a port, with its control door, and `/health`, which only say what there is."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from aiohttp import web

from local.simulator import transmission
from local.simulator.door import Door
from local.simulator.simulator import DEFAULT_KEY, DEFAULT_SEED, Call, Simulator

LARGEST_BODY = 64 * 2**20
"""Bytes: room for several images as data URIs."""


def application(
    *,
    seed: int = DEFAULT_SEED,
    speed: float = 1.0,
    keys: Sequence[str] = (DEFAULT_KEY,),
    catalogue: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> web.Application:
    """A simulator as `Simulator` has it, whose names were never used before, whatever the seed."""
    simulator = Simulator(
        seed=seed,
        speed=speed,
        keys=keys,
        catalogue=catalogue,
        chance=random.SystemRandom(),
        clock=clock,
        sleep=sleep,
    )

    async def receive(http: web.Request) -> web.StreamResponse:
        call = Call(http.method, http.scheme, http.host, http.path, http.query, http.headers, http.read)
        return await transmission.send(http, await simulator.answer(call), simulator.clock)

    app = web.Application(client_max_size=LARGEST_BODY)
    app.add_routes([web.get("/health", _health), *Door(simulator).routes()])
    app.add_routes([web.route("*", "/{rest:.*}", receive)])
    return app


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})

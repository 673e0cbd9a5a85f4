"""
An official client for Python, as somebody would use it: `callers.py <replicate|fal> <address> <tasks> <pause>`

Every `pause` seconds it begins a task, and has it made with the client's own means. On the last line it says, as JSON,
when each task was known to have ended, by the gateway's id, and how many milliseconds of CPU a task has taken. Nothing
is changed in the clients but where they find their gateway.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

import fal_client
import fal_client.client
from replicate.client import Client

from benchmarks.clients.gateways import FAL, INPUTS, KEY, PICTURE, REPLICATE

Make = Callable[[], Awaitable[str]]
"""Have one task made; its id."""


def with_replicate(address: str) -> Make:
    client = Client(api_token=KEY, base_url=f"{address}/{REPLICATE}")

    async def make() -> str:
        prediction = await client.models.predictions.async_create(PICTURE, INPUTS[REPLICATE])
        await prediction.async_wait()
        return prediction.id

    return make


def with_fal(address: str) -> Make:
    # It takes a host from its environment, but nothing but https to it.
    fal_client.client.QUEUE_URL_FORMAT = f"{address}/{FAL}/"
    client = fal_client.AsyncClient(key=KEY)

    async def make() -> str:
        handle = await client.submit(PICTURE, INPUTS[FAL])
        await handle.get()
        return handle.request_id

    return make


async def measure(make: Make, tasks: int, pause: float) -> dict[str, object]:
    known: dict[str, float] = {}
    used = time.process_time()

    async def one(number: int) -> None:
        await asyncio.sleep(number * pause)
        job_id = await make()
        known[job_id] = time.time()

    await asyncio.gather(*(one(number) for number in range(tasks)))
    return {"known": known, "cpu_ms": 1000 * (time.process_time() - used) / tasks}


def main(client: str, address: str, tasks: str, pause: str) -> None:
    make = {"replicate": with_replicate, "fal": with_fal}[client](address)
    print(json.dumps(asyncio.run(measure(make, int(tasks), float(pause)))))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Callers in the simulator's own process: no sockets, and time that passes only when somebody waits."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from local.simulator.exchange import Lost, Reply
from local.simulator.simulator import Call, Simulator

KEY = "simulator-key"
Json = dict[str, Any]


@dataclass(frozen=True)
class House:
    """Where to ask for work, and how; for a queue also where to ask about it, by its id, and what that is called."""

    host: str
    create: str
    body: Json
    polls: str = ""
    id: str = ""

    @property
    def queue(self) -> bool:
        return bool(self.polls)


def _houses() -> dict[str, House]:
    fal = {"prompt": "a blank boat", "num_images": 2}
    flux = {"input": {"prompt": "a blank boat", "num_outputs": 2}}
    predict = {"instances": [{"prompt": "a blank boat"}], "parameters": {"sampleCount": 2}}
    content = {"contents": [{"parts": [{"text": "a blank boat"}]}]}
    images = {"model": "gpt-image-1.5", "prompt": "a blank boat", "n": 2}
    links = {"model": "dall-e-3", "prompt": "a blank boat", "n": 2}
    path, models = "models/black-forest-labs/flux-schnell/predictions", "/v1beta/models"
    return {
        "replicate": House("api.replicate.com", f"/v1/{path}", flux, "/v1/predictions/{}", "id"),
        "replicate relay": House("relay.example", f"/replicate/v1/{path}", flux, "/replicate/v1/predictions/{}", "id"),
        "fal": House("queue.fal.run", "/fal-ai/flux-1/dev", fal, "/fal-ai/flux-1/requests/{}", "request_id"),
        "fal relay": House("relay.example", "/fal-ai/flux-1/dev", fal, "/fal-ai/flux-1/requests/{}", "request_id"),
        "gemini": House(
            "generativelanguage.googleapis.com", f"{models}/gemini-2.5-flash-image:generateContent", content
        ),
        "gemini relay": House("relay.example", f"{models}/imagen-4.0-generate-001:predict", predict),
        "openai": House("api.openai.com", "/v1/images/generations", images),
        "openai relay": House("relay.example", "/v1/images/generations", images),
        "openai links": House("relay.example", "/v1/images/generations", links),
    }


HOUSES = _houses()
QUEUES = [name for name, house in HOUSES.items() if house.queue]
OTHERS = [name for name, house in HOUSES.items() if not house.queue]


class Caller:
    """Somebody who has a key, and all the time in the world."""

    def __init__(self, seed: int = 7) -> None:
        self.now = 5000.0
        self.simulator = Simulator(
            seed=seed, clock=lambda: self.now, sleep=self._sleep, wall=lambda: 1_795_176_000 * 10**9
        )

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds

    @property
    def charges(self) -> int:
        return len(self.simulator.ledger.charges)

    async def ask(self, method: str, host: str, path: str, body: Json | None = None, key: str = KEY) -> Reply | Lost:
        scheme = "Key" if host == "queue.fal.run" else "Bearer"
        headers = {"Authorization": f"{scheme} {key}", "x-goog-api-key": key} if key else {}
        sent = b"" if body is None else json.dumps(body).encode()
        return await self.simulator.answer(Call(method, "https", host, path, {}, httpx.Headers(headers), sent))

    async def create(self, name: str) -> Reply | Lost:
        house = HOUSES[name]
        return await self.ask("POST", house.host, house.create, house.body)

    async def created(self, name: str) -> str:
        """The id of a new job of a queue."""
        job_id: str = document(await self.create(name))[HOUSES[name].id]
        return job_id

    async def poll(self, name: str, job_id: str, more: str = "") -> Reply | Lost:
        house = HOUSES[name]
        return await self.ask("GET", house.host, house.polls.format(job_id) + more)

    async def made(self, name: str) -> list[str]:
        """The addresses of a new job's pictures, when it has ended."""
        job_id = await self.created(name)
        self.now += 1000
        return addresses(await self.poll(name, job_id))

    async def fetch(self, url: str, key: str = "") -> Reply | Lost:
        parts = urlsplit(url)
        return await self.ask("GET", parts.hostname or "", parts.path, key=key)


Story = Callable[[Caller], Coroutine[Any, Any, None]]


def told(story: Story, seed: int = 7) -> Caller:
    """Let a story happen; its caller, for who wants to know what became of it."""
    caller = Caller(seed)
    asyncio.run(story(caller))
    return caller


def whole(reply: Reply | Lost) -> Reply:
    assert isinstance(reply, Reply)
    return reply


def document(reply: Reply | Lost) -> Any:
    return json.loads(whole(reply).body)


def outputs(reply: Reply | Lost) -> list[Any]:
    """What a success has to show, in whichever protocol."""
    said = document(reply)
    for name in ("output", "images", "data", "predictions"):
        if name in said:
            return list(said[name])
    parts = said["candidates"][0]["content"]["parts"] if "candidates" in said else []
    return [part for part in parts if "inlineData" in part]


def addresses(reply: Reply | Lost) -> list[str]:
    return [output if isinstance(output, str) else output["url"] for output in outputs(reply)]

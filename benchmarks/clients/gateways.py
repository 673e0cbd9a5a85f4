"""
The gateways: the simulator in real time, one for each contestant, all of the same seed, so that the job of a number
lasts the same for all.

    python -m benchmarks.clients.gateways --seed 7 --median 8 --line 0.08

It says its address on the first line, and serves until its standard input ends. A contestant is whoever comes: below
`/<name>/<upstream's host>/…`, as clients are told to, or to the host `<name>.<upstream's host>`, as our cloud does.
Whatever is asked takes half of the line's time on its way in, and its reply half on its way back. Requests are counted
here, where they come in:

    GET /_told/<name>    {"requests": how many, "median_s": s, "jobs": {id: {"began", "ended", "asked": […]}}}

Downloads are left out. `median_s` is what a request and its reply have taken; the other times are s since 1970. A
contestant whose name begins with `final` gets the reply to a POST when the job has ended, and it is what a question
would be answered then.
"""

import argparse
import asyncio
import dataclasses
import json
import random
import re
import statistics
import sys
import time
from collections import defaultdict
from typing import Any

from aiohttp import web

from local.simulator import files, transmission
from local.simulator.exchange import Lost, Reply
from local.simulator.fal import endpoints
from local.simulator.fal.models import Model as Endpoint
from local.simulator.replicate import models
from local.simulator.simulator import Call, Simulator

KEY = "simulator-key"
REPLICATE, FAL = "api.replicate.com", "queue.fal.run"
#: What is made, under the same name in both protocols: a plain little picture, and one in a quarter of the time.
PICTURE, QUICK = "bench/picture", "bench/quick"
INPUTS: dict[str, dict[str, Any]] = {
    REPLICATE: {"prompt": "a blank sheet", "width": 64, "height": 64},
    FAL: {"prompt": "a blank sheet", "image_size": {"width": 64, "height": 64}},
}
FINAL, WARM = "final", "warm"


class Gateways:
    """
    All of them, by the contestants' names; those that begin with `warm` have another seed.

    line: seconds for which a request and its reply are on their way.
    """

    def __init__(self, seed: int, line: float) -> None:
        self._seed, self._line = seed, line
        self._simulators: dict[str, Simulator] = {}
        self._took: defaultdict[str, list[float]] = defaultdict(list)
        self._asked: defaultdict[str, list[float]] = defaultdict(list)
        self.app = web.Application()
        self.app.add_routes([web.get("/_told/{name}", self._tell), web.route("*", "/{rest:.*}", self._receive)])

    async def _receive(self, http: web.Request) -> web.StreamResponse:
        body, began = await http.read(), time.monotonic()
        await asyncio.sleep(self._line / 2)
        name, call = self._addressed(http, body)
        simulator = self._simulator(name)
        if question := re.search(r"/(?:predictions|requests)/([\w-]+)", call.path):
            self._asked[question[1]].append(time.time())
        reply = await simulator.answer(call)
        if name.startswith(FINAL) and call.method == "POST":
            reply = await _at_the_end(simulator, call, reply)
        await asyncio.sleep(self._line / 2)
        if not files.is_host(call.host):
            self._took[name].append(time.monotonic() - began)
        return await transmission.send(http, reply, simulator.clock)

    def _addressed(self, http: web.Request, body: bytes) -> tuple[str, Call]:
        """Whose gateway is meant, and the request as it comes in there."""
        host, path = http.host.partition(":")[0], http.path
        if files.is_host(host):
            link = f"https://{host}{path}"
            name = next((name for name, each in self._simulators.items() if each.jobs.picture(link)), "")
        elif host.endswith((f".{REPLICATE}", f".{FAL}")):
            name, _, host = host.partition(".")
        else:
            name = path.split("/")[1]
            host, path = f"{http.host}/{name}", path.removeprefix(f"/{name}")
        return name, Call(http.method, http.scheme, host, path, http.query, http.headers, body)

    def _simulator(self, name: str) -> Simulator:
        if name not in self._simulators:
            seed = self._seed + name.startswith(WARM)
            self._simulators[name] = Simulator(seed=seed, keys=[KEY], chance=random.SystemRandom())
        return self._simulators[name]

    async def _tell(self, http: web.Request) -> web.Response:
        name = http.match_info["name"]
        simulator = self._simulator(name)
        epoch = time.time() - simulator.clock.now()
        jobs = {
            job.id: {"began": epoch + job.created, "ended": epoch + job.ended, "asked": self._asked[job.id]}
            for job in simulator.jobs.newest_first()
        }
        took = self._took[name]
        return web.json_response({"requests": len(took), "median_s": statistics.median(took), "jobs": jobs})


async def _at_the_end(simulator: Simulator, call: Call, reply: Reply | Lost) -> Reply | Lost:
    """What a question is answered when the job has ended that a reply to a create tells of."""
    assert isinstance(reply, Reply)
    job = simulator.jobs.get(json.loads(reply.body)["id"])
    assert job is not None
    await simulator.clock.until(job.ended)
    question = f"{call.path.partition('/models/')[0]}/predictions/{job.id}"
    return await simulator.answer(dataclasses.replace(call, method="GET", path=question, body=b""))


def stock(median: float) -> None:
    """Have the simulator sell what is asked for here; `median` is how long the picture runs, s."""
    for name, seconds in ((PICTURE, median), (QUICK, median / 4)):
        models.KNOWN[name] = models.Model(name, seconds, ("prompt",), models.DIFFUSION)
        endpoints.KNOWN[name] = Endpoint(name, endpoints.NAMED, ("prompt",), seconds)


async def serve(seed: int, line: float) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, over.set)  # nobody writes to it, so this is its end
    runner = web.AppRunner(Gateways(seed, line).app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    _, port = runner.addresses[0]
    print(f"http://127.0.0.1:{port}", flush=True)
    await over.wait()
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clients.gateways")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--median", type=float, required=True)
    parser.add_argument("--line", type=float, required=True)
    wish = parser.parse_args()
    stock(wish.median)
    asyncio.run(serve(wish.seed, wish.line))


if __name__ == "__main__":
    main()

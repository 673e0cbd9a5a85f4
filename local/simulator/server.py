"""The HTTP server: who is asked, with which key, what goes wrong on the way, and what was asked in the end.

A request goes to the control door, to the file host (by its Host header) or to the dialect that is mounted at its
path. Faults stand in front of everything but the control door and `/health`, keys included: a proxy that answers 502
has not looked at anybody's key.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web
from multidict import CIMultiDict

from local.simulator import files
from local.simulator.clock import Clock
from local.simulator.door import Door
from local.simulator.exchange import Dialect, Reply, Request, as_json
from local.simulator.faults import Faults
from local.simulator.jobs import Jobs
from local.simulator.ledger import Ledger, Line
from local.simulator.replicate import Gateway, Upstream

DEFAULT_KEY = "simulator-key"
DEFAULT_SEED = 7
LARGEST_BODY = 64 * 2**20
"""Bytes: room for several images as data URIs."""


def application(
    *,
    seed: int = DEFAULT_SEED,
    speed: float = 1.0,
    keys: Sequence[str] = (DEFAULT_KEY,),
    clock: Callable[[], float] = time.monotonic,
) -> web.Application:
    """The whole simulator. `clock` tells the seconds; each of the `keys` opens every gateway."""
    passing = Clock(clock, speed)
    ledger = Ledger()
    faults = Faults()
    jobs = Jobs(passing, seed, ledger)
    mounts: dict[str, Dialect] = {"/replicate/v1": Gateway(passing, jobs), "/v1": Upstream(passing, jobs)}
    front = Front(passing, mounts, jobs, frozenset(keys), faults, ledger)

    app = web.Application(client_max_size=LARGEST_BODY)
    app.add_routes([web.get("/health", _health), *Door(passing, jobs, faults, ledger).routes()])
    app.add_routes([web.route("*", "/{rest:.*}", front.receive)])
    return app


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


class Front:
    """Where requests come in."""

    def __init__(
        self,
        clock: Clock,
        mounts: Mapping[str, Dialect],
        jobs: Jobs,
        keys: frozenset[str],
        faults: Faults,
        ledger: Ledger,
    ) -> None:
        self._clock = clock
        self._mounts = mounts
        self._jobs = jobs
        self._keys = keys
        self._faults = faults
        self._ledger = ledger

    async def receive(self, http: web.Request) -> web.StreamResponse:
        """Answer a request, or drop its connection where a fault says so, and put it into the ledger."""
        body = await http.read()
        fault = self._faults.take(http.method, http.path)

        async def work() -> Reply:
            return await self._work(http, body)

        reply = await (fault.happen(work) if fault else work())
        self._ledger.note(
            Line(
                at=self._clock.rfc3339(self._clock.now(), fewest_digits=6),
                method=http.method,
                host=http.host,
                path=http.path,
                status=reply.status if reply else None,
                authorized=bool(self._key(http)),
                leaked_key=files.is_host(http.host) and "Authorization" in http.headers,
            )
        )
        return _response(reply) if reply else _dropped(http)

    async def _work(self, http: web.Request, body: bytes) -> Reply:
        """The reply as it would be if nothing went wrong."""
        if files.is_host(http.host):
            return await files.fetch(self._jobs, http.method, http.path)
        for prefix, dialect in self._mounts.items():
            if http.path.startswith(f"{prefix}/"):
                request = Request(
                    method=http.method,
                    path=http.path.removeprefix(prefix),
                    query=http.query,
                    headers=http.headers,
                    body=body,
                    mount=f"{http.scheme}://{http.host}{prefix}",
                    key=self._key(http),
                )
                return await dialect.answer(request) if request.key else dialect.refuse()
        return as_json(404, {"detail": f"Nothing is mounted at {http.path}."})

    def _key(self, http: web.Request) -> str:
        """The bearer's key if it is one of ours, else ""."""
        scheme, _, key = http.headers.get("Authorization", "").partition(" ")
        return key if scheme.lower() == "bearer" and key in self._keys else ""


def _response(reply: Reply) -> web.Response:
    # Assigned one by one, so that a scripted header replaces the one that would have been sent, however it is written.
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in reply.headers.items():
        headers[name] = value
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def _dropped(http: web.Request) -> web.Response:
    """Close the connection without a byte; aiohttp wants a response all the same, and finds nobody to send it to."""
    if http.transport:
        http.transport.close()
    return web.Response()

"""The HTTP server: who is asked, with which key, what goes wrong on the way, and what was asked in the end.

A request goes to the control door, or to the house that its Host header names: a file host, an upstream, or else a
gateway; there to the dialect that is mounted at its path. A client that cannot choose its Host header puts the host in
front of the path: `/api.replicate.com/v1/predictions`. Faults stand in front of everything but the control door and
`/health`, keys included: a proxy that answers 502 has not looked at anybody's key.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aiohttp import web
from multidict import CIMultiDict

from local.simulator import files
from local.simulator.clock import Clock
from local.simulator.door import Door
from local.simulator.exchange import Dialect, Reply, Request, as_json, bearer
from local.simulator.faults import Faults
from local.simulator.houses import ANY_GATEWAY, Mounts, houses
from local.simulator.jobs import Jobs
from local.simulator.ledger import Ledger, Line

DEFAULT_KEY = "simulator-key"
DEFAULT_SEED = 7
LARGEST_BODY = 64 * 2**20
"""Bytes: room for several images as data URIs."""


def application(
    *,
    seed: int = DEFAULT_SEED,
    speed: float = 1.0,
    keys: Sequence[str] = (DEFAULT_KEY,),
    catalogue: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> web.Application:
    """The whole simulator. `clock` tells the seconds; each of the `keys` opens every gateway of the `catalogue`."""
    passing = Clock(clock, speed)
    ledger = Ledger()
    faults = Faults()
    jobs = Jobs(passing, seed, ledger)
    front = Front(passing, houses(passing, jobs, catalogue), jobs, frozenset(keys), faults, ledger)

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
        houses: Mapping[str, Mounts],
        jobs: Jobs,
        keys: frozenset[str],
        faults: Faults,
        ledger: Ledger,
    ) -> None:
        self._clock = clock
        self._houses = houses
        self._jobs = jobs
        self._keys = keys
        self._faults = faults
        self._ledger = ledger

    async def receive(self, http: web.Request) -> web.StreamResponse:
        """Answer a request, or drop its connection where a fault says so, and put it into the ledger."""
        body = await http.read()
        host, path, base = self._addressed(http)
        fault = self._faults.take(http.method, host, path)
        dialect, mount = self._mounted(host, path)
        key = self._key(http, dialect)

        async def work() -> Reply:
            """The reply as it would be if nothing went wrong."""
            if files.is_host(host):
                return await files.fetch(self._jobs, http.method, host, path)
            if dialect is None:
                return as_json(404, {"detail": f"Nothing is mounted at {path}."})
            request = Request(
                method=http.method,
                path=path.removeprefix(mount),
                query=http.query,
                headers=http.headers,
                body=body,
                mount=f"{base}{mount}",
                key=key,
            )
            return await dialect.answer(request) if key else dialect.refuse()

        reply = await (fault.happen(work) if fault else work())
        self._ledger.note(
            Line(
                at=self._clock.rfc3339(self._clock.now(), fewest_digits=6),
                method=http.method,
                host=host,
                path=path,
                status=reply.status if reply else None,
                authorized=bool(key),
                leaked_key=files.is_host(host) and "Authorization" in http.headers,
            )
        )
        return _response(reply) if reply else _dropped(http)

    def _addressed(self, http: web.Request) -> tuple[str, str, str]:
        """The host (without a port), the path there, and the URL that this path follows upon."""
        first, _, rest = http.path.removeprefix("/").partition("/")
        if first in self._houses or files.is_host(first):
            return first, f"/{rest}", f"{http.scheme}://{http.host}/{first}"
        return http.host.partition(":")[0], http.path, f"{http.scheme}://{http.host}"

    def _mounted(self, host: str, path: str) -> tuple[Dialect | None, str]:
        """The dialect that answers for a path, and where it is mounted; None where nobody does."""
        mounts = self._houses.get(host, self._houses[ANY_GATEWAY])
        for mount, dialect in mounts.items():
            if path.startswith(f"{mount}/"):
                return dialect, mount
        return None, ""

    def _key(self, http: web.Request, dialect: Dialect | None) -> str:
        """The caller's key if it is one of ours, else ""."""
        key = (dialect.credential if dialect else bearer)(http.headers, http.query)
        return key if key in self._keys else ""


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

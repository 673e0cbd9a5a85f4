"""The whole simulator, without a socket: who is asked, with which key, what goes wrong, and what was asked in the end.

A request goes to the house that its host names: a file host, an upstream, a stranger, or else a gateway; there to the
dialect that is mounted at its path. A client that cannot choose its Host header puts the host in front of the path:
`/api.replicate.com/v1/predictions`. Faults stand in front of everything, keys included: a proxy that answers 502 has
not looked at anybody's key.

Nothing here is bound to an event loop or a thread; time passes as the caller says.
"""

import asyncio
import dataclasses
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.simulator import faults, files, strangers
from local.simulator.chance import Chance
from local.simulator.clock import Clock
from local.simulator.exchange import PLAIN, Dialect, Lens, Lost, Reply, Request, Step, as_json, bearer
from local.simulator.houses import ANY_GATEWAY, houses
from local.simulator.jobs import Jobs
from local.simulator.ledger import Ledger, Line
from local.simulator.scene import Scene

DEFAULT_KEY = "simulator-key"
DEFAULT_SEED = 7


@dataclass(frozen=True)
class Call:
    """A request as it comes in. `host` may have a port; the `body` may be still to read, for who cares to."""

    method: str
    scheme: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | Callable[[], Awaitable[bytes]]


class Simulator:
    """Where requests come in.

    Each of the `keys` opens every gateway of the `catalogue`. `seed` decides how long jobs take, and what everything is
    called unless there is another source of `chance` for that. `clock`, `sleep` and `wall` are those of `Clock`.
    """

    def __init__(
        self,
        *,
        seed: int = DEFAULT_SEED,
        speed: float = 1.0,
        keys: Sequence[str] = (DEFAULT_KEY,),
        catalogue: Path | None = None,
        chance: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self.clock = Clock(clock, speed, sleep, wall)
        self.ledger = Ledger()
        self.faults = faults.Faults()
        self.jobs = Jobs(self.clock, seed, self.ledger)
        self._houses = houses(self.clock, self.jobs, Chance(chance or random.Random(seed)), catalogue)
        self._keys = frozenset(keys)

    def script(self, document: object) -> None:
        """Let a fault happen. Raises ValueError with a sentence for whoever wrote the document."""
        self.faults.add(faults.read(document))

    async def answer(self, call: Call) -> Reply | Lost:
        """What the caller gets; it is put into the ledger."""
        host, path, base = self._addressed(call)
        dialect, mount = self._mounted(host, path)
        key = self._key(call, dialect)
        step = self._step(call.method, host, path.removeprefix(mount), dialect)

        async def work(lens: Lens) -> Reply:
            if files.is_host(host):
                return await files.fetch(self.jobs, call.method, host, path)
            if host in strangers.HOSTS:
                return strangers.GREETING
            if dialect is None:
                return as_json(404, {"detail": f"Nothing is mounted at {path}."})
            body = call.body if isinstance(call.body, bytes) else await call.body()
            below, at = path.removeprefix(mount), f"{base}{mount}"
            request = Request(call.method, below, call.query, call.headers, body, at, key, lens)
            return await dialect.answer(request) if key else dialect.refuse()

        reply: Reply | Lost
        if fault := self.faults.take(call.method, host, path, step):
            error = dialect.error if dialect else files.error
            queue = dialect.queue if dialect else None
            scene = Scene(call.method, host, path, step, queue, error, work, self.clock, self.jobs, fault.seconds)
            reply = await fault.deed(scene)
            if scene.spared:
                self.faults.give_back(fault)
            elif isinstance(reply, Reply):
                reply = dataclasses.replace(reply, scripted=True)
        else:
            reply = await work(PLAIN)
        stranger = host in strangers.HOSTS
        self.ledger.note(
            Line(
                at=self.clock.rfc3339(self.clock.now(), fewest_digits=6),
                method=call.method,
                host=host,
                path=path,
                status=reply.status if isinstance(reply, Reply) else None,
                authorized=bool(key),
                leaked_key=(stranger or files.is_host(host)) and self._carries_key(call),
                astray=stranger,
            )
        )
        return reply

    def _addressed(self, call: Call) -> tuple[str, str, str]:
        """The host (without a port), the path there, and the URL that this path follows upon."""
        first, _, rest = call.path.removeprefix("/").partition("/")
        if first in self._houses or files.is_host(first):
            return first, f"/{rest}", f"{call.scheme}://{call.host}/{first}"
        return call.host.partition(":")[0], call.path, f"{call.scheme}://{call.host}"

    def _mounted(self, host: str, path: str) -> tuple[Dialect | None, str]:
        """The dialect that answers for a path, and where it is mounted; None where nobody does."""
        if files.is_host(host) or host in strangers.HOSTS:
            return None, ""
        mounts = self._houses.get(host, self._houses[ANY_GATEWAY])
        for mount, dialect in mounts.items():
            if path.startswith(f"{mount}/"):
                return dialect, mount
        return None, ""

    def _step(self, method: str, host: str, below: str, dialect: Dialect | None) -> Step | None:
        """What a request is for."""
        if dialect:
            return dialect.step(method, below)
        return "download" if files.is_host(host) and method in ("GET", "HEAD") else None

    def _key(self, call: Call, dialect: Dialect | None) -> str:
        """The caller's key if it is one of ours, else ""."""
        key = (dialect.credential if dialect else bearer)(call.headers, call.query)
        return key if key in self._keys else ""

    def _carries_key(self, call: Call) -> bool:
        """Whether there is any key in a request, ours or not."""
        sent = " ".join((*call.headers.values(), *call.query.values()))
        return "Authorization" in call.headers or any(key in sent for key in self._keys)

"""The control door, `/_simulator`: what only a test or a demonstration may ask, and no gateway would answer.

    POST   /_simulator/faults      add a fault; 201, and how many are waiting
    DELETE /_simulator/faults      forget all faults; 204
    GET    /_simulator/ledger      requests, charges and leaked keys
    GET    /_simulator/jobs/{id}   the truth about a job: its inputs, its fate and its durations

It needs no key. It listens where the simulator does, on the loopback address.
"""

import json
from dataclasses import asdict

from aiohttp import web

from local.simulator import faults
from local.simulator.clock import Clock
from local.simulator.jobs import Jobs
from local.simulator.ledger import Ledger


class Door:
    """The four things that it opens for."""

    def __init__(self, clock: Clock, jobs: Jobs, scripted: faults.Faults, ledger: Ledger) -> None:
        self._clock = clock
        self._jobs = jobs
        self._faults = scripted
        self._ledger = ledger

    def routes(self) -> list[web.RouteDef]:
        """What to mount."""
        return [
            web.post("/_simulator/faults", self._add_fault),
            web.delete("/_simulator/faults", self._clear_faults),
            web.get("/_simulator/ledger", self._statement),
            web.get("/_simulator/jobs/{id}", self._job),
            web.route("*", "/_simulator{rest:.*}", self._nothing),
        ]

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            self._faults.add(faults.read(json.loads(await request.read())))
        except json.JSONDecodeError:
            return _refusal(400, "the body is not JSON")
        except ValueError as error:
            return _refusal(400, str(error))
        return web.json_response({"waiting": len(self._faults)}, status=201)

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self._faults.clear()
        return web.Response(status=204)

    async def _statement(self, _: web.Request) -> web.Response:
        return web.json_response(self._ledger.statement())

    async def _job(self, request: web.Request) -> web.Response:
        """The durations are as drawn, in seconds at speed 1."""
        job = self._jobs.get(request.match_info["id"])
        if not job:
            return _refusal(404, "no such job")
        truth = {
            "id": job.id,
            "model": job.model,
            "inputs": job.inputs,
            "phase": job.phase(self._clock.now()),
            "fate": job.fate,
            "queue_seconds": job.queue_seconds,
            "run_seconds": job.run_seconds,
            "speed": self._clock.speed,
            "outputs": [asdict(output) for output in job.outputs],
        }
        return web.json_response(truth)

    async def _nothing(self, request: web.Request) -> web.Response:
        return _refusal(404, f"the control door has no {request.method} {request.path}")


def _refusal(status: int, detail: str) -> web.Response:
    return web.json_response({"detail": detail}, status=status)

"""The control door, `/_simulator`: what only a test or a demonstration may ask, and no gateway would answer.

    GET    /_simulator/faults      the faults that have a name
    POST   /_simulator/faults      add a fault; 201, and how many are waiting
    DELETE /_simulator/faults      forget all faults; 204
    GET    /_simulator/ledger      requests, charges and leaked keys
    GET    /_simulator/jobs/{id}   the truth about a job: its inputs, its fate and its durations

It needs no key. It listens where the simulator does, on the loopback address.
"""

import json
from dataclasses import asdict

from aiohttp import web

from local.simulator import switches
from local.simulator.simulator import Simulator


class Door:
    """The five things that it opens for."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[web.RouteDef]:
        """What to mount."""
        return [
            web.get("/_simulator/faults", self._list_faults),
            web.post("/_simulator/faults", self._add_fault),
            web.delete("/_simulator/faults", self._clear_faults),
            web.get("/_simulator/ledger", self._statement),
            web.get("/_simulator/jobs/{id}", self._job),
            web.route("*", "/_simulator{rest:.*}", self._nothing),
        ]

    async def _list_faults(self, _: web.Request) -> web.Response:
        return web.json_response({"faults": switches.listed()})

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            self._simulator.script(json.loads(await request.read()))
        except json.JSONDecodeError:
            return _refusal(400, "the body is not JSON")
        except ValueError as error:
            return _refusal(400, str(error))
        return web.json_response({"waiting": len(self._simulator.faults)}, status=201)

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self._simulator.faults.clear()
        return web.Response(status=204)

    async def _statement(self, _: web.Request) -> web.Response:
        return web.json_response(self._simulator.ledger.statement())

    async def _job(self, request: web.Request) -> web.Response:
        """The durations are as drawn, in seconds at speed 1."""
        job = self._simulator.jobs.get(request.match_info["id"])
        if not job:
            return _refusal(404, "no such job")
        truth = {
            "id": job.id,
            "model": job.model,
            "inputs": job.inputs,
            "phase": job.phase(self._simulator.clock.now()),
            "fate": job.fate,
            "queue_seconds": job.queue_seconds,
            "run_seconds": job.run_seconds,
            "speed": self._simulator.clock.speed,
            "outputs": [asdict(output) for output in job.outputs],
        }
        return web.json_response(truth)

    async def _nothing(self, request: web.Request) -> web.Response:
        return _refusal(404, f"the control door has no {request.method} {request.path}")


def _refusal(status: int, detail: str) -> web.Response:
    return web.json_response({"detail": detail}, status=status)

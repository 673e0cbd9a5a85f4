"""OpenAI itself: its two routes, and what each of them does.

The route for pictures answers when they are there, or never: whoever hangs up while waiting has made a job all the
same, and pays for it. A prompt that ends in a crash does so before there is any work, so that 500 costs nothing; a
refused one is refused at the end.
"""

import asyncio
import dataclasses

from local.simulator.chance import Chance
from local.simulator.clock import Clock
from local.simulator.exchange import Reply, Request, Step, as_json, bearer
from local.simulator.jobs import Jobs, fate, inline
from local.simulator.openai import delivery, models, problems
from local.simulator.openai.order import PARAMETERS, Order, parse, read
from local.simulator.pictures import drawn

SINCE = 1_626_777_600
"""When every model of the list was made, as new-api has it; OpenAI's own dates are not simulated."""


class Upstream:
    """The protocol below `/v1`, over the jobs that it shares with every other mount."""

    listed = tuple(models.CURRENT)
    queue = None
    credential = staticmethod(bearer)

    def __init__(self, clock: Clock, jobs: Jobs, chance: Chance) -> None:
        self._clock = clock
        self._jobs = jobs
        self._chance = chance

    def step(self, method: str, path: str) -> Step | None:
        """What a request is for."""
        return "create" if (method, path) == ("POST", "/images/generations") else None

    async def answer(self, request: Request) -> Reply:
        """The reply to a request with a good key."""
        try:
            match request.method, request.path:
                case "POST", "/images/generations":
                    return await self._generate(request)
                case "GET", "/models":
                    entries = [
                        {"id": name, "object": "model", "created": SINCE, "owned_by": "openai"} for name in self.listed
                    ]
                    return as_json(200, {"object": "list", "data": entries})
                case method, path:
                    return self.astray(method, f"/v1{path}")
        except problems.Problem as problem:
            return problem.reply

    def refuse(self) -> Reply:
        """401: the key is missing or unknown."""
        return problems.invalid_key().reply

    def error(self, status: int) -> Reply:
        """An error of that status."""
        return problems.of(status).reply

    def astray(self, method: str, path: str) -> Reply:
        """404: no such route."""
        return problems.invalid_url(method, path).reply

    def broken(self) -> Reply:
        """500: something broke before there was any work."""
        return problems.server_error().reply

    def order(self, body: bytes) -> Order:
        """What is asked for. Raises Problem where it cannot be made."""
        inputs = parse(body)
        if inputs is None:
            raise problems.unreadable()
        if "model" not in inputs:
            raise problems.no_model()
        PARAMETERS["model"]("model", inputs["model"])
        # The model is looked at before anything else: a model that is gone is the only complaint.
        return read(inputs, models.find(inputs["model"]))

    async def _generate(self, request: Request) -> Reply:
        ordered = self.order(request.body)
        if fate(ordered.prompt) == "crashed":
            return self.broken()
        job_id = f"req_{self._chance.hex(16)}"
        job = self._jobs.create(
            job_id,
            model=ordered.model,
            prompt=ordered.prompt,
            inputs=ordered.inputs,
            outputs=tuple(
                delivery.output(sketch, self._chance) if ordered.links else inline(job_id, sketch)
                for sketch in ordered.sketches
            ),
            median_seconds=ordered.median_seconds,
            key=request.key,
        )
        await self._clock.until(job.ended)
        if job.fate == "refused":
            return delivery.refusal(ordered.maker, job, self._clock.unix())
        outputs = request.lens.outputs(job)
        ordered = dataclasses.replace(ordered, sketches=tuple(output.sketch for output in outputs))
        files = await asyncio.gather(*(drawn(sketch) for sketch in ordered.sketches)) if ordered.inline else []
        links = [delivery.link(output, self._chance) for output in outputs] if ordered.links else []
        document = delivery.show(ordered, self._clock.unix(), files, links)
        return as_json(200, document, {"x-request-id": job.id})

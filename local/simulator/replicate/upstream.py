"""Replicate itself: its routes, and what each of them does.

Facts from Replicate's OpenAPI document and the recorded replies of its clients: a create is answered 201, or 202
where a caller waited and the output was not ready in time; a prediction that is not ready by then shows as
`starting`, even if it runs, since the clients take every other status for the end; lists have 100 entries a page,
newest first, and `next` is an absolute URL, which the clients request as it is. Canceling what has ended answers 200
and changes nothing (not recorded).
"""

import base64
import math
from typing import Any

from local.simulator.chance import Chance
from local.simulator.clock import Clock
from local.simulator.exchange import PLAIN, Lens, Queue, Reply, Request, Step, as_json, bearer
from local.simulator.jobs import Job, Jobs
from local.simulator.replicate import models, order, prediction, problems

PAGE = 100
GLANCE_SECONDS = 0.02
"""How often a held request looks at its job, which may be canceled at any time."""


class Upstream:
    """The protocol below `/v1`, over the jobs that it shares with every other mount."""

    created = 201
    waits = True
    queue = Queue("id", prediction.ID)
    credential = staticmethod(bearer)

    def __init__(self, clock: Clock, jobs: Jobs, chance: Chance) -> None:
        self._clock = clock
        self._jobs = jobs
        self._chance = chance

    def step(self, method: str, path: str) -> Step | None:
        """What a request is for."""
        match method, path.split("/")[1:]:
            case "POST", ["models", _, _, "predictions"] | ["predictions"]:
                return "create"
            case "GET", ["predictions", _]:
                return "poll"
            case "POST", ["predictions", _, "cancel"]:
                return "cancel"
            case _:
                return None

    async def answer(self, request: Request) -> Reply:
        """The reply to a request with a good key."""
        try:
            match request.method, request.path.split("/")[1:]:
                case "POST", ["models", owner, name, "predictions"]:
                    return await self._create(request, f"{owner}/{name}")
                case "POST", ["predictions"]:
                    return await self._create(request, None)
                case "GET", ["predictions"]:
                    return self._list(request)
                case "GET", ["predictions", job_id]:
                    return as_json(200, self._show(self._job(job_id, request.lens), self._clock.now(), request.lens))
                case "POST", ["predictions", job_id, "cancel"]:
                    job = self._job(job_id, request.lens)
                    self._jobs.cancel(job)
                    return as_json(200, self._show(job, self._clock.now()))
                case "GET", ["models", owner, name, "versions", version]:
                    return self._version(f"{owner}/{name}", version)
                case _:
                    return self.astray()
        except problems.Problem as problem:
            return problem.reply

    def refuse(self) -> Reply:
        """401: the token is missing or unknown."""
        return problems.unauthenticated().reply

    def error(self, status: int) -> Reply:
        """An error of that status."""
        return problems.of(status).reply

    def astray(self) -> Reply:
        """404: no such route."""
        return problems.not_found("The requested resource").reply

    async def _accepted(self, job: Job, request: Request) -> Reply:
        """The reply to a create: at once, or when the caller has waited for as long as it said in `Prefer`."""
        prefer = request.headers.get("Prefer", "")
        seconds = order.wait(prefer) if self.waits else 0
        if not seconds:
            return as_json(self.created, self._show(job, job.created))
        headers = {"Preference-Applied": prefer}
        patience = job.created + self._clock.lasting(seconds)
        while (left := min(job.ended, patience) - (now := self._clock.now())) > 0:
            await self._clock.sleep(min(left, GLANCE_SECONDS))
        if now < job.ended:
            return as_json(202, self._show(job, job.created), headers)
        shown = prediction.show_delivered(job, self._clock, now, _many(job), request.lens)
        return as_json(self.created, shown, headers)

    async def _create(self, request: Request, model_name: str | None) -> Reply:
        ordered = order.read(request.body, model_name)
        deadline = request.headers.get("Cancel-After")
        job = self._jobs.create(
            prediction.new_id(self._chance),
            model=ordered.reference,
            prompt=ordered.inputs.get("prompt", ""),
            inputs=ordered.inputs,
            outputs=tuple(prediction.output(sketch, self._chance) for sketch in ordered.model.sketches(ordered.inputs)),
            median_seconds=ordered.model.median_seconds,
            key=request.key,
            cancel_after=order.cancel_after(deadline) if deadline else math.inf,
        )
        return await self._accepted(job, request)

    def _list(self, request: Request) -> Reply:
        """A page. `previous` is always null: nobody here pages back."""
        jobs = [job for job in self._jobs.newest_first() if prediction.ID.fullmatch(job.id)]
        if cursor := request.query.get("cursor"):
            last = _numbered(cursor)
            jobs = [job for job in jobs if job.number < last]
        page, now = jobs[:PAGE], self._clock.now()
        following = f"{request.mount}/predictions?cursor={_cursor(page[-1].number)}" if len(jobs) > PAGE else None
        results = [self._show(job, now) for job in page]
        return as_json(200, {"previous": None, "next": following, "results": results})

    def _version(self, model_name: str, version: str) -> Reply:
        """What the official Python client looks up after `run("owner/name:version")`: whether the output is a list."""
        model = models.find(model_name)
        if not model:
            raise problems.not_found(f"The model {model_name}")
        file = {"type": "string", "format": "uri"}
        output = {"type": "array", "items": file} if model.many else file
        schema = {"openapi": "3.0.2", "components": {"schemas": {"Output": {"title": "Output", **output}}}}
        age = {"created_at": "2025-05-20T00:00:00.000000Z", "cog_version": "0.14.0"}
        return as_json(200, {"id": version, **age, "openapi_schema": schema})

    def _job(self, job_id: str, lens: Lens) -> Job:
        job = self._jobs.known(job_id)
        job = lens.job(job) if job else None
        if not job or not prediction.ID.fullmatch(job_id):
            raise problems.not_found(f"The prediction {job_id}")
        return job

    def _show(self, job: Job, now: float, lens: Lens = PLAIN) -> dict[str, Any]:
        return prediction.show(job, self._clock, now, _many(job), lens)


def _many(job: Job) -> bool:
    """Whether the output of the job's model is a list."""
    model = models.find(job.model.partition(":")[0])
    return bool(model and model.many)


def _cursor(number: int) -> str:
    """A place in the list, in a form that nobody is tempted to compute with."""
    return base64.urlsafe_b64encode(f"before={number}".encode()).decode().rstrip("=")


def _numbered(cursor: str) -> int:
    """The place that a cursor stands for. Raises Problem for one that was not made here."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        return int(text.removeprefix("before="))
    except ValueError as error:
        raise problems.bad_request("Invalid cursor.") from error

"""fal itself, at queue.fal.run: its routes, and what each of them does.

Facts from fal's documentation and recorded replies: the result of a request that is not finished is 400, and of one
that has failed it is the failure; a cancellation is 202, or 400 once there is nothing to cancel, and is over at once
here; an address with an endpoint's sub-path in it takes nothing but POST. The status of what is not finished is 200
(202 is reported, too). A request is found below its own application only (not recorded). The addresses in the replies
lead back to where the caller found the simulator, for the official client follows them.
"""

import re
from collections.abc import Mapping
from typing import Any

from local.simulator.chance import Chance
from local.simulator.clock import Clock
from local.simulator.exchange import Lens, Queue, Reply, Request, Step, as_json
from local.simulator.fal import failures, order, result, status
from local.simulator.jobs import Job, Jobs

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The ids of this house; jobs with others were made elsewhere."""
REFUSAL_SECONDS = 0.1
"""How long a model looks at inputs that it cannot take."""


def _key(headers: Mapping[str, str], _query: Mapping[str, str]) -> str:
    """The key behind `Key`, or behind `Bearer`, which the client sends after `fal auth login`."""
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    return key if scheme.lower() in ("key", "bearer") else ""


class Upstream:
    """The protocol of the queue, over the jobs that it shares with every other mount."""

    root = ""
    """What stands in front of a path below the mount."""
    address = ""
    """Where the addresses in the replies lead; "" for the mount, as the caller addressed it."""
    cancels = True
    queue = Queue("request_id", ID)
    credential = staticmethod(_key)

    def __init__(self, clock: Clock, jobs: Jobs, chance: Chance) -> None:
        self._clock = clock
        self._jobs = jobs
        self._chance = chance

    def step(self, method: str, path: str) -> Step | None:
        """What a request is for."""
        application, rest = order.split(self._endpoint(path))
        match method, rest:
            case "POST", _ if application and "requests" not in rest:
                return "create"
            case "GET", ["requests", _] | ["requests", _, "response" | "status"]:
                return "poll"
            case "PUT", ["requests", _, "cancel"]:
                return "cancel"
            case _:
                return None

    async def answer(self, request: Request) -> Reply:
        """The reply to a request with a good key."""
        try:
            return self.signed(await self._answer(request))
        except failures.Failure as failure:
            return self.signed(failure.reply)

    def refuse(self) -> Reply:
        """401. A missing key has words of its own at fal; nobody here can tell it from an unknown one."""
        return self.signed(failures.unauthenticated().reply)

    def signed(self, reply: Reply) -> Reply:
        """The reply with a request id, which tells the official client that it comes from fal and not from a proxy."""
        return Reply(reply.status, reply.body, {**reply.headers, "x-fal-request-id": self._chance.uuid()})

    def error(self, status: int) -> Reply:
        """An error of that status."""
        return self.signed(failures.of(status).reply)

    def astray(self, request: Request, /) -> Reply:
        """405 with the one method that there is, or 404 where not even that leads anywhere."""
        application, _ = order.split(request.path)
        raise failures.only_post() if application and request.method != "POST" else failures.no_route()

    def covers(self, application: str, job: Job) -> bool:
        """Whether a job is to be found below an application."""
        return application == order.split(job.model)[0]

    def submitted(self, request: Request, endpoint: str) -> Reply:
        """A new request. Raises Failure for one that cannot be queued."""
        ordered = order.read(request.body, endpoint)
        invalid = bool(ordered.model.complaints(ordered.inputs))
        sketches = () if invalid else ordered.model.sketches(ordered.inputs)
        job = self._jobs.create(
            self._chance.uuid(),
            model=endpoint,
            prompt=ordered.prompt,
            inputs=ordered.inputs,
            outputs=tuple(result.output(sketch, self._chance) for sketch in sketches),
            median_seconds=REFUSAL_SECONDS if invalid else ordered.model.median_seconds,
            key=request.key,
            kept=result.KEPT_SECONDS,
            ending="refused" if invalid else None,
        )
        return as_json(200, status.submitted(job, self.address or request.mount))

    def shown(self, request: Request, job: Job, now: float) -> dict[str, Any]:
        """What the queue knows of a job."""
        with_logs = request.query.get("logs", "").lower() in ("1", "true")
        return status.show(job, self._clock, now, self.address or request.mount, with_logs=with_logs)

    async def handed_over(self, job: Job, shown: dict[str, Any], lens: Lens) -> Reply:
        """The result of a job that is `shown` so. Raises Failure where there is none, or not yet."""
        if shown["status"] != "COMPLETED":
            raise failures.in_progress()
        if failure := status.failed(job):
            raise failure
        return as_json(200, await result.show(job, lens.outputs(job)))

    async def _answer(self, request: Request) -> Reply:
        now = self._clock.now()
        endpoint = self._endpoint(request.path)
        application, rest = order.split(endpoint)
        match request.method, rest:
            case "POST", _ if application and "requests" not in rest:
                return self.submitted(request, endpoint)
            case "GET", ["requests", job_id] | ["requests", job_id, "response"]:
                job = self._job(application, job_id, request.lens, failures.no_result())
                return await self.handed_over(job, self.shown(request, job, now), request.lens)
            case "GET", ["requests", job_id, "status"]:
                job = self._job(application, job_id, request.lens, failures.no_request())
                return as_json(200, self.shown(request, job, now))
            case "PUT", ["requests", job_id, "cancel"] if self.cancels:
                return self._cancel(self._job(application, job_id, request.lens, failures.no_request()), now)
            case _:
                return self.astray(request)

    def _cancel(self, job: Job, now: float) -> Reply:
        if now >= job.ended:
            return as_json(400, {"status": "ALREADY_COMPLETED"})
        self._jobs.cancel(job)
        return as_json(202, {"status": "CANCELLATION_REQUESTED"})

    def _endpoint(self, path: str) -> str:
        return f"{self.root}{path}".strip("/")

    def _job(self, application: str, job_id: str, lens: Lens, otherwise: failures.Failure) -> Job:
        job = self._jobs.known(job_id) if ID.fullmatch(job_id) else None
        job = lens.job(job) if job else None
        if not job or not self.covers(application, job):
            raise otherwise
        return job

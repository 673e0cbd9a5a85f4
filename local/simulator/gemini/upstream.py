"""Google itself: the routes, the wait for the job, and the keys.

A key comes in `x-goog-api-key` or as `?key=`; without one the answer is 403, with an unknown one 400. All Imagen
models are shut down: they are not listed any more and answer every `:predict` with 404, although a GET for a single
one can still succeed (recorded). `/v1` and `/v1beta` do the same.
"""

import dataclasses
from collections.abc import Callable, Mapping
from contextvars import ContextVar

from local.simulator.chance import Chance
from local.simulator.clock import Clock
from local.simulator.exchange import Reply, Request, Step, as_json
from local.simulator.gemini import content, imagen, problems, verdicts
from local.simulator.gemini.models import GEMINI_MODELS, IMAGEN_MODELS, Method, Model
from local.simulator.jobs import Jobs, inline
from local.simulator.pictures import drawn

Order = imagen.Order | content.Order
READERS: Mapping[Method, Callable[[bytes, Model], Order]] = {"predict": imagen.read, "generateContent": content.read}


class Upstream:
    """The protocol below `/v1beta` and `/v1`, over the jobs that it shares with every other mount."""

    models: Mapping[str, Model] = GEMINI_MODELS
    queue = None

    def __init__(self, clock: Clock, jobs: Jobs, chance: Chance) -> None:
        self._clock = clock
        self._jobs = jobs
        self._chance = chance
        # A refusal depends on whether there was any key, which the server has asked for just before in the same task.
        self._presented: ContextVar[bool] = ContextVar("presented", default=False)

    def credential(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        """The key, from its header or from the query."""
        key = headers.get("x-goog-api-key") or query.get("key", "")
        self._presented.set(bool(key))
        return key

    def step(self, method: str, path: str) -> Step | None:
        """What a request is for."""
        return "create" if method == "POST" and path.startswith("/models/") else None

    async def answer(self, request: Request) -> Reply:
        """The reply to a request with a good key."""
        try:
            match request.method, request.path.split("/")[1:]:
                case "GET", ["models"]:
                    return _json({"models": [model.show() for model in self.models.values()]})
                case "GET", ["models", name]:
                    return self.single(request, name)
                case "POST", ["models", call]:
                    match call.partition(":"):
                        case name, _, "predict" | "generateContent" as method:
                            return await self._called(request, name, method)
            return self.astray(request)
        except problems.Problem as problem:
            return problem.reply

    def refuse(self) -> Reply:
        """403 without a key, 400 with an unknown one."""
        return (problems.bad_key() if self._presented.get() else problems.no_key()).reply

    def error(self, status: int) -> Reply:
        """An error of that status."""
        return problems.of(status).reply

    def astray(self, _request: Request) -> Reply:
        """404: no such route."""
        return problems.astray()

    def single(self, request: Request, name: str) -> Reply:
        """What there is to say about one model, shut down or not."""
        model = (GEMINI_MODELS | IMAGEN_MODELS).get(name)
        if not model:
            raise problems.nothing_to_show(name, _version(request))
        return _json(model.show())

    def missing(self, request: Request, name: str, method: Method) -> Reply:
        """404: no such model, or none any more."""
        if name.startswith("imagen-"):
            raise problems.retired(name)
        raise problems.no_model(name, _version(request), method)

    async def _called(self, request: Request, name: str, method: Method) -> Reply:
        """The reply to a model's work; nobody reads the body for a model that there is not, or that works otherwise."""
        model = self.models.get(name)
        if not model:
            return self.missing(request, name, method)
        if model.method != method:
            raise problems.no_model(name, _version(request), method)
        return await self._made(request, READERS[method](request.body, model))

    async def _made(self, request: Request, order: Order) -> Reply:
        """The reply to an order, when its job has ended. It is charged whether or not anybody still waits by then."""
        match verdicts.verdict(order.prompt):
            case "crash":
                raise problems.unavailable()
            case "forbidden":
                return order.blocked()
        job_id = self._chance.base64(17).rstrip("=")
        job = self._jobs.create(
            job_id,
            model=order.model.name,
            prompt=order.prompt,
            inputs=order.inputs,
            outputs=tuple(inline(job_id, sketch) for sketch in order.sketches),
            median_seconds=order.model.median_seconds,
            key=request.key,
        )
        await self._clock.until(job.ended)
        sketches = tuple(output.sketch for output in request.lens.outputs(job))
        shown = dataclasses.replace(order, sketches=sketches)
        files = [await drawn(sketch) for sketch in shown.shown()]
        return _json(shown.show(files, job_id))


def _json(document: object) -> Reply:
    return as_json(200, document, content_type=problems.JSON)


def _version(request: Request) -> str:
    """The version of the API that was addressed."""
    return request.mount.rpartition("/")[2]

"""The queue of fal as the gateways resell it, below `/fal-ai`: the same work behind another door.

What differs, from the gateways' pages and from clients that were written against them: the key is a Bearer; the
result of what is not finished is 200 with its status, and of what has failed 200 with the status FAILED, which fal
does not have; the result carries the inputs as `request`, and its `timings` are empty; `auto` stands for whichever
model a request went to. The addresses in the replies are fal's own: a caller who follows them carries its key to
another house. `/status` is not on the pages, but was used with success; what it shows of a failure is not recorded,
here it is what the result shows. A cancellation, a path with more segments and anything else get the relay's web page
(not recorded). The relay has its bad days (`relay.py`); what fal complains about is passed through.
"""

from typing import Any

from local.simulator import relay
from local.simulator.chance import Chance
from local.simulator.clock import Clock
from local.simulator.exchange import Lens, Reply, Request, as_json, bearer
from local.simulator.fal import result
from local.simulator.fal.upstream import Upstream
from local.simulator.jobs import Job, Jobs


class Gateway(Upstream):
    """The protocol below a gateway's `/fal-ai`."""

    address = "https://queue.fal.run"
    cancels = False
    credential = staticmethod(bearer)

    def __init__(self, clock: Clock, jobs: Jobs, chance: Chance, owner: str = "fal-ai") -> None:
        """`owner`: of the models below this mount."""
        super().__init__(clock, jobs, chance)
        self.root = owner

    def refuse(self) -> Reply:
        """401 in the words of the relay."""
        return self.signed(relay.refusal())

    def signed(self, reply: Reply) -> Reply:
        """The reply with a request id of the relay."""
        return relay.signed(reply, self._chance)

    def error(self, status: int) -> Reply:
        """An error of that status in the words of the relay."""
        return self.signed(relay.error(status))

    def astray(self, _: Request, /) -> Reply:
        """200 and a web page."""
        return relay.web_page()

    def covers(self, application: str, job: Job) -> bool:
        """Whether a job is to be found below a model's name, which may be `auto`."""
        return application == f"{self.root}/auto" or super().covers(application, job)

    def shown(self, request: Request, job: Job, now: float) -> dict[str, Any]:
        """What the queue knows of a job, a failure by its name."""
        shown = super().shown(request, job, now)
        return shown | {"status": "FAILED"} if "error" in shown else shown

    def submitted(self, request: Request, endpoint: str) -> Reply:
        """A new request, unless the relay has a bad day with the model in the path."""
        return relay.bad_day(request.path.strip("/")) or super().submitted(request, endpoint)

    async def handed_over(self, job: Job, shown: dict[str, Any], lens: Lens) -> Reply:
        """The result, or where there is none, or not yet, what is shown of the job."""
        if shown["status"] != "COMPLETED":
            return as_json(200, shown)
        pictures = await result.show(job, lens.outputs(job))
        return as_json(200, {**pictures, "timings": {}, "request": job.inputs})

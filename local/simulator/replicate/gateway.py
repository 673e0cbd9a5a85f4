"""Replicate as the gateways resell it, below `/replicate/v1`: the same work behind another door.

What differs, from the gateways' pages and the open relays that they descend from: a create is answered 200 and at
once, `Prefer` is not passed on; keys, unknown paths, request ids and bad days are the relay's business (`relay.py`).
What Replicate complains about is passed through. QuickRouter's page documents a create reply of no more than an id and
a status, which is what its host gives here.
"""

from urllib.parse import urlsplit

from local.simulator import relay
from local.simulator.exchange import Reply, Request, as_json
from local.simulator.jobs import Job
from local.simulator.replicate import prediction
from local.simulator.replicate.upstream import Upstream

TACITURN = "api.quickrouter.ai"


class Gateway(Upstream):
    """The protocol below a gateway's `/replicate/v1`."""

    created = 200
    waits = False

    async def answer(self, request: Request) -> Reply:
        """The reply of the upstream, signed with a request id."""
        return relay.signed(await super().answer(request), self._chance)

    def refuse(self) -> Reply:
        """401 in the words of the relay."""
        return relay.signed(relay.refusal(), self._chance)

    def error(self, status: int) -> Reply:
        """An error of that status in the words of the relay."""
        return relay.signed(relay.error(status), self._chance)

    def astray(self) -> Reply:
        """200 and a web page."""
        return relay.web_page()

    async def _create(self, request: Request, model_name: str | None) -> Reply:
        """A prediction, unless the relay has a bad day with the model in the path."""
        return relay.bad_day(model_name or "") or await super()._create(request, model_name)

    async def _accepted(self, job: Job, request: Request) -> Reply:
        """The reply to a create, cut short at a host that documents it so."""
        if urlsplit(request.mount).hostname == TACITURN:
            return as_json(self.created, {"id": job.id, "status": prediction.STATUS[job.phase(job.created)]})
        return await super()._accepted(job, request)

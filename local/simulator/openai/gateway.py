"""OpenAI's route at a relay, below `/v1`: the same way to ask, for the models of many makers.

What the relay sells and lets through is in `resale.py`, how each maker's replies come out in `delivery.py`. Keys,
unknown paths below `/v1` (404 and JSON here, not the web page) and request ids are the relay's business.
"""

from collections.abc import Collection

from local.simulator import relay
from local.simulator.chance import Chance
from local.simulator.clock import Clock
from local.simulator.exchange import Reply, Request
from local.simulator.jobs import Jobs
from local.simulator.openai import resale
from local.simulator.openai.order import Order
from local.simulator.openai.upstream import Upstream


class Gateway(Upstream):
    """The protocol below a relay's `/v1`."""

    listed = resale.LISTED

    def __init__(self, clock: Clock, jobs: Jobs, chance: Chance, sold: Collection[str] = ()) -> None:
        """`sold`: names of models that are to be had here besides those that relays are known for; * is any."""
        super().__init__(clock, jobs, chance)
        self._sold = sold

    async def answer(self, request: Request) -> Reply:
        """The reply of the upstream, signed with a request id."""
        return relay.signed(await super().answer(request), self._chance)

    def refuse(self) -> Reply:
        """401 in the words of the relay."""
        return relay.signed(relay.refusal(), self._chance)

    def error(self, status: int) -> Reply:
        """An error of that status in the words of the relay."""
        return relay.signed(relay.error(status), self._chance)

    def astray(self, method: str, path: str) -> Reply:
        """404 in the words of the relay."""
        return relay.invalid_url(method, path)

    def broken(self) -> Reply:
        """500, and nothing of what the upstream said."""
        return relay.upstream_failed(500)

    def order(self, body: bytes) -> Order:
        """What is asked for. Raises Problem where it cannot be had."""
        return resale.read(body, self._sold)

"""Gemini as the gateways resell it, below `/v1beta`: the same work behind another door.

What differs: the Imagen models still work (Tokaify's page); the key may also be a bearer; a model that no channel
serves, a bad key and an unknown path get the relay's own errors, from the source of new-api. new-api lists models below
this mount, and has no route for a single one. Not recorded: how a gateway words what Google complains about; here it
is passed through.
"""

from collections.abc import Mapping

from local.simulator import relay
from local.simulator.exchange import Reply, Request, as_json, bearer
from local.simulator.gemini.models import GEMINI_MODELS, IMAGEN_MODELS, Method, Model
from local.simulator.gemini.upstream import Upstream


class Gateway(Upstream):
    """The protocol below a gateway's `/v1beta`."""

    models: Mapping[str, Model] = GEMINI_MODELS | IMAGEN_MODELS

    def credential(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        """The key, wherever any of Google's or OpenAI's clients puts it."""
        return super().credential(headers, query) or bearer(headers, query)

    async def answer(self, request: Request) -> Reply:
        """The reply of the upstream or of the relay, signed with a request id."""
        return relay.signed(await super().answer(request), self._chance)

    def refuse(self) -> Reply:
        """401 in the words of the relay."""
        return relay.signed(relay.refusal(), self._chance)

    def error(self, status: int) -> Reply:
        """An error of that status in the words of the relay."""
        return relay.signed(relay.error(status), self._chance)

    def astray(self, request: Request) -> Reply:
        """404: below `/v1` the relay answers with JSON, not with its web page."""
        message = f"Invalid URL ({request.method} /v1beta{request.path})"
        error = {"message": message, "type": "invalid_request_error", "param": "", "code": ""}
        return as_json(404, {"error": error})

    def single(self, request: Request, _name: str) -> Reply:
        """No such route."""
        return self.astray(request)

    def missing(self, _request: Request, name: str, _method: Method) -> Reply:
        """503: no channel is available for the model in the group `default`, says the distributor."""
        message = (
            f"\u5206\u7ec4 default \u4e0b\u6a21\u578b {name} \u65e0\u53ef\u7528\u6e20\u9053\uff08distributor\uff09"
        )
        error = {"message": message, "type": "new_api_error", "code": "model_not_found"}
        return as_json(503, {"error": error})

"""Which web pages' scripts may call an HTTP API: it answers their preflights itself, before any route or authorizer.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html

That page promises headers on what integrations answer, and not on what the API says itself (401, 403, 404): those get
none here. It also leaves open whether a route for OPTIONS or for every method takes preflights: together they are
refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.cloud.errors import CloudError
from local.cloud.http.payload import Request, Response
from local.cloud.http.routes import CORS, Route

LISTS = ("allowMethods", "allowHeaders", "exposeHeaders")
FIELDS = {"allowOrigins", *LISTS, "maxAge"}
PREFIX = "access-control-"


@dataclass(frozen=True)
class Cors:
    """What an API allows; each text is a header's value."""

    origins: Sequence[str]
    methods: str
    headers: str
    exposed: str
    max_age: str

    def preflight(self, request: Request) -> Response | None:
        """The answer to a preflight; None if the request is none."""
        sent = {name.lower(): value for name, value in request.headers}
        if request.method != "OPTIONS" or not {"origin", f"{PREFIX}request-method"} <= sent.keys():
            return None
        allowed = {"methods": self.methods, "headers": self.headers}
        more = [(f"{PREFIX}allow-{what}", value) for what, value in allowed.items() if value]
        more += [(f"{PREFIX}max-age", self.max_age)] if self.max_age else []
        origin = self._allowed(sent["origin"])
        return Response(204, [*origin, *more] if origin else [], b"")

    def shared(self, request: Request, response: Response) -> Response:
        """What a function answered, with our headers for its caller's origin and with none of the function's own."""
        sent = {name.lower(): value for name, value in request.headers}
        kept = [header for header in response.headers if not header[0].startswith(PREFIX)]
        origin = self._allowed(sent.get("origin", ""))
        exposed = [(f"{PREFIX}expose-headers", self.exposed)] if origin and self.exposed else []
        return Response(response.status, [*kept, *origin, *exposed], response.body)

    def _allowed(self, origin: str) -> list[tuple[str, str]]:
        """The header that allows this origin, if it is allowed."""
        name = f"{PREFIX}allow-origin"
        if origin and "*" in self.origins:
            return [(name, "*")]
        scheme = f"{origin.partition('://')[0]}://*"
        return [(name, origin)] if origin and {origin, scheme} & set(self.origins) else []


def read(body: Mapping[str, Any], routes: Sequence[Route]) -> Cors | None:
    """What a resolved OpenAPI document allows; None if it says nothing of it."""
    fields = body.get(CORS)
    if fields is None:
        return None
    if unknown := fields.keys() - FIELDS:
        raise CloudError(f"The API's CORS has something that is not known here: {', '.join(sorted(unknown))}.")
    for route in routes:
        if route.path == "$default" or route.method in ("ANY", "OPTIONS"):
            raise CloudError(f"The API has CORS and the route {route.key}: who answers preflights is not known here.")
    methods, headers, exposed = (",".join(fields.get(name, [])) for name in LISTS)
    return Cors(fields["allowOrigins"], methods, headers, exposed, str(fields.get("maxAge", "")))

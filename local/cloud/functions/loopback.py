"""The socket of a laptop: nothing that a function sends leaves the machine.

Requests to this machine go as they are (the webhook receivers of demos and tests). Every other host is a gateway, and
gateways are simulated: the request goes to the simulator, which tells them apart by the Host header. What goes wrong
before there is a connection it can only tell of: that is done here.
"""

import time

import httpx

import darkroom.http
from darkroom.connection import Place

OURS = {"127.0.0.1", "localhost", "::1"}
SOMEWHERE_PUBLIC = "8.8.8.8"
NETWORK = "x-simulator-network"
"""The header in which the simulator says that there was to be no connection, and why."""


class Loopback(darkroom.http.Public):
    """Refuses what production refuses, except that a name counts as public without being looked up."""

    def __init__(self, simulator_url: str) -> None:
        url = httpx.URL(simulator_url)
        self._simulator = Place(url.host, url.port or 80, None)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if not (how := response.headers.get(NETWORK)):
            return response
        response.close()
        if how == "unreachable":
            time.sleep(request.extensions["timeout"]["connect"])
            raise httpx.ConnectTimeout("nobody answers", request=request)
        raise httpx.ConnectError(f"the host is {how}", request=request)

    def pin(self, url: httpx.URL, patience: float) -> Place:
        if url.host in OURS:
            tls = url.scheme == "https"
            return Place(url.host, url.port or (443 if tls else 80), url.host if tls else None)
        self.address(url, patience)
        return self._simulator

    def look_up(self, _: str, __: float) -> list[str]:
        return [SOMEWHERE_PUBLIC]

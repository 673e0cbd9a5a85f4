"""
The wire protocols that gateways speak: pure translation, one module each.

A dialect is handed what came back and says what it means. It has no socket, no clock and no key, it never sleeps and
never tries again. It does not use the URLs in a gateway's reply to ask again: those point past the gateway to its
upstream, where the gateway's key would leak. It rebuilds each address from the route's base and the ticket.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from darkroom.answer import Answer
from darkroom.catalogue import Route
from darkroom.dialects import replicate
from darkroom.wire import Reply, Request


class Dialect(Protocol):
    """What a module of this folder offers."""

    def submission(self, route: Route, model_input: dict[str, Any]) -> Request:
        """The paid POST."""

    def ticket(self, reply: Reply) -> str:
        """What to ask about an accepted request by. Raises NoReply where a 2xx reply does not say."""

    def question(self, route: Route, ticket: str) -> Request:
        """How does it stand?"""

    def answer(self, reply: Reply) -> Answer:
        """The reply to a question. Raises NoReply for what cannot be understood: ask again later."""

    def cancellation(self, route: Route, ticket: str) -> Request:
        """Please stop. Gateways that do not know this answer 404, 405 or a web page."""

    def complaint(self, reply: Reply) -> str:
        """The gateway's own words in a reply that is an error."""


DIALECTS: Mapping[str, Dialect] = MappingProxyType({"replicate": replicate})


def of(route: Route) -> Dialect:
    """The dialect that a route is spoken in."""
    return DIALECTS[route.dialect]

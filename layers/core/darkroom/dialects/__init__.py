"""
The wire protocols that gateways speak: pure translation, one module each.

A dialect is handed what came back and says what it means. It has no socket, no clock and no key, it never sleeps and
never tries again. It does not use the URLs in a gateway's reply to ask again: those point past the gateway to its
upstream, where the gateway's key would leak. It rebuilds each address from the route's base and the ticket.

Some are queues: a request gets a ticket, and one asks by it until the pictures are there. The others are synchronous:
the reply to the request is the answer.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from darkroom.answer import Answer, Failed
from darkroom.dialects import fal, gemini, openai, replicate
from darkroom.route import Route
from darkroom.wire import Reply, Request


class Dialect(Protocol):
    """What a module of this folder offers."""

    def submission(self, route: Route, native_input: dict[str, Any]) -> Request:
        """The paid POST, but for the key. The input is in the route's own words."""

    def answer(self, reply: Reply) -> Answer:
        """
        What the reply to a question means (or, of a synchronous dialect, the reply to the paid POST, if its status is
        2xx). Raises NoReply for what cannot be understood: ask again later.
        """

    def complaint(self, reply: Reply) -> Failed:
        """What is wrong, by a reply to the paid POST whose status is not 2xx."""


class Queue(Dialect, Protocol):
    """A dialect whose requests are accepted first and done later."""

    def ticket(self, reply: Reply) -> str:
        """What to ask about an accepted request by. Raises NoReply where a 2xx reply does not say."""

    def questions(self, route: Route, ticket: str) -> tuple[Request, ...]:
        """How does it stand? The first, and what to ask instead where a gateway may not know that address."""

    def cancellation(self, route: Route, ticket: str) -> Request:
        """Please stop. Gateways that do not know this answer 404, 405 or a web page."""


QUEUES: Mapping[str, Queue] = MappingProxyType({"replicate": replicate, "fal": fal})
SYNCHRONOUS: Mapping[str, Dialect] = MappingProxyType({"gemini": gemini, "openai": openai})


def of(name: str) -> Dialect:
    """The dialect of that name."""
    return queue(name) or SYNCHRONOUS[name]


def queue(name: str) -> Queue | None:
    """The same, where it is a queue; None where it is synchronous."""
    return QUEUES.get(name)

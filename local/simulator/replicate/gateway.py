"""Replicate as the gateways resell it, below `/replicate/v1`: the same work behind another door.

What differs, from the gateways' pages and the open relays (new-api) that they descend from: a create is answered 200
and at once, `Prefer` is not passed on; a bad key gets the relay's own error, not a problem document; a path that the
relay does not know gets 200 and the page of its web interface, as HTML; every reply carries a request id. What
Replicate complains about is passed through.
"""

import dataclasses
import secrets

from local.simulator.exchange import Reply, Request, as_json
from local.simulator.replicate.upstream import Upstream

WEB_INTERFACE = b'<!doctype html><html lang="en"><title>Gateway</title><div id="root"></div></html>'


class Gateway(Upstream):
    """The protocol below a gateway's `/replicate/v1`."""

    created = 200
    waits = False

    async def answer(self, request: Request) -> Reply:
        """The reply of the upstream, signed with a request id."""
        return _signed(await super().answer(request))

    def refuse(self) -> Reply:
        """401 in the words of new-api: invalid token."""
        message = "\u65e0\u6548\u7684\u4ee4\u724c"
        return _signed(as_json(401, {"error": {"message": message, "type": "new_api_error"}}))

    def astray(self) -> Reply:
        """200 and a page, which is not what anybody asked for."""
        return Reply(200, WEB_INTERFACE, {"Content-Type": "text/html; charset=utf-8"})


def _signed(reply: Reply) -> Reply:
    return dataclasses.replace(reply, headers={**reply.headers, "X-Oneapi-Request-Id": secrets.token_hex(12)})

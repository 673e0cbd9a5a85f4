"""How a reply leaves over a real connection: whole, in part, slowly, or not at all.

What goes wrong before there is a connection cannot be done by somebody who listens. There the reply has the status 599
and says in the header `x-simulator-network` what has gone wrong; the socket of whoever calls makes it so.
"""

import socket
import struct
from asyncio import Transport
from http import HTTPStatus

from aiohttp import web
from multidict import CIMultiDict

from local.simulator.clock import Clock
from local.simulator.exchange import Lost, Reply

NETWORK = "x-simulator-network"
NETWORK_STATUS = 599
AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for 0 seconds. What is closed so is reset."""
PACE = 1.0
"""Real seconds between two bytes that drip."""


async def send(http: web.Request, reply: Reply | Lost, clock: Clock) -> web.Response:
    """What aiohttp is to send; where it is not to send anything, its connection is closed by then."""
    if isinstance(reply, Reply) and reply.whole:
        return _whole(reply)
    if isinstance(reply, Lost) and reply.how in ("refused", "unreachable", "untrusted"):
        return web.Response(status=NETWORK_STATUS, headers={NETWORK: reply.how})
    transport = http.transport
    if isinstance(transport, Transport):
        if isinstance(reply, Reply):
            await _parts(transport, reply, clock)
        else:
            await _nothing(transport, reply, clock)
    # aiohttp wants a response all the same, and finds nobody to send it to.
    return web.Response()


def _whole(reply: Reply) -> web.Response:
    # Assigned one by one, so that a scripted header replaces the one that would have been sent, however it is written.
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in reply.headers.items():
        headers[name] = value
    return web.Response(status=reply.status, body=reply.body, headers=headers)


async def _nothing(transport: Transport, lost: Lost, clock: Clock) -> None:
    await clock.sleep(lost.seconds)
    if lost.how == "reset":
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        transport.abort()
    else:
        transport.close()


async def _parts(transport: Transport, reply: Reply, clock: Clock) -> None:
    """Head and body by hand, byte by byte where they drip, as far as they go."""
    body = reply.body[: reply.cut]
    for part, drips in ((_head(reply), reply.drip == "head"), (body, reply.drip == "body")):
        size = 1 if drips else max(1, len(part))
        for start in range(0, len(part), size):
            if transport.is_closing():
                return
            transport.write(part[start : start + size])
            if drips:
                await clock.sleep(PACE)
    transport.close()


def _head(reply: Reply) -> bytes:
    """Status line and headers; the length is that of the whole body, if it is announced."""
    length = {"Content-Length": str(len(reply.body))} if reply.announced else {}
    headers = {**reply.headers, **length, "Connection": "close"}
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")

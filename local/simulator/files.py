"""The file host, replicate.delivery: the pictures of jobs that have succeeded, for an hour after their end.

Callers reach it by sending `Host: replicate.delivery` to the simulator: their sockets are led here, their URLs stay
the real ones. Nobody needs a key, and nobody should send one: whoever does has let it out of the house (the official
Python client does, when a FileOutput is read), which the ledger counts.
"""

import asyncio

from local.simulator.exchange import Reply
from local.simulator.jobs import Jobs
from local.simulator.pictures import CONTENT_TYPES, draw

HOST = "replicate.delivery"
GONE = Reply(404, b"Not Found", {"Content-Type": "text/plain; charset=utf-8"})


def is_host(name: str) -> bool:
    """Whether a Host header, with or without a port, means the file host or one of its subdomains."""
    name = name.rpartition(":")[0] if ":" in name else name
    return name == HOST or name.endswith(f".{HOST}")


async def fetch(jobs: Jobs, method: str, path: str) -> Reply:
    """The file at a path, drawn when it is first asked for; 404 when there is none, not yet or not any more."""
    sketch = jobs.picture(f"https://{HOST}{path}") if method in ("GET", "HEAD") else None
    if not sketch:
        return GONE
    return Reply(200, await asyncio.to_thread(draw, sketch), {"Content-Type": CONTENT_TYPES[sketch.format]})

"""The file hosts: the pictures of jobs that have succeeded, for as long as their house keeps them.

Callers reach them by sending their name in the Host header to the simulator: their sockets are led here, their URLs
stay the real ones. Nobody needs a key, and nobody should send one: whoever does has let it out of the house (the
official Python client does, when a FileOutput is read), which the ledger counts.
"""

from http import HTTPStatus

from local.simulator.exchange import Reply
from local.simulator.jobs import Jobs
from local.simulator.pictures import CONTENT_TYPES, drawn

HOSTS = ("replicate.delivery", "fal.media", "oaidalleapiprodscus.blob.core.windows.net")
GONE = Reply(404, b"Not Found", {"Content-Type": "text/plain; charset=utf-8"})


def error(status: int) -> Reply:
    """An error of that status."""
    return Reply(status, HTTPStatus(status).phrase.encode(), {"Content-Type": "text/plain; charset=utf-8"})


def is_host(name: str) -> bool:
    """Whether a name, without a port, is that of a file host or one of its subdomains."""
    return any(name == host or name.endswith(f".{host}") for host in HOSTS)


async def fetch(jobs: Jobs, method: str, host: str, path: str) -> Reply:
    """The file at a path, drawn when it is first asked for; 404 when there is none, not yet or not any more.

    403 is an address that was good once, while the file is still there, at another one.
    """
    url = f"https://{host}{path}"
    if jobs.expired(url):
        return error(403)
    sketch = jobs.picture(url) if method in ("GET", "HEAD") else None
    if not sketch:
        return GONE
    return Reply(200, await drawn(sketch), {"Content-Type": CONTENT_TYPES[sketch.format]})

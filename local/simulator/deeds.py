"""What befalls a request on its way, and its reply on the way back: whatever the request is for.

What comes before the work takes its place; what comes after leaves it done and charged, and happens only where there
was any: a request that is refused anyway is spared.
"""

import dataclasses
import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from local.simulator.exchange import PLAIN, How, Lost, Reply
from local.simulator.scene import Deed, Scene
from local.simulator.strangers import ELSEWHERE

Instead = Callable[[Scene], Reply | Lost]
"""What comes in place of a reply."""
Spoil = Callable[[Reply, Scene], Reply | None]
"""A good reply and what becomes of it; None where it has nothing that could be spoiled."""
PADDING = "x" * 10_000_000
HOUR = 3600.0


def before(instead: Instead) -> Deed:
    """It takes the place of the work."""

    async def happen(scene: Scene) -> Reply | Lost:
        return instead(scene)

    return happen


def charged(instead: Instead) -> Deed:
    """The work is done, and it takes the place of the reply."""

    async def happen(scene: Scene) -> Reply | Lost:
        reply = await scene.work(PLAIN)
        return instead(scene) if _good(reply) else scene.spare(reply)

    return happen


def spoiled(spoil: Spoil) -> Deed:
    """The work is done, and its reply is spoiled."""

    async def happen(scene: Scene) -> Reply | Lost:
        reply = await scene.work(PLAIN)
        return (spoil(reply, scene) if _good(reply) else None) or scene.spare(reply)

    return happen


def lost(how: How) -> Instead:
    """No reply. Where nothing comes, it does not come for the seconds of the fault."""
    return lambda scene: Lost(how, scene.seconds if how == "silent" else 0.0)


def said(status: int) -> Instead:
    """An error in the words of whoever is asked."""
    return lambda scene: scene.error(status)


def page(status: int) -> Instead:
    """The page of a proxy in front of the house."""
    title = f"{status} {HTTPStatus(status).phrase}"
    text = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
    body = f"{text}<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n".encode()
    return lambda _: Reply(status, body, {"Content-Type": "text/html"})


def come_back(status: int, *, date: bool = False) -> Instead:
    """An error that says when to try again: in so many seconds, or at a date."""

    def instead(scene: Scene) -> Reply:
        reply = scene.error(status)
        when = scene.clock.http_date(scene.seconds) if date else f"{scene.seconds:.0f}"
        return dataclasses.replace(reply, headers={**reply.headers, "Retry-After": when})

    return instead


def elsewhere(scene: Scene) -> Reply:
    """A redirection to a stranger, which asks for the same request again."""
    return Reply(HTTPStatus.TEMPORARY_REDIRECT, b"", {"Location": f"https://{ELSEWHERE}{scene.path}"})


async def late(scene: Scene) -> Reply:
    """The reply, after the seconds of the fault."""
    reply = await scene.work(PLAIN)
    await scene.clock.sleep(scene.seconds)
    return reply


def empty(_scene: Scene) -> Reply:
    """Nothing, with the status of a success."""
    return Reply(HTTPStatus.OK)


def halved(reply: Reply, _scene: Scene) -> Reply | None:
    """The first half of a document."""
    half = reply.body[: len(reply.body) // 2]
    return None if _document(reply) is None else dataclasses.replace(reply, body=half)


def padded(reply: Reply, _scene: Scene) -> Reply | None:
    """A document with ten million letters in it that nobody has asked for."""
    document = _document(reply)
    return None if document is None else _with(reply, {"padding": PADDING, **document})


def clock_off(reply: Reply, scene: Scene) -> Reply:
    """A reply from an hour ago."""
    return dataclasses.replace(reply, headers={**reply.headers, "Date": scene.clock.http_date(-HOUR)})


def drip(part: Any) -> Spoil:
    """The reply, a part of it a byte a second."""
    return lambda reply, _: dataclasses.replace(reply, drip=part)


def no_id(reply: Reply, scene: Scene) -> Reply | None:
    """A new job without its id, or any address that tells it."""
    job_id, document = _named(reply, scene)
    kept = {name: value for name, value in document.items() if job_id not in json.dumps(value)}
    return _with(reply, kept) if job_id else None


def foreign_id(reply: Reply, scene: Scene) -> Reply | None:
    """A new job by the name of the one that the same house made before."""
    job_id, _ = _named(reply, scene)
    ids = scene.queue.ids if scene.queue else None
    others = (job.id for job in scene.jobs.newest_first() if ids and ids.fullmatch(job.id) and job.id != job_id)
    other = next(others, "")
    return dataclasses.replace(reply, body=reply.body.replace(job_id.encode(), other.encode())) if other else None


def unknown_word(reply: Reply, _scene: Scene) -> Reply | None:
    """A status that nobody has heard of."""
    document = _document(reply) or {}
    word = document.get("status")
    if not isinstance(word, str):
        return None
    return _with(reply, document | {"status": "PONDERING" if word.isupper() else "pondering"})


def foreign_addresses(reply: Reply, scene: Scene) -> Reply | None:
    """The job's own addresses, at a stranger's."""
    job_id, _ = _named(reply, scene)
    if not job_id:
        return None
    text = re.sub(rf'"https?://[^/"]+(/[^"]*{job_id}[^"]*)"', rf'"https://{ELSEWHERE}\1"', reply.body.decode())
    return None if text == reply.body.decode() else dataclasses.replace(reply, body=text.encode())


def _good(reply: Reply) -> bool:
    return reply.status < HTTPStatus.MULTIPLE_CHOICES


def _document(reply: Reply) -> dict[str, Any] | None:
    """The JSON object in a reply, if that is what it has."""
    try:
        document = json.loads(reply.body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _named(reply: Reply, scene: Scene) -> tuple[str, dict[str, Any]]:
    """The id of the job that a queue tells of ("" where it tells of none), and all that it tells."""
    document = _document(reply) or {}
    return str(document.get(scene.queue.member, "")) if scene.queue else "", document


def _with(reply: Reply, document: dict[str, Any]) -> Reply:
    return dataclasses.replace(reply, body=json.dumps(document).encode())

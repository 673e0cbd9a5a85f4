"""The faults that have a name: what each does, and to which requests.

    POST /_simulator/faults {"fault": "charged_then_reset", "match": {"host": "api.quickrouter.ai"}, "times": 2}

A switch has steps of its own, where it happens unless the script says otherwise: with a `step` it happens there, with a
`match` wherever it makes sense. One that finds nothing to spoil (no job has ended yet, nothing was charged, a queue's
fault where there is no queue) goes on waiting. `times` of 1000 is for good. `seconds` are real ones, but for
`forgotten_for_a_while`, whose house counts them itself.
"""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from local.simulator import deeds, downloads, lenses
from local.simulator.deeds import before, charged, come_back, lost, page, said, spoiled
from local.simulator.exchange import Step
from local.simulator.lenses import showing
from local.simulator.scene import Deed

LONGEST = 3600
"""Seconds."""
CREATE: tuple[Step, ...] = ("create",)
POLL: tuple[Step, ...] = ("poll",)
DOWNLOAD: tuple[Step, ...] = ("download",)
RESULT: tuple[Step, ...] = ("poll", "create")
"""Where outputs are told of: a queue is asked, the others say so at once."""
ASKED: tuple[Step, ...] = ("create", "poll", "cancel")
ANY: tuple[Step, ...] = (*ASKED, "download")


@dataclass(frozen=True)
class Switch:
    """A fault by name. `own` and `steps`: see above; `seconds` None is one that takes no seconds."""

    does: str
    deed: Deed
    own: tuple[Step, ...] = CREATE
    steps: tuple[Step, ...] = ANY
    seconds: float | None = None


SWITCHES = {
    "refused": Switch("Nobody listens there.", before(lost("refused"))),
    "unreachable": Switch("Nobody answers the call until the caller gives up.", before(lost("unreachable"))),
    "untrusted": Switch("The certificate is not the host's.", before(lost("untrusted"))),
    "reset": Switch("The connection is reset before the body is read; nothing is made.", before(lost("reset"))),
    "closed": Switch("The connection is closed without a word; nothing is made.", before(lost("closed"))),
    "silent": Switch("Nothing comes for `seconds`; nothing is made.", before(lost("silent")), DOWNLOAD, ANY, LONGEST),
    "charged_then_reset": Switch("The work is charged, and the connection reset.", charged(lost("reset"))),
    "charged_then_closed": Switch("The work is charged, and the connection closed.", charged(lost("closed"))),
    "charged_then_silent": Switch(
        "The work is charged, and nothing comes for `seconds`.", charged(lost("silent")), seconds=LONGEST
    ),
    "charged_then_late": Switch("The work is charged, and the reply comes `seconds` later.", deeds.late, seconds=25),
    "bad_gateway": Switch("502 and the page of a proxy; nothing is made.", before(page(502))),
    "charged_bad_gateway": Switch("502 and the page of a proxy; the work is charged.", charged(page(502))),
    "server_error": Switch("500; nothing is made.", before(said(500))),
    "charged_server_error": Switch("500; the work is charged.", charged(said(500))),
    "unavailable": Switch("503, to come back in `seconds`; nothing is made.", before(come_back(503)), seconds=5),
    "gateway_timeout": Switch("504 and the page of a proxy; nothing is made.", before(page(504))),
    "charged_gateway_timeout": Switch("504 and the page of a proxy; the work is charged.", charged(page(504))),
    "limited_seconds": Switch("429, to come back in `seconds`.", before(come_back(429)), seconds=5),
    "limited_date": Switch("429, to come back at a date in `seconds`.", before(come_back(429, date=True)), seconds=5),
    "limited": Switch("429, and no word of when to come back.", before(said(429))),
    "bad_request": Switch("400; nothing is made.", before(said(400))),
    "charged_bad_request": Switch("400, although the work is done and charged.", charged(said(400))),
    "unauthorized": Switch("401; nothing is made.", before(said(401))),
    "unpaid": Switch("402; nothing is made.", before(said(402))),
    "forbidden": Switch("403; nothing is made.", before(said(403))),
    "missing": Switch("404; at a poll, as for a job that was never made.", lenses.missing),
    "unprocessable": Switch("422; nothing is made.", before(said(422))),
    "redirected": Switch("307 to another host; nothing is made.", before(deeds.elsewhere)),
    "html": Switch("200 and a web page; the work is charged.", charged(page(200))),
    "empty": Switch("200 and nothing; the work is charged.", charged(deeds.empty)),
    "truncated_json": Switch("Half of the JSON; the work is charged.", spoiled(deeds.halved), CREATE, ASKED),
    "no_id": Switch("A queue's reply without the job's id; the work is charged.", spoiled(deeds.no_id), CREATE, CREATE),
    "foreign_id": Switch(
        "A queue's reply with the id of the job made before; the work is charged.",
        spoiled(deeds.foreign_id),
        CREATE,
        CREATE,
    ),
    "huge": Switch("The reply with 10 MB more; the work is charged.", spoiled(deeds.padded), CREATE, ASKED),
    "large_inline": Switch(
        "Four pictures of 2K in the reply, about 20 MB; not for queues.", showing(lenses.large), CREATE, CREATE
    ),
    "clock_off": Switch("The reply, dated an hour ago.", spoiled(deeds.clock_off)),
    "unknown_word": Switch(
        "A queue's status that nobody has heard of.", spoiled(deeds.unknown_word), POLL, ("create", "poll")
    ),
    "regressed": Switch("The job as it was when it was new, once it is not.", lenses.regressed, POLL, POLL),
    "forgotten": Switch("The house forgets all jobs that it has, for good.", lenses.forgotten, POLL, POLL),
    "forgotten_for_a_while": Switch(
        "The house forgets all jobs that it has, for `seconds`.", lenses.forgotten, POLL, POLL, 300
    ),
    "no_outputs": Switch("A success without outputs.", showing(lenses.none), RESULT, RESULT),
    "fewer_outputs": Switch("A success with one output less, of two or more.", showing(lenses.fewer), RESULT, RESULT),
    "more_outputs": Switch("A success with one output more.", showing(lenses.more), RESULT, RESULT),
    "inline_output": Switch("A queue's outputs as data URIs.", showing(lenses.inline), POLL, POLL),
    "output_at_metadata": Switch(
        "A queue's outputs at the address of a cloud's metadata.", showing(lenses.metadata), POLL, POLL
    ),
    "foreign_poll_url": Switch(
        "A queue's reply whose addresses of the job are a stranger's.", spoiled(deeds.foreign_addresses), RESULT, RESULT
    ),
    "expired": Switch(
        "403 at this address from now on; the job, asked about again, has another.",
        downloads.expired,
        DOWNLOAD,
        DOWNLOAD,
    ),
    "gone": Switch("404.", before(said(404)), DOWNLOAD, DOWNLOAD),
    "cut_announced": Switch(
        "Half of the file, of which the whole length was said.", spoiled(downloads.cut(announced=True)), DOWNLOAD
    ),
    "cut_unannounced": Switch(
        "Half of the file, of which no length was said.", spoiled(downloads.cut(announced=False)), DOWNLOAD
    ),
    "wrong_type": Switch("The file as text/plain.", spoiled(downloads.mislabelled), DOWNLOAD),
    "page": Switch("200 and a web page.", charged(page(200)), DOWNLOAD, DOWNLOAD),
    "svg": Switch("An SVG with a script.", charged(downloads.svg), DOWNLOAD, DOWNLOAD),
    "gzip_bomb": Switch("200 MB of zeros, packed.", spoiled(downloads.gzip_bomb), DOWNLOAD),
    "picture_bomb": Switch("A PNG of 144 megapixels in 17 KB.", charged(downloads.picture_bomb), DOWNLOAD, DOWNLOAD),
    "drip_head": Switch("The head of the reply comes a byte a second.", spoiled(deeds.drip("head")), DOWNLOAD),
    "drip_body": Switch("The body of the reply comes a byte a second.", spoiled(deeds.drip("body")), DOWNLOAD),
    "to_metadata": Switch("302 to the address of a cloud's metadata.", charged(downloads.to_metadata), DOWNLOAD),
}


def read(wish: Mapping[str, Any]) -> tuple[Collection[Step], Deed, float]:
    """The steps, the deed and the seconds of a fault by its name. Raises ValueError with a sentence."""
    name, step, seconds = wish["fault"], wish.get("step"), wish.get("seconds")
    if not isinstance(name, str) or name not in SWITCHES:
        raise ValueError(f"there is no fault {json.dumps(name)}; GET /_simulator/faults lists those that there are")
    switch = SWITCHES[name]
    if step is not None and step not in switch.steps:
        raise ValueError(f"the step of {name} can only be one of {json.dumps(switch.steps)}")
    if seconds is None:
        seconds = math.inf if switch.seconds is None else switch.seconds
    elif switch.seconds is None:
        raise ValueError(f"{name} takes no seconds")
    elif isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST:
        raise ValueError(f"seconds must be a number, at most {LONGEST}")
    steps = (step,) if step else switch.steps if wish.get("match") else switch.own
    return steps, switch.deed, float(seconds)


def listed() -> list[dict[str, Any]]:
    """All of them, for who looks for one: `own` are the steps where it happens by itself."""
    return [
        {"fault": name, "does": switch.does, "own": switch.own, "steps": switch.steps, "seconds": switch.seconds}
        for name, switch in SWITCHES.items()
    ]

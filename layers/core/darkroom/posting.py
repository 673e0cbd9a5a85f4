"""
Paying once: the POST to a gateway, and what came of it.

    if it is a row of a batch, pass the turnstile of the gateway that it goes to
    claim it, with a nonce and a lease: only who holds the claim may post
    POST, once, with a deadline
    judge what came of it: `Verdict`
    keep the ticket; of a synchronous dialect, whose reply is the picture, that is where the reply has been staged

The rule: at most one POST that may have been accepted, ever. So a route is tried after another only when that one has
certainly not accepted the request; where nothing certain is known the task stays `submitting`, and when the claim is
over its driver ends it as `submission_unknown`. It is never repeated.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from darkroom import (
    asking,
    catalogue,
    clock,
    dialects,
    driver,
    gallery,
    hearing,
    http,
    inbox,
    keys,
    metrics,
    routing,
    store,
    turnstile,
    verdict,
)
from darkroom.answer import Failed, Finished
from darkroom.errors import ForbiddenAddress, InvalidOrder, NoReply, NotSent, Reason, UnknownModel
from darkroom.metrics import Fact
from darkroom.route import dialect_of
from darkroom.routing import Way
from darkroom.task import Status, Task
from darkroom.verdict import Verdict
from darkroom.wire import Reply, Request

#: Seconds for the paid POST at most, what must be left after it to write down what came of it, and what must be left
#: before it, or it is not begun: whoever cannot be reached in that time has certainly not been sent anything. The
#: four tries at writing, if each is answered, take up to 7 s with their pauses: they fit, unless the reply came so late
#: that it used up all its time.
POST_S, RESERVE_S, ENOUGH_S = 20.0, 4.0, 20.0
#: The same for a synchronous dialect, which draws while it is waited for, and whose reply has to be staged.
DRAW_S, STAGE_S, ENOUGH_TO_DRAW_S = 150.0, 30.0, 120.0
#: Seconds of what must be left before it that the claim may take.
CLAIM_S = 1
#: Bytes of a reply: four pictures of 2K in base64 come close to 40 million.
REPLY_CAP = 48_000_000
#: Bytes that are kept of what a gateway said at each attempt.
DETAIL_CAP = 256
#: A lease outlives its invocation by this, so that no zombie posts after it has run out.
LEASE_MARGIN_MS = 30_000
#: What a task's record says when there is nobody to post to.
NO_KEY = "no gateway that could do this has a key here; the operator can put one"

logger = Logger(child=True)


def post(task: Task, *, until: int, examined: tuple[Way, ...] = ()) -> Task:
    """
    Have an accepted task made: on the first route whose turn it is, and, as long as it is certain that nobody has
    accepted it, on the next. The task as it stands then; `collecting` if it cannot be made.

    A row of a batch passes by gateways that have no room for it now. It does not wait for one of them where another
    has its turn, or rows that two gateways refuse for now could wait for each other's places.

    until: when this invocation ends, ms. Posts only if there is time enough to see it through; whoever answers a caller
    never has enough for a synchronous dialect. examined: how it can be made, if somebody has just found that out.
    """
    full = set[str]()
    while task.status is Status.ACCEPTED:
        try:
            possible = [*payable(examined)] if examined else ways(task)
        except (UnknownModel, InvalidOrder) as error:
            return _give_up(task, str(error))
        if not possible:
            return _remark(task)
        with_room = [way for way in possible if way.route.gateway.name not in full]
        way, pause = routing.turn(with_room, task.attempts, clock.now(), patient=task.patient)
        if way is None and pause is None and not full:
            return _give_up(task, task.attempts[-1]["detail"])
        if way is None or not _time_for(way, until):
            return task
        try:
            request = _request(task, way)
        except (TypeError, ValueError) as error:
            return _give_up(task, f"This input cannot be put into a request: {error}", Reason.INVALID_INPUT)
        if not _let_in(task, way):
            full.add(way.route.gateway.name)
            continue
        lease = until + LEASE_MARGIN_MS
        due = max(task.due or 0, lease + driver.GRACE_MS)
        claimed = _claim(task, way, lease, due)
        if claimed is None:
            return store.read(task.task_id)
        task = _post(claimed, way, request, until)
    return task


def ways(task: Task) -> list[Way]:
    """
    How a task could be made, best first, by the gateways that have a key here. Raises UnknownModel and InvalidOrder
    where the catalogue has been changed meanwhile.
    """
    return [*payable(routing.ways(catalogue.catalogue().model(task.model), json.loads(task.input)))]


def payable(ways: Iterable[Way]) -> Iterator[Way]:
    """Those whose gateway has a key here."""
    return (way for way in ways if keys.gateway(way.route.gateway.name))


def pause(task: Task) -> int | None:
    """Seconds until a task that nobody has accepted may be posted again; None where no gateway has a key."""
    return routing.turn(ways(task), task.attempts, clock.now(), patient=task.patient)[1]


def recover(task: Task) -> Task | None:
    """
    Keep the reply to a synchronous POST that was staged before its holder was lost. None if there is none, or if
    somebody else has moved the task.
    """
    if task.route is None or task.nonce is None or dialects.queue(dialect_of(task.route)):
        return None
    ticket = gallery.reply_key(task.task_id, task.nonce)
    if gallery.staged_reply(ticket) is None:
        return None
    return store.keep_ticket(task, ticket, _attempt(task, Verdict.ACCEPTED, "found in staging"))


def _time_for(way: Way, until: int) -> bool:
    return until - clock.now() >= 1000 * (ENOUGH_S if dialects.queue(way.route.dialect) else ENOUGH_TO_DRAW_S)


def _let_in(task: Task, way: Way) -> bool:
    """Whether a task may be at the gateway; only rows of batches are counted there. They leave at their end."""
    gateway = way.route.gateway
    return task.row is None or turnstile.enter(gateway.name, task.task_id, gateway.concurrency)


def _claim(task: Task, way: Way, lease: int, due: int) -> Task | None:
    nonce = clock.nonce()
    try:
        return store.claim(task, nonce, way.route.name, lease, due)
    except (ClientError, BotoCoreError) as error:
        # The claim may stand all the same; then it is given back, since nothing was posted under it.
        claim = replace(task, nonce=nonce, route=way.route.name)
        store.release(claim, _attempt(claim, Verdict.NOT_SENT, f"The claim failed: {type(error).__name__}", way))
        raise


def _post(claimed: Task, way: Way, request: Request, until: int) -> Task:
    if not _time_for(way, until + 1000 * CLAIM_S):
        late = "The claim took so long that there was no time left to post."
        return store.release(claimed, _attempt(claimed, Verdict.NOT_SENT, late, way)) or claimed
    remaining = (until - clock.now()) / 1000
    deadline = (
        min(POST_S, remaining - RESERVE_S) if dialects.queue(way.route.dialect) else min(DRAW_S, remaining - STAGE_S)
    )
    try:
        reply = http.send(request, deadline=deadline, cap=REPLY_CAP)
    except (NotSent, ForbiddenAddress) as error:
        return store.release(claimed, _attempt(claimed, Verdict.NOT_SENT, str(error), way)) or claimed
    except NoReply as error:
        return _unknown(claimed, _attempt(claimed, Verdict.UNKNOWN, str(error), way))
    return _accepted(claimed, way, reply) if reply.ok else _refused(claimed, way, reply)


def _request(task: Task, way: Way) -> Request:
    """The paid POST; its input's references to the inbox become links that last as long as the gateway needs them."""
    native_input = inbox.presigned(way.native_input, task.tenant)
    request = dialects.of(way.route.dialect).submission(way.route, native_input)
    return request.authorized(way.route.gateway.credentials(keys.gateway(way.route.gateway.name) or ""))


def _accepted(claimed: Task, way: Way, reply: Reply) -> Task:
    queue = dialects.queue(way.route.dialect)
    try:
        ticket = queue.ticket(reply) if queue else gallery.stage_reply(claimed.task_id, claimed.nonce or "", reply.body)
    except NoReply as error:
        return _unknown(claimed, _attempt(claimed, Verdict.UNKNOWN, str(error), way, reply))
    except (ClientError, BotoCoreError) as error:
        logger.exception("the reply could not be staged", extra={"task_id": claimed.task_id})
        lost = f"The reply came, and could not be staged: {type(error).__name__}"
        return _unknown(claimed, _attempt(claimed, Verdict.UNKNOWN, lost, way, reply))
    kept = None
    try:
        kept = store.keep_ticket(claimed, ticket, _attempt(claimed, Verdict.ACCEPTED, "", way, reply))
    finally:
        if kept is None:
            # What was paid for can be found by this, and by nothing else; a synchronous reply is found in staging.
            told = {"task_id": claimed.task_id, "route": claimed.route, "ticket": ticket}
            logger.error("an accepted request could not be written down", extra=told)
    if kept and queue:
        return _final(kept, reply) or kept
    return kept or claimed


def _final(kept: Task, reply: Reply) -> Task | None:
    """A queue's reply may be its last word: then nobody has to ask for it. Whatever else it says, its answers tell."""
    try:
        answer = asking.read(kept, reply)
    except NoReply:  # not in this reply
        return None
    except Exception:  # it is on record that the request was accepted; its driver will ask
        logger.exception("the reply to a POST was not understood", extra={"task_id": kept.task_id})
        return None
    return hearing.hear(kept, answer) if isinstance(answer, Finished | Failed) else None


def _refused(claimed: Task, way: Way, reply: Reply) -> Task:
    complaint = dialects.of(way.route.dialect).complaint(reply)
    found = verdict.of(reply, complaint.reason)
    attempt = _attempt(claimed, found, complaint.message, way, reply) | {"code": complaint.reason.code}
    match found:
        case Verdict.UNKNOWN:
            return _unknown(claimed, attempt)
        case Verdict.REJECTED:
            return store.hear(claimed, complaint, clock.now() + driver.GRACE_MS, attempt) or claimed
        case _:
            if complaint.reason in (Reason.GATEWAY_AUTH, Reason.GATEWAY_CREDIT):
                metrics.count(Fact.GATEWAY_REFUSED, gateway=way.route.gateway.name)
            if complaint.reason is Reason.GATEWAY_AUTH:
                keys.forget()
            return store.release(claimed, attempt) or claimed


def _unknown(claimed: Task, attempt: dict[str, Any]) -> Task:
    # Not the gateway's words: it may quote the prompt. They are with the task.
    told = {"task_id": claimed.task_id, "route": attempt["route"], "status": attempt.get("status")}
    logger.error("outcome of the POST unknown", extra=told)
    return store.note(claimed, attempt) or claimed


def _give_up(task: Task, why: str, reason: Reason = Reason.MODEL_UNAVAILABLE) -> Task:
    """No gateway will ever make it."""
    word = Failed(reason, why)
    return store.hear(task, word, clock.now() + driver.GRACE_MS) or store.read(task.task_id)


def _remark(task: Task) -> Task:
    logger.error("no gateway of this model has a key", extra={"task_id": task.task_id, "model": task.model})
    if task.attempts:
        return task
    nowhere = {"route": None, "outcome": Verdict.NOT_SENT.value, "detail": NO_KEY, "at": clock.now()}
    return store.remark(task, nowhere | {"code": Reason.GATEWAY_AUTH.code}) or task


def _cut(detail: str) -> str:
    """As much of a gateway's words as dozens of attempts leave room for in one item of the table."""
    return detail.encode()[:DETAIL_CAP].decode(errors="ignore")


def _attempt(
    claimed: Task, outcome: Verdict, detail: str, way: Way | None = None, reply: Reply | None = None
) -> dict[str, Any]:
    """
    What became of a POST, for the task's record and its caller.

    price: US dollars for an image there. retry_after: what the gateway asked for, s.
    """
    now = clock.now()
    attempt: dict[str, Any] = {"route": claimed.route, "outcome": outcome.value, "detail": _cut(detail), "at": now}
    if way and way.route.price is not None:
        attempt["price"] = str(way.route.price)
    if reply is not None:
        attempt["status"] = reply.status
        if (seconds := reply.retry_after(now)) is not None:
            attempt["retry_after"] = seconds
    return attempt

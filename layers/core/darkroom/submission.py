"""
From an order to a ticket, paying once.

    1  record the task; nothing is spent yet
    2  start its driver; from here on somebody will always come back to it
    3  claim it, with a nonce and a lease: only who holds the claim may post
    4  POST, once, with a deadline
    5  judge what came of it: `Verdict`
    6  keep the ticket

At most one POST that may have been accepted is ever made for a task. A POST of which nothing certain is known leaves
the task `submitting`; when the lease has run out, its driver ends it as `submission_unknown`. It is never repeated.

`submit` does all six, and the driver comes back to steps 3 to 6 with `post` for a task that could not be posted yet.
"""

import json
from enum import Enum
from typing import Any

from aws_lambda_powertools import Logger

from darkroom import catalogue, clock, dialects, driver, ending, http, keys, schedule, store, task, timings
from darkroom.answer import Failed
from darkroom.catalogue import Model, Route
from darkroom.errors import BodyTooLarge, ForbiddenAddress, InvalidOrder, KeyReused, NoReply, NotSent, Reason, Rejected
from darkroom.order import BODY_CAP, Order
from darkroom.task import Task
from darkroom.wire import Reply

#: How long a task may take before it is given up, s.
DEADLINE_S = 30 * 60
#: Seconds for the paid POST at most; what must be left after it to write down what came of it; and what must be left
#: before it, or it is not begun: whoever cannot be reached in that time has certainly not been sent anything.
POST_S = 20.0
RESERVE_S = 4.0
ENOUGH_S = 20.0
#: What a task's record says when there is nobody to post to.
NO_KEY = "no gateway of this model has a key here; the operator can put one"
#: A lease outlives its invocation by this, so that no zombie posts after it has run out.
LEASE_MARGIN_MS = 30_000

#: Why a task has failed, by the status of the rejection. Others mean that we and the gateway do not fit together.
_REASONS = {
    400: Reason.INVALID_INPUT,
    404: Reason.MODEL_UNAVAILABLE,
    410: Reason.MODEL_UNAVAILABLE,
    413: Reason.INVALID_INPUT,
    422: Reason.INVALID_INPUT,
}

logger = Logger(child=True)


class Verdict(Enum):
    """What is known of a POST. Anything that is not listed under another is UNKNOWN."""

    ACCEPTED = "accepted"  # there is a ticket
    REJECTED = "rejected"  # no, and asking again would not help
    REFUSED = "refused"  # not now: certainly not accepted
    NOT_SENT = "not_sent"  # it never got there
    UNKNOWN = "unknown"  # it may have been accepted


def submit(order: Order, model: str, tenant: str, key: str | None, *, origin: str, until: int) -> tuple[Task, bool]:
    """
    All six steps, as far as they go now; the task, and whether it was there already (then nothing else was done).

    key: the caller's idempotency key, if any. origin: our own scheme and host. until: when this invocation ends, ms.
    Raises UnknownModel, InvalidOrder, KeyReused: nothing was recorded. Raises Rejected: the task has failed.
    """
    model_wanted = catalogue.catalogue().model(model)
    if order.webhook:
        try:
            http.examine(order.webhook)
        except ForbiddenAddress as error:
            raise InvalidOrder([{"field": "webhook", "message": str(error)}]) from error
    wait = schedule.first(expected(model_wanted))
    recorded, replayed = _record(order, model, tenant, key, wait)
    if replayed:
        return recorded, True
    try:
        driver.start(recorded, wait)
        posted = post(recorded, until=until)
        if posted.failure:
            posted = ending.end(posted, (), origin)
    except Exception:
        # Whatever it was, the task stands: its driver, or one that the sweeper starts, goes on from what is written.
        logger.exception("submission interrupted", task_id=recorded.task_id)
        return recorded, False
    if posted.failure:
        raise Rejected(posted.failure, posted.task_id)
    return posted, False


def post(claimant: Task, *, until: int) -> Task:
    """
    Steps 3 to 6 for an accepted task; the task as it stands then: `collecting` if the gateway has rejected it.

    Posts only if the time until this invocation ends (`until`, ms) is enough to see it through, and if no other has
    the claim.
    """
    route, authorization = _route(claimant)
    remaining = (until - clock.now()) / 1000
    if route is None and not claimant.attempts:
        nowhere = {"route": None, "outcome": Verdict.NOT_SENT.value, "detail": NO_KEY, "at": clock.now()}
        return store.remark(claimant, nowhere) or claimant
    if route is None or remaining < ENOUGH_S:
        return claimant
    claimed = store.claim(claimant, clock.nonce(), until + LEASE_MARGIN_MS)
    if claimed is None:
        return store.read(claimant.task_id)
    request = dialects.of(route).submission(route, json.loads(claimed.input)).authorized(authorization)
    try:
        reply = http.send(request, deadline=min(POST_S, remaining - RESERVE_S))
    except (NotSent, ForbiddenAddress) as error:
        return store.release(claimed, _attempt(route, Verdict.NOT_SENT, str(error))) or claimed
    except NoReply as error:
        return _unknown(claimed, _attempt(route, Verdict.UNKNOWN, str(error)))
    return _judged(claimed, route, reply)


def expected(model: Model, route: str | None = None) -> float:
    """How many seconds a model takes: what its route (by default the first) has taken here, or the catalogue says."""
    return timings.expected(route or model.routes[0].name) or model.seconds


def verdict(reply: Reply, ticket: str | None) -> Verdict:
    """What a reply to the paid POST says, by its status; `ticket` is what the dialect read from it, if anything."""
    match reply.status:
        case status if 200 <= status < 300:
            return Verdict.ACCEPTED if ticket else Verdict.UNKNOWN
        case 401 | 402 | 403 | 425 | 429:
            return Verdict.REFUSED
        case 408:
            return Verdict.UNKNOWN
        case status if 300 <= status < 500:
            return Verdict.REJECTED
        case _:
            return Verdict.UNKNOWN


def _record(order: Order, model: str, tenant: str, key: str | None, wait: int) -> tuple[Task, bool]:
    now = clock.now()
    nonce = clock.nonce()
    model_input = json.dumps(order.input, ensure_ascii=False)
    if len(model_input.encode()) + len(json.dumps(order.metadata, ensure_ascii=False).encode()) > BODY_CAP:
        raise BodyTooLarge(f"The body is larger than {BODY_CAP // 1024} KB when its numbers are written out.")
    new = Task(
        task_id=task.name(tenant, key or nonce),
        tenant=tenant,
        model=model,
        input=model_input,
        digest=task.digest(model, order.model_dump(exclude_defaults=True)),
        created=now,
        deadline=now + DEADLINE_S * 1000,
        due=now + wait * 1000 + driver.GRACE_MS,
        webhook=order.webhook,
        metadata=order.metadata,
        nonce=nonce,
    )
    there = store.create(new)
    if there.digest != new.digest:
        raise KeyReused("This Idempotency-Key was used for another request. Use a new key for a new request.")
    return there, there.nonce != nonce


def _route(claimant: Task) -> tuple[Route | None, str]:
    """The first route of the model whose gateway we have a key for, and what to authorize with."""
    for route in catalogue.catalogue().model(claimant.model).routes:
        if key := keys.gateway(route.gateway):
            return route, f"Bearer {key}"
    logger.error("no gateway of this model has a key", task_id=claimant.task_id, model=claimant.model)
    return None, ""


def _judged(claimed: Task, route: Route, reply: Reply) -> Task:
    dialect = dialects.of(route)
    try:
        ticket = dialect.ticket(reply) if reply.ok else None
    except NoReply:
        ticket = None
    found = verdict(reply, ticket)
    words = "" if reply.ok else dialect.complaint(reply)
    attempt = _attempt(route, found, words, reply)
    match found:
        case Verdict.ACCEPTED if ticket:
            return store.keep_ticket(claimed, ticket, attempt) or claimed
        case Verdict.REFUSED:
            if reply.status in (401, 403):
                keys.forget()
            return store.release(claimed, attempt) or claimed
        case Verdict.REJECTED:
            word = Failed(_REASONS.get(reply.status, Reason.GATEWAY_FAILED), words)
            return store.hear(claimed, word, clock.now() + driver.GRACE_MS, attempt) or claimed
        case _:
            return _unknown(claimed, attempt)


def _unknown(claimed: Task, attempt: dict[str, Any]) -> Task:
    # Not the gateway's words: it may quote the prompt. They are with the task.
    told = {"task_id": claimed.task_id, "route": attempt["route"], "status": attempt.get("status")}
    logger.error("outcome of the POST unknown", extra=told)
    return store.note(claimed, attempt) or claimed


def _attempt(route: Route, verdict: Verdict, detail: str, reply: Reply | None = None) -> dict[str, Any]:
    """What became of a POST, for the task's record and its caller; `retry_after` is what the gateway asked for, s."""
    now = clock.now()
    attempt: dict[str, Any] = {"route": route.name, "outcome": verdict.value, "detail": detail[:512], "at": now}
    if reply is not None:
        attempt["status"] = reply.status
        if (seconds := reply.retry_after(now)) is not None:
            attempt["retry_after"] = seconds
    return attempt

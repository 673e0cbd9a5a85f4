"""
From an order to a task that will come to its end, whatever happens.

    1  record the task; nothing is spent yet
    2  start its driver; from here on somebody will always come back to it
    3  post it (posting.py), if its gateway only takes the request now and draws later

What could not be posted yet is posted by the driver.
"""

import json
from collections.abc import Callable
from dataclasses import replace

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from darkroom import (
    aws,
    catalogue,
    clock,
    dialects,
    driver,
    ending,
    http,
    inbox,
    pacing,
    posting,
    routing,
    schedule,
    store,
    task,
)
from darkroom.answer import Failed
from darkroom.errors import BodyTooLarge, ForbiddenAddress, InvalidOrder, KeyReused, NotFound, PerhapsRecorded, Rejected
from darkroom.order import BODY_CAP, Order
from darkroom.route import Model
from darkroom.routing import Way
from darkroom.task import Status, Task

#: Seconds that a driver leaves to whoever has started it, to post what it is about.
HEAD_START_S = 1.0

logger = Logger(child=True)


def submit(
    order: Order,
    model: str,
    tenant: str,
    key: str | None,
    *,
    origin: str,
    until: int,
    cancel_after: int | None = None,
) -> tuple[Task, bool]:
    """
    All three steps, as far as they go now; the task, and whether it was there already (then nothing else was done).

    key: the caller's idempotency key, if any. origin: our own scheme and host. until: when this invocation ends, ms.
    cancel_after: seconds after which the caller does not want the task any more.
    Raises UnknownModel, InvalidOrder, KeyReused: nothing was recorded. Raises Rejected: the task has failed.
    """
    # First of all, and whatever has become of the model, the webhook or the inbox since: a known key is a known task.
    if key and (there := known(order, model, tenant, key)):
        return there, True
    wanted = catalogue.catalogue().model(model)
    ways = examined(order, wanted, tenant)
    wait = min(_first_visit(wanted, ways), cancel_after or schedule.DEADLINE_S)
    recorded, replayed = record(order, model, tenant, key, wait=wait, cancel_after=cancel_after)
    if replayed:
        return recorded, True
    try:
        driver.start(recorded, wait)
        posted = posting.post(recorded, until=until, examined=ways)
        if posted.failure and not posted.ticket:
            posted = ending.end(posted, (), origin)
        elif posted.status is Status.COLLECTING:
            posted = _made_at_once(posted)
    except Exception:
        # Whatever it was, the task stands: its driver, or one that the sweeper starts, goes on from what is written.
        logger.exception("submission interrupted", task_id=recorded.task_id)
        return recorded, False
    if posted.failure and not posted.ticket:
        raise Rejected(posted.failure, posted.task_id)
    return posted, False


def _made_at_once(posted: Task) -> Task:
    """The reply to the POST was the last word. The driver waits for it still: the next one has nothing to wait for."""
    taken = store.take_over(posted, clock.now() + driver.GRACE_MS)
    if taken is None:
        return posted
    driver.start(taken, 0)
    return taken


def known(order: Order, model: str, tenant: str, key: str) -> Task | None:
    """The task that an order has led to under this idempotency key. Raises KeyReused if another order has."""
    try:
        return _same(store.read(task.name(tenant, key)), _digest(order, model))
    except NotFound:
        return None


def _same(there: Task, digest: str) -> Task:
    if there.digest != digest:
        message = "This Idempotency-Key was used for another request. Use a new key for a new request."
        raise KeyReused(message, task_id=there.task_id)
    return there


def _digest(order: Order, model: str) -> str:
    """Of all that a caller asks for, whichever way it has named the model."""
    return task.digest(model, order.said)


def examined(
    order: Order, model: Model, tenant: str, *, look: bool = True, examine: Callable[[str], None] = http.examine
) -> tuple[Way, ...]:
    """
    How an order can be made, best first. Raises InvalidOrder with all that is wrong with it.

    look: whether to see if what it refers to is in the inbox. examine: raises ForbiddenAddress for a webhook's address
    that is none.
    """
    ways, faults = tuple[Way, ...](), list[dict[str, str]]()
    try:
        ways = routing.ways(model, order.input)
    except InvalidOrder as error:
        faults += error.faults
    faults += inbox.faults(order.input, tenant, look=look)
    try:
        if order.webhook:
            examine(order.webhook)
    except ForbiddenAddress as error:
        faults.append({"field": "webhook", "message": str(error)})
    if faults:
        raise InvalidOrder(faults)
    return ways


def _first_visit(model: Model, ways: tuple[Way, ...]) -> float:
    """Seconds until the driver's first visit: when the pictures may be there, or at once if it has to post."""
    try:
        first = next(posting.payable(ways), ways[0])
    except (ClientError, BotoCoreError):  # which is for the POST to stumble over, when the task is on record
        first = ways[0]
    if not dialects.queue(first.route.dialect):
        return 0.0
    return max(HEAD_START_S, pacing.first(model, first.route, clock.chance()))


def record(
    order: Order,
    model: str,
    tenant: str,
    key: str | None,
    *,
    wait: float = 0,
    cancel_after: int | None = None,
    row: dict[str, str] | None = None,
    word: Failed | None = None,
) -> tuple[Task, bool]:
    """
    The first step: the task, and whether it was there already.

    wait: seconds until its driver's first visit. row: as in Task, if it is one. word: the last that there is to say of
    it, if nobody has to be asked.
    Raises KeyReused, BodyTooLarge: nothing was recorded; PerhapsRecorded: nobody knows.
    """
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
        digest=_digest(order, model),
        created=now,
        deadline=now + (cancel_after or (schedule.PATIENCE_S if row else schedule.DEADLINE_S)) * 1000,
        cancel_after=cancel_after,
        due=now + int(wait * 1000) + driver.GRACE_MS,
        webhook=order.webhook if order.wants_the_end else None,
        metadata=order.metadata,
        nonce=nonce,
        row=row,
    )
    if word:
        failure = store.failure(word, accepted=False)
        new = replace(new, status=Status.COLLECTING, answered=now, failure=failure)
    try:
        there = _same(store.create(new), new.digest)
    except (ClientError, BotoCoreError) as error:
        if aws.refused(error):
            raise
        raise PerhapsRecorded(
            "It is not known whether the task was recorded; if it was, it will be made. Ask for it by its task_id, or "
            "send the same request under the same Idempotency-Key.",
            task_id=new.task_id,
        ) from error
    return there, there.nonce != nonce

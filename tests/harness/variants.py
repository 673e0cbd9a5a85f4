"""
The design, broken on purpose, one way at a time. Each is a mistake that somebody has made in earnest; the harness has
to notice every one of them. Nothing outside the tests can switch them on.
"""

import dataclasses
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from darkroom import (
    addresses,
    asking,
    catalogue,
    clock,
    collection,
    delivery,
    dialects,
    driver,
    ending,
    gallery,
    http,
    inquiry,
    items,
    keys,
    posting,
    recovery,
    routing,
    store,
    submission,
    verdict,
    webhooks,
)
from darkroom.answer import Failed
from darkroom.conditions import Attr
from darkroom.errors import NoReply, Reason
from darkroom.task import Delivery, Status, Task
from darkroom.verdict import Verdict

Patch = pytest.MonkeyPatch
#: Those that the harness cannot notice, and why; they have a test of their own.
UNNOTICED = dict[str, str]()
VARIANTS = dict[str, Callable[[Patch], None]]()


def variant(switch: Callable[[Patch], None]) -> Callable[[Patch], None]:
    VARIANTS[switch.__name__] = switch
    return switch


@variant
def post_before_record(patch: Patch) -> None:
    """First the gateway, then the table: who dies in between has paid for nothing that anybody knows of."""
    record = submission.record

    def post_first(order: Any, model: str, tenant: str, key: str | None, **more: Any) -> tuple[Task, bool]:
        way = next(iter(posting.payable(routing.ways(catalogue.catalogue().model(model), order.input))))
        queue = dialects.queue(way.route.dialect)
        if queue is None:
            return record(order, model, tenant, key, **more)
        request = queue.submission(way.route, way.native_input)
        credentials = way.route.gateway.credentials(keys.gateway(way.route.gateway.name) or "")
        ticket = queue.ticket(http.send(request.authorized(credentials), deadline=20))
        recorded, replayed = record(order, model, tenant, key, **more)
        if replayed:
            return recorded, replayed
        claimed = store.claim(recorded, clock.nonce(), way.route.name, 0, recorded.due or 0)
        assert claimed
        accepted = posting._attempt(claimed, Verdict.ACCEPTED, "")
        return store.keep_ticket(claimed, ticket, accepted) or claimed, False

    patch.setattr(submission, "record", post_first)


@variant
def post_again_after_an_error(patch: Patch) -> None:
    """A lock around the call that is let go whenever the call fails: what Powertools' idempotency does."""
    patch.setattr(posting, "_unknown", lambda claimed, attempt: store.release(claimed, attempt) or claimed)


@variant
def post_again_after_the_lease(patch: Patch) -> None:
    """A claim that runs out frees the task."""
    wait = inquiry._wait_for_the_claim

    def release(task: Task) -> Any:
        if task.lease is not None and clock.now() < task.lease:
            return wait(task)
        store.release(task, posting._attempt(task, Verdict.REFUSED, "the lease is over"))
        return "wait", 1

    patch.setattr(inquiry, "_wait_for_the_claim", release)


@variant
def post_again_after_5xx(patch: Patch) -> None:
    """A server error means that nothing was done."""
    judge = verdict.of
    patch.setattr(
        verdict,
        "of",
        lambda reply, reason: Verdict.REFUSED if reply.status >= 500 else judge(reply, reason),
    )


@variant
def claim_without_condition(patch: Patch) -> None:
    """Whoever comes may post."""

    def claim(task: Task, nonce: str, route: str, lease: int, due: int) -> Task | None:
        claimed = {"status": Status.SUBMITTING, "nonce": nonce, "route": route, "lease": lease, "due": due}
        return items.change(task, Attr("task_id").exists(), claimed)

    patch.setattr(store, "claim", claim)


@variant
def short_lease(patch: Patch) -> None:
    """A claim that runs out while its holder is still posting."""
    claim = store.claim
    patch.setattr(store, "claim", lambda task, nonce, route, _, due: claim(task, nonce, route, clock.now() + 1000, due))


@variant
def lose_against_oneself(patch: Patch) -> None:
    """A write that the SDK repeated counts as lost against somebody else."""
    patch.setattr(items, "broken_by", lambda _: {})


@variant
def start_after_posting(patch: Patch) -> None:
    """The driver is started when the gateway has accepted, and nobody looks for tasks that have none."""
    start, post = driver.start, posting.post

    def post_and_start(task: Task, *, until: int) -> Task:
        posted = post(task, until=until)
        start(posted, 1)
        return posted

    patch.setattr(driver, "start", lambda *_: None)
    patch.setattr(posting, "post", post_and_start)
    patch.setattr(recovery, "sweep", lambda: 0)


@variant
def sweep_under_the_same_name(patch: Patch) -> None:
    """The next driver is started under the name of the first, which is taken."""
    start = driver._start
    patch.setattr(
        driver, "_start", lambda machine, task, wait: start(machine, dataclasses.replace(task, generation=1), wait)
    )


@variant
def end_before_the_images(patch: Patch) -> None:
    """First it is called succeeded, then the images are stored."""
    put = gallery.put
    waiting = list[Callable[[], None]]()

    def put_later(name: str, file: Any, **more: Any) -> None:
        content = file.read()
        waiting.append(lambda: put(name, io.BytesIO(content), **more))

    end = ending.end

    def end_first(*arguments: Any, **more: Any) -> Task:
        ended = end(*arguments, **more)
        while waiting:
            waiting.pop(0)()
        return ended

    patch.setattr(gallery, "put", put_later)
    patch.setattr(ending, "end", end_first)


@variant
def news_in_a_second_write(patch: Patch) -> None:
    """The end is one write, the webhook that is to be sent another."""
    end = store.end

    def end_then_news(task: Task, ended: Task) -> Task | None:
        done = end(task, dataclasses.replace(ended, delivery=Delivery.NONE, news=None, due=None))
        if done is None or ended.delivery is Delivery.NONE:
            return done
        news = {"delivery": ended.delivery, "news": ended.news, "due": ended.due}
        return items.change(done, Attr("task_id").exists(), news)

    patch.setattr(store, "end", end_then_news)


@variant
def over_at_the_end(patch: Patch) -> None:
    """A task that nobody wants to hear of is over when it has ended: the sweeper does not look for it any more."""
    end = store.end

    def settled(task: Task, ended: Task) -> Task | None:
        if done := end(task, ended):
            store.settle(done)
        return done

    patch.setattr(store, "end", settled)


@variant
def rescue_by_delivery(patch: Patch) -> None:
    """Whatever has ended and was lost is handed to those who tell receivers, though it may not have been announced."""
    start = driver.start

    def started(task: Task, wait: int) -> None:
        (driver.start_delivery if task.status.terminal else start)(task, wait)

    patch.setattr(driver, "start", started)


@variant
def tell_before_the_end(patch: Patch) -> None:
    """The receiver is told first, then the end is put on record."""
    end = store.end

    def tell_first(task: Task, ended: Task) -> Task | None:
        if ended.webhook:
            http.send(webhooks.request(ended, keys.webhook_secrets(task.tenant), clock.now()), deadline=15)
        return end(task, ended)

    patch.setattr(store, "end", tell_first)


@variant
def another_id_for_each_attempt(patch: Patch) -> None:
    """Each attempt at a webhook is a message of its own."""
    request = webhooks.request
    patch.setattr(
        webhooks,
        "request",
        lambda task, secret, now: request(dataclasses.replace(task, task_id=f"{task.task_id}_{now}"), secret, now),
    )


@variant
def another_body_for_each_attempt(patch: Patch) -> None:
    """The news is written anew for each attempt."""
    request = webhooks.request

    def rewritten(task: Task, secrets: tuple[str, ...], now: int) -> Any:
        news = json.dumps(json.loads(task.news or "{}") | {"sent_at": now})
        return request(dataclasses.replace(task, news=news), secrets, now)

    patch.setattr(webhooks, "request", rewritten)


@variant
def cancel_over_everything(patch: Patch) -> None:
    """Whoever cancels gets a canceled task, whatever it was before."""
    canceled = {"cancel": True, "status": Status.CANCELED}
    patch.setattr(store, "ask_to_cancel", lambda task: items.change(task, Attr("task_id").exists(), canceled))


@variant
def end_over_everything(patch: Patch) -> None:
    """Who comes last ends a task, though it has ended."""
    change = items.change

    def unconditional(task: Task, condition: Any, put: dict[str, Any], **more: Any) -> Task | None:
        return change(task, Attr("task_id").exists() if "completed" in put else condition, put, **more)

    patch.setattr(items, "change", unconditional)


@variant
def lost_at_the_first_404(patch: Patch) -> None:
    """A gateway that does not know a request for a moment has lost it."""
    ask = asking.answer

    def answer(task: Task) -> Any:
        queue = dialects.queue((task.route or "").split("/")[1])
        route = catalogue.catalogue().route(task.route or "")
        if queue is None:
            return ask(task)
        try:
            question = queue.questions(route, task.ticket or "")[0]
            credentials = route.gateway.credentials(keys.gateway(route.gateway.name) or "")
            reply = http.send(question.authorized(credentials), deadline=10)
        except NoReply:
            return ask(task)
        return Failed(Reason.GATEWAY_FAILED, "It is not there.") if reply.status == 404 else ask(task)

    patch.setattr(asking, "answer", answer)


@variant
def no_webhook_after_the_first_try(patch: Patch) -> None:
    """A receiver that was not there once is not told again."""
    patch.setattr(delivery, "PAUSES_S", ())


@variant
def unverified_pictures(patch: Patch) -> None:
    """Whatever comes under an output's address is the output."""
    patch.setattr(collection, "_look_at", lambda *_: ("image/png", "png", (1, 1)))


@variant
def no_guard(patch: Patch) -> None:
    """A gateway may send us anywhere."""
    patch.setattr(addresses, "public", lambda _: True)


@variant
def log_the_prompt(patch: Patch) -> None:
    """A log line says what the task is about."""
    post = posting.post

    def logged(task: Task, *, until: int) -> Task:
        posting.logger.info("posting", extra={"task_id": task.task_id, "input": task.input})
        return post(task, until=until)

    patch.setattr(posting, "post", logged)

"""The tasks table: of two that race one loses, nothing goes back, and a write that was repeated is not a lost race."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from darkroom import aws, settings, store, task
from darkroom.answer import Failed, Finished
from darkroom.errors import NotFound, Reason
from darkroom.task import Delivery, Image, Status, Task
from tests.conftest import OUTPUT, RECEIVER, Account, Clock

pytestmark = pytest.mark.usefixtures("account")

NOW = 1_795_176_000_000
LEASE = NOW + 58_000
DUE = NOW + 190_000
ROUTE = "vectornode/replicate/google/imagen-4-fast"
ATTEMPT = {"route": ROUTE, "outcome": "accepted", "detail": "", "at": NOW, "status": 201}
NOWHERE = {"route": None, "outcome": "not_sent", "detail": "no key", "at": NOW}
LOST = {"route": ROUTE, "outcome": "unknown", "detail": "no reply", "at": NOW}
DOUBT = {"code": "gateway_lost", "since": NOW, "times": 1}
TOLD = {"at": NOW, "status": 204, "ms": 12, "round": 0}
UNTOLD = {"at": NOW, "error": "The receiver broke off.", "ms": 15_000, "round": 0}
FINISHED = Finished((OUTPUT,), several=True, missing=("One picture was held back.",))
FAILED = Failed(Reason.GATEWAY_FAILED, "NSFW content detected.")
PICTURE = Image("images/t/0-6c3b.png", "image/png", 68, "6c" * 32, True, 64, 48)
INERT = Image("images/t/1-0f9a.bin", "application/octet-stream", 9, "0f" * 32, False)


def new(key: str = "order-1", **members: Any) -> Task:
    usual = Task(
        task_id=task.name("default", key),
        tenant="default",
        model="google/imagen-4-fast",
        input='{"prompt": "灯台"}',
        digest="d",
        created=NOW,
        deadline=NOW + 1_800_000,
        due=NOW + 180_000,
        webhook=RECEIVER,
        nonce="first",
    )
    return replace(usual, **members)


def kept(moved: Task | None) -> Task:
    """What a transition that was won says is what the table holds."""
    assert moved is not None
    assert store.read(moved.task_id) == moved
    return moved


def ended(collecting: Task, **members: Any) -> Task:
    members = {"images": (PICTURE, INERT), "delivery": Delivery.PENDING, "news": '{"id": "t"}', **members}
    return replace(collecting, status=Status.SUCCEEDED, completed=NOW + 5000, due=NOW + 185_000, **members)


def reached(status: Status, key: str = "order-1", **members: Any) -> Task:
    """A task that has come as far as this."""
    found = store.create(new(key, **members))
    if status is not Status.ACCEPTED:
        found = kept(store.claim(found, "claim", ROUTE, LEASE, DUE))
    if status not in (Status.ACCEPTED, Status.SUBMITTING):
        found = kept(store.keep_ticket(found, "ticket", ATTEMPT))
    if status is Status.COLLECTING or status.terminal:
        found = kept(store.hear(found, FINISHED, DUE))
    if status.terminal:
        found = kept(store.end(found, replace(ended(found), status=status)))
    return found


Move = Callable[[Task], Task | None]
MOVES: dict[str, tuple[Move, set[Status], Status]] = {
    "claim": (lambda one: store.claim(one, "another", ROUTE, LEASE, DUE), {Status.ACCEPTED}, Status.SUBMITTING),
    "keep_ticket": (lambda one: store.keep_ticket(one, "new", ATTEMPT), {Status.SUBMITTING}, Status.RUNNING),
    "release": (lambda one: store.release(replace(one, lease=1), ATTEMPT), {Status.SUBMITTING}, Status.ACCEPTED),
    "remark": (lambda one: store.remark(one, NOWHERE), {Status.ACCEPTED}, Status.ACCEPTED),
    "note": (lambda one: store.note(one, LOST), {Status.SUBMITTING}, Status.SUBMITTING),
    "doubt": (lambda one: store.doubt(one, DOUBT), {Status.RUNNING}, Status.RUNNING),
    "refresh": (
        lambda one: store.refresh(one, ("new",), DUE),
        {Status.COLLECTING},
        Status.COLLECTING,
    ),
    "end": (lambda one: store.end(one, ended(one, news="new")), {Status.COLLECTING}, Status.SUCCEEDED),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_transition_starts_from_its_own_status_and_from_no_other(name: str) -> None:
    move, sources, target = MOVES[name]
    for status in Status:
        before = reached(status, key=status)
        after = move(before)
        if status in sources:
            assert kept(after).status is target
        elif not (name == "release" and status is Status.ACCEPTED):  # there it reads as repeated, and changes nothing
            assert after is None
        if status not in sources:
            assert store.read(before.task_id) == before


def test_a_terminal_status_is_left_by_nothing(time: Clock) -> None:
    for status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELED):
        before = reached(status, key=status)
        time.forward(1)
        for move, _, _ in MOVES.values():
            assert move(before) is None
        for seen in (replace(before, status=each) for each in Status if not each.terminal):
            assert store.hear(seen, FAILED, DUE) is store.hear(seen, FINISHED, DUE) is store.ask_to_cancel(seen) is None
        store.note(before, ATTEMPT)
        assert store.read(before.task_id) == before


def test_of_two_claims_one_loses() -> None:
    seen = store.create(new())
    won, lost = store.claim(seen, "one", ROUTE, LEASE, DUE), store.claim(seen, "two", "b/fal/m", LEASE + 1, DUE + 1)
    assert lost is None
    assert kept(won).nonce == "one"


def test_a_claim_says_where_it_posts_until_when_and_when_somebody_has_to_come_back() -> None:
    seen = store.create(new())
    assert seen.due != DUE
    assert kept(store.claim(seen, "one", ROUTE, LEASE, DUE)) == replace(
        seen, status=Status.SUBMITTING, nonce="one", route=ROUTE, lease=LEASE, due=DUE
    )


def test_the_next_claim_may_be_for_another_route() -> None:
    released = kept(store.release(reached(Status.SUBMITTING), ATTEMPT))
    assert (released.route, released.attempts) == (ROUTE, (ATTEMPT,))
    claimed = kept(store.claim(released, "next", "quickrouter/fal/fal-ai/imagen4/preview", LEASE + 1, DUE + 1))
    running = kept(store.keep_ticket(claimed, "ticket", ATTEMPT))
    assert (running.route, running.nonce) == ("quickrouter/fal/fal-ai/imagen4/preview", "next")
    assert (running.lease, running.due) == (LEASE + 1, DUE + 1)


def test_a_task_whose_caller_does_not_want_it_any_more_cannot_be_claimed() -> None:
    seen = store.create(new())
    assert kept(store.ask_to_cancel(seen)).cancel
    assert store.claim(seen, "one", ROUTE, LEASE, DUE) is None


@pytest.mark.parametrize("status", [status for status in Status if not status.terminal])
def test_a_wish_to_cancel_is_kept_and_moves_nothing(status: Status) -> None:
    before = reached(status)
    assert kept(store.ask_to_cancel(before)) == replace(before, cancel=True)


def test_only_who_holds_the_claim_may_say_what_became_of_it() -> None:
    claimed = reached(Status.SUBMITTING)
    zombie = replace(claimed, nonce="foreign")
    assert store.keep_ticket(zombie, "t", ATTEMPT) is None
    assert store.release(zombie, ATTEMPT) is None
    assert store.hear(zombie, FAILED, DUE, ATTEMPT) is None
    store.note(zombie, ATTEMPT)
    assert store.read(claimed.task_id) == claimed
    noted = kept(store.note(claimed, ATTEMPT))
    assert noted.attempts == (ATTEMPT,)
    assert kept(store.keep_ticket(noted, "t", ATTEMPT)).attempts == (ATTEMPT, ATTEMPT)


def test_a_write_that_the_sdk_repeats_appends_once(time: Clock) -> None:
    claimed = reached(Status.SUBMITTING)
    first, again = kept(store.note(claimed, ATTEMPT)), kept(store.note(claimed, ATTEMPT))
    assert first.attempts == again.attempts == (ATTEMPT,)


def test_a_task_that_has_ended_hears_no_more() -> None:
    ended = reached(Status.SUCCEEDED)
    assert store.hear(ended, FAILED, DUE) is None
    assert store.read(ended.task_id) == ended


def test_the_last_word_is_heard_from_the_status_that_was_seen(time: Clock) -> None:
    accepted = reached(Status.ACCEPTED)
    store.claim(accepted, "one", ROUTE, LEASE, DUE)
    assert store.hear(accepted, FAILED, DUE) is None
    heard = kept(store.hear(store.read(accepted.task_id), FAILED, DUE, ATTEMPT))
    assert (heard.status, heard.failure, heard.attempts) == (
        Status.COLLECTING,
        store.failure(FAILED, accepted=False),
        (ATTEMPT,),
    )
    assert (heard.answered, heard.due) == (time.now, DUE)


def test_a_doubt_is_counted_dropped_and_believed_only_by_who_has_seen_it(time: Clock) -> None:
    running = reached(Status.RUNNING)
    first = kept(store.doubt(running, DOUBT))
    assert first.doubt == DOUBT
    assert store.doubt(running, {**DOUBT, "since": NOW + 1}) is None
    second = kept(store.doubt(first, {**DOUBT, "times": 2}))
    for seen in (running, first):
        assert store.trust(seen) is store.hear(seen, FAILED, DUE) is store.hear(seen, FINISHED, DUE) is None
    assert kept(store.trust(second)) == running
    assert store.trust(second) == running  # repeated
    assert store.doubt(second, {**DOUBT, "times": 3}) is None
    assert kept(store.hear(running, FAILED, DUE)).doubt is None


def test_images_do_not_end_a_task_of_which_a_failure_was_heard(time: Clock) -> None:
    collecting = reached(Status.COLLECTING)
    time.forward(1)
    failed = kept(store.hear(collecting, FAILED, DUE))
    assert store.end(collecting, ended(collecting)) is None
    end = replace(ended(failed, images=()), status=Status.FAILED)
    assert kept(store.end(failed, end)).failure == store.failure(FAILED, accepted=True)


def test_a_ticket_comes_with_its_time_and_leaves_the_route_as_it_was_claimed(time: Clock) -> None:
    claimed = reached(Status.SUBMITTING)
    time.forward(2)
    assert kept(store.keep_ticket(claimed, "ticket", ATTEMPT)) == replace(
        claimed, status=Status.RUNNING, ticket="ticket", submitted=time.now, attempts=(ATTEMPT,)
    )


def test_what_the_gateway_says_is_missing_is_kept_with_what_it_gives(time: Clock) -> None:
    heard = kept(store.hear(reached(Status.RUNNING), FINISHED, DUE + 1))
    assert (heard.outputs, heard.several, heard.missing) == ((OUTPUT,), True, ("One picture was held back.",))
    assert (heard.failure, heard.answered, heard.due) == (None, time.now, DUE + 1)
    assert kept(store.refresh(heard, ("new",), DUE)).missing == heard.missing


def test_why_there_was_no_post_is_on_record_and_takes_nothing_from_whoever_may_post() -> None:
    seen = store.create(new())
    noted = kept(store.remark(seen, NOWHERE))
    assert noted == replace(seen, attempts=(NOWHERE,))
    assert kept(store.claim(noted, "one", ROUTE, LEASE, DUE)).nonce == "one"
    assert store.remark(noted, NOWHERE) is None


def test_an_entry_of_somebody_else_is_not_taken_for_ones_own() -> None:
    seen = store.create(new())
    kept(store.remark(seen, NOWHERE))
    assert store.remark(seen, NOWHERE | {"at": NOW + 1}) is None


def test_a_task_is_read_as_it_is_and_not_as_it_was() -> None:
    """DynamoDB's reads lag behind unless one asks otherwise; what is decided by them would be decided twice."""
    store.create(new())
    asked = list[dict[str, Any]]()
    client = aws.dynamodb()

    def note(params: dict[str, Any], **_: Any) -> None:
        asked.append(params)

    client.meta.events.register("provide-client-params.dynamodb.GetItem", note)
    try:
        store.read(new().task_id)
    finally:
        client.meta.events.unregister("provide-client-params.dynamodb.GetItem", note)
    assert [params["ConsistentRead"] for params in asked] == [True]


def test_what_nobody_needs_to_come_back_to_is_not_made_due_again() -> None:
    end = reached(Status.SUCCEEDED)
    told = kept(store.delivered(end, TOLD, "telling"))
    store.set_aside(told.task_id, DUE)
    assert store.read(told.task_id) == told


def test_an_end_with_a_webhook_stays_due_until_it_has_been_told(time: Clock) -> None:
    end = reached(Status.SUCCEEDED)
    assert (end.images, end.delivery, end.due, end.news) == ((PICTURE, INERT), "pending", NOW + 185_000, '{"id": "t"}')
    again = kept(store.undelivered(end, UNTOLD, NOW + 200_000, "one"))
    assert (again.due, len(again.deliveries)) == (NOW + 200_000, 1)
    told = kept(store.delivered(again, TOLD, "telling"))
    assert (told.delivery, told.due, told.deliveries[1]) == ("delivered", None, TOLD)
    assert store.give_up(told, TOLD, "a third") is store.undelivered(told, TOLD, NOW, "a third") is None
    assert store.postpone(told, NOW) is None
    assert store.read(end.task_id) == told


def test_of_attempts_that_are_written_down_at_once_each_is_on_record_once() -> None:
    end = reached(Status.SUCCEEDED)
    told = kept(store.delivered(end, TOLD, "first"))
    for nonce in ("second", "third", "second", "first", "third"):
        assert store.overtaken(end, UNTOLD, nonce) == store.read(end.task_id)
    assert store.read(end.task_id) == replace(told, deliveries=(TOLD, UNTOLD, UNTOLD))


def test_an_attempt_that_was_written_down_is_known_whatever_has_happened_since() -> None:
    end = reached(Status.SUCCEEDED)
    told = kept(store.delivered(end, TOLD, "first"))
    again = kept(store.redeliver(told, DUE))
    assert (again.delivery, again.round, again.generation) == (Delivery.PENDING, 1, 2)
    assert store.delivered(end, TOLD, "first") == again == store.read(end.task_id)


def test_only_of_an_end_there_are_attempts_to_tell() -> None:
    for status in Status:
        if not status.terminal:
            before = reached(status, key=status)
            assert store.overtaken(before, UNTOLD, "one") is None
            assert store.read(before.task_id) == before


def expiry(one: Task) -> int | None:
    found = aws.dynamodb().get_item(TableName=settings.tasks_table(), Key={"task_id": {"S": one.task_id}})["Item"]
    assert len(json.dumps(found)) < 4_000  # the items are small
    return int(found["expires"]["N"]) if "expires" in found else None


def test_an_item_may_be_deleted_only_when_its_end_has_been_told(time: Clock) -> None:
    ninety_days = time.now // 1000 + 90 * 86_400
    quiet = reached(Status.COLLECTING, "quiet", webhook=None)
    assert store.settle(quiet) is None, "it has not ended"
    quiet = kept(store.end(quiet, ended(quiet, delivery=Delivery.NONE)))
    assert expiry(quiet) is None
    assert quiet.due is not None
    assert expiry(kept(store.settle(quiet))) == ninety_days
    assert store.read(quiet.task_id).due is None
    time.forward(86_400)
    assert store.settle(quiet) is None
    assert expiry(quiet) == ninety_days
    time.forward(-86_400)
    loud = reached(Status.FAILED, "loud")
    assert expiry(loud) is None
    assert store.settle(loud) is None, "its receiver is still to be told"
    assert expiry(kept(store.give_up(loud, TOLD, "telling"))) == ninety_days


def test_a_known_key_gives_the_task_that_is_there() -> None:
    first = reached(Status.RUNNING)
    assert store.create(new(nonce="second", input="{}")) == first
    assert store.read(first.task_id) == first


def test_a_task_that_is_not_there_is_not_made_by_a_transition(account: Account) -> None:
    with pytest.raises(NotFound):
        store.read("nobody")
    nobody = new("nobody")
    assert store.claim(nobody, "n", ROUTE, LEASE, DUE) is store.ask_to_cancel(nobody) is None
    assert store.take_over(nobody, NOW) is store.remark(nobody, NOWHERE) is None
    assert account.tasks() == []


def test_whatever_callers_note_about_a_task_comes_back_as_it_was() -> None:
    metadata: dict[str, Any] = {
        "price": 0.1,
        "big": 2**70,
        "tiny": 5e-324,
        "": None,
        "list": [1.0, True, {"ü": "📷"}],
        "empty": {},
    }
    assert store.read(store.create(new(metadata=metadata)).task_id).metadata == metadata


def test_a_take_over_is_won_once_and_only_if_nobody_came_back() -> None:
    seen = store.create(new())
    next_driver = kept(store.take_over(seen, NOW + 200_000))
    assert (next_driver.generation, next_driver.due) == (2, NOW + 200_000)
    assert store.take_over(seen, NOW + 300_000) is None
    assert store.postpone(seen, NOW + 300_000) is None
    kept(store.postpone(next_driver, NOW + 300_000))
    assert store.take_over(next_driver, NOW + 400_000) is None


def overdue(now: int = NOW, limit: int = 25) -> list[str]:
    return [one for shard in range(store.DUE_SHARDS) for one in store.overdue(str(shard), now, limit)]


def test_the_sweeper_finds_what_is_overdue_and_nothing_else() -> None:
    tasks = [store.create(new(f"order-{number}", due=NOW - 10 + number)) for number in range(20)]
    assert sorted(overdue()) == sorted(one.task_id for one in tasks[:10])
    told = reached(Status.SUCCEEDED, "told", due=NOW - 5)
    assert told.task_id in overdue(NOW + 200_000)
    store.delivered(told, TOLD, "telling")
    assert told.task_id not in overdue(NOW + 200_000)
    assert len(overdue(NOW + 200_000)) == 20
    assert len({store.due_shard(one.task_id) for one in tasks}) > 3


def test_the_longest_overdue_are_found_first() -> None:
    tasks = [store.create(new(f"order-{number}", due=NOW - number)) for number in range(1, 30)]
    shard = store.due_shard(tasks[0].task_id)
    there = [one.task_id for one in reversed(tasks) if store.due_shard(one.task_id) == shard]
    assert len(there) > 2
    assert list(store.overdue(shard, NOW, 2)) == there[:2]


@contextmanager
def lost_replies(operation: str) -> Iterator[None]:
    """DynamoDB does what it is told, its reply is lost, and the SDK tells it once more."""

    def once_more(attempts: int, **_: Any) -> Any:
        return 0 if attempts == 1 else None

    events = aws.dynamodb().meta.events
    events.register_first(f"needs-retry.dynamodb.{operation}", once_more)
    try:
        yield
    finally:
        events.unregister(f"needs-retry.dynamodb.{operation}", once_more)


def test_a_write_that_the_sdk_repeated_is_not_taken_for_a_lost_race() -> None:
    wanted = new(webhook=RECEIVER)
    with lost_replies("PutItem"):
        assert store.create(wanted) == wanted
    with lost_replies("UpdateItem"):
        claimed = kept(store.claim(wanted, "one", ROUTE, LEASE, DUE))
        released = kept(store.release(claimed, ATTEMPT))
        claimed = kept(store.claim(released, "two", ROUTE, LEASE, DUE))
        running = kept(store.keep_ticket(claimed, "ticket", ATTEMPT))
        assert running.attempts == (ATTEMPT, ATTEMPT)
        over = kept(store.take_over(running, NOW + 200_000))
        assert over.generation == 2
        heard = kept(store.hear(kept(store.ask_to_cancel(over)), FINISHED, DUE))
        end = kept(store.end(heard, ended(heard)))
        assert (end.status, end.images) == (Status.SUCCEEDED, (PICTURE, INERT))
        assert kept(store.delivered(end, TOLD, "telling")).deliveries == (TOLD,)

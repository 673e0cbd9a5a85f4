"""What a task's owner sees of its webhook, and telling it anew: functions/tasks.py, and then deliver and sweep."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from darkroom import aws, clock, driver, items, redelivery, settings, store
from darkroom.driver import GRACE_MS
from darkroom.predictions import timestamp
from darkroom.task import Delivery, Status, Task
from tests.conftest import (
    CREATE,
    OUTPUT,
    QUESTION,
    RECEIVER,
    ROOT,
    Account,
    Clock,
    Event,
    Wire,
    call,
    conclude,
    document,
    event,
    order,
    picture,
    prediction,
    step,
    submit,
)

NOBODY = "a" * 26


@pytest.fixture(autouse=True)
def no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "chance", lambda: 0.0)


def ask(task_id: str, what: str = "deliveries", *, tenant: str | None = "default") -> Event:
    path = f"/v1/predictions/{task_id}/{what}"
    sent = event("tasks", rawPath=path)
    sent["requestContext"]["http"] |= {"method": "POST" if what == "redeliver" else "GET", "path": path}
    sent["requestContext"]["authorizer"]["lambda"]["tenant"] = tenant
    answer: Event = call("tasks", sent)
    return answer


def problem(answer: Event) -> tuple[int, str]:
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    return answer["statusCode"], document(answer)["code"]


def item() -> dict[str, Any]:
    (found,) = aws.dynamodb().scan(TableName=settings.tasks_table())["Items"]
    return found


@pytest.fixture
def told(account: Account, wire: Wire, time: Clock) -> Task:
    """A task that has failed, and whose receiver has taken the news."""
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": "no"}))
    wire.on("POST", RECEIVER, httpx.Response(204))
    submit(order(webhook=RECEIVER))
    assert conclude(account.task())["next"] == "done"
    return account.task()


@pytest.fixture
def given_up(account: Account, wire: Wire, time: Clock) -> Task:
    """A task whose receiver was tried eight times."""
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": "no"}))
    wire.on("POST", RECEIVER, httpx.Response(500))
    submit(order(webhook=RECEIVER))
    answer = conclude(account.task())
    while answer["next"] == "wait":
        time.forward(answer["wait"])
        answer = call("deliver", step(account.task()))
    return account.task()


def test_every_attempt_is_shown_to_the_tasks_owner(account: Account, wire: Wire, time: Clock, given_up: Task) -> None:
    answer = ask(given_up.task_id)
    assert (answer["statusCode"], answer["headers"]["cache-control"]) == (200, "no-store")
    attempts = [{"at": timestamp(each["at"]), "status": 500, "ms": 0} for each in given_up.deliveries]
    assert document(answer) == {
        "webhook": RECEIVER,
        "webhook_id": f"msg_{given_up.task_id}",
        "status": "given_up",
        "attempts": attempts,
    }
    assert len(attempts) == 8
    assert wire.sent("POST", RECEIVER)[0].headers["webhook-id"] == document(answer)["webhook_id"]


def test_before_its_end_and_without_a_webhook_nothing_is_pending(account: Account, running: Task) -> None:
    shown = document(ask(running.task_id))
    assert (shown["status"], shown["attempts"], "next_attempt_at" in shown) == ("none", [], False)
    assert shown["webhook"] == RECEIVER


def test_the_next_attempt_is_when_the_delivery_will_be_back(
    account: Account, wire: Wire, time: Clock, told: Task
) -> None:
    assert "next_attempt_at" not in document(ask(told.task_id))
    wire.on("POST", RECEIVER, httpx.Response(500), httpx.Response(503, headers={"retry-after": "4000"}))
    assert document(ask(told.task_id, "redeliver"))["next_attempt_at"] == timestamp(time.now)
    for wait in (5, 4000):
        assert call("deliver", step(account.task()))["wait"] == wait
        shown = document(ask(told.task_id))
        assert (shown["status"], shown["next_attempt_at"]) == ("pending", timestamp(time.now + wait * 1000))
        time.forward(wait)
    time.forward(60)
    assert document(ask(told.task_id))["next_attempt_at"] == timestamp(time.now)


def test_an_attempt_that_had_no_answer_says_why(account: Account, wire: Wire, time: Clock, told: Task) -> None:
    wire.on("POST", RECEIVER, httpx.ReadTimeout)
    ask(told.task_id, "redeliver")
    call("deliver", step(account.task()))
    attempt = document(ask(told.task_id))["attempts"][-1]
    assert attempt == {"at": timestamp(time.now), "error": "The receiver did not answer within 15 seconds.", "ms": 0}


def test_a_redelivery_sends_the_same_under_the_same_id_signed_anew(
    account: Account, wire: Wire, time: Clock, told: Task
) -> None:
    time.forward(3 * 86_400)
    answer = ask(told.task_id, "redeliver")
    assert answer["statusCode"] == 202
    assert document(answer) == document(ask(told.task_id))
    assert (document(answer)["status"], len(document(answer)["attempts"])) == ("pending", 1)
    started = account.executions("delivery")[f"{told.task_id}-2"]
    assert (started["generation"], started["wait"]) == (2, 0)
    assert call("deliver", started)["next"] == "done"
    first, second = wire.sent("POST", RECEIVER)
    assert first.content == second.content
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 3 * 86_400
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    shown = document(ask(told.task_id))
    assert (shown["status"], [each["status"] for each in shown["attempts"]]) == ("delivered", [204, 204])


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled"])
def test_whatever_the_end_it_is_told_and_told_again(
    account: Account, wire: Wire, time: Clock, running: Task, status: str
) -> None:
    wire.on("POST", RECEIVER, httpx.Response(204))
    wire.on("GET", QUESTION, prediction(status, output=OUTPUT if status == "succeeded" else None))
    wire.on("POST", f"{QUESTION}/cancel", prediction("canceled"))
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    if status == "canceled":
        store.ask_to_cancel(running)
    while account.task().status is not Status.COLLECTING:
        time.forward(4)
        call("poll", step(account.task()))
    conclude(account.task())
    assert ask(running.task_id, "redeliver")["statusCode"] == 202
    call("deliver", step(account.task()))
    first, second = wire.sent("POST", RECEIVER)
    assert json.loads(first.content)["status"] == status
    assert first.content == second.content
    assert account.task().delivery is Delivery.DELIVERED


def test_a_redelivery_begins_a_new_round_of_the_schedule(
    account: Account, wire: Wire, time: Clock, given_up: Task
) -> None:
    ask(given_up.task_id, "redeliver")
    task, waits = account.task(), []
    while (answer := call("deliver", step(task)))["next"] == "wait":
        waits.append(answer["wait"])
        time.forward(answer["wait"])
    assert waits == [5, 300, 1800, 7200, 18_000, 36_000, 36_000]
    assert (account.task().delivery, len(account.task().deliveries)) == (Delivery.GIVEN_UP, 16)


def test_a_redelivery_while_one_is_pending_is_now_and_the_one_that_waits_leaves(
    account: Account, wire: Wire, time: Clock, told: Task
) -> None:
    wire.on("POST", RECEIVER, httpx.Response(500))
    ask(told.task_id, "redeliver")
    waiting = call("deliver", step(account.task()))
    assert waiting["next"] == "wait"
    assert ask(told.task_id, "redeliver")["statusCode"] == 202
    assert (account.task().generation, account.task().due) == (3, time.now + GRACE_MS)
    assert f"{told.task_id}-3" in account.executions("delivery")
    assert call("deliver", waiting)["next"] == "leave"
    assert len(wire.sent("POST", RECEIVER)) == 2


def test_what_is_told_again_is_not_deleted_meanwhile_and_the_sweeper_sees_it(account: Account, told: Task) -> None:
    before = item()
    assert "expires" in before
    assert {"due", "due_shard"}.isdisjoint(before)
    ask(told.task_id, "redeliver")
    after = item()
    assert "expires" not in after
    assert after["due_shard"]["S"] == store.due_shard(told.task_id)


def test_a_redelivery_that_could_not_be_started_is_brought_by_the_sweeper(
    account: Account, wire: Wire, time: Clock, told: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:

        def refuse(*_: Any) -> None:
            raise ConnectionError("scripted")

        away.setattr(driver, "start_delivery", refuse)
        assert ask(told.task_id, "redeliver")["statusCode"] == 202
    assert account.executions("delivery") == {}
    time.forward(GRACE_MS / 1000 + 1)
    assert call("sweep", event("sweep"))["rescued"] == 1
    assert call("deliver", account.executions("delivery")[f"{told.task_id}-3"])["next"] == "done"
    assert len(wire.sent("POST", RECEIVER)) == 2


def test_tasks_can_neither_spend_nor_post(account: Account, wire: Wire, told: Task) -> None:
    before = len(wire.requests)
    ask(told.task_id, "redeliver")
    assert len(wire.requests) == before


def test_a_task_that_has_not_ended_has_no_news(account: Account, running: Task) -> None:
    answer = ask(running.task_id, "redeliver")
    assert problem(answer) == (409, "not_ended")
    assert answer["headers"]["retry-after"] == "5"
    assert (document(answer)["retryable"], document(answer)["task_id"]) == (True, running.task_id)
    assert account.task() == running


@pytest.mark.parametrize("wish", [{}, {"webhook": RECEIVER, "webhook_events_filter": ["start", "logs"]}])
def test_a_task_without_a_webhook_has_nobody_to_tell(
    account: Account, wire: Wire, time: Clock, wish: dict[str, Any]
) -> None:
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": "no"}))
    submit(order(**wish))
    conclude(account.task())
    before = account.task()
    answer = ask(before.task_id, "redeliver")
    assert problem(answer) == (409, "no_webhook")
    assert "without a webhook, or with a webhook_events_filter" in document(answer)["detail"]
    assert account.task() == before
    shown = document(ask(before.task_id))
    assert (shown["webhook"], shown["status"], shown["attempts"]) == (None, "none", [])


def test_the_record_does_not_grow_for_ever(account: Account, wire: Wire, told: Task) -> None:
    record = {"at": told.created, "ms": 15_000, "error": "x" * 150}
    for number, code in ((redelivery.CAP - 1, 202), (redelivery.CAP, 409)):
        aws.dynamodb().update_item(
            TableName=settings.tasks_table(),
            Key={"task_id": {"S": told.task_id}},
            UpdateExpression="SET deliveries = :many",
            ExpressionAttributeValues=items.serialized({":many": [record] * number}),
        )
        answer = ask(told.task_id, "redeliver")
        assert answer["statusCode"] == code
    assert problem(answer) == (409, "told_too_often")
    assert len(json.dumps(item())) < 40_000


def redelivered(task_id: str) -> int:
    """How often it can be told again before any of these attempts is on record."""
    times = 0
    while (answer := ask(task_id, "redeliver"))["statusCode"] == 202:
        times += 1
        assert times < redelivery.CAP
    assert problem(answer) == (409, "told_too_often")
    return times


def test_the_record_does_not_grow_beyond_that_if_its_receiver_is_slow(account: Account, told: Task) -> None:
    assert redelivered(told.task_id) == redelivery.CAP - 1
    assert len(account.executions("delivery")) == redelivery.CAP - 1


def test_an_attempt_that_may_be_under_way_and_one_on_record_count_alike(
    account: Account, wire: Wire, given_up: Task
) -> None:
    ask(given_up.task_id, "redeliver")
    assert len(given_up.deliveries) == 8
    call("deliver", step(account.task()))
    call("deliver", step(account.task()))
    assert redelivered(given_up.task_id) == redelivery.CAP - 10


#: What receivers say to the first, the second, the third attempt of those that run at once; the last is over first.
ANSWERS = [(503, 200), (200, 503), (200, 200), (410, 500), (500, 503, 500, 503), (200, 200, 503, 200, 500)]


@pytest.mark.parametrize("answers", ANSWERS, ids=str)
def test_every_attempt_of_a_slow_receiver_is_on_record(
    account: Account, wire: Wire, time: Clock, untold: Task, answers: tuple[int, ...]
) -> None:
    came = iter(answers)

    def slow(_: httpx.Request) -> httpx.Response:
        answer = httpx.Response(next(came))
        time.forward(3)
        if len(wire.sent("POST", RECEIVER)) <= len(answers):
            ask(untold.task_id, "redeliver")
            with ThreadPoolExecutor() as meanwhile:
                meanwhile.submit(call, "deliver", step(account.task())).result()
        return answer

    wire.on("POST", RECEIVER, slow)
    call("deliver", step(untold))
    shown = document(ask(untold.task_id))
    assert len(wire.sent("POST", RECEIVER)) == len(shown["attempts"]) == 1 + len(answers)
    assert [each["status"] for each in shown["attempts"]] == [500, *reversed(answers)]
    assert shown["status"] == ("delivered" if 200 in answers else "pending")
    assert {"at", "status", "ms"} == set().union(*shown["attempts"])


def test_a_round_of_the_schedule_is_not_shortened_by_what_comes_late(
    account: Account, wire: Wire, time: Clock, untold: Task
) -> None:
    task = account.task()
    ask(untold.task_id, "redeliver")
    for number in range(5):
        store.overtaken(task, {"at": time.now, "status": 503, "ms": 15_000, "round": 0}, str(number))
    for pause in (5, 300, 1800, 7200, 18_000, 36_000, 36_000):
        assert call("deliver", step(account.task()))["wait"] == pause
    assert call("deliver", step(account.task()))["next"] == "done"
    assert account.task().delivery is Delivery.GIVEN_UP


def test_the_first_attempt_is_left_to_who_makes_it(account: Account, wire: Wire, time: Clock) -> None:
    """It is made by the driver, after the end was announced: a newer generation would have the driver leave before."""
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": "no"}))
    submit(order(webhook=RECEIVER))
    ended = account.task()
    answer = ask(ended.task_id, "redeliver")
    assert (answer["statusCode"], document(answer)["status"]) == (202, "pending")
    assert account.task() == ended
    assert account.executions("delivery") == {}


def test_of_redeliveries_at_once_one_is_begun_and_no_generation_comes_back(
    account: Account, told: Task, time: Clock
) -> None:
    redelivery.begin(redelivery.begin(told))
    begun = account.task()
    assert begun.generation == 3
    time.forward(1)
    assert redelivery.begin(told) == begun == account.task()
    assert set(account.executions("delivery")) == {f"{told.task_id}-2", f"{told.task_id}-3"}


@pytest.mark.parametrize("what", ["deliveries", "redeliver"])
def test_an_unknown_task_and_a_strangers_task_look_alike(account: Account, told: Task, what: str) -> None:
    unknown, strange = ask(NOBODY, what), ask(told.task_id, what, tenant="other")
    assert problem(unknown) == problem(strange) == (404, "not_found")
    assert unknown["body"] == strange["body"]
    assert problem(ask(told.task_id, what, tenant=None)) == (500, "misconfigured")
    assert account.task() == told


def test_what_the_version_before_has_kept_and_settled_is_told_again(account: Account, wire: Wire, time: Clock) -> None:
    kept = json.loads((ROOT / "tests" / "kept" / "0.1" / "items" / "canceled_settled.json").read_text())
    aws.dynamodb().put_item(TableName=settings.tasks_table(), Item=kept)
    assert ("due" in kept, "expires" in kept) == (False, True)
    task = account.task()
    wire.on("POST", str(task.webhook), httpx.Response(204))
    answer = ask(task.task_id, "redeliver", tenant=task.tenant)
    assert (answer["statusCode"], document(answer)["status"]) == (202, "pending")
    assert call("deliver", step(account.task()))["next"] == "done"
    (sent,) = wire.sent("POST")
    assert json.loads(sent.content)["id"] == task.task_id
    assert account.task().delivery is Delivery.DELIVERED
    assert "expires" in item()


@pytest.fixture
def untold(account: Account, wire: Wire, time: Clock) -> Task:
    """A task whose receiver was tried once, in vain."""
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": "no"}))
    wire.on("POST", RECEIVER, httpx.Response(500))
    submit(order(webhook=RECEIVER))
    conclude(account.task())
    return account.task()


@pytest.mark.parametrize("status", [410, 500, 503])
@pytest.mark.parametrize("tried", [2, 7])
def test_an_attempt_that_a_redelivery_overtakes_is_on_record_and_changes_nothing_else(
    account: Account, wire: Wire, time: Clock, untold: Task, status: int, tried: int
) -> None:
    while len(account.task().deliveries) < tried:
        call("deliver", step(untold))

    def late(_: httpx.Request) -> httpx.Response:
        ask(untold.task_id, "redeliver")
        time.forward(9)
        return httpx.Response(status, headers={"retry-after": "7200"})

    wire.on("POST", RECEIVER, late)
    began = time.now
    assert call("deliver", step(untold))["next"] == "done"
    task = account.task()
    assert (task.delivery, task.generation, task.due) == (Delivery.PENDING, 2, began + GRACE_MS)
    assert (len(task.deliveries), task.deliveries[-1]["status"]) == (tried + 1, status)
    assert (task.round, task.rounds) == (1, (0,) * (tried + 1))


def test_a_receiver_that_took_the_news_while_another_attempt_was_written_down_has_been_told(
    account: Account, wire: Wire, time: Clock, untold: Task
) -> None:
    def late(_: httpx.Request) -> httpx.Response:
        store.undelivered(untold, {"at": time.now, "status": 500, "ms": 1}, time.now, "another")
        return httpx.Response(204)

    wire.on("POST", RECEIVER, late)
    assert call("deliver", step(untold))["next"] == "done"
    task = account.task()
    assert (task.delivery, [each["status"] for each in task.deliveries]) == (Delivery.DELIVERED, [500, 500, 204])

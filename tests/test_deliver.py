"""Telling a receiver again: functions/deliver.py, and the schedule of darkroom/delivery.py."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from standardwebhooks import Webhook

from darkroom import aws, clock, keys, settings
from darkroom.driver import GRACE_MS
from darkroom.errors import ForbiddenAddress
from darkroom.task import Delivery, Task
from tests.conftest import (
    CREATE,
    RECEIVER,
    WEBHOOK_SECRET,
    Account,
    Clock,
    Event,
    Wire,
    call,
    conclude,
    event,
    order,
    step,
    submit,
)
from tests.test_collate import FLAT, FOLDER, collate, lay

#: The longest pause of the schedule, s.
TEN_HOURS = 36_000


@pytest.fixture(autouse=True)
def no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "chance", lambda: 0.0)


@pytest.fixture
def untold(account: Account, wire: Wire, time: Clock) -> Task:
    """A task that has ended and was announced; the first attempt to tell its receiver has failed."""
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": "no"}))
    wire.on("POST", RECEIVER, httpx.Response(500))
    submit(order(webhook=RECEIVER))
    assert conclude(account.task())["wait"] == 5
    return account.task()


def deliver(task: Task, **changes: Any) -> Event:
    answer: Event = call("deliver", step(task, **changes))
    return answer


def test_a_deaf_receiver_is_told_eight_times_in_a_day_and_then_given_up(
    account: Account, wire: Wire, time: Clock, untold: Task
) -> None:
    time.forward(5)
    waits = []
    while (answer := deliver(untold))["next"] == "wait":
        waits.append(answer["wait"])
        task = account.task()
        assert (task.delivery, task.due) == (Delivery.PENDING, time.now + waits[-1] * 1000 + GRACE_MS)
        time.forward(waits[-1])
    assert waits == [300, 1800, 7200, 18_000, 36_000, 36_000]
    assert answer["next"] == "done"
    task = account.task()
    assert (task.delivery, task.due) == (Delivery.GIVEN_UP, None)
    assert [attempt["status"] for attempt in task.deliveries] == [500] * 8
    assert task.deliveries[-1]["at"] == time.now
    assert deliver(untold)["next"] == "done"
    assert len(wire.sent("POST", RECEIVER)) == 8


def test_every_attempt_says_the_same_under_the_same_id_signed_anew(
    account: Account, wire: Wire, time: Clock, untold: Task
) -> None:
    for seconds in (5, 300, 1800):
        time.forward(seconds)
        deliver(untold)
    attempts = wire.sent("POST", RECEIVER)
    assert len({attempt.content for attempt in attempts}) == 1
    assert {attempt.headers["webhook-id"] for attempt in attempts} == {f"msg_{untold.task_id}"}
    moments = [int(attempt.headers["webhook-timestamp"]) for attempt in attempts]
    assert [moment - untold.created // 1000 for moment in moments] == [0, 5, 305, 2105]
    for attempt, moment in zip(attempts, moments, strict=True):
        signature = Webhook(WEBHOOK_SECRET).sign(
            attempt.headers["webhook-id"], datetime.fromtimestamp(moment, UTC), attempt.content.decode()
        )
        assert attempt.headers["webhook-signature"] == signature


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_receiver_that_has_taken_the_news_is_left_in_peace(
    account: Account, wire: Wire, time: Clock, untold: Task, status: int
) -> None:
    wire.on("POST", RECEIVER, httpx.Response(status))
    assert deliver(untold)["next"] == "done"
    assert account.task().delivery is Delivery.DELIVERED
    (item,) = aws.dynamodb().scan(TableName=settings.tasks_table())["Items"]
    assert item["expires"]["N"] == str(time.now // 1000 + 90 * 86_400)
    assert {"due", "due_shard"}.isdisjoint(item)
    assert deliver(untold)["next"] == "done"
    assert len(wire.sent("POST", RECEIVER)) == 2


@pytest.mark.parametrize("answer", [httpx.Response(410), ForbiddenAddress], ids=["410", "a private address"])
def test_a_receiver_that_is_gone_is_given_up_at_once(account: Account, wire: Wire, untold: Task, answer: Any) -> None:
    wire.on("POST", RECEIVER, answer)
    assert deliver(untold)["next"] == "done"
    assert (account.task().delivery, account.task().due) == (Delivery.GIVEN_UP, None)
    assert len(account.task().deliveries) == 2


@pytest.mark.parametrize("status", [301, 307, 404, 502])
def test_any_other_answer_is_a_failure_and_no_redirect_is_followed(
    account: Account, wire: Wire, untold: Task, status: int
) -> None:
    wire.on("POST", RECEIVER, httpx.Response(status, headers={"location": "https://elsewhere.example/"}))
    answer = deliver(untold)
    assert (answer["next"], answer["wait"], answer["turn"]) == ("wait", 300, 1)
    assert account.task().deliveries[-1]["status"] == status
    assert len(wire.requests) == 3


@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.ConnectError, httpx.RemoteProtocolError])
def test_a_receiver_that_hangs_up_is_on_record(
    account: Account, wire: Wire, time: Clock, untold: Task, error: type[Exception]
) -> None:
    def late(request: httpx.Request) -> httpx.Response:
        time.forward(14)
        raise error("scripted")

    wire.on("POST", RECEIVER, late)
    began = time.now
    assert deliver(untold)["wait"] == 300
    record = account.task().deliveries[-1]
    assert (record["at"], record["ms"]) == (began, 14_000)
    assert record["error"].startswith("The receiver ")
    assert "scripted" not in record["error"]
    assert "status" not in record


def test_a_delivery_that_another_has_replaced_leaves(account: Account, wire: Wire, untold: Task) -> None:
    assert deliver(untold, generation=0)["next"] == "leave"
    assert len(wire.sent("POST", RECEIVER)) == 1
    assert account.task() == untold


def test_a_receiver_that_says_much_has_taken_the_news_all_the_same(account: Account, wire: Wire, untold: Task) -> None:
    wire.on("POST", RECEIVER, httpx.Response(200, html="<html>" + "x" * 70_000))
    assert deliver(untold)["next"] == "done"
    assert account.task().delivery is Delivery.DELIVERED


def test_a_tenant_without_a_secret_is_on_record_and_tried_again(account: Account, wire: Wire, untold: Task) -> None:
    account.delete("tenants/default/webhook-secret")
    assert deliver(untold)["next"] == "wait"
    assert account.task().deliveries[-1]["error"].startswith("This installation could not sign")


def logged(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.text + str([vars(each) for each in caplog.records])


@pytest.mark.parametrize("secret", ["hunter2", "whsec_", "whsec_hunter2!", "whsec_YQ whsec_Yg", "whsec_YQ hunter2 5 6"])
def test_a_secret_that_cannot_sign_is_on_record_as_the_operators_side(
    account: Account, wire: Wire, untold: Task, caplog: pytest.LogCaptureFixture, secret: str
) -> None:
    account.put("tenants/default/webhook-secret", secret)
    assert deliver(untold)["next"] == "wait"
    told = account.task().deliveries[-1]["error"]
    assert told == "This installation could not sign the webhook; its operator has to mend that."
    log = logged(caplog)
    assert "holds no webhook secret" in log
    assert not any(word in log for word in secret.split() if word != "whsec_" and not word.isdecimal())
    assert len(wire.sent("POST", RECEIVER)) == 1
    account.put("tenants/default/webhook-secret", WEBHOOK_SECRET)
    wire.on("POST", RECEIVER, httpx.Response(204))
    assert deliver(untold)["next"] == "done"


def refused(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "of hunter2"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetParameter")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refused("InvalidKeyId", 400), "; its operator has to mend that."),
        (refused("AccessDeniedException", 400), "; its operator has to mend that."),
        (refused("ThrottlingException", 400), " now: a part of AWS does not answer."),
        (refused("InternalServerError", 500), " now: a part of AWS does not answer."),
        (EndpointConnectionError(endpoint_url="https://ssm.example"), " now: a part of AWS does not answer."),
        (RuntimeError("of hunter2"), "; its operator has to mend that."),
    ],
    ids=str,
)
def test_a_first_attempt_that_cannot_be_signed_is_on_record_so_that_the_end_is_not_announced_again(
    account: Account,
    wire: Wire,
    time: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    words: str,
) -> None:
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": "no"}))
    submit(order(webhook=RECEIVER))
    task = account.task()
    call("finalize", step(task))

    def refuse(**_: Any) -> None:
        raise error

    with monkeypatch.context() as away:
        away.setattr(aws.ssm(), "get_parameter", refuse)
        keys.forget()
        assert deliver(task)["wait"] == 5
    assert account.task().deliveries[-1]["error"] == f"This installation could not sign the webhook{words}"
    assert "hunter2" not in logged(caplog)
    time.forward(5 + GRACE_MS / 1000 + 1)
    assert call("sweep", event("sweep"))["rescued"] == 1
    assert set(account.executions("delivery")) == {f"{task.task_id}-2"}
    wire.on("POST", RECEIVER, httpx.Response(204))
    assert deliver(account.task())["next"] == "done"


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 300), (0.5, 315), (0.9999, 329)])
def test_a_pause_is_up_to_a_tenth_longer_by_chance_and_never_shorter(
    account: Account, untold: Task, time: Clock, monkeypatch: pytest.MonkeyPatch, chance: float, wait: int
) -> None:
    monkeypatch.setattr(clock, "chance", lambda: chance)
    assert deliver(untold)["wait"] == wait
    assert account.task().due == time.now + wait * 1000 + GRACE_MS


def test_chance_is_a_number_from_0_up_to_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    seen = [clock.chance() for _ in range(1000)]
    assert 0 <= min(seen) < 0.1
    assert 0.9 < max(seen) < 1
    for digits, chance in (("0" * 32, 0.0), ("8" + "0" * 31, 0.5), ("f" * 32, 1 - 2**-52)):
        monkeypatch.setattr(clock, "nonce", lambda digits=digits: digits)
        assert clock.chance() == chance


def after(time: Clock, seconds: int) -> str:
    """A moment as HTTP writes it."""
    return format_datetime(datetime.fromtimestamp(time.now / 1000 + seconds, UTC), usegmt=True)


@pytest.mark.parametrize("status", [429, 503, 500, 302])
@pytest.mark.parametrize("dated", [False, True], ids=["seconds", "date"])
@pytest.mark.parametrize(
    ("wish", "wait"),
    [(1, 300), (299, 300), (301, 301), (7200, 7200), (TEN_HOURS, TEN_HOURS), (86_400, TEN_HOURS)],
)
def test_a_receiver_is_never_tried_earlier_than_it_asks_for(
    account: Account, wire: Wire, time: Clock, untold: Task, status: int, dated: bool, wish: int, wait: int
) -> None:
    asked = after(time, wish) if dated else str(wish)
    wire.on("POST", RECEIVER, httpx.Response(status, headers={"retry-after": asked}))
    assert deliver(untold)["wait"] == wait
    assert account.task().due == time.now + wait * 1000 + GRACE_MS


def test_receivers_that_ask_for_the_same_pause_are_not_all_tried_at_its_end(
    account: Account, wire: Wire, untold: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "chance", lambda: 0.5)
    wire.on("POST", RECEIVER, httpx.Response(429, headers={"retry-after": "1000"}))
    assert deliver(untold)["wait"] == 1050


@pytest.mark.parametrize("asked", ["soon", "-5", "", "Thu, 99 Foo", "nan", "1e3"])
def test_a_wish_that_is_none_changes_nothing(account: Account, wire: Wire, untold: Task, asked: str) -> None:
    wire.on("POST", RECEIVER, httpx.Response(503, headers={"retry-after": asked}))
    assert deliver(untold)["wait"] == 300


def test_the_last_attempt_is_the_last_whatever_the_receiver_asks_for(
    account: Account, wire: Wire, time: Clock, untold: Task
) -> None:
    wire.on("POST", RECEIVER, httpx.Response(503, headers={"retry-after": "60"}))
    while (answer := deliver(untold))["next"] == "wait":
        time.forward(answer["wait"])
    assert (account.task().delivery, len(account.task().deliveries)) == (Delivery.GIVEN_UP, 8)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(503, text="i-0abc of 10.0.0.7 is draining", headers={"server": "inside"}), None),
        (httpx.ReadTimeout, "The receiver did not answer within 15 seconds."),
        (httpx.RemoteProtocolError, "The receiver broke off, or does not speak HTTP."),
        (httpx.ConnectError, "The receiver could not be reached: ConnectError on the way to shop.example.com."),
    ],
    ids=["a page", "late", "no HTTP", "nobody"],
)
def test_the_record_says_whose_fault_it_was_and_nothing_that_the_receiver_said(
    account: Account, wire: Wire, untold: Task, answer: Any, words: str | None
) -> None:
    wire.on("POST", RECEIVER, answer)
    deliver(untold)
    record = account.task().deliveries[-1]
    assert record.get("error") == words
    assert set(record) == {"at", "ms", "round", "error" if words else "status"}


@pytest.fixture
def over(account: Account, wire: Wire, time: Clock) -> Event:
    """What travels of a batch that is over and was announced."""
    batch = lay(account, good={1: FLAT}, bad={2: {"row": "né"}}, created=time.now, tenant="default")
    document = collate(batch)
    del document["news"]
    wire.on("POST", RECEIVER, httpx.Response(500))
    return document


def tell(document: Event) -> Event:
    answer: Event = call("deliver", document)
    return answer


def test_the_end_of_a_batch_is_told_as_its_manifest_stands_in_the_bucket(
    account: Account, wire: Wire, time: Clock, over: Event, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.on("POST", RECEIVER, httpx.Response(204))
    assert tell(over) == {**over, "turn": 1, "next": "done"}
    assert "WebhookGivenUp" not in capsys.readouterr().out
    (request,) = wire.sent("POST", RECEIVER)
    manifest = account.files()[f"{FOLDER}manifest.json"]
    told = json.loads(request.content)
    assert told == {
        "type": "batch.completed",
        "timestamp": json.loads(manifest)["completed_at"],
        "data": json.loads(manifest),
    }
    assert manifest in request.content
    assert request.headers["webhook-id"] == f"msg_{over['batch_id']}"
    signature = Webhook(WEBHOOK_SECRET).sign(
        f"msg_{over['batch_id']}", datetime.fromtimestamp(time.now // 1000, UTC), request.content.decode()
    )
    assert request.headers["webhook-signature"] == signature


def test_a_deaf_receiver_of_a_batch_is_told_eight_times_and_then_given_up(
    account: Account, wire: Wire, time: Clock, over: Event, capsys: pytest.CaptureFixture[str]
) -> None:
    document, waits = over, []
    while (document := tell(document))["next"] == "wait":
        assert "WebhookGivenUp" not in capsys.readouterr().out
        waits.append(document["wait"])
        time.forward(waits[-1])
    assert waits == [5, 300, 1800, 7200, 18_000, 36_000, 36_000]
    assert "WebhookGivenUp" in capsys.readouterr().out
    attempts = wire.sent("POST", RECEIVER)
    assert (len(attempts), len({each.content for each in attempts})) == (8, 1)
    assert len({each.headers["webhook-id"] for each in attempts}) == 1
    assert len({each.headers["webhook-timestamp"] for each in attempts}) == 8


@pytest.mark.parametrize("answer", [httpx.Response(410), ForbiddenAddress], ids=["410", "a private address"])
def test_a_receiver_of_a_batch_that_is_gone_is_given_up_at_once(
    wire: Wire, over: Event, answer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.on("POST", RECEIVER, answer)
    assert tell(over)["next"] == "done"
    assert "WebhookGivenUp" in capsys.readouterr().out


def test_a_receiver_of_a_batch_is_not_tried_earlier_than_it_asks_for(wire: Wire, over: Event) -> None:
    wire.on("POST", RECEIVER, httpx.Response(503, headers={"retry-after": "77"}))
    answer = tell(over)
    assert (answer["next"], answer["wait"], answer["turn"]) == ("wait", 77, 1)


def test_a_batch_that_nobody_wants_to_hear_of_is_done(account: Account, wire: Wire, time: Clock) -> None:
    document = collate(lay(account, good={}, bad={1: {"row": "?"}}, created=time.now, defaults={}))
    assert tell(document)["next"] == "done"
    assert wire.requests == []


def test_a_batch_whose_webhook_cannot_be_signed_now_is_told_later(account: Account, wire: Wire, over: Event) -> None:
    account.delete("tenants/default/webhook-secret")
    assert tell(over)["next"] == "wait"
    assert wire.requests == []
    account.put("tenants/default/webhook-secret", WEBHOOK_SECRET)
    wire.on("POST", RECEIVER, httpx.Response(204))
    assert tell(over)["next"] == "done"


def test_what_became_of_an_attempt_is_logged_and_the_manifest_keeps_its_bytes(
    account: Account, over: Event, caplog: pytest.LogCaptureFixture
) -> None:
    before = account.files()
    tell(over)
    assert account.files() == before
    (record,) = [vars(each) for each in caplog.records if each.message == "webhook attempted"]
    assert (record["batch_id"], record["status"]) == (over["batch_id"], 500)

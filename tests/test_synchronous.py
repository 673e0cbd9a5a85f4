"""Gateways whose reply to the paid POST is the picture: posted by the driver, staged whole, never posted again."""

import base64
import json
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from darkroom import aws, store
from darkroom.driver import GRACE_MS
from darkroom.task import Status
from tests.conftest import Account, Clock, Wire, call, document, event, step
from tests.imagen import DRAWN, GONE, PICTURE, TOKAIFY, TOKAIFY_OPENAI, ask, outcomes, poll


@pytest.fixture
def synchronous(account: Account) -> None:
    """Only a gateway that draws while one waits has a key."""
    account.delete("gateways/vectornode")
    account.put("gateways/tokaify", "tokaify-key")


@pytest.mark.usefixtures("synchronous")
def test_a_caller_does_not_wait_for_a_gateway_that_draws_while_one_waits(
    account: Account, wire: Wire, time: Clock
) -> None:
    answer = ask()
    assert (answer["statusCode"], document(answer)["status"], wire.requests) == (201, "starting", [])
    (driver,) = account.executions().values()
    assert driver["wait"] == 0
    wire.on("POST", TOKAIFY, DRAWN)
    assert poll(account.task()) == ("finalize", 0)
    task = account.task()
    assert (task.status, outcomes(task)) == (Status.COLLECTING, [("tokaify", "accepted")])


@pytest.mark.usefixtures("synchronous")
def test_inline_pictures_go_to_the_bucket_and_never_into_the_table(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", TOKAIFY, DRAWN)
    ask()
    poll(account.task())
    task = account.task()
    item = aws.dynamodb().get_item(TableName=f"{account.stack}-TasksTable", Key={"task_id": {"S": task.task_id}})
    assert len(json.dumps(item["Item"])) < 4000
    assert task.ticket == f"staging/{task.task_id}/{task.nonce}/reply.json"
    (output,) = task.outputs
    assert account.files() == {task.ticket: DRAWN.content, output: PICTURE}


@pytest.mark.usefixtures("synchronous")
def test_a_reply_is_staged_before_its_ticket_is_kept(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        seen.append(list(account.files().values()))
        raise ZeroDivisionError

    seen: list[list[bytes]] = []
    wire.on("POST", TOKAIFY, DRAWN)
    ask()
    with monkeypatch.context() as patch:
        patch.setattr(store, "keep_ticket", crash)
        with pytest.raises(ZeroDivisionError):
            poll(account.task())
    assert seen == [[DRAWN.content]]
    assert account.task().status is Status.SUBMITTING
    assert poll(account.task(), 1)[0] == "wait"  # the lease is not over: its holder may be at it still
    time.forward(240)
    assert poll(account.task(), 2) == ("finalize", 0)
    task = account.task()
    assert (task.status, task.failure, outcomes(task)) == (Status.COLLECTING, None, [("tokaify", "accepted")])
    assert len(wire.requests) == 1


@pytest.mark.usefixtures("synchronous")
def test_a_lost_reply_of_a_synchronous_gateway_is_never_posted_again(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", TOKAIFY, httpx.ReadTimeout)
    ask()
    for turn in range(9):
        poll(account.task(), turn)
        time.forward(60)
    failure = account.task().failure
    assert failure is not None
    assert failure.code == "submission_unknown"
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<!doctype html><title>gateway</title>"),
        httpx.Response(200, json={"code": "who knows", "message": "what"}),
        httpx.Response(200, content=b'{"predictions": [{"bytesBase64Encoded": "iVBOR'),
    ],
)
@pytest.mark.usefixtures("synchronous")
def test_a_reply_that_cannot_be_read_is_kept_and_never_posted_again(
    account: Account, wire: Wire, time: Clock, answer: httpx.Response
) -> None:
    wire.on("POST", TOKAIFY, answer)
    ask()
    assert poll(account.task()) == ("finalize", 0)
    task = account.task()
    assert task.failure is not None
    assert (task.failure.code, task.failure.may_be_billed) == ("submission_unknown", True)
    assert not task.failure.retryable
    assert account.files() == {task.ticket: answer.content}
    assert str(task.ticket) in task.failure.message
    assert len(wire.requests) == 1


@pytest.mark.usefixtures("synchronous")
def test_pictures_that_cannot_be_decoded_are_lost_and_their_reply_is_kept(
    account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", TOKAIFY, httpx.Response(200, json={"predictions": [{"bytesBase64Encoded": "!"}] * 90}))
    ask()
    assert poll(account.task()) == ("finalize", 0)
    task = account.task()
    assert task.failure is not None
    assert (task.failure.code, task.failure.may_be_billed) == ("output_lost", True)
    assert list(account.files()) == [task.ticket]


@pytest.mark.usefixtures("synchronous")
def test_what_cannot_be_decoded_is_told_of_a_few_times_only(account: Account, wire: Wire, time: Clock) -> None:
    broken = [{"bytesBase64Encoded": "!"}] * 500
    wire.on("POST", TOKAIFY, httpx.Response(200, json={"predictions": [*broken, *DRAWN.json()["predictions"]]}))
    ask()
    assert poll(account.task()) == ("finalize", 0)
    assert (len(account.task().outputs), len(account.task().missing)) == (1, 20)


@pytest.mark.usefixtures("synchronous")
def test_an_outcome_that_is_known_to_be_unknown_is_told_at_once(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", TOKAIFY, httpx.Response(500))
    ask()
    assert poll(account.task()) == ("finalize", 0)
    failure = account.task().failure
    assert failure is not None
    assert (failure.code, outcomes(account.task())) == ("submission_unknown", [("tokaify", "unknown")])


@pytest.mark.usefixtures("synchronous")
def test_a_reply_that_cannot_be_staged_is_not_posted_again(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, "PutObject")

    wire.on("POST", TOKAIFY, DRAWN)
    ask()
    monkeypatch.setattr(aws.s3(), "put_object", down)
    assert poll(account.task()) == ("finalize", 0)
    task = account.task()
    assert task.failure is not None
    assert (task.failure.code, len(wire.requests)) == ("submission_unknown", 1)
    assert "could not be staged" in task.attempts[0]["detail"]


@pytest.mark.usefixtures("synchronous")
def test_a_bucket_that_refuses_for_a_while_loses_no_staged_picture(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "GetObject")

    wire.on("POST", TOKAIFY, DRAWN)
    ask()
    with monkeypatch.context() as patch:
        patch.setattr(aws.s3(), "get_object", denied)
        with pytest.raises(ClientError):
            poll(account.task())
    assert poll(account.task(), 1) == ("finalize", 0)
    assert len(account.task().outputs) == 1


@pytest.mark.usefixtures("synchronous")
def test_one_broken_picture_does_not_hold_back_the_others(account: Account, wire: Wire, time: Clock) -> None:
    broken = {"bytesBase64Encoded": base64.b64encode(PICTURE[:60]).decode()}
    wire.on("POST", TOKAIFY, httpx.Response(200, json={"predictions": [*DRAWN.json()["predictions"], broken]}))
    ask(num_images=2)
    poll(account.task())
    call("finalize", step(account.task()))
    task = account.task()
    assert (task.status, len(task.images), len(task.missing)) == (Status.SUCCEEDED, 1, 1)


@pytest.mark.usefixtures("synchronous")
def test_pictures_that_were_held_back_are_told_of_and_the_others_kept(
    account: Account, wire: Wire, time: Clock
) -> None:
    reason = {"raiFilteredReason": "Two were held back. Support codes: 39322892"}
    wire.on("POST", TOKAIFY, httpx.Response(200, json={"predictions": [*DRAWN.json()["predictions"] * 2, reason]}))
    ask(num_images=4)
    poll(account.task())
    call("finalize", step(account.task()))
    shown = document(call("tasks", event("tasks", rawPath=f"/v1/predictions/{account.task().task_id}")))
    assert (shown["status"], len(shown["output"]), shown["missing"]) == ("succeeded", 2, [reason["raiFilteredReason"]])


@pytest.mark.usefixtures("synchronous")
def test_if_all_were_held_back_the_task_fails_as_filtered(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", TOKAIFY, httpx.Response(200, json={"predictions": [{"raiFilteredReason": "All were."}]}))
    ask()
    assert poll(account.task()) == ("finalize", 0)
    failure = account.task().failure
    assert failure is not None
    assert (failure.code, failure.message) == ("filtered", "All were.")


@pytest.mark.usefixtures("synchronous")
def test_no_picture_is_begun_that_there_is_no_time_to_wait_for(account: Account, wire: Wire, time: Clock) -> None:
    ask()
    assert poll(account.task(), remaining=60_000)[0] == "wait"
    assert wire.requests == []


@pytest.mark.usefixtures("synchronous")
def test_nobody_takes_a_driver_for_lost_that_waits_for_a_picture(account: Account, wire: Wire, time: Clock) -> None:
    def while_it_draws(request: httpx.Request) -> httpx.Response:
        task = account.task()
        assert task.due is not None
        assert task.lease is not None
        assert task.due >= task.lease + GRACE_MS
        return DRAWN

    wire.on("POST", TOKAIFY, while_it_draws)
    ask()
    assert poll(account.task()) == ("finalize", 0)


@pytest.mark.usefixtures("synchronous")
def test_a_retired_model_goes_on_to_the_other_protocol_of_the_same_gateway(
    account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", TOKAIFY, GONE)
    wire.on(
        "POST", TOKAIFY_OPENAI, httpx.Response(200, json={"data": [{"b64_json": base64.b64encode(PICTURE).decode()}]})
    )
    ask()
    assert poll(account.task()) == ("finalize", 0)
    assert outcomes(account.task()) == [("tokaify", "unavailable"), ("tokaify", "accepted")]
    assert json.loads(wire.requests[1].content) == {
        "model": "imagen-4.0-generate-001", "prompt": "a cormorant", "n": 1,
    }  # fmt: skip


@pytest.mark.usefixtures("synchronous")
def test_what_a_gateway_says_is_missing_does_not_outgrow_the_task(account: Account, wire: Wire, time: Clock) -> None:
    reasons = [{"raiFilteredReason": "x" * 5000}] * 100
    wire.on("POST", TOKAIFY, httpx.Response(200, json={"predictions": [*DRAWN.json()["predictions"], *reasons]}))
    ask()
    poll(account.task())
    assert 0 < sum(map(len, account.task().missing)) <= 10_000

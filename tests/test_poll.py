"""A driver's visit: functions/poll.py, and what darkroom/inquiry.py decides there."""

import base64
from typing import Any

import httpx
import pytest

from darkroom import aws, store
from darkroom.answer import Finished
from darkroom.driver import GRACE_MS, LAST_TURN
from darkroom.errors import Failure
from darkroom.task import Status, Task
from tests.conftest import (
    CREATE,
    GATEWAY,
    MODEL,
    OUTPUT,
    QUESTION,
    Account,
    Answer,
    Clock,
    Event,
    Wire,
    call,
    picture,
    prediction,
    step,
    submit,
)

CANCEL = f"{QUESTION}/cancel"
ROUTE = f"vectornode/replicate/{MODEL}"
HALF_AN_HOUR = 30 * 60


def poll(task: Task, turn: int = 0, **changes: Any) -> Event:
    answer: Event = call("poll", step(task, turn, **changes))
    return answer


def found(answer: Event) -> tuple[str, int]:
    return answer["next"], answer["wait"]


def failure(account: Account) -> Failure:
    task = account.task()
    assert task.status is Status.COLLECTING
    assert task.failure is not None
    return task.failure


@pytest.fixture
def accepted(account: Account, wire: Wire, time: Clock) -> Task:
    """A task whose gateway was not there."""
    wire.on("POST", CREATE, httpx.ConnectError)
    submit()
    return account.task()


@pytest.fixture
def submitting(account: Account, wire: Wire, time: Clock) -> Task:
    """A task that was posted, and no reply came."""
    wire.on("POST", CREATE, httpx.ReadTimeout)
    submit()
    return account.task()


def test_a_gateway_at_work_is_asked_again_later(account: Account, wire: Wire, time: Clock, running: Task) -> None:
    wire.on("GET", QUESTION, prediction("processing"))
    time.forward(4)
    answer = poll(running)
    assert answer == {**step(running, 1), "wait": answer["wait"], "at": answer["at"], "asked": time.now, "next": "wait"}
    assert answer["wait"] == (answer["at"] - time.now) // 1000
    assert account.task() == running
    (question,) = wire.sent("GET")
    assert question.headers["authorization"] == "Bearer vectornode-key"


def test_a_status_that_is_not_known_means_running(account: Account, wire: Wire, running: Task) -> None:
    words: list[Any] = ["queued", "", None, 7, ["succeeded"], {"failed": True}]
    wire.on("GET", QUESTION, *(prediction(word, output=OUTPUT, error="?") for word in words))
    assert {poll(running, turn)["next"] for turn in range(len(words))} == {"wait"}
    assert account.task() == running


def test_a_question_without_an_answer_is_only_asked_again(account: Account, wire: Wire, running: Task) -> None:
    answers: list[Any] = [
        *(httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, ZeroDivisionError),
        *(httpx.Response(status, json={"status": "failed"}) for status in (401, 404, 408, 429, 500, 503)),
        *(httpx.Response(status, html="<!doctype html><title>gateway</title>") for status in (200, 502)),
        *(httpx.Response(200, content=content) for content in (b"", b'["failed"]', b"\xff\xfe", b'{"status": "fail')),
    ]
    for turn, answer in enumerate(answers):
        wire.on("GET", QUESTION, answer)
        assert poll(running, turn)["next"] == "wait"
    assert account.task() == running
    assert len(wire.sent("GET")) == len(answers)


def test_addresses_in_a_reply_are_not_followed(account: Account, wire: Wire, running: Task) -> None:
    elsewhere = {name: f"https://api.replicate.com/v1/{name}" for name in ("get", "cancel", "stream")}
    redirect = httpx.Response(307, headers={"location": elsewhere["get"]})
    wire.on("GET", QUESTION, prediction("processing", urls=elsewhere), redirect)
    wire.on("POST", CANCEL, prediction("processing", urls=elsewhere))
    store.ask_to_cancel(running)
    for turn in range(4):
        assert poll(running, turn)["next"] == "wait"
    assert len(wire.requests) == 1 + 4 + 4
    assert all(str(request.url).startswith(f"{GATEWAY}/") for request in wire.requests)


def test_outputs_are_noted_and_left_for_finalize(account: Account, wire: Wire, running: Task) -> None:
    wire.on("GET", QUESTION, prediction("succeeded", output=[OUTPUT, f"{OUTPUT}?2"]))
    assert found(poll(running)) == ("finalize", 0)
    task = account.task()
    assert (task.status, task.failure) == (Status.COLLECTING, None)
    assert (task.outputs, task.several) == ((OUTPUT, f"{OUTPUT}?2"), True)
    assert wire.sent("GET", OUTPUT) == []


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (prediction("failed", error="NSFW content"), "gateway_failed", "NSFW content"),
        (prediction("failed", error={"message": "out of paint"}), "gateway_failed", "out of paint"),
        (prediction("failed", error=None), "gateway_failed", "gives no reason"),
        (prediction("canceled"), "canceled", "was canceled"),
        (prediction("aborted", error="deadline"), "canceled", "deadline"),
        (prediction("succeeded", output=OUTPUT, data_removed=True), "output_lost", "already deleted"),
    ],
)
def test_a_failure_is_noted_in_the_gateways_own_words(
    account: Account, wire: Wire, running: Task, reply: httpx.Response, code: str, words: str
) -> None:
    wire.on("GET", QUESTION, reply)
    assert found(poll(running)) == ("finalize", 0)
    assert failure(account).code == code
    assert words in failure(account).message


def test_what_another_driver_has_heard_meanwhile_stands(
    account: Account, wire: Wire, running: Task, time: Clock
) -> None:
    def outrun(request: httpx.Request) -> httpx.Response:
        assert store.hear(running, Finished((OUTPUT,), several=False), due=time.now)
        return prediction("failed", error="too late")

    wire.on("GET", QUESTION, outrun)
    assert found(poll(running)) == ("wait", 1)
    assert account.task().failure is None
    assert found(poll(running)) == ("finalize", 0)


def test_what_could_not_be_sent_is_posted_by_the_driver(
    account: Account, wire: Wire, time: Clock, accepted: Task
) -> None:
    wire.on("POST", CREATE, prediction())
    time.forward(2)
    next_state, wait = found(poll(accepted))
    assert next_state == "wait"
    assert 1 <= wait <= 4
    task = account.task()
    assert (task.status, task.ticket) == (Status.RUNNING, "gm72dcl0hqzg9dyozwvntt2wj0")
    assert [attempt["outcome"] for attempt in task.attempts] == ["not_sent", "accepted"]


def test_what_the_driver_posts_may_be_rejected(account: Account, wire: Wire, time: Clock, accepted: Task) -> None:
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": "no such ratio"}))
    time.forward(2)
    assert found(poll(accepted)) == ("finalize", 0)
    assert (failure(account).code, failure(account).message) == ("invalid_input", "no such ratio")


def test_a_gateway_that_stays_away_is_tried_less_and_less_often(wire: Wire, time: Clock, accepted: Task) -> None:
    waits = []
    for turn in range(7):
        waits.append(poll(accepted, turn)["wait"])
        time.forward(waits[-1])
        accepted = store.read(accepted.task_id)
    assert waits == [2, 4, 8, 16, 32, 60, 60]
    assert len(wire.sent("POST")) == 7


def test_a_busy_gateway_says_itself_when_to_come_again(
    account: Account, wire: Wire, time: Clock, accepted: Task
) -> None:
    wishes = ["17", "Fri, 20 Nov 2026 12:00:40 GMT", "soon"]  # the last is none: the usual backoff
    wire.on("POST", CREATE, *(httpx.Response(429, headers={"retry-after": wish}) for wish in wishes))
    waits = []
    for turn in range(4):
        waits.append(poll(account.task(), turn)["wait"])
        time.forward(waits[-1])
    assert waits == [2, 17, 21, 16]


def test_nothing_is_posted_before_the_gateway_wishes_it(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, httpx.Response(429, headers={"retry-after": "300"}))
    submit()
    time.forward(4)
    assert found(poll(account.task())) == ("wait", 296)
    assert len(wire.sent("POST")) == 1


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (httpx.ConnectError, "gateway_failed", "ConnectError"),
        (httpx.Response(429, json={"detail": "slow down"}), "rate_limited", "slow down"),
        (httpx.Response(401, json={"detail": "bad token"}), "gateway_auth", "bad token"),
        (httpx.Response(403, json={"detail": "forbidden"}), "gateway_auth", "forbidden"),
        (httpx.Response(402, json={"detail": "no credit"}), "gateway_credit", "no credit"),
    ],
)
def test_what_nobody_took_before_the_deadline_has_failed(
    account: Account, wire: Wire, time: Clock, answer: Any, code: str, words: str
) -> None:
    wire.on("POST", CREATE, answer)
    submit()
    time.forward(HALF_AN_HOUR)
    assert found(poll(account.task())) == ("finalize", 0)
    assert (failure(account).code, failure(account).may_be_billed) == (code, False)
    assert words in failure(account).message
    assert len(wire.requests) == 1


def test_a_model_that_no_key_was_put_for_fails_at_the_deadline(account: Account, wire: Wire, time: Clock) -> None:
    account.delete("gateways/vectornode")
    submit()
    assert poll(account.task())["next"] == "wait"
    time.forward(HALF_AN_HOUR)
    poll(account.task())
    assert failure(account).code == "gateway_auth"
    assert "has a key" in failure(account).message
    assert wire.requests == []


def test_a_claim_is_waited_for_as_long_as_it_may_be_posting(wire: Wire, time: Clock, accepted: Task) -> None:
    submitting = store.claim(accepted, "somebody", ROUTE, time.now + 58_000, time.now + 238_000)
    assert submitting is not None
    time.forward(40)
    assert found(poll(submitting)) == ("wait", 10)
    time.forward(17.5)  # the invocation's 28 s and 30 s more are not quite over
    assert found(poll(submitting)) == ("wait", 1)
    assert len(wire.requests) == 1


def test_a_claim_that_ran_out_is_not_posted_again(account: Account, wire: Wire, time: Clock, submitting: Task) -> None:
    wire.on("POST", CREATE, prediction())
    time.forward(1)  # whoever lost the reply has said so: there is nothing to wait for
    assert [poll(submitting, turn)["next"] for turn in range(3)] == ["finalize"] * 3
    unknown = failure(account)
    assert (unknown.code, unknown.may_be_billed, unknown.retryable) == ("submission_unknown", True, False)
    submit()
    assert len(wire.requests) == 1


def test_what_is_canceled_before_it_was_sent_is_never_sent(account: Account, wire: Wire, accepted: Task) -> None:
    store.ask_to_cancel(accepted)
    assert found(poll(accepted)) == ("finalize", 0)
    assert (failure(account).code, failure(account).may_be_billed) == ("canceled", False)
    assert len(wire.requests) == 1


@pytest.mark.parametrize("status", ["canceled", "succeeded", "processing"])
def test_a_gateway_that_is_asked_to_cancel_has_the_final_word(
    account: Account, wire: Wire, running: Task, status: str
) -> None:
    store.ask_to_cancel(running)
    wire.on("POST", CANCEL, httpx.Response(404, html="<html>no such page</html>"))
    wire.on("GET", QUESTION, prediction(status, output=OUTPUT))
    next_state = poll(running)["next"]
    task = account.task()
    assert [one.headers["authorization"] for one in wire.sent("POST", CANCEL)] == ["Bearer vectornode-key"]
    assert (next_state, task.status, task.failure and task.failure.code) == {
        "canceled": ("finalize", Status.COLLECTING, "canceled"),
        "succeeded": ("finalize", Status.COLLECTING, None),
        "processing": ("wait", Status.RUNNING, None),
    }[status]


def test_at_the_deadline_a_last_question_and_a_stop(account: Account, wire: Wire, time: Clock, running: Task) -> None:
    wire.on("GET", QUESTION, prediction("processing"))
    wire.on("POST", CANCEL, httpx.ReadTimeout)
    time.forward(HALF_AN_HOUR)
    assert found(poll(running)) == ("finalize", 0)
    assert (failure(account).code, failure(account).may_be_billed) == ("timed_out", True)
    assert [(one.method, str(one.url)) for one in wire.requests[1:]] == [("GET", QUESTION), ("POST", CANCEL)]


def test_what_is_finished_at_the_deadline_is_kept(account: Account, wire: Wire, time: Clock, running: Task) -> None:
    wire.on("GET", QUESTION, prediction("succeeded", output=OUTPUT))
    time.forward(HALF_AN_HOUR + 60)
    poll(running)
    assert (account.task().outputs, account.task().failure) == ((OUTPUT,), None)
    assert wire.sent("POST", CANCEL) == []


@pytest.mark.parametrize("silence", [httpx.Response(503), httpx.Response(200, html="<p>gateway"), httpx.ReadTimeout])
def test_a_gateway_that_cannot_be_asked_at_the_deadline_is_asked_a_while_longer(
    account: Account, wire: Wire, time: Clock, running: Task, silence: Answer
) -> None:
    """It may have finished long since, and then it was paid for."""
    wire.on("GET", QUESTION, silence)
    wire.on("POST", CANCEL, httpx.Response(200))
    time.forward(HALF_AN_HOUR)
    next_state, wait = found(poll(running))
    assert next_state == "wait"
    assert 10 <= wait <= 75
    wire.on("GET", QUESTION, prediction("succeeded", output=OUTPUT))
    time.forward(wait)
    assert found(poll(running)) == ("finalize", 0)
    assert (account.task().outputs, wire.sent("POST", CANCEL)) == ((OUTPUT,), [])


def test_a_gateway_that_cannot_be_asked_for_a_quarter_of_an_hour_more_is_given_up(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    wire.on("GET", QUESTION, httpx.Response(503))
    wire.on("POST", CANCEL, httpx.ReadTimeout)
    time.forward(HALF_AN_HOUR + 15 * 60 - 5)
    assert found(poll(running)) == ("wait", 5)
    time.forward(5)
    assert found(poll(running)) == ("finalize", 0)
    assert failure(account).code == "timed_out"


def test_a_driver_that_another_has_replaced_leaves(account: Account, wire: Wire, running: Task) -> None:
    assert poll(running, generation=0)["next"] == "leave"
    assert len(wire.requests) == 1
    assert account.task() == running


def test_a_task_that_has_ended_goes_to_finalize_unasked(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, httpx.Response(400))
    submit()
    assert account.task().status is Status.FAILED
    assert found(poll(account.task(), turn=1)) == ("finalize", 0)
    assert len(wire.requests) == 1


def test_after_its_last_turn_a_driver_makes_room(account: Account, wire: Wire, time: Clock, running: Task) -> None:
    wire.on("GET", QUESTION, prediction("processing"))
    time.forward(60)
    assert found(poll(running, LAST_TURN - 2))[0] == "wait"
    assert found(poll(running, LAST_TURN - 1)) == ("leave", 0)
    time.forward(16)
    assert call("sweep", {}) == {"rescued": 1}
    assert account.executions()[f"{running.task_id}-2"]["turn"] == 0


def test_a_living_driver_moves_due_ahead_and_seldom(
    account: Account, wire: Wire, time: Clock, running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(**update: Any) -> Any:
        writes.append(update)
        return write(**update)

    writes: list[Any] = []
    write = aws.dynamodb().update_item
    monkeypatch.setattr(aws.dynamodb(), "update_item", counted)
    wire.on("GET", QUESTION, prediction("processing"))
    while time.now < running.created + 2 * GRACE_MS:
        wait = poll(running)["wait"]
        due = account.task().due
        time.forward(wait)
        assert due is not None
        assert due >= time.now + GRACE_MS // 3
    assert 1 <= len(writes) <= 2 * GRACE_MS // 60_000


def test_a_version_that_is_not_known_is_an_error(running: Task) -> None:
    with pytest.raises(ValueError, match="version 7"):
        poll(running, v=7)


def test_a_second_look_takes_the_outputs_where_they_are_now(account: Account, wire: Wire, collecting: Task) -> None:
    wire.on("GET", QUESTION, prediction("succeeded", output=f"{OUTPUT}?fresh"))
    assert found(poll(collecting, turn=0)) == ("finalize", 0)
    assert account.task().outputs == (OUTPUT,)
    assert found(poll(collecting, turn=1)) == ("finalize", 0)
    assert account.task().outputs == (f"{OUTPUT}?fresh",)


def test_a_second_look_that_finds_fewer_is_not_believed_and_one_that_finds_more_is(
    account: Account, wire: Wire, running: Task
) -> None:
    more = [f"{OUTPUT}?{number}" for number in range(3)]
    wire.on("GET", QUESTION, *(prediction("succeeded", output=each) for each in (more[:2], more[:1], more)))
    poll(running)
    for turn, outputs in ((1, more[:2]), (2, more)):
        assert found(poll(running, turn)) == ("finalize", 0)
        assert list(account.task().outputs) == outputs


def test_a_second_look_takes_nothing_away(account: Account, wire: Wire, collecting: Task) -> None:
    wire.on("GET", QUESTION, httpx.ReadTimeout, prediction("failed"), prediction("processing"))
    assert [found(poll(collecting, turn)) for turn in (1, 2, 3)] == [("finalize", 0)] * 3
    assert account.task() == collecting


def test_a_long_error_of_the_gateway_still_ends_the_task(account: Account, wire: Wire, running: Task) -> None:
    wire.on("GET", QUESTION, prediction("failed", error="x" * 450_000))
    assert found(poll(running)) == ("finalize", 0)
    assert len(failure(account).message) == store.MESSAGE_CAP


def test_a_bottomless_answer_is_only_asked_again(wire: Wire, running: Task) -> None:
    wire.on("GET", QUESTION, httpx.Response(200, content=b"[" * 100_000))
    assert found(poll(running))[0] == "wait"


@pytest.mark.parametrize("size", [1_000, 900_000])
def test_an_inline_output_is_staged_and_never_enters_the_table(
    account: Account, wire: Wire, running: Task, size: int
) -> None:
    content = picture() + b"\0" * size
    uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    wire.on("GET", QUESTION, prediction("succeeded", output=uri))
    assert found(poll(running)) == ("finalize", 0)
    (staged,) = account.task().outputs
    assert staged.startswith(f"staging/{running.task_id}/0-")
    assert account.files()[staged] == content


def test_a_key_that_a_question_was_refused_with_is_read_anew(account: Account, wire: Wire, running: Task) -> None:
    wire.on("GET", QUESTION, httpx.Response(401), prediction("processing"))
    poll(running)
    path = f"/{account.stack}/gateways/vectornode"
    aws.ssm().put_parameter(Name=path, Value="new", Type="SecureString", Overwrite=True)
    poll(running)
    assert wire.sent("GET")[-1].headers["authorization"] == "Bearer new"

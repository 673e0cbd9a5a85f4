"""Paying once over several routes, and for replies that are the picture: darkroom/posting.py, through the doors."""

import base64
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from darkroom import aws, catalogue, http, posting, store
from darkroom.driver import GRACE_MS
from darkroom.task import Status, Task
from tests import conftest
from tests.conftest import (
    GATEWAY,
    Account,
    Clock,
    Context,
    Event,
    Wire,
    call,
    document,
    event,
    picture,
    prediction,
    step,
    submit,
)

IMAGEN = "google/imagen-4"
#: The routes of Imagen 4 whose gateways have a key here, in the catalogue's order: where each is posted to.
QUICKROUTER = "https://api.quickrouter.ai/replicate/v1/models/google/imagen-4/predictions"
VECTORNODE = f"{GATEWAY}/models/google/imagen-4/predictions"
TOKAIFY = "https://api.tokaify.com/v1beta/models/imagen-4.0-generate-001:predict"
TOKAIFY_OPENAI = "https://api.tokaify.com/v1/images/generations"
FAL = "https://api.quickrouter.ai/fal-ai/imagen4/preview"
VECTORNODE_FAL = f"{conftest.VECTORNODE}/fal-ai/imagen4/preview"

BUSY = httpx.Response(429, json={"detail": "slow down"})
GONE = httpx.Response(404, json={"error": {"message": "retired", "status": "NOT_FOUND"}})
PICTURE = picture()
DRAWN = httpx.Response(
    200, json={"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": base64.b64encode(PICTURE).decode()}]}
)


def poll(task: Task, turn: int = 0, remaining: int = 200_000) -> tuple[str, int]:
    answer: Event = call("poll", step(task, turn), Context(remaining=remaining))
    return answer["next"], answer["wait"]


def outcomes(task: Task) -> list[tuple[str, str]]:
    """Gateway and outcome of each attempt."""
    return [(attempt["route"].partition("/")[0], attempt["outcome"]) for attempt in task.attempts]


def ask(**model_input: Any) -> dict[str, Any]:
    return submit({"input": {"prompt": "a cormorant", **model_input}}, model=IMAGEN)


@pytest.fixture
def two(account: Account) -> None:
    account.put("gateways/quickrouter", "quickrouter-key")


@pytest.fixture
def synchronous(account: Account) -> None:
    """Only a gateway that draws while one waits has a key."""
    account.delete("gateways/vectornode")
    account.put("gateways/tokaify", "tokaify-key")


# ---- The next route ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (httpx.ConnectError, "not_sent"),
        (httpx.ConnectTimeout, "not_sent"),
        (BUSY, "refused"),
        (httpx.Response(429), "refused"),
        (httpx.Response(401, json={"error": {"message": "无效的令牌"}}), "refused"),
        (httpx.Response(402, json={"detail": "no credit"}), "refused"),
        (httpx.Response(403, json={"error": {"code": "insufficient_user_quota", "message": "余额不足"}}), "refused"),
        (httpx.Response(503, json={"error": {"code": "model_not_found", "message": "无可用渠道"}}), "refused"),
        (GONE, "unavailable"),
        (httpx.Response(410), "unavailable"),
    ],
    ids=lambda answer: answer.__name__ if isinstance(answer, type) else getattr(answer, "status_code", None),
)
@pytest.mark.usefixtures("two")
def test_what_was_certainly_not_accepted_goes_to_the_next_route_at_once(
    account: Account, wire: Wire, time: Clock, answer: Any, outcome: str
) -> None:
    wire.on("POST", QUICKROUTER, answer)
    wire.on("POST", VECTORNODE, prediction())
    shown = document(ask())
    task = account.task()
    assert (task.status, task.route) == (Status.RUNNING, "vectornode/replicate/google/imagen-4")
    assert outcomes(task) == [("quickrouter", outcome), ("vectornode", "accepted")]
    assert [(each["route"], each["outcome"]) for each in shown["attempts"]] == [
        ("quickrouter/replicate/google/imagen-4", outcome),
        ("vectornode/replicate/google/imagen-4", "accepted"),
    ]
    assert all(each["at"].endswith("Z") for each in shown["attempts"])


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout,
        httpx.RemoteProtocolError,
        ZeroDivisionError,
        httpx.Response(500),
        httpx.Response(502, html="<html>nginx</html>"),
        httpx.Response(503, json={"error": {"message": "overloaded", "status": "UNAVAILABLE"}}),
        httpx.Response(504),
        httpx.Response(408),
        httpx.Response(200, html="<!doctype html><title>gateway</title>"),
        httpx.Response(200, json={"status": "starting"}),
    ],
    ids=lambda answer: answer.__name__ if isinstance(answer, type) else str(answer.status_code),
)
@pytest.mark.usefixtures("two")
def test_an_unknown_outcome_never_moves_on(account: Account, wire: Wire, time: Clock, answer: Any) -> None:
    wire.on("POST", QUICKROUTER, answer)
    ask()
    for turn in range(4):
        time.forward(30)
        poll(account.task(), turn)
    assert [str(request.url) for request in wire.sent("POST")] == [QUICKROUTER]
    failure = account.task().failure
    assert failure is not None
    assert (failure.code, failure.may_be_billed) == ("submission_unknown", True)


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.usefixtures("two")
def test_what_a_gateway_will_not_draw_is_not_offered_to_the_next(
    account: Account, wire: Wire, time: Clock, status: int
) -> None:
    wire.on("POST", QUICKROUTER, httpx.Response(status, json={"detail": "no"}))
    assert (ask()["statusCode"], len(wire.requests)) == (422, 1)


@pytest.mark.usefixtures("two")
def test_a_model_that_nobody_has_any_more_is_an_error_of_its_own_at_once(
    account: Account, wire: Wire, time: Clock
) -> None:
    for url in (QUICKROUTER, VECTORNODE, FAL, VECTORNODE_FAL):
        wire.on("POST", url, GONE)
    answer = ask()
    problem = document(answer)
    assert (answer["statusCode"], problem["code"], problem["detail"]) == (422, "model_unavailable", "retired")
    assert (problem["retryable"], problem["may_be_billed"]) == (False, False)
    assert {outcome for _, outcome in outcomes(account.task())} == {"unavailable"}


@pytest.mark.usefixtures("two")
def test_when_all_have_refused_the_first_whose_pause_is_over_is_tried_again(
    account: Account, wire: Wire, time: Clock
) -> None:
    for url in (FAL, VECTORNODE_FAL):
        wire.on("POST", url, GONE)
    wire.on("POST", QUICKROUTER, httpx.Response(429, headers={"retry-after": "40"}), prediction())
    wire.on("POST", VECTORNODE, httpx.Response(429, headers={"retry-after": "10"}), BUSY)
    ask()
    assert poll(account.task()) == ("wait", 10)
    time.forward(10)
    assert poll(account.task(), 1) == ("wait", 4)  # VectorNode has had its turn, and refused without a wish
    time.forward(30)
    assert poll(account.task(), 2)[0] == "wait"
    assert outcomes(account.task())[-2:] == [("vectornode", "refused"), ("quickrouter", "accepted")]


@pytest.mark.usefixtures("two")
def test_an_order_that_only_one_route_can_do_goes_there(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", FAL, httpx.Response(200, json={"status": "IN_QUEUE", "request_id": "r-1"}))
    ask(num_images=3, resolution="2K")
    (posted,) = wire.requests
    assert json.loads(posted.content) == {"prompt": "a cormorant", "num_images": 3, "resolution": "2K"}


@pytest.mark.usefixtures("two")
def test_more_images_than_any_route_gives_in_one_call_is_422_and_says_what_can(account: Account, wire: Wire) -> None:
    answer = ask(num_images=9)
    problem = document(answer)
    assert (answer["statusCode"], problem["errors"][0]["field"]) == (422, "input.num_images")
    assert "makes 1 image in one call (quickrouter/replicate/google/imagen-4" in problem["detail"]
    assert "takes a whole number, 1 to 4, in one call (quickrouter/fal/fal-ai/imagen4/preview" in problem["detail"]
    assert (account.tasks(), wire.requests) == ([], [])


@pytest.mark.usefixtures("two")
def test_no_gateway_gets_another_ones_key(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", QUICKROUTER, BUSY)
    wire.on("POST", VECTORNODE, prediction())
    ask()
    assert [(one.url.host, one.headers["authorization"]) for one in wire.requests] == [
        ("api.quickrouter.ai", "Bearer quickrouter-key"),
        (httpx.URL(VECTORNODE).host, "Bearer vectornode-key"),
    ]


@pytest.mark.parametrize(
    ("gateway", "model", "header", "value"),
    [
        ("fal", "fal-ai/flux-1/dev", "authorization", "Key secret"),
        ("google", "google/nano-banana", "x-goog-api-key", "secret"),
        ("openai", "openai/gpt-image-2", "authorization", "Bearer secret"),
    ],
)
def test_a_key_is_sent_the_way_its_gateway_wants_it(
    account: Account, wire: Wire, time: Clock, gateway: str, model: str, header: str, value: str
) -> None:
    account.delete("gateways/vectornode")
    account.put(f"gateways/{gateway}", "secret")
    route = next(each for each in catalogue.catalogue().model(model).routes if each.gateway.name == gateway)
    wire.on("POST", f"{route.base}/{route.model}", BUSY)
    wire.on("POST", f"{route.base}/models/{route.model}", BUSY)
    wire.on("POST", f"{route.base}/images/generations", BUSY)
    call("submit", by_version(model))
    if not wire.requests:
        poll(account.task())
    (posted,) = wire.requests
    assert posted.headers[header] == value


def by_version(model: str) -> Event:
    body = json.dumps({"version": model, "input": {"prompt": "a cormorant"}})
    return event("submit", routeKey="POST /v1/predictions", rawPath="/v1/predictions", body=body)


def test_a_catalogue_that_lost_the_model_meanwhile_ends_the_task(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.delete("gateways/vectornode")
    ask()
    monkeypatch.delitem(catalogue.catalogue().models, IMAGEN)
    monkeypatch.delitem(catalogue.catalogue().models, "*/*")
    assert poll(account.task()) == ("finalize", 0)
    failure = account.task().failure
    assert failure is not None
    assert (failure.code, failure.may_be_billed) == ("model_unavailable", False)


@pytest.mark.parametrize("after", ["model", "inbox", "webhook"])
def test_a_known_key_is_a_known_task_whatever_has_become_of_what_it_asked_for(
    account: Account, wire: Wire, time: Clock, cat: str, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    wire.on("POST", KONTEXT_URL, prediction())
    body = {"input": {"prompt": "a cat", "image": cat}, "webhook": "https://shop.example.com/hook"}
    first = submit(body, model=KONTEXT)
    if after == "model":
        monkeypatch.setattr(catalogue.catalogue(), "models", {})
    elif after == "inbox":
        aws.s3().delete_object(Bucket=account.inbox, Key="default/cat.png")
    else:
        monkeypatch.setattr(http, "examine", lambda _: pytest.fail("nothing is looked at again"))
    again = submit(body, model=KONTEXT)
    assert (first["statusCode"], again["statusCode"], len(wire.requests)) == (201, 200, 1)
    assert document(again)["id"] == document(first)["id"]


def test_the_same_order_at_either_door_is_the_same_task(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", VECTORNODE, prediction())
    model_input = {"prompt": "a cormorant"}
    first = submit({"input": model_input}, model=IMAGEN, key="one")
    sent = by_version(IMAGEN)
    sent["headers"]["idempotency-key"] = "one"
    again = call("submit", sent)
    assert (again["statusCode"], document(again)["id"]) == (200, document(first)["id"])


def test_everything_that_is_wrong_with_an_order_is_told_at_once(account: Account, wire: Wire, cat: str) -> None:
    body = {"input": {"prompt": "a cat", "num_images": 99, "image": f"{cat}.gif"}, "webhook": "https://10.0.0.1/"}
    monkey = pytest.MonkeyPatch()
    monkey.setattr(http, "transport", http.Public)
    answer = submit(body, model=KONTEXT)
    monkey.undo()
    fields = [fault["field"] for fault in document(answer)["errors"]]
    assert (answer["statusCode"], sorted(fields)) == (
        422,
        ["input.image", "input.image", "input.num_images", "webhook"],
    )


def test_an_order_refers_to_no_more_files_than_can_be_looked_at(account: Account, wire: Wire, cat: str) -> None:
    references = [f"s3://{account.inbox}/default/{number}.png" for number in range(21)]
    answer = submit({"input": {"prompt": "a cat", "images": references}}, model="somebody/something")
    assert "refers to 21 files" in document(answer)["detail"]
    wire.on("POST", f"{GATEWAY}/models/somebody/something/predictions", prediction())
    assert submit({"input": {"prompt": "a cat", "images": [cat] * 30}}, model="somebody/something")["statusCode"] == 201


@pytest.mark.parametrize(
    ("param", "outcome"), [("429", "refused"), ("401", "refused"), ("404", "unavailable"), ("400", "rejected")]
)
def test_the_upstreams_status_that_a_relay_tells_decides(
    account: Account, wire: Wire, time: Clock, param: str, outcome: str
) -> None:
    hidden = {"error": {"message": "上游错误", "code": "bad_response_status_code", "param": param}}
    account.put("gateways/quickrouter", "quickrouter-key")
    wire.on("POST", QUICKROUTER, httpx.Response(500, json=hidden))
    wire.on("POST", VECTORNODE, prediction())
    ask()
    assert outcomes(account.task())[0] == ("quickrouter", outcome)


def test_a_relays_word_for_a_lost_reply_is_unknown_whatever_its_status(
    account: Account, wire: Wire, time: Clock
) -> None:
    lost = {
        "error": {"message": "上游错误", "type": "upstream_error", "code": "bad_response_status_code", "param": "524"}
    }
    account.put("gateways/quickrouter", "quickrouter-key")
    wire.on("POST", QUICKROUTER, httpx.Response(429, json=lost))
    ask()
    assert outcomes(account.task()) == [("quickrouter", "unknown")]


def test_a_gateway_that_the_catalogue_has_lost_lets_its_tasks_end_at_their_deadline(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.on("POST", VECTORNODE, prediction())
    ask()
    monkeypatch.delitem(catalogue.catalogue().gateways, "vectornode")
    assert poll(account.task())[0] == "wait"
    time.forward(31 * 60)
    assert poll(account.task(), 1) == ("finalize", 0)
    failure = account.task().failure
    assert failure is not None
    assert (failure.code, failure.may_be_billed) == ("timed_out", True)


def test_a_task_that_holds_more_than_a_task_can_hold_says_so(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", VECTORNODE, prediction())
    ask()
    links = [f"https://replicate.delivery/{number}/{'x' * 700}.png" for number in range(200)]
    wire.on("GET", f"{VECTORNODE.partition('/models')[0]}/predictions/gm72dcl0hqzg9dyozwvntt2wj0",
            prediction("succeeded", output=links))  # fmt: skip
    time.forward(7)
    assert poll(account.task()) == ("finalize", 0)
    task = account.task()
    assert 0 < len(task.outputs) < 200
    assert f"the last {200 - len(task.outputs)} of the outputs" in task.missing[0]


def test_a_gateways_long_words_are_cut_in_bytes(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", VECTORNODE, httpx.Response(429, json={"detail": "满" * 5000}))
    wire.on("POST", VECTORNODE_FAL, GONE)
    ask()
    assert len(account.task().attempts[0]["detail"].encode()) in (254, 255, 256)


def test_a_cancelled_task_is_not_posted_by_a_driver_that_read_it_before(
    account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", VECTORNODE, httpx.ConnectError)
    wire.on("POST", VECTORNODE_FAL, httpx.ConnectError)
    ask()
    stale = account.task()
    store.ask_to_cancel(stale)
    time.forward(60)
    sent = len(wire.requests)
    assert posting.post(stale, until=time.now + 200_000).cancel
    assert len(wire.requests) == sent


def test_a_catalogue_that_lost_a_word_meanwhile_ends_the_task_and_says_which(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.delete("gateways/vectornode")
    ask(num_images=4)
    model = catalogue.catalogue().models[IMAGEN]
    monkeypatch.setitem(catalogue.catalogue().models, IMAGEN, dataclasses.replace(model, routes=model.routes[:2]))
    assert poll(account.task()) == ("finalize", 0)
    failure = account.task().failure
    assert failure is not None
    assert failure.code == "model_unavailable"
    assert "num_images: no route of this model does all that is asked: makes 1 image" in failure.message


def test_a_task_without_any_key_says_so_once(account: Account, wire: Wire, time: Clock) -> None:
    account.delete("gateways/vectornode")
    ask()
    assert [poll(account.task(), turn) for turn in range(3)] == [("wait", 2), ("wait", 4), ("wait", 8)]
    (attempt,) = document(ask())["attempts"]
    assert (attempt["route"], attempt["outcome"], attempt["code"]) == (None, "not_sent", "gateway_auth")
    assert "has a key here" in attempt["detail"]


def test_an_attempt_tells_the_price_where_it_is_known(account: Account, wire: Wire, time: Clock) -> None:
    account.put("gateways/replicate", "replicate-key")
    wire.on("POST", VECTORNODE, BUSY)
    wire.on("POST", "https://api.replicate.com/v1/models/google/imagen-4/predictions", prediction())
    first, second = document(ask())["attempts"]
    assert ("price" in first, second["price"]) == (False, "0.04")


# ---- A reply that is the picture -----------------------------------------------------------------------------------


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


@pytest.mark.usefixtures("two")
def test_a_submission_leaves_a_route_that_draws_while_one_waits_to_the_driver(
    account: Account, wire: Wire, time: Clock
) -> None:
    account.put("gateways/tokaify", "tokaify-key")
    for url in (QUICKROUTER, VECTORNODE, FAL, VECTORNODE_FAL):
        wire.on("POST", url, BUSY)
    assert document(ask())["status"] == "starting"
    wire.on("POST", TOKAIFY, DRAWN)
    assert poll(account.task()) == ("finalize", 0)


@pytest.mark.usefixtures("synchronous")
def test_what_a_gateway_says_is_missing_does_not_outgrow_the_task(account: Account, wire: Wire, time: Clock) -> None:
    reasons = [{"raiFilteredReason": "x" * 5000}] * 100
    wire.on("POST", TOKAIFY, httpx.Response(200, json={"predictions": [*DRAWN.json()["predictions"], *reasons]}))
    ask()
    poll(account.task())
    assert 0 < sum(map(len, account.task().missing)) <= 10_000


def test_a_model_that_the_catalogue_has_lost_is_finished_as_its_gateway_has_it(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.on("POST", VECTORNODE, prediction())
    ask()
    monkeypatch.setattr(catalogue.catalogue(), "models", {})
    output = prediction("succeeded", output=["https://replicate.delivery/a.png"])
    wire.on("GET", f"{GATEWAY}/predictions/gm72dcl0hqzg9dyozwvntt2wj0", output)
    time.forward(7)
    assert poll(account.task()) == ("finalize", 0)
    assert account.task().several


# ---- Pictures that go in -------------------------------------------------------------------------------------------


@pytest.fixture
def cat(account: Account) -> str:
    """A picture of the tenant `default` in the inbox."""
    aws.s3().put_object(Bucket=account.inbox, Key="default/cat.png", Body=PICTURE)
    return f"s3://{account.inbox}/default/cat.png"


KONTEXT = "black-forest-labs/flux-kontext-pro"
KONTEXT_URL = f"{GATEWAY}/models/{KONTEXT}/predictions"


def test_a_picture_of_the_inbox_is_lent_by_a_fresh_link_at_the_moment_of_the_post(
    account: Account, wire: Wire, time: Clock, cat: str
) -> None:
    wire.on("POST", KONTEXT_URL, prediction())
    submit({"input": {"prompt": cat, "image": cat}}, model=KONTEXT)
    sent = json.loads(wire.requests[0].content)["input"]
    link = httpx.URL(sent["input_image"])
    assert (link.path, "X-Amz-Signature" in link.params) == ("/default/cat.png", True)
    assert link.params["X-Amz-Expires"] == "3600"
    assert sent["prompt"] == cat, "a prompt is words, whatever it begins with"
    assert cat in account.task().input


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("s3://another-bucket/default/cat.png", "only files of your own"),
        ("s3://{inbox}/acme/cat.png", "only files of your own"),
        ("s3://{inbox}/", "only files of your own"),
        ("s3://{inbox}", "only files of your own"),
        ("s3://{inbox}/default/dog.png", "there is no file"),
    ],
)
@pytest.mark.parametrize(
    "wrap", [lambda one: [one], lambda one: one, lambda one: [[one]], lambda one: {"deep": [{"er": one}]}]
)
def test_a_reference_to_what_is_not_there_or_not_ours_is_refused_before_anything_is_spent(
    account: Account, wire: Wire, cat: str, reference: str, words: str, wrap: Callable[[Any], Any]
) -> None:
    aws.s3().put_object(Bucket=account.inbox, Key="acme/cat.png", Body=PICTURE)
    body = {"input": {"prompt": "a cat", "images": wrap(reference.format(inbox=account.inbox))}}
    answer = submit(body, model="somebody/something")
    assert (answer["statusCode"], account.tasks(), wire.requests) == (422, [], [])
    (fault,) = document(answer)["errors"]
    assert fault["field"] == "input.images"
    assert words in fault["message"]


def test_a_key_that_a_gateway_refuses_is_read_anew(account: Account, wire: Wire, time: Clock) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        aws.ssm().put_parameter(
            Name=f"/{account.stack}/gateways/vectornode", Value="new", Type="SecureString", Overwrite=True
        )
        return httpx.Response(401)

    wire.on("POST", VECTORNODE, refuse, prediction())
    wire.on("POST", VECTORNODE_FAL, GONE)
    ask()
    time.forward(2)
    poll(account.task())
    assert wire.requests[-1].headers["authorization"] == "Bearer new"
    assert account.task().status is Status.RUNNING


def test_what_lies_in_no_folder_is_the_default_tenants(account: Account, wire: Wire, time: Clock) -> None:
    aws.s3().put_object(Bucket=account.inbox, Key="cat.png", Body=PICTURE)
    wire.on("POST", KONTEXT_URL, prediction())
    body = {"input": {"prompt": "a cat", "image": f"s3://{account.inbox}/cat.png"}}
    assert submit(body, model=KONTEXT, tenant="acme")["statusCode"] == 422
    assert submit(body, model=KONTEXT)["statusCode"] == 201
    assert "X-Amz-Signature" in json.loads(wire.requests[0].content)["input"]["input_image"]


def test_a_claim_does_not_bring_forward_when_somebody_has_to_come_back(
    account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", VECTORNODE, prediction())
    slow = catalogue.catalogue().models[IMAGEN]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(catalogue.catalogue().models, IMAGEN, dataclasses.replace(slow, seconds=900))
        ask()
    (driver,) = account.executions().values()
    task = account.task()
    assert driver["wait"] == 900
    assert task.due is not None
    assert task.due >= time.now + 900_000 + GRACE_MS


# ---- Questions to a gateway that may know a request under another address ------------------------------------------

REQUEST = f"{conftest.VECTORNODE}/fal-ai/imagen4/requests/r-1"
ANYWHERE = f"{conftest.VECTORNODE}/fal-ai/auto/requests/r-1"


@pytest.fixture
def at_fal(account: Account, wire: Wire, time: Clock) -> Task:
    """A task that a relay of fal's queue has accepted."""
    wire.on("POST", VECTORNODE_FAL, httpx.Response(200, json={"status": "IN_QUEUE", "request_id": "r-1"}))
    ask(num_images=2)
    time.forward(7)
    return account.task()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json={"detail": "Request not found"}),
        httpx.Response(405),
        httpx.Response(500, json={"detail": "Internal Server Error"}),
        httpx.Response(400, json={"code": "task_not_exist", "message": "没有"}),
        httpx.Response(200, html="<!doctype html><title>gateway</title>"),
    ],
)
def test_a_request_that_is_not_known_under_its_address_is_asked_about_under_the_others(
    account: Account, wire: Wire, at_fal: Task, answer: httpx.Response
) -> None:
    wire.on("GET", REQUEST, answer)
    wire.on("GET", ANYWHERE, httpx.Response(200, json={"images": [{"url": "https://v3b.fal.media/a.png"}]}))
    assert poll(at_fal) == ("finalize", 0)
    assert account.task().outputs == ("https://v3b.fal.media/a.png",)


def test_the_status_tells_of_a_failure_that_the_result_does_not(account: Account, wire: Wire, at_fal: Task) -> None:
    wire.on("GET", REQUEST, httpx.Response(500, json={"detail": "Internal Server Error"}))
    wire.on("GET", ANYWHERE, httpx.Response(404))
    failed = {"status": "COMPLETED", "error": "it broke", "error_type": "internal_error"}
    wire.on("GET", f"{REQUEST}/status", httpx.Response(200, json=failed))
    assert poll(at_fal) == ("finalize", 0)
    failure = account.task().failure
    assert failure is not None
    assert (failure.code, failure.message, failure.may_be_billed) == ("gateway_failed", "it broke", True)


@pytest.mark.parametrize("answer", [httpx.ConnectError, *map(httpx.Response, (401, 403, 429, 502, 503, 504))])
def test_a_gateway_in_trouble_is_asked_once_a_visit(wire: Wire, at_fal: Task, answer: Any) -> None:
    wire.on("GET", REQUEST, answer)
    assert poll(at_fal)[0] == "wait"
    assert len(wire.sent("GET")) == 1


def test_of_several_inline_pictures_those_that_can_be_decoded_are_kept(
    account: Account, wire: Wire, at_fal: Task
) -> None:
    good = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
    wire.on("GET", REQUEST, httpx.Response(200, json={"images": [{"url": "data:;base64,!"}, {"url": good}]}))
    assert poll(at_fal) == ("finalize", 0)
    task = account.task()
    assert (len(task.outputs), len(task.missing)) == (1, 1)
    assert "cannot be decoded" in task.missing[0]

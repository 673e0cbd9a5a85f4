"""Paying once over several routes: darkroom/posting.py, through the doors."""

import dataclasses
import json
from typing import Any

import httpx
import pytest

from darkroom import aws, catalogue, posting, store
from darkroom.driver import GRACE_MS
from darkroom.task import Status
from tests.conftest import Account, Clock, Wire, call, document, prediction
from tests.imagen import (
    BUSY,
    DRAWN,
    FAL,
    GONE,
    IMAGEN,
    QUICKROUTER,
    TOKAIFY,
    VECTORNODE,
    VECTORNODE_FAL,
    ask,
    by_version,
    outcomes,
    poll,
)


@pytest.fixture
def two(account: Account) -> None:
    account.put("gateways/quickrouter", "quickrouter-key")


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


@pytest.mark.usefixtures("two")
def test_what_is_no_row_of_a_batch_passes_no_turnstile(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Submit is not even told where they are."""
    monkeypatch.delenv("BATCHES_TABLE")
    for url in (FAL, VECTORNODE_FAL):
        wire.on("POST", url, BUSY)
    wire.on("POST", QUICKROUTER, BUSY)
    wire.on("POST", VECTORNODE, BUSY, prediction())
    ask()
    assert poll(account.task())[0] == "wait"
    time.forward(60)
    wire.on("POST", QUICKROUTER, prediction())
    poll(account.task(), 1)
    assert account.task().status is Status.RUNNING


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


def test_a_claim_does_not_bring_forward_when_somebody_has_to_come_back(
    account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", VECTORNODE, prediction())
    slow = catalogue.catalogue().models[IMAGEN]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(catalogue.catalogue().models, IMAGEN, dataclasses.replace(slow, seconds=3600))
        ask()
    (driver,) = account.executions().values()
    task = account.task()
    assert driver["wait"] > 60
    assert task.due is not None
    assert task.due >= time.now + driver["wait"] * 1000 + GRACE_MS


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

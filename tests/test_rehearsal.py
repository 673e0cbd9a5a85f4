"""?dry_run=true: what an order would lead to. darkroom/rehearsal.py, through functions/submit.py."""

import json

import pytest

from tests.conftest import (
    CREATE,
    RECEIVER,
    Account,
    Clock,
    Event,
    Wire,
    call,
    document,
    event,
    order,
    prediction,
    submit,
)

pytestmark = pytest.mark.usefixtures("account", "time")


def rehearse(
    body: Event | None = None, *, model: str = "google/imagen-4-fast", dry_run: str = "true", **headers: str
) -> Event:
    sent = event("submit", rawPath=f"/v1/models/{model}/predictions", rawQueryString=f"dry_run={dry_run}")
    sent["queryStringParameters"] = {"dry_run": dry_run}
    sent["pathParameters"] = dict(zip(("owner", "name"), model.split("/"), strict=True))
    sent["body"] = json.dumps(body or order())
    del sent["headers"]["idempotency-key"]
    sent["headers"] |= headers
    answer: Event = call("submit", sent)
    return answer


def test_nothing_is_recorded_sent_or_spent(account: Account, wire: Wire) -> None:
    answer = rehearse(order(webhook="https://shop.example.com/hook", metadata={"order": 1}))
    assert answer["statusCode"] == 200
    assert (account.tasks(), account.executions(), wire.requests) == ([], {}, [])
    assert (document(answer)["dry_run"], document(answer)["metadata"]) == (True, {"order": 1})


def test_the_request_is_shown_in_the_routes_own_words_without_its_key(account: Account) -> None:
    shown = document(rehearse())
    first = shown["ways"][0]
    assert shown["route"] == first["route"] == "vectornode/replicate/google/imagen-4-fast"
    assert first["request"] == {"method": "POST", "url": CREATE, "body": {"input": order()["input"]}}
    assert "vectornode-key" not in json.dumps(shown)
    plain = document(rehearse({"input": {"prompt": "A lighthouse", "num_images": 2}}))
    gemini = next(way for way in plain["ways"] if "/gemini/" in way["route"])
    assert gemini["request"]["body"]["instances"] == [{"prompt": "A lighthouse"}]
    assert gemini["request"]["body"]["parameters"]["sampleCount"] == 2


def test_a_route_is_ready_when_its_gateway_has_a_key(account: Account) -> None:
    assert [way["route"].split("/")[0] for way in document(rehearse())["ways"] if way["ready"]] == ["vectornode"]
    account.delete("gateways/vectornode")
    shown = document(rehearse())
    assert (shown["route"], shown["price"]) == (None, None)
    account.put("gateways/replicate", "key")
    assert document(rehearse())["route"].startswith("replicate/")


def test_what_is_asked_for_has_a_price_where_the_catalogue_knows_it(account: Account) -> None:
    account.delete("gateways/vectornode")
    account.put("gateways/replicate", "key")
    shown = document(rehearse())
    assert shown["price"] == {"currency": "USD", "image": 0.02, "images": 1, "total": 0.02}


def test_whatever_is_wrong_with_an_order_is_told_as_it_would_be(account: Account) -> None:
    assert rehearse(order(webhook="https://127.0.0.1/"))["statusCode"] == 422
    assert rehearse({"input": {"prompt": "x", "aspect_ratio": "7:1"}})["statusCode"] == 422
    assert rehearse(model="nobody/$")["statusCode"] == 404
    shown = document(rehearse({"input": {"prompt": " "}}, dry_run="perhaps"))
    assert [fault["field"] for fault in shown["errors"]] == ["query.dry_run", "input"]


def test_without_it_the_order_is_made(account: Account) -> None:
    assert rehearse(dry_run="false")["statusCode"] == 201
    assert len(account.tasks()) == 1


def test_the_input_is_told_in_our_words_and_the_rest_as_it_would_be(account: Account, time: Clock) -> None:
    body: Event = {"input": {"prompt": "A lighthouse", "sampleCount": 2, "seed": None}, "webhook": RECEIVER}
    shown = document(rehearse(body))
    assert shown["input"] == {"prompt": "A lighthouse", "num_images": 2}
    assert (shown["webhook"], shown["deadline"]) == (RECEIVER, "2026-11-20T12:30:00.000Z")
    assert document(rehearse({**body, "webhook_events_filter": ["start"]}))["webhook"] is None
    hurried = {"cancel-after": "5m"}
    assert document(rehearse(body, **hurried))["deadline"] == "2026-11-20T12:05:00.000Z"


def test_a_key_that_is_another_orders_is_told_too(account: Account, wire: Wire) -> None:
    wire.on("POST", CREATE, prediction())
    made = document(submit(key="order-1"))
    answer = rehearse(order(metadata={"other": True}), **{"idempotency-key": "order-1"})
    assert (answer["statusCode"], document(answer)["code"]) == (422, "idempotency_key_reused")
    assert document(answer)["task_id"] == made["id"]
    assert rehearse(None, **{"idempotency-key": "order-1"})["statusCode"] == 200

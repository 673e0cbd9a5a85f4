"""The door that spends money: functions/submit.py, and what darkroom/submission.py and posting.py decide there."""

import base64
import json
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from darkroom import aws, catalogue, http
from darkroom.task import Status
from tests.conftest import (
    CREATE,
    RECEIVER,
    Account,
    Clock,
    Context,
    Wire,
    call,
    document,
    event,
    order,
    prediction,
    submit,
)
from tests.imagen import IMAGEN, KONTEXT, KONTEXT_URL, VECTORNODE, by_version

pytestmark = pytest.mark.usefixtures("time")


def test_an_order_is_posted_once_and_answered_with_its_prediction(account: Account, wire: Wire) -> None:
    wire.on("POST", CREATE, prediction())
    answer = submit()
    shown = document(answer)
    assert (answer["statusCode"], answer["headers"]["cache-control"]) == (201, "no-store")
    assert shown["status"] == "processing"
    assert shown["urls"]["get"] == f"https://darkroom.example.com/v1/predictions/{shown['id']}"
    assert account.task().status is Status.RUNNING
    (posted,) = wire.requests
    assert posted.headers["authorization"] == "Bearer vectornode-key"
    assert json.loads(posted.content) == {"input": order()["input"]}


def test_the_driver_is_named_after_the_task_and_started_before_the_post(account: Account, wire: Wire) -> None:
    def driver_is_there(request: httpx.Request) -> httpx.Response:
        assert list(account.executions()) == [account.task().task_id]
        return prediction()

    wire.on("POST", CREATE, driver_is_there)
    submit()
    assert account.task().status is Status.RUNNING


def test_nothing_is_posted_if_the_driver_cannot_be_started(
    account: Account, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "StartExecution")

    monkeypatch.setattr(aws.stepfunctions(), "start_execution", throttled)
    answer = submit()
    assert (answer["statusCode"], document(answer)["status"]) == (201, "starting")
    assert account.task().status is Status.ACCEPTED
    assert wire.requests == []


def test_the_same_key_and_body_give_the_same_task_and_no_second_post(account: Account, wire: Wire) -> None:
    wire.on("POST", CREATE, prediction())
    first, second = submit(key="k"), submit(key='"k"')
    assert document(first)["id"] == document(second)["id"]
    assert (second["statusCode"], second["headers"]["idempotent-replayed"]) == (200, "true")
    assert len(wire.requests) == len(account.executions()) == 1


def test_the_same_key_with_another_body_is_refused(account: Account, wire: Wire) -> None:
    wire.on("POST", CREATE, prediction())
    submit(key="k")
    answer = submit({"input": {"prompt": "another"}}, key="k")
    assert (answer["statusCode"], document(answer)["code"]) == (422, "idempotency_key_reused")
    assert len(wire.requests) == 1


def test_the_same_key_of_another_tenant_is_another_task(account: Account, wire: Wire) -> None:
    wire.on("POST", CREATE, prediction())
    assert document(submit(key="k"))["id"] != document(submit(key="k", tenant="other"))["id"]
    assert len(wire.requests) == 2


def test_what_the_gateway_rejects_reaches_the_caller_in_its_own_words(account: Account, wire: Wire) -> None:
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": "- input: aspect_ratio must be one of 1:1, 4:3"}))
    answer = submit()
    problem = document(answer)
    assert answer["statusCode"] == 422
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert "aspect_ratio must be one of" in problem["detail"]
    assert (problem["code"], problem["may_be_billed"]) == ("invalid_input", False)
    task = account.task()
    assert (task.status, problem["task_id"]) == (Status.FAILED, task.task_id)


def test_a_rejected_task_has_its_webhook_pending_in_the_same_write(account: Account, wire: Wire) -> None:
    wire.on("POST", CREATE, httpx.Response(400, json={"error": {"message": "no"}}))
    submit(order(webhook=RECEIVER))
    task = account.task()
    assert (task.status, task.delivery) == (Status.FAILED, "pending")
    assert task.news is not None
    assert task.due is not None


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout])
def test_a_gateway_that_is_down_leaves_the_task_accepted(account: Account, wire: Wire, error: type[Exception]) -> None:
    wire.on("POST", CREATE, error)
    answer = submit()
    assert (answer["statusCode"], document(answer)["status"]) == (201, "starting")
    task = account.task()
    assert (task.status, task.attempts[0]["outcome"]) == (Status.ACCEPTED, "not_sent")


def test_a_gateway_that_is_busy_leaves_the_task_accepted_and_its_wish_is_kept(account: Account, wire: Wire) -> None:
    wire.on("POST", CREATE, httpx.Response(429, headers={"retry-after": "17"}))
    submit()
    task = account.task()
    assert (task.status, task.attempts[0]["outcome"], task.attempts[0]["retry_after"]) == ("accepted", "refused", 17)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout,
        httpx.RemoteProtocolError,
        httpx.WriteError,
        ZeroDivisionError,
        httpx.Response(500, json={"error": {"message": "oops"}}),
        httpx.Response(502, html="<html>nginx</html>"),
        httpx.Response(408),
        httpx.Response(200, html="<!doctype html><title>gateway</title>"),
        httpx.Response(200, json={"status": "starting"}),
        httpx.Response(200, json={"id": "../../account", "status": "starting"}),
        httpx.Response(200, content=b"x" * 48_000_001),
    ],
    ids=lambda answer: answer.__name__ if isinstance(answer, type) else f"{answer.status_code}-{len(answer.content)}",
)
def test_a_lost_reply_is_never_posted_again(account: Account, wire: Wire, answer: Any) -> None:
    wire.on("POST", CREATE, answer)
    shown = submit()
    assert (shown["statusCode"], document(shown)["status"]) == (201, "starting")
    assert account.task().status is Status.SUBMITTING
    submit()
    assert len(wire.requests) == 1


def test_a_redirect_is_not_followed_with_the_key(account: Account, wire: Wire) -> None:
    wire.on("POST", CREATE, httpx.Response(307, headers={"location": "https://elsewhere.example/"}))
    assert submit()["statusCode"] == 422
    assert len(wire.requests) == 1


def test_no_post_is_begun_that_could_not_be_seen_through(account: Account, wire: Wire) -> None:
    call("submit", event("submit"), Context(remaining=6_000))
    assert account.task().status is Status.ACCEPTED
    assert wire.requests == []


def test_a_gateway_without_a_key_is_passed_over_for_the_next_route(account: Account, wire: Wire) -> None:
    account.delete("gateways/vectornode")
    account.put("gateways/replicate", "r8")
    url = "https://api.replicate.com/v1/models/google/imagen-4-fast/predictions"
    wire.on("POST", url, prediction())
    submit()
    assert wire.requests[0].headers["authorization"] == "Bearer r8"
    assert account.task().route == "replicate/replicate/google/imagen-4-fast"


def test_a_task_without_any_gateway_key_waits_for_the_operator(account: Account, wire: Wire) -> None:
    account.delete("gateways/vectornode")
    assert document(submit())["status"] == "starting"
    assert account.task().status is Status.ACCEPTED


def test_an_unknown_model_is_404_and_leaves_no_task(account: Account) -> None:
    answer = call("submit", by_version("nothing"))
    assert (answer["statusCode"], document(answer)["code"]) == (404, "unknown_model")
    assert account.tasks() == []


BAD_BODIES = [
    ("no JSON", "{", 400, "malformed_body"),
    ("an array", "[]", 400, "malformed_body"),
    ("a number that is none", '{"input": {"seed": NaN}}', 400, "malformed_body"),
    ("a key twice", '{"input": {"prompt": "a", "prompt": "b"}}', 400, "malformed_body"),
    ("half a character", '{"input": {"prompt": "\\ud800"}}', 400, "malformed_body"),
    ("a deep body", '{"input": ' + '{"a":' * 40 + "1" + "}" * 40 + "}", 400, "malformed_body"),
    ("a bottomless body", "[" * 100_000, 400, "malformed_body"),
    ("a huge body", json.dumps({"input": {"image": "x" * 300_000}}), 413, "body_too_large"),
    ("no input", "{}", 422, "invalid_input"),
    ("an empty prompt", '{"input": {"prompt": " "}}', 422, "invalid_input"),
    ("a huge prompt", json.dumps({"input": {"prompt": "\U0001f4f7" * 10_000}}), 422, "invalid_input"),
    ("a prompt that is no text", '{"input": {"prompt": 7}}', 422, "invalid_input"),
    ("a control character", '{"input": {"prompt": "a\\u0000b"}}', 422, "invalid_input"),
    ("a webhook that is no URL", '{"input": {"prompt": "a"}, "webhook": "shop"}', 422, "invalid_input"),
]


@pytest.mark.parametrize(
    ("body", "status", "code"), [bad[1:] for bad in BAD_BODIES], ids=[bad[0] for bad in BAD_BODIES]
)
def test_a_bad_body_is_a_problem_and_no_task(account: Account, wire: Wire, body: str, status: int, code: str) -> None:
    answer = submit(body)
    assert (answer["statusCode"], document(answer)["code"]) == (status, code)
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert account.tasks() == []
    assert wire.requests == []


def test_every_fault_of_a_body_is_named_at_once(account: Account) -> None:
    body = {"input": {"prompt": ""}, "webhook": 5, "webhook_events_filter": ["end"], "color": "red"}
    problem = document(submit(body))
    assert {fault["field"] for fault in problem["errors"]} == {"input", "webhook", "webhook_events_filter.0", "color"}
    assert all(fault["field"] in problem["detail"] for fault in problem["errors"])


def test_a_form_is_not_mistaken_for_json(account: Account) -> None:
    answer = submit(**{"content-type": "application/x-www-form-urlencoded"})
    assert (answer["statusCode"], document(answer)["code"]) == (415, "unsupported_body")


def test_an_idempotency_key_that_cannot_be_one_is_refused(account: Account) -> None:
    answer = submit(key="schlüssel")
    assert answer["statusCode"] == 422
    assert document(answer)["errors"][0]["field"] == "Idempotency-Key"


def test_a_request_that_has_not_passed_the_authorizer_gets_nothing(account: Account, wire: Wire) -> None:
    sent = event("submit")
    del sent["requestContext"]["authorizer"]
    assert call("submit", sent)["statusCode"] == 500
    assert account.tasks() == []


def test_a_long_complaint_of_a_gateway_still_rejects(account: Account, wire: Wire) -> None:
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": "x" * 450_000}))
    assert submit()["statusCode"] == 422


def test_a_bottomless_reply_is_unknown(account: Account, wire: Wire) -> None:
    wire.on("POST", CREATE, httpx.Response(200, content=b"[" * 100_000))
    assert (submit()["statusCode"], account.task().attempts[0]["outcome"]) == (201, "unknown")


@pytest.mark.parametrize("value", [b"\xb2", b"9" * 5000], ids=["a digit that is no number", "a number without end"])
def test_a_strange_retry_after_does_not_hide_the_refusal(account: Account, wire: Wire, value: bytes) -> None:
    wire.on("POST", CREATE, httpx.Response(429, headers=[(b"retry-after", value)]))
    submit()
    assert account.task().status is Status.ACCEPTED


def test_a_parameter_store_that_does_not_answer_leaves_the_task_to_its_driver(
    account: Account, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "GetParameter")

    monkeypatch.setattr(aws.ssm(), "get_parameter", throttled)
    answer = submit()
    assert (answer["statusCode"], document(answer)["status"]) == (201, "starting")
    assert list(account.executions()) == [account.task().task_id]


def test_time_that_was_lost_before_the_post_counts(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = aws.stepfunctions().start_execution

    def slow(**arguments: Any) -> Any:
        time.forward(15)
        return start(**arguments)

    monkeypatch.setattr(aws.stepfunctions(), "start_execution", slow)
    assert document(submit())["status"] == "starting"
    assert (account.task().status, wire.requests) == (Status.ACCEPTED, [])


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


def test_everything_that_is_wrong_with_an_order_is_told_at_once(
    account: Account, wire: Wire, cat: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"input": {"prompt": "a cat", "num_images": 99, "image": f"{cat}.gif"}, "webhook": "https://10.0.0.1/"}
    monkeypatch.setattr(http, "transport", http.Public)
    answer = submit(body, model=KONTEXT)
    fields = [fault["field"] for fault in document(answer)["errors"]]
    assert (answer["statusCode"], sorted(fields)) == (
        422,
        ["input.image", "input.image", "input.num_images", "webhook"],
    )


@pytest.mark.parametrize(
    "content_type",
    [
        "Application/JSON",
        "application/json; charset=UTF-8",
        "application/vnd.api+json",
        'application/json;charset="utf-8"',
    ],
)
def test_json_may_be_called_by_any_of_its_names(account: Account, wire: Wire, content_type: str) -> None:
    wire.on("POST", CREATE, prediction())
    assert submit(**{"content-type": content_type})["statusCode"] == 201


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/json; charset=iso-8859-1", "application/json;charset=utf-16", "application/jsonp", ""],
)
def test_what_is_not_json_in_utf_8_is_refused_before_it_is_read(
    account: Account, wire: Wire, content_type: str
) -> None:
    answer = submit(**{"content-type": content_type})
    assert (answer["statusCode"], document(answer)["code"]) == (415, "unsupported_body")
    assert (account.tasks(), wire.requests) == ([], [])


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data", ""])
def test_an_order_without_a_body_is_told_that_there_is_none(account: Account, content_type: str) -> None:
    sent = event("submit")
    sent["headers"]["content-type"] = content_type
    del sent["body"]
    answer = call("submit", sent)
    assert answer["statusCode"] == 422
    assert document(answer)["errors"] == [{"field": "body", "message": "Field required"}]


def test_the_model_is_named_where_the_route_says(account: Account, wire: Wire) -> None:
    in_both = {"version": "google/imagen-4", "input": {"prompt": "a"}}
    assert [fault["field"] for fault in document(submit(in_both))["errors"]] == ["version"]
    sent = by_version(IMAGEN)
    sent["body"] = json.dumps({"input": {"prompt": "a"}})
    assert [fault["field"] for fault in document(call("submit", sent))["errors"]] == ["version"]


def test_nothing_is_made_on_a_route_that_is_not_there(account: Account) -> None:
    sent = event("submit", routeKey="PUT /v1/predictions")
    answer = call("submit", sent)
    assert (answer["statusCode"], document(answer)["code"]) == (404, "not_found")


def packed(body: bytes) -> dict[str, Any]:
    """An order as HTTP API hands it over that is called application/vnd.api+json."""
    sent = event("submit", body=base64.b64encode(body).decode(), isBase64Encoded=True)
    sent["headers"]["content-type"] = "application/vnd.api+json"
    return sent


def test_a_body_that_comes_packed_is_read_all_the_same(account: Account, wire: Wire) -> None:
    wire.on("POST", CREATE, prediction())
    answer = call("submit", packed(json.dumps({"input": {"prompt": "灯台"}}, ensure_ascii=False).encode()))
    assert (answer["statusCode"], document(answer)["input"]) == (201, {"prompt": "灯台"})


def test_a_body_that_is_not_utf_8_is_said_to_be_so(account: Account) -> None:
    answer = call("submit", packed(b'{"input": {"prompt": "\xe9"}}'))
    assert (answer["statusCode"], document(answer)["code"]) == (400, "malformed_body")
    assert "not UTF-8: invalid continuation byte at byte 22" in document(answer)["detail"]


def test_links_lead_back_the_way_that_a_caller_has_come(account: Account, wire: Wire) -> None:
    wire.on("POST", CREATE, prediction())
    answer = submit(**{"x-forwarded-proto": "http"})
    assert answer["headers"]["location"] == document(answer)["urls"]["get"]
    assert answer["headers"]["location"].startswith("http://darkroom.example.com/v1/predictions/")


def test_what_is_ours_to_mend_is_logged_and_what_was_sent_is_not(
    account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent = event("submit")
    del sent["requestContext"]["authorizer"]
    call("submit", sent)
    monkeypatch.setattr(catalogue, "catalogue", lambda: 1 / 0)
    assert submit()["statusCode"] == 500
    assert [record.getMessage() for record in caplog.records] == ["not configured completely", "unexpected"]
    assert "lighthouse" not in caplog.text

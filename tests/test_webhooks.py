"""The news of a task's end, as receivers check it: with standardwebhooks, and with Replicate's own client."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from replicate.webhook import InvalidSignatureError, Webhooks, WebhookSigningSecret
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from darkroom import clock, predictions, webhooks
from darkroom.task import Status, Task
from darkroom.wire import Request
from tests.conftest import LINK_KEY, ORIGIN, RECEIVER, WEBHOOK_SECRET

ANOTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
#: Standard Webhooks' verifier looks at the clock on the wall.
NOW = clock.now()


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be long since this file was read, and the verifier's tolerance is five minutes."""
    monkeypatch.setitem(globals(), "NOW", clock.now())


def ended() -> Task:
    task = Task(
        task_id="6qamm7wfvbhpkryb2uzfytxq7v",
        tenant="default",
        model="google/imagen-4-fast",
        input=json.dumps({"prompt": 'Ein Leuchtturm 灯台 📷 \\ "', "seed": 2**63}, ensure_ascii=False),
        digest="d",
        created=NOW - 9000,
        deadline=NOW + 1_800_000,
        due=NOW + 180_000,
        status=Status.CANCELED,
        webhook=RECEIVER,
        completed=NOW - 1000,
    )
    return replace(task, news=predictions.freeze(task, ORIGIN, LINK_KEY))


def received(request: Request) -> httpx.Request:
    return httpx.Request(request.method, request.url, headers=dict(request.headers), content=request.body)


def validate(request: Request, secret: str, tolerance: int = 300) -> None:
    """As a receiver does who was written for Replicate."""
    Webhooks.validate(request=received(request), secret=WebhookSigningSecret(key=secret), tolerance=tolerance)


def test_during_an_overlap_a_receiver_believes_it_with_either_secret() -> None:
    request = webhooks.request(ended(), (ANOTHER_SECRET, WEBHOOK_SECRET), NOW)
    alone = [webhooks.request(ended(), (secret,), NOW) for secret in (ANOTHER_SECRET, WEBHOOK_SECRET)]
    assert request.headers["webhook-signature"].split(" ") == [each.headers["webhook-signature"] for each in alone]
    for secret in (ANOTHER_SECRET, WEBHOOK_SECRET):
        validate(request, secret)
        Webhook(secret).verify(request.body, dict(request.headers))


def test_the_news_goes_to_the_receiver_as_json() -> None:
    request = webhooks.request(ended(), (WEBHOOK_SECRET,), NOW)
    assert (request.method, request.url) == ("POST", RECEIVER)
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == predictions.show(ended(), ORIGIN, LINK_KEY)
    assert "灯台 📷".encode() in request.body


def test_a_receiver_that_knows_standard_webhooks_believes_it() -> None:
    request = webhooks.request(ended(), (WEBHOOK_SECRET,), NOW)
    assert Webhook(WEBHOOK_SECRET).verify(request.body, dict(request.headers)) == json.loads(request.body)


def test_a_receiver_that_was_written_for_replicate_believes_it() -> None:
    validate(webhooks.request(ended(), (WEBHOOK_SECRET,), NOW), WEBHOOK_SECRET)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "body", "secret"])
def test_nobody_believes_what_was_tampered_with(name: str) -> None:
    request, secret = webhooks.request(ended(), (WEBHOOK_SECRET,), NOW), WEBHOOK_SECRET
    match name:
        case "secret":
            secret = ANOTHER_SECRET
        case "body":
            request = replace(request, body=request.body.replace(b"canceled", b"succeeded"))
        case "webhook-timestamp":
            request = replace(request, headers={**request.headers, name: str(NOW // 1000 + 1)})
        case _:
            request = replace(request, headers={**request.headers, name: "msg_another"})
    with pytest.raises(InvalidSignatureError):
        validate(request, secret)
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(secret).verify(request.body, dict(request.headers))


def test_every_attempt_has_the_same_id_and_body_and_its_own_time() -> None:
    first, second = (webhooks.request(ended(), (WEBHOOK_SECRET,), moment) for moment in (NOW - 5000, NOW))
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == f"msg_{ended().task_id}"
    times = [int(each.headers["webhook-timestamp"]) for each in (first, second)]
    assert times == [NOW // 1000 - 5, NOW // 1000]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    validate(first, WEBHOOK_SECRET)
    validate(second, WEBHOOK_SECRET)


def test_a_timestamp_is_the_second_that_has_begun() -> None:
    request = webhooks.request(ended(), (WEBHOOK_SECRET,), 1_795_176_000_999)
    assert request.headers["webhook-timestamp"] == "1795176000"
    validate(request, WEBHOOK_SECRET, tolerance=10**10)


def test_what_is_signed_holds_no_dot_but_those_between_its_parts() -> None:
    headers = webhooks.request(ended(), (WEBHOOK_SECRET,), NOW).headers
    assert "." not in headers["webhook-id"] + headers["webhook-timestamp"]


def test_the_scheme_is_that_of_the_published_example() -> None:
    moment = datetime.fromtimestamp(1_614_265_330, UTC)
    signature = Webhook(WEBHOOK_SECRET).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", moment, '{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_task_that_nobody_wants_to_hear_of_has_no_news() -> None:
    with pytest.raises(ValueError, match="no webhook"):
        webhooks.request(replace(ended(), webhook=None), (WEBHOOK_SECRET,), NOW)
    with pytest.raises(ValueError, match="no news"):
        webhooks.request(replace(ended(), news=None), (WEBHOOK_SECRET,), NOW)

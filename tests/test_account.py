"""Who a caller is, and what such a caller's webhooks are verified with: functions/account.py."""

import httpx
import pytest
from replicate.client import Client

from tests.conftest import WEBHOOK_SECRET, Account, Event, call, document, event

ANOTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PATHS = ["/v1/account", "/v1/webhooks/default/secret"]


def ask(path: str, *, tenant: str | None = "default") -> Event:
    sent = event("account", rawPath=path)
    sent["requestContext"]["http"]["path"] = path
    sent["requestContext"]["authorizer"]["lambda"]["tenant"] = tenant
    answer: Event = call("account", sent)
    return answer


def client(tenant: str) -> Client:
    """Replicate's own, whose requests come to this door."""

    def answer(request: httpx.Request) -> httpx.Response:
        given = ask(request.url.path, tenant=tenant)
        return httpx.Response(given["statusCode"], headers=given["headers"], text=given["body"])

    return Client(api_token="any", transport=httpx.MockTransport(answer))


@pytest.mark.parametrize("tenant", ["default", "shop-2"])
def test_replicates_client_finds_out_whose_key_it_has(account: Account, tenant: str) -> None:
    found = client(tenant).accounts.current()
    assert (found.type, found.username, found.name, found.github_url) == ("organization", tenant, tenant, None)


def test_replicates_client_finds_the_secret_of_its_own_webhooks(account: Account) -> None:
    account.put("tenants/shop/webhook-secret", ANOTHER_SECRET)
    assert client("default").webhooks.default.secret().key == WEBHOOK_SECRET
    assert client("shop").webhooks.default.secret().key == ANOTHER_SECRET


@pytest.mark.parametrize("path", PATHS)
def test_nobody_keeps_what_is_told(account: Account, path: str) -> None:
    answer = ask(path)
    assert (answer["statusCode"], answer["headers"]["cache-control"]) == (200, "no-store")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("tenant", [None, ""])
def test_who_has_not_passed_the_authorizer_is_told_nothing(account: Account, path: str, tenant: str | None) -> None:
    answer = ask(path, tenant=tenant)
    assert (answer["statusCode"], document(answer)["code"]) == (500, "misconfigured")
    assert "whsec" not in answer["body"]


def test_a_tenant_without_a_secret_is_told_whose_fault_that_is(account: Account) -> None:
    answer = ask("/v1/webhooks/default/secret", tenant="nobody")
    assert (answer["statusCode"], document(answer)["code"]) == (500, "misconfigured")


@pytest.mark.parametrize("secret", ["hunter2", "whsec_YQ whsec_Yg hunter2 6"])
def test_what_is_no_secret_is_not_shown_for_one(
    account: Account, caplog: pytest.LogCaptureFixture, secret: str
) -> None:
    account.put("tenants/default/webhook-secret", secret)
    answer = ask("/v1/webhooks/default/secret")
    assert (answer["statusCode"], document(answer)["code"]) == (500, "misconfigured")
    assert "holds no webhook secret" in caplog.text
    assert not any(word in answer["body"] + caplog.text for word in ("hunter2", "whsec_Y"))


def test_no_secret_reaches_a_log_line(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    assert WEBHOOK_SECRET in ask("/v1/webhooks/default/secret")["body"]
    assert not [line for line in map(repr, map(vars, caplog.records)) if "botocore" not in line and "whsec" in line]

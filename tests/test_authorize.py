"""Who is let in: functions/authorize.py, and the keys of darkroom/tenants.py."""

import asyncio
import json
import secrets
import zlib
from typing import Any

import pytest

from darkroom import aws, settings, tenants
from local.cloud.functions.worker import Result
from local.cloud.http.authorizer import Authorizer
from local.cloud.http.payload import Response
from local.cloud.http.routes import AuthorizerRule
from tests.conftest import Account, Event, call, event, template

pytestmark = pytest.mark.usefixtures("account")
REFUSED = {"isAuthorized": False}


def ask(authorization: str | None) -> Event:
    sent = event("authorize")
    del sent["headers"]["authorization"]
    if authorization is not None:
        sent["headers"]["authorization"] = authorization
    answer: Event = call("authorize", sent)
    return answer


async def invoke(_: str, payload: bytes) -> Result:
    return Result(json.dumps(call("authorize", json.loads(payload))).encode())


def forged(key_id: str, secret: str) -> str:
    """A key with the right checksum."""
    return f"darkroom_{key_id}_{secret}{zlib.crc32(f'{key_id}_{secret}'.encode()):08x}"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Token", "token"])
def test_who_has_a_key_is_let_in_as_its_tenant(scheme: str) -> None:
    keys = {tenant: tenants.make_key(tenant) for tenant in ("default", "shop-2")}
    for tenant, key in keys.items():
        assert ask(f"{scheme} {key}") == {"isAuthorized": True, "context": {"tenant": tenant}}


def test_a_tenant_may_have_several_keys() -> None:
    first, second = tenants.make_key("default"), tenants.make_key("default")
    assert first != second
    assert ask(f"Bearer {first}") == ask(f"Bearer {second}") != REFUSED


def test_a_wrong_secret_is_refused_even_if_its_checksum_is_right() -> None:
    key_id = tenants.make_key("default").split("_")[1]
    assert ask(f"Bearer {forged(key_id, secrets.token_hex(32))}") == REFUSED


def test_a_key_that_nobody_made_is_refused() -> None:
    assert ask(f"Bearer {forged('a' * 8, secrets.token_hex(32))}") == REFUSED


def test_the_secret_of_another_key_is_refused() -> None:
    first, second = (tenants.make_key(tenant).split("_") for tenant in ("default", "other"))
    assert ask(f"Bearer {forged(first[1], second[2][:64])}") == REFUSED


def test_garbage_is_refused_without_reading_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(**_: Any) -> None:
        pytest.fail("the table was read")

    key = tenants.make_key("default")
    monkeypatch.setattr(aws.dynamodb(), "get_item", read)
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    swapped = key.replace(key[20], "0" if key[20] != "0" else "1", 1)
    for garbage in (wrong, swapped, key[:-1], f"{key}0", key.upper(), "darkroom_", "r8_abc", "ü" * 90, " ", ""):
        assert ask(f"Bearer {garbage}") == REFUSED
    for header in (None, "", "Bearer", key, f"Basic {key}", f"Bearer{key}", f"Bearer {key} {key}", f"Bearer {key}\n?"):
        assert ask(header) == REFUSED


def test_a_key_that_is_revoked_is_refused_and_the_tenants_others_are_not() -> None:
    first, second = tenants.make_key("default"), tenants.make_key("default")
    tenants.revoke(first)
    assert ask(f"Bearer {first}") == REFUSED
    assert ask(f"Bearer {second}") == {"isAuthorized": True, "context": {"tenant": "default"}}


def test_a_revoked_key_is_refused_after_a_minute_and_not_a_second_later() -> None:
    """Through the API's own memory of answers, as long as the template says."""
    (scheme,) = template()["Resources"]["Api"]["Properties"]["Body"]["components"]["securitySchemes"].values()
    kept = scheme["x-amazon-apigateway-authorizer"]["authorizerResultTtlInSeconds"]
    rule = AuthorizerRule("Authorize", kept, (("header", "Authorization"),))
    seconds = 0.0
    memory = Authorizer(invoke, lambda: seconds)
    key = tenants.make_key("default")
    let_in = {"tenant": "default"}
    sent = event("authorize")
    sent["headers"]["authorization"] = f"Bearer {key}"
    assert asyncio.run(memory.admit(rule, sent, "")) == let_in
    tenants.revoke(key)
    seconds = 59.9
    assert asyncio.run(memory.admit(rule, sent, "")) == let_in
    seconds = 60.0
    refused = asyncio.run(memory.admit(rule, sent, ""))
    assert isinstance(refused, Response)
    assert refused.status == 403


def test_a_key_is_looked_up_where_a_revocation_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that lags behind would be kept for another minute."""
    key = tenants.make_key("default")
    read = aws.dynamodb().get_item

    def watched(**asked: Any) -> Any:
        assert asked["ConsistentRead"] is True
        return read(**asked)

    monkeypatch.setattr(aws.dynamodb(), "get_item", watched)
    assert ask(f"Bearer {key}") != REFUSED


def test_nothing_that_could_match_is_left_of_a_revoked_key() -> None:
    key = tenants.make_key("default")
    tenants.revoke(key)
    (item,) = aws.dynamodb().scan(TableName=settings.tenants_table())["Items"]
    assert set(item) == {"id", "tenant", "created", "note", "revoked"}


def test_a_key_of_the_first_version_lets_its_tenant_in() -> None:
    key = tenants.make_key("default")
    name = {"id": {"S": f"key#{key.split('_')[1]}"}}
    aws.dynamodb().update_item(TableName=settings.tenants_table(), Key=name, UpdateExpression="REMOVE note")
    assert ask(f"Bearer {key}") == {"isAuthorized": True, "context": {"tenant": "default"}}
    assert [(one.tenant, one.note) for one in tenants.list_keys()] == [("default", "")]


def test_a_key_that_was_deleted_is_refused() -> None:
    key = tenants.make_key("default")
    (item,) = aws.dynamodb().scan(TableName=settings.tenants_table())["Items"]
    aws.dynamodb().delete_item(TableName=settings.tenants_table(), Key={"id": item["id"]})
    assert ask(f"Bearer {key}") == REFUSED


def test_the_secret_is_not_in_the_table(account: Account) -> None:
    key = tenants.make_key("default")
    found = json.dumps(aws.dynamodb().scan(TableName=settings.tenants_table())["Items"])
    _, key_id, secret = key.split("_")
    assert key_id in found
    assert secret[:64] not in found
    assert secret[64:] not in found

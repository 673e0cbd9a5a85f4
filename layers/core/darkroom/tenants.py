"""
Tenants and their API keys.

A key is `darkroom_<id>_<secret><checksum>`: the prefix lets scanners for leaked secrets find it, the checksum lets
garbage be refused without reading anything, and only the SHA-256 of the secret is stored. A key that is revoked loses
even that: its record stays, and says whose it was and since when it is none, but nothing can match it any more,
whichever version of this code reads it.
"""

import base64
import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from darkroom import aws, clock, settings
from darkroom.errors import OperatorError

_SHAPE = re.compile(r"darkroom_(?P<id>[a-z2-7]{8})_(?P<secret>[0-9a-f]{64})(?P<checksum>[0-9a-f]{8})")
_ID = re.compile(r"[a-z2-7]{8}")
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True)
class Key:
    """What is known of an API key, which is not the key. Times are milliseconds since the epoch."""

    id: str
    tenant: str
    made: int
    revoked: int | None = None
    note: str = ""


def is_name(tenant: str) -> bool:
    """Whether a tenant may be called so: 1 to 32 characters of a-z, 0-9 and -."""
    return _TENANT.fullmatch(tenant) is not None


def make_key(tenant: str, note: str = "") -> str:
    """A new API key for a tenant, who may have several; `note` tells them apart. It cannot be shown again."""
    key_id = base64.b32encode(secrets.token_bytes(5)).decode().lower()
    secret = secrets.token_hex(32)
    aws.dynamodb().put_item(
        TableName=settings.tenants_table(),
        Item={
            **_name(key_id),
            "tenant": {"S": tenant},
            "sha256": {"S": _fingerprint(secret)},
            "created": {"N": str(clock.now())},
            "note": {"S": note},
        },
        ConditionExpression="attribute_not_exists(id)",
    )
    return f"darkroom_{key_id}_{secret}{_checksum(key_id, secret)}"


def whose(key: str) -> str | None:
    """The tenant whose key this is; None if it is nobody's, or nobody's any more."""
    parts = _SHAPE.fullmatch(key)
    if not parts or not hmac.compare_digest(parts["checksum"], _checksum(parts["id"], parts["secret"])):
        return None
    # The answer is kept for a minute: a read that lags behind a revocation would be kept for a minute too.
    found = aws.dynamodb().get_item(TableName=settings.tenants_table(), Key=_name(parts["id"]), ConsistentRead=True)
    item = found.get("Item", {})
    stored = item.get("sha256", {"S": ""})["S"]  # what is not there is compared like what is wrong
    return item["tenant"]["S"] if hmac.compare_digest(stored, _fingerprint(parts["secret"])) else None


def list_keys(tenant: str | None = None) -> list[Key]:
    """Every key that was ever made, of all tenants or of one: tenant by tenant, the oldest first."""
    found = [_shown(item) for item in _items() if item["id"]["S"].startswith("key#")]
    return sorted((key for key in found if tenant in (None, key.tenant)), key=lambda key: (key.tenant, key.made))


def revoke(name: str) -> Key:
    """
    Let a key in no more, named by its id or by all of it. Once revoked it stays so: again is the same, since when too.

    Raises OperatorError if there is no such key.
    """
    whole = _SHAPE.fullmatch(name)
    key_id = whole["id"] if whole else name
    if not _ID.fullmatch(key_id):
        raise OperatorError("That is neither the id of an API key (8 characters of a-z and 2-7) nor a whole key.")
    client = aws.dynamodb()
    try:
        written = client.update_item(
            TableName=settings.tenants_table(),
            Key=_name(key_id),
            UpdateExpression="SET revoked = if_not_exists(revoked, :now) REMOVE sha256",
            ConditionExpression="attribute_exists(id)",
            ExpressionAttributeValues={":now": {"N": str(clock.now())}},
            ReturnValues="ALL_NEW",
        )
    except client.exceptions.ConditionalCheckFailedException:
        raise OperatorError(f"There is no API key {key_id!r}.") from None
    return _shown(written["Attributes"])


def make_webhook_secret() -> str:
    """
    A secret to sign webhooks with, as Standard Webhooks writes it.

    24 bytes make 32 characters without padding, which every known verifier reads.
    """
    return f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"


def _items() -> Iterator[dict[str, Any]]:
    """All of the table, a page after the other."""
    start: dict[str, Any] = {}
    while True:
        page = aws.dynamodb().scan(TableName=settings.tenants_table(), **start)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _name(key_id: str) -> dict[str, Any]:
    return {"id": {"S": f"key#{key_id}"}}


def _shown(item: dict[str, Any]) -> Key:
    revoked = int(item["revoked"]["N"]) if "revoked" in item else None
    note = item.get("note", {"S": ""})["S"]  # keys of the first version have none
    return Key(item["id"]["S"].removeprefix("key#"), item["tenant"]["S"], int(item["created"]["N"]), revoked, note)


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(key_id: str, secret: str) -> str:
    return f"{zlib.crc32(f'{key_id}_{secret}'.encode()):08x}"

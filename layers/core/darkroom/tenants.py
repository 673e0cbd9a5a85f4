"""
Tenants and their API keys.

A key is `darkroom_<id>_<secret><checksum>`: the prefix lets scanners for leaked secrets find it, the checksum lets
garbage be refused without reading anything, and only the SHA-256 of the secret is stored.
"""

import base64
import hashlib
import hmac
import re
import secrets
import zlib

from darkroom import aws, clock, settings

_SHAPE = re.compile(r"darkroom_(?P<id>[a-z2-7]{8})_(?P<secret>[0-9a-f]{64})(?P<checksum>[0-9a-f]{8})")
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def is_name(tenant: str) -> bool:
    """Whether a tenant may be called so: 1 to 32 characters of a-z, 0-9 and -."""
    return _TENANT.fullmatch(tenant) is not None


def make_key(tenant: str) -> str:
    """A new API key for a tenant, who may have several. It cannot be shown again."""
    key_id = base64.b32encode(secrets.token_bytes(5)).decode().lower()
    secret = secrets.token_hex(32)
    aws.dynamodb().put_item(
        TableName=settings.tenants_table(),
        Item={
            "id": {"S": f"key#{key_id}"},
            "tenant": {"S": tenant},
            "sha256": {"S": _fingerprint(secret)},
            "created": {"N": str(clock.now())},
        },
        ConditionExpression="attribute_not_exists(id)",
    )
    return f"darkroom_{key_id}_{secret}{_checksum(key_id, secret)}"


def whose(key: str) -> str | None:
    """The tenant whose key this is; None if it is nobody's."""
    parts = _SHAPE.fullmatch(key)
    if not parts or not hmac.compare_digest(parts["checksum"], _checksum(parts["id"], parts["secret"])):
        return None
    found = aws.dynamodb().get_item(TableName=settings.tenants_table(), Key={"id": {"S": f"key#{parts['id']}"}})
    item = found.get("Item")
    if not item or not hmac.compare_digest(item["sha256"]["S"], _fingerprint(parts["secret"])):
        return None
    return item["tenant"]["S"]


def make_webhook_secret() -> str:
    """
    A secret to sign webhooks with, as Standard Webhooks writes it.

    24 bytes make 32 characters without padding, which every known verifier reads.
    """
    return f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"


def _fingerprint(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(key_id: str, secret: str) -> str:
    return f"{zlib.crc32(f'{key_id}_{secret}'.encode()):08x}"

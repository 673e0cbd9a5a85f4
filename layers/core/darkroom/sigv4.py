"""
AWS's Signature Version 4, of a POST to `/`, as all is asked in the JSON protocol: headers in, headers out.

The rule: every header that is given is signed, so none of them may be changed on the way.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Credentials:
    """Who signs. token: of a session, which a role's have and a user's have not."""

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def signed(
    headers: Mapping[str, str], body: bytes, *, by: Credentials, region: str, service: str, now: int
) -> dict[str, str]:
    """
    The headers, in lower case and `host` among them, with x-amz-date, x-amz-security-token and authorization.

    service: as signatures call it (`states`). now: ms.
    """
    date = _date(now // 1000)
    told = {**headers, "x-amz-date": date}
    if by.token:
        told["x-amz-security-token"] = by.token
    names = sorted(told)
    lines = [f"{name}:{' '.join(told[name].split())}" for name in names]
    request = "\n".join(("POST", "/", "", *lines, "", ";".join(names), _digest(body)))
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((ALGORITHM, date, scope, _digest(request.encode())))
    signature = _sign(_key(by.secret, date[:8], region, service), text).hex()
    told["authorization"] = (
        f"{ALGORITHM} Credential={by.key_id}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return told


@lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%SZ}"


@lru_cache(maxsize=16)
def _key(secret: str, day: str, region: str, service: str) -> bytes:
    """The key that signs for a day, in a region, at a service."""
    key = f"AWS4{secret}".encode()
    for word in (day, region, service, "aws4_request"):
        key = _sign(key, word)
    return key


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sign(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")

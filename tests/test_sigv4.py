"""Signature Version 4, beside botocore's: whatever is signed, both write the same."""

import string
from datetime import UTC, datetime

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials
from hypothesis import given
from hypothesis import strategies as st

from darkroom import sigv4
from darkroom.sigv4 import Credentials

NAMES = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=12).map(lambda name: f"X-Amz-{name}")
VALUES = st.text(string.ascii_letters + string.digits + " ,;=/:", max_size=20)
WORDS = st.text(string.ascii_letters + string.digits + "/+", min_size=1, max_size=40)
#: From 2001 to 2060, ms.
MOMENTS = st.integers(10**12, 2_840_000_000_000)


@given(
    service=st.sampled_from(["dynamodb", "states", "ssm"]),
    region=st.sampled_from(["us-east-1", "eu-central-2", "cn-north-1"]),
    headers=st.dictionaries(NAMES.map(str.lower), VALUES, max_size=4),
    body=st.binary(max_size=200),
    key_id=WORDS,
    secret=WORDS,
    token=st.none() | WORDS,
    now=MOMENTS,
)
def test_botocore_signs_the_same_in_the_same_way(
    service: str,
    region: str,
    headers: dict[str, str],
    body: bytes,
    key_id: str,
    secret: str,
    token: str | None,
    now: int,
) -> None:
    host = f"{service}.{region}.amazonaws.com"
    reserved = {"x-amz-date", "x-amz-security-token", "x-amz-content-sha256"}
    headers = {name: value for name, value in headers.items() if name not in reserved}
    ours = sigv4.signed(
        {"host": host, "content-type": "application/x-amz-json-1.0", **headers},
        body,
        by=Credentials(key_id, secret, token),
        region=region,
        service=service,
        now=now,
    )
    theirs = theirs_of(
        auth.SigV4Auth(TheirCredentials(key_id, secret, token), service, region),
        AWSRequest("POST", f"https://{host}/", {"content-type": "application/x-amz-json-1.0", **headers}, body),
        now,
    )
    assert ours == {**theirs, "host": host}


def test_what_signs_is_not_shown() -> None:
    assert "hunter2" not in repr(Credentials("key", "hunter2", "hunter2"))


def theirs_of(signer: auth.SigV4Auth, request: AWSRequest, now: int) -> dict[str, str]:
    """The headers of a request that botocore has signed at a moment, ms."""
    moment = datetime.fromtimestamp(now // 1000, UTC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auth, "get_current_datetime", lambda: moment.replace(tzinfo=None))
        signer.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}

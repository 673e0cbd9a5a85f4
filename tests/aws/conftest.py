"""The two ways to ask AWS, and what there is to be asked."""

import os
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import botocore.endpoint
import botocore.session
import pytest
from botocore.retries.standard import ExponentialBackoff
from moto.server import ThreadedMotoServer

from darkroom import aws, clock
from darkroom.aws import PATIENT
from darkroom.calls import Client, Patience, Service
from tests.aws.scripted_server import reply

Way = Callable[..., Any]
FOUND = reply(200, {"Item": {"id": {"S": "one"}}})
THERE = {"Item": {"id": {"S": "one"}}}
BROKEN = reply(
    400,
    {
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
        "Item": {"id": {"S": "one"}},
    },
    headers={"x-amzn-RequestId": "REQUEST"},
)
#: Of whom silence is expected.
BRIEF = Patience(2, 0.1, 1)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    given = {
        "ACCESS_KEY_ID": "key",
        "SECRET_ACCESS_KEY": "secret",
        "SESSION_TOKEN": "token",
        "DEFAULT_REGION": "us-east-1",
    }
    files = {"CONFIG_FILE": os.devnull, "SHARED_CREDENTIALS_FILE": os.devnull, "EC2_METADATA_DISABLED": "true"}
    for name, value in (given | files).items():
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long either of them has waited, s; by chance, half of what it may be."""
    waited = list[float]()
    monkeypatch.setattr(clock, "sleep", waited.append)
    monkeypatch.setattr(clock, "chance", lambda: 0.5)
    monkeypatch.setattr(botocore.endpoint, "time", types.SimpleNamespace(sleep=waited.append))
    monkeypatch.setattr(ExponentialBackoff.__init__, "__defaults__", (20, lambda: 0.5, None, None))
    return waited


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> Iterator[Way]:
    """Makes a client of ours that asks a service at a URL."""
    with ExitStack() as made:

        def client(service: Service, url: str, patience: Patience = PATIENT) -> Any:
            monkeypatch.setenv("AWS_ENDPOINT_URL", url)
            client = Client(service, patience)
            made.callback(closed, client)
            return client

        yield client


def closed(client: Client) -> None:
    for connection, _ in client._idle:
        connection.close()


@pytest.fixture(params=["ours", "boto3's"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, ours: Way) -> Way:
    """Makes a client, ours or boto3's, that asks a service at a URL."""

    def theirs(service: Service, url: str, patience: Patience = PATIENT) -> Any:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # another test's credentials
        return aws.sdk(service, patience)

    return ours if request.param == "ours" else theirs


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    finally:
        server.stop()


def item(name: str, **more: str) -> dict[str, Any]:
    return {"id": {"S": name}} | {name: {"S": value} for name, value in more.items()}


def get(client: Any) -> dict[str, Any]:
    """What the scripted server says of an item; of the SDK's answer, without what it adds."""
    found: dict[str, Any] = client.get_item(TableName="t", Key=item("one"))
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}

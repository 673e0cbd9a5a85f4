"""
How AWS is asked, at the wire: by us and by the SDK, the same of both.

Wherever a test takes a `way`, it runs once with our client and once with boto3's, against the same server.
"""

import json
import os
import socket
import ssl
import subprocess
import sys
import time
import types
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import botocore.endpoint
import botocore.session
import pytest
import trustme
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.retries.standard import ExponentialBackoff
from moto.server import ThreadedMotoServer

from darkroom import aws, calls, clock
from darkroom.aws import DYNAMODB, HASTY, PATIENT, SSM, STEPFUNCTIONS
from darkroom.calls import Client, Patience, Service
from tests.conftest import ROOT
from tests.scripted_server import Mishap, ScriptedServer, reply

Way = Callable[..., Any]
FOUND = reply(200, {"Item": {"id": {"S": "one"}}})
THERE = {"Item": {"id": {"S": "one"}}}
THROTTLED = reply(400, {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "slow down"})
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


@pytest.fixture
def table(way: Way, moto: str) -> Iterator[Any]:
    """A client of DynamoDB, with a table `t` and its item `one`."""
    client = way(DYNAMODB, moto)
    client.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.put_item(TableName="t", Item=item("one"))
    yield client
    client.delete_table(TableName="t")


def item(name: str, **more: str) -> dict[str, Any]:
    return {"id": {"S": name}} | {name: {"S": value} for name, value in more.items()}


def get(client: Any) -> dict[str, Any]:
    """What the scripted server says of an item; of the SDK's answer, without what it adds."""
    found: dict[str, Any] = client.get_item(TableName="t", Key=item("one"))
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


def test_an_item_is_put_and_got_whatever_letters_it_has(table: Any) -> None:
    table.put_item(TableName="t", Item=item("zwei", text="Größe \U0001f5bc \x00 \u2028 \"'\\"))
    found = table.get_item(TableName="t", Key=item("zwei"), ConsistentRead=True)
    assert found["Item"] == item("zwei", text="Größe \U0001f5bc \x00 \u2028 \"'\\")
    assert "Item" not in table.get_item(TableName="t", Key=item("three"))


def test_a_write_whose_condition_does_not_hold_says_what_is_there(table: Any) -> None:
    with pytest.raises(table.exceptions.ConditionalCheckFailedException) as raised:
        table.put_item(
            TableName="t",
            Item=item("one", text="another"),
            ConditionExpression="attribute_not_exists(id)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    response = raised.value.response
    assert isinstance(raised.value, ClientError)
    assert raised.value.operation_name == "PutItem"
    assert (response["Item"], response["Error"]["Code"]) == (item("one"), "ConditionalCheckFailedException")
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["ResponseMetadata"]["RetryAttempts"]) == (400, 0)
    assert aws.refused(raised.value)


def test_an_update_gives_what_is_there_then_or_says_what_is_there_instead(table: Any) -> None:
    update = {
        "TableName": "t",
        "Key": item("one"),
        "UpdateExpression": "SET #t = :t",
        "ConditionExpression": "attribute_not_exists(#t)",
        "ExpressionAttributeNames": {"#t": "text"},
        "ExpressionAttributeValues": {":t": {"S": "written"}},
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    assert table.update_item(**update)["Attributes"] == item("one", text="written")
    with pytest.raises(table.exceptions.ConditionalCheckFailedException) as raised:
        table.update_item(**update)
    assert raised.value.response["Item"] == item("one", text="written")


def test_several_items_are_got_queried_and_scanned(table: Any) -> None:
    table.put_item(TableName="t", Item=item("two"))
    keys = [item("one"), item("two"), item("three")]
    got = table.batch_get_item(RequestItems={"t": {"Keys": keys, "ConsistentRead": True}})
    assert sorted(each["id"]["S"] for each in got["Responses"]["t"]) == ["one", "two"]
    assert got["UnprocessedKeys"] == {}
    found = table.query(
        TableName="t", KeyConditionExpression="id = :id", ExpressionAttributeValues={":id": {"S": "two"}}
    )
    assert (found["Items"], found["Count"]) == ([item("two")], 1)
    page = table.scan(TableName="t", Limit=1)
    rest = table.scan(TableName="t", ExclusiveStartKey=page["LastEvaluatedKey"])
    assert page["Items"] != rest["Items"]


def test_a_table_that_is_not_there_is_an_error_of_its_name(way: Way, moto: str) -> None:
    client = way(DYNAMODB, moto)
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="GetItem operation"):
        get(client)


def test_an_execution_is_started_once_under_a_name(way: Way, moto: str) -> None:
    client = way(STEPFUNCTIONS, moto)
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    role = "arn:aws:iam::123456789012:role/machine"
    machine = client.create_state_machine(name="m", definition=definition, roleArn=role)["stateMachineArn"]
    started = client.start_execution(stateMachineArn=machine, name="one", input='{"v": 1}')
    assert started["executionArn"].endswith(":execution:m:one")
    with pytest.raises(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(stateMachineArn=machine, name="one", input='{"v": 2}')
    client.delete_state_machine(stateMachineArn=machine)


def test_a_parameter_is_read_or_is_not_there(way: Way, moto: str) -> None:
    client = way(SSM, moto)
    client.put_parameter(Name="/stack/key", Value="secret", Type="SecureString", Overwrite=True)
    assert client.get_parameter(Name="/stack/key", WithDecryption=True)["Parameter"]["Value"] == "secret"
    with pytest.raises(client.exceptions.ParameterNotFound):
        client.get_parameter(Name="/stack/none", WithDecryption=True)


@pytest.mark.parametrize(
    ("script", "connections", "waited"),
    [
        ([FOUND], [1], []),
        ([Mishap.RESET_EARLY, FOUND], [2], [0.0125]),
        ([Mishap.RESET, FOUND], [1, 2], [0.0125]),
        ([Mishap.HANG_UP, FOUND], [2], [0.0125]),
        ([reply(500, "out of order"), FOUND], [1, 1], [0.0125]),
        ([reply(502, ""), reply(503, {}), reply(504, {}), FOUND], [1, 1, 1, 1], [0.0125, 0.025, 0.05]),
        ([THROTTLED, THROTTLED, FOUND], [1, 1, 1], [0.5, 1.0]),
        ([reply(429, {}), FOUND], [1, 1], [0.5]),
        ([reply(400, {"__type": "RequestTimeout"}), FOUND], [1, 1], [0.0125]),
        ([reply(400, {"__type": "ReplicatedWriteConflictException"}), FOUND], [1, 1], None),
    ],
    ids=map(str, range(10)),
)
def test_what_failed_for_now_is_asked_again_after_a_pause(
    way: Way, pauses: list[float], script: list[bytes | Mishap], connections: list[int], waited: list[float] | None
) -> None:
    with ScriptedServer(*script) as server:
        if waited is None:  # boto3 knows of it for the operations that may say it
            way(DYNAMODB, server.url).put_item(TableName="t", Item=item("one"))
        else:
            assert get(way(DYNAMODB, server.url)) == THERE
    assert [number for number, _, _ in server.requests] == connections
    assert pauses == ([0.0125] if waited is None else waited)
    assert server.left == 0


@pytest.mark.parametrize(
    ("said", "code", "message", "attempts", "away", "refused"),
    [
        (BROKEN, "ConditionalCheckFailedException", "The conditional request failed", 1, False, True),
        (
            reply(400, {"__type": "AccessDeniedException", "Message": "no"}),
            "AccessDeniedException",
            "no",
            1,
            False,
            True,
        ),
        (reply(400, {"__type": "Odd:http://it.is/so", "message": "x"}), "Odd", "x", 1, False, True),
        (reply(413, "too large"), "413", "too large", 1, False, True),
        (reply(403, {}), "403", "", 1, False, True),
        (reply(501, {}), "501", "", 1, True, False),
        (  # it is said of writes: this reads
            reply(400, {"__type": "ReplicatedWriteConflictException", "message": "x"}),
            "ReplicatedWriteConflictException",
            "x",
            1,
            True,
            True,
        ),
        (THROTTLED, "ThrottlingException", "slow down", 4, True, False),
        (reply(500, "out of order"), "500", "out of order", 4, True, False),
        (
            reply(500, {"__type": "InternalServerError", "message": "sorry"}),
            "InternalServerError",
            "sorry",
            4,
            True,
            False,
        ),
    ],
    ids=map(str, range(10)),
)
def test_an_error_says_what_the_service_said_and_how_often_it_was_asked(
    way: Way, said: bytes, code: str, message: str, attempts: int, away: bool, refused: bool
) -> None:
    with ScriptedServer(*[said] * attempts) as server, pytest.raises(ClientError) as raised:
        get(way(DYNAMODB, server.url))
    response = raised.value.response
    assert (response["Error"]["Code"], response["Error"]["Message"]) == (code, message)
    assert response["ResponseMetadata"]["RetryAttempts"] == attempts - 1 == len(server.requests) - 1
    assert (aws.away(raised.value), aws.refused(raised.value)) == (away, refused)


@pytest.mark.parametrize("document", ["[]", "null", '"no"', "7", {"__type": None}, {"__type": 7}], ids=str)
def test_an_error_that_does_not_say_which_is_known_by_its_status(ours: Way, document: Any) -> None:
    """Here the SDK would raise an AttributeError, or know it by no name."""
    with ScriptedServer(reply(400, document)) as server, pytest.raises(ClientError) as raised:
        get(ours(DYNAMODB, server.url))
    assert (raised.value.response["Error"]["Code"], aws.refused(raised.value)) == ("400", True)
    with ScriptedServer(reply(500, document), FOUND) as server:
        assert get(ours(DYNAMODB, server.url)) == THERE


def test_a_reply_that_is_not_what_dynamodb_has_counted_is_asked_for_again(way: Way, pauses: list[float]) -> None:
    right = {"x-amz-crc32": str(zlib.crc32(json.dumps(THERE).encode()))}
    with ScriptedServer(reply(200, {}, headers=right), reply(200, THERE, headers=right)) as server:
        assert get(way(DYNAMODB, server.url)) == THERE
    assert (len(server.requests), pauses) == (2, [0.0125])


def test_a_reply_that_never_is_has_been_lost(ours: Way) -> None:
    """Here the SDK would take the last for the truth."""
    damaged = reply(200, {}, headers={"x-amz-crc32": "7"})
    with ScriptedServer(damaged) as server, pytest.raises(HTTPClientError):
        get(ours(DYNAMODB, server.url, HASTY))


def test_an_error_has_the_name_that_aws_has_for_the_request(way: Way) -> None:
    with ScriptedServer(BROKEN) as server, pytest.raises(ClientError) as raised:
        get(way(DYNAMODB, server.url))
    assert raised.value.response["ResponseMetadata"]["RequestId"] == "REQUEST"
    assert str(raised.value).startswith(
        "An error occurred (ConditionalCheckFailedException) when calling the GetItem op"
    )


def test_a_no_after_an_attempt_that_was_perhaps_heard_is_no_refusal(way: Way) -> None:
    with ScriptedServer(Mishap.RESET, BROKEN) as server, pytest.raises(ClientError) as raised:
        get(way(DYNAMODB, server.url))
    assert not aws.refused(raised.value)


@pytest.mark.parametrize(
    ("mishap", "error"),
    [
        (Mishap.RESET_EARLY, ConnectionClosedError),
        (Mishap.RESET, ConnectionClosedError),
        (Mishap.HANG_UP, ConnectionClosedError),
        (Mishap.SILENCE, ReadTimeoutError),
    ],
)
def test_a_reply_that_does_not_come_is_an_error_after_as_many_attempts_as_are_wanted(
    way: Way, mishap: Mishap, error: type[Exception]
) -> None:
    for attempts in (1, 4):
        with ScriptedServer(*[mishap] * attempts, FOUND) as server, pytest.raises(error) as raised:
            get(way(DYNAMODB, server.url, Patience(2, 0.1, attempts)))
        assert server.left == 1
        assert aws.away(raised.value)
        assert not aws.refused(raised.value)  # type: ignore[arg-type]


def test_a_reply_may_take_longer_than_a_connection(way: Way) -> None:
    with ScriptedServer(Mishap.DELAY, FOUND) as server:
        assert get(way(DYNAMODB, server.url, Patience(0.15, 10, 1))) == THERE


def test_a_reply_that_stops_in_the_middle_is_waited_for_as_long_as_any(way: Way) -> None:
    with ScriptedServer(reply(200, "{", length=9), Mishap.SILENCE) as server, pytest.raises(ReadTimeoutError):
        get(way(DYNAMODB, server.url, BRIEF))


def test_a_connection_is_used_again(way: Way, pauses: list[float]) -> None:
    with ScriptedServer(FOUND, FOUND, BROKEN, FOUND) as server:
        client = way(DYNAMODB, server.url)
        assert get(client) == get(client) == THERE
        with pytest.raises(ClientError):
            get(client)
        assert get(client) == THERE
    assert ([number for number, _, _ in server.requests], pauses) == ([1, 1, 1, 1], [])


def test_a_connection_that_was_closed_meanwhile_is_not_used_again(way: Way, pauses: list[float]) -> None:
    with ScriptedServer(FOUND, Mishap.HANG_UP, BROKEN) as server:
        client = way(DYNAMODB, server.url)
        assert get(client) == THERE
        while server.left > 1:
            time.sleep(0.001)
        with pytest.raises(ClientError) as raised:
            get(client)
    assert aws.refused(raised.value), "nothing was sent over the one that was closed"
    assert ([number for number, _, _ in server.requests], pauses) == ([1, 2], [])


@pytest.mark.parametrize(("rest", "connections"), [(20_000, [1, 1]), (20_001, [1, 2])])
def test_a_connection_that_has_rested_for_long_is_not_used_again(
    ours: Way, monkeypatch: pytest.MonkeyPatch, pauses: list[float], rest: int, connections: list[int]
) -> None:
    """It may have gone without a word, and then its silence would be waited for."""
    moment = clock.now()
    monkeypatch.setattr(clock, "now", lambda: moment)
    with ScriptedServer(FOUND, FOUND) as server:
        client = ours(DYNAMODB, server.url)
        get(client)
        monkeypatch.setattr(clock, "now", lambda: moment + rest)
        assert get(client) == THERE
    assert ([number for number, _, _ in server.requests], pauses) == (connections, [])


def test_a_connection_that_another_thread_takes_at_the_same_time_is_not_missed(ours: Way) -> None:
    class Taken(list[Any]):
        def __len__(self) -> int:
            return 1

    with ScriptedServer(FOUND) as server:
        client = ours(DYNAMODB, server.url)
        client._idle = Taken()
        assert get(client) == THERE


def test_a_server_that_says_that_it_hangs_up_is_believed(way: Way) -> None:
    with ScriptedServer(reply(200, {}, headers={"Connection": "close"}), Mishap.HANG_UP, FOUND) as server:
        client = way(DYNAMODB, server.url)
        assert get(client) == {}
        assert get(client) == THERE
    assert [number for number, _, _ in server.requests] == [1, 2]


def test_nobody_there_is_an_error(way: Way) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(EndpointConnectionError) as raised:
        get(way(DYNAMODB, f"http://127.0.0.1:{port}"))
    assert aws.away(raised.value)
    with pytest.raises(EndpointConnectionError):
        get(way(DYNAMODB, "http://nobody.invalid", HASTY))


def test_who_does_not_take_a_connection_is_an_error(way: Way) -> None:
    with ExitStack() as crowd:
        listener = crowd.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            one = crowd.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        with pytest.raises(ConnectTimeoutError) as raised:
            get(way(DYNAMODB, f"http://127.0.0.1:{listener.getsockname()[1]}", Patience(0.1, 2, 1)))
    assert aws.away(raised.value)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[trustme.CA]:
    """One that both trust, and no other."""
    authority = trustme.CA()
    file = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(file))
    calls._tls.cache_clear()
    yield authority
    calls._tls.cache_clear()


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_a_certificate_that_is_trusted_is_good(way: Way, authority: trustme.CA) -> None:
    with ScriptedServer(FOUND, FOUND, tls=certified(authority, "127.0.0.1")) as server:
        client = way(DYNAMODB, server.url)
        assert get(client) == get(client) == THERE


@pytest.mark.parametrize("whose", ["a stranger's", "another host's"])
def test_a_certificate_that_is_not_is_refused_before_anything_is_said(
    way: Way, authority: trustme.CA, whose: str
) -> None:
    tls = certified(trustme.CA(), "127.0.0.1") if whose == "a stranger's" else certified(authority, "127.0.0.2")
    with ScriptedServer(*[Mishap.REFUSED] * 4, tls=tls) as server, pytest.raises(SSLError) as raised:
        get(way(DYNAMODB, server.url))
    assert server.requests == []
    assert aws.away(raised.value)


@pytest.mark.parametrize(
    ("service", "operation", "asked", "target"),
    [
        (DYNAMODB, "batch_get_item", {"RequestItems": {}}, "DynamoDB_20120810.BatchGetItem"),
        (SSM, "get_parameter", {"Name": "/a"}, "AmazonSSM.GetParameter"),
        (STEPFUNCTIONS, "start_execution", {"stateMachineArn": "a", "name": "b"}, "AWSStepFunctions.StartExecution"),
    ],
    ids=["dynamodb", "ssm", "stepfunctions"],
)
def test_a_request_says_what_is_asked_and_who_asks(
    way: Way, service: Service, operation: str, asked: dict[str, Any], target: str
) -> None:
    with ScriptedServer(reply(200, {})) as server:
        getattr(way(service, server.url), operation)(**asked)
    ((_, headers, body),) = server.requests
    assert headers["x-amz-target"] == target
    assert headers["content-type"] == f"application/x-amz-json-{service.version}"
    assert headers["x-amz-security-token"] == "token"
    assert headers["host"] == server.url.removeprefix("http://")
    assert f"/us-east-1/{service.host}/aws4_request, SignedHeaders=content-type;host;" in headers["authorization"]
    assert json.loads(body) == asked


def test_a_request_belongs_to_the_trace_of_the_invocation_that_sends_it(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = [f"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad{n};Sampled=1" for n in range(2)]
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "submit")
    with ScriptedServer(FOUND, FOUND, FOUND) as server:
        client = way(DYNAMODB, server.url)
        get(client)
        for trace in traces:
            monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
            get(client)
    assert [headers.get("x-amzn-trace-id") for _, headers, _ in server.requests] == [None, *traces]
    assert not any("trace" in headers["authorization"] for _, headers, _ in server.requests)


def test_a_request_says_whose_program_asks(ours: Way) -> None:
    with ScriptedServer(FOUND) as server:
        get(ours(DYNAMODB, server.url))
    ((_, headers, _),) = server.requests
    assert headers["user-agent"] == "darkroom"
    assert "user-agent" not in headers["authorization"]


@pytest.mark.parametrize("service", [DYNAMODB, STEPFUNCTIONS, SSM], ids=lambda service: service.name)
@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_DEFAULT_REGION": "eu-central-1"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ENDPOINT_URL_SFN": "http://127.0.0.1:8083"},
        {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8000", "AWS_ENDPOINT_URL_SSM": "https://ssm.example"},
    ],
    ids=str,
)
def test_a_service_is_where_the_sdk_finds_it(
    monkeypatch: pytest.MonkeyPatch, service: Service, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Client(service, PATIENT).url == aws.sdk(service, PATIENT).meta.endpoint_url


def partitions() -> list[tuple[str, str]]:
    """A region of each part of AWS, and what addresses end in there, which CloudFormation calls AWS::URLSuffix."""
    loaded = botocore.session.get_session().get_component("data_loader").load_data("partitions")
    return [
        (next(name for name in each["regions"] if "global" not in name), each["outputs"]["dnsSuffix"])
        for each in loaded["partitions"]
    ]


@pytest.mark.parametrize(("region", "suffix"), partitions())
def test_a_service_is_where_the_sdk_finds_it_in_every_part_of_aws(
    monkeypatch: pytest.MonkeyPatch, region: str, suffix: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setenv("URL_SUFFIX", suffix)
    for service in (DYNAMODB, STEPFUNCTIONS, SSM):
        assert Client(service, PATIENT).url == aws.sdk(service, PATIENT).meta.endpoint_url


def test_lambda_says_the_region_by_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert Client(SSM, PATIENT).url == "https://ssm.eu-west-1.amazonaws.com"


def test_without_a_region_or_credentials_nothing_is_asked(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with ScriptedServer(FOUND) as server, pytest.raises(NoCredentialsError) as raised:
        get(way(DYNAMODB, server.url))
    assert (server.requests, aws.refused(raised.value)) == ([], True)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(NoRegionError):
        way(DYNAMODB, "http://127.0.0.1:1")


@pytest.mark.parametrize(
    "said",
    [reply(200, "<html>"), reply(200, '{"Item": ', length=100), reply(200, "null")],
    ids=["no JSON", "half", "no object"],
)
def test_a_success_that_cannot_be_read_is_taken_for_a_reply_that_was_lost(ours: Way, said: bytes) -> None:
    """Here the SDK would say that there is no such item."""
    with ScriptedServer(said, Mishap.HANG_UP, FOUND) as server:
        assert get(ours(DYNAMODB, server.url)) == THERE
    with ScriptedServer(said, Mishap.HANG_UP) as server, pytest.raises(HTTPClientError):
        get(ours(DYNAMODB, server.url, HASTY))


def test_an_operator_may_have_a_profile(moto: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[profile shop]\nregion = eu-west-1\naws_access_key_id = key\naws_secret_access_key = secret\n")
    told = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    told |= {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "shop", "AWS_ENDPOINT_URL": moto}
    done = subprocess.run([sys.executable, ROOT / "operate.py", "api-keys"], env=told, capture_output=True, text=True)
    assert done.stderr == "operate.py: There is no stack 'darkroom' in this account and region. See --stack.\n"

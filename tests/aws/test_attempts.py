"""What is tried again, after which pause, and which error is raised in the end."""

import json
import zlib
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    ReadTimeoutError,
)

from darkroom import aws
from darkroom.aws import DYNAMODB, HASTY
from darkroom.calls import Patience
from tests.aws.conftest import BROKEN, FOUND, THERE, Way, get, item
from tests.aws.scripted_server import Mishap, ScriptedServer, reply

THROTTLED = reply(400, {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "slow down"})


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

"""
One call of an AWS service that speaks the JSON protocol: signed, sent, judged, and tried again.

To load AWS's SDK takes longer than all else that a function has to load, and a call by it takes several times as long.
So this does what the SDK's standard mode does (botocore/retries/standard.py), and raises the same errors. What differs
is named in docs/decisions/0011.

The rule: whatever is asked for here may be done more than once, and its reply be the last one's. An error says in
RetryAttempts how often that may have been.
"""

import json
import ssl
from binascii import crc32
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectionError,  # noqa: A004 - botocore's name
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ReadTimeoutError,
    SSLError,
)

from darkroom import clock, keepalive, settings, sigv4, tls

#: Codes after which the SDK asks again: it waits longer after the first.
_THROTTLED = {
    "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException",
    "SlowDown", "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException",
    "TransactionInProgressException",
}  # fmt: skip
_TRANSIENT = {"RequestTimeout", "RequestTimeoutException"}
#: What only writes can meet, and the writes of DynamoDB's that may say it.
_CONFLICT, _WRITES = "ReplicatedWriteConflictException", {"BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem"}
_LONGEST_PAUSE_S = 20
#: For how long a connection may rest, by the clock on the wall: another may stand still while Lambda has frozen the
#: process, and a connection that is gone by then need not look so.
_REST_MS = 20_000


@dataclass(frozen=True)
class Service:
    """
    What tells a service from the others.

    name: boto3's. host: the first part of its address, and what signatures call it. target: what its operations'
    names stand behind. version: of its JSON. variable: as in settings.aws_endpoint. pause: seconds that the first
    pause lasts at most, if it is not throttled.
    """

    name: str
    host: str
    target: str
    version: str
    variable: str
    pause: float = 0.05


@dataclass(frozen=True)
class Patience:
    """Seconds for a connection, and for each silence after that; and how often something is tried."""

    connect: float
    read: float
    attempts: int


class Client:
    """
    A service, asked by the names that boto3 has for its operations: `client.get_item(TableName=…)` gives the JSON
    document that comes back. Times in it are numbers, and bytes are base64.
    """

    def __init__(self, service: Service, patience: Patience) -> None:
        self.service, self.patience, self.exceptions = service, patience, _Exceptions()
        region = settings.aws_region()
        if region is None:
            raise NoRegionError
        self._region = region
        usual = f"https://{service.host}.{region}.{settings.url_suffix()}"
        self.url = settings.aws_endpoint(service.variable) or usual
        self._address = urlsplit(self.url)
        self._idle = list[tuple[keepalive.Connection, int]]()  # each with the moment since when, ms

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        if name.startswith("_"):
            raise AttributeError(name)
        operation = name.title().replace("_", "")
        return lambda **parameters: ask(self, operation, parameters)

    def attempt(self, operation: str, body: bytes, retries: int) -> dict[str, Any]:
        """One attempt, after so many others. Raises ClientError, HTTPClientError, ConnectionError."""
        heard = self._exchange(operation, body)
        status, document = heard.status, _document(heard)
        if status < 300:
            return document
        kind = document.get("__type")
        code = kind.split(":")[0].rpartition("#")[2] if isinstance(kind, str) else str(status)
        request_id = heard.headers.get("x-amzn-requestid", "")
        response: Any = document | {
            "Error": {"Code": code, "Message": document.get("message", document.get("Message", ""))},
            "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": retries, "RequestId": request_id},
        }
        raise _kind(code)(response, operation)

    def _exchange(self, operation: str, body: bytes) -> keepalive.Heard:
        request = keepalive.post(self._headers(operation, body), body)
        connection, again = self._connected(), False
        try:
            heard = connection.exchange(request, self.patience.read)
            again = not heard.last
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self.url, error=error) from error
        except (OSError, EOFError, ValueError) as error:
            raise ConnectionClosedError(endpoint_url=self.url, error=error) from error
        finally:
            if again:
                self._idle.append((connection, clock.now()))
            else:
                connection.close()
        return heard

    def _headers(self, operation: str, body: bytes) -> dict[str, str]:
        headers = {
            "host": self._address.netloc,
            "content-type": f"application/x-amz-json-{self.service.version}",
            "x-amz-target": f"{self.service.target}.{operation}",
        }
        service = self.service.host
        told = sigv4.signed(headers, body, by=self._who, region=self._region, service=service, now=clock.now())
        told["user-agent"] = "darkroom"  # not signed, and nor is a trace: they may be changed on the way
        if trace := settings.trace():
            told["x-amzn-trace-id"] = trace
        return told

    @cached_property
    def _who(self) -> sigv4.Credentials:
        credentials = settings.aws_credentials()
        if credentials is None:
            raise NoCredentialsError
        return sigv4.Credentials(*credentials)

    def _connected(self) -> keepalive.Connection:
        """A connection that was kept, unless that was long ago or the other side has closed it, or a new one."""
        with suppress(IndexError):  # there is none, or another thread has taken the last
            while True:
                connection, since = self._idle.pop()
                if clock.now() - since <= _REST_MS and connection.idle:
                    return connection
                connection.close()
        context = tls.context() if self._address.scheme == "https" else None
        port = self._address.port or (443 if context else 80)
        try:
            return keepalive.Connection(self._address.hostname or "", port, context, self.patience.connect)
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self.url, error=error) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=self.url, error=error) from error
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=self.url, error=error) from error


def ask(client: Client, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """What an operation gives, after as many attempts as it needs. Raises what they raise."""
    body, last = json.dumps(parameters).encode(), client.patience.attempts - 1
    for retries in range(last):
        try:
            return client.attempt(operation, body, retries)
        except (ClientError, HTTPClientError, ConnectionError) as error:
            pause = _pause(error, operation, client.service.pause)
            if pause is None:
                raise
        clock.sleep(clock.chance() * min(pause * 2**retries, _LONGEST_PAUSE_S))
    return client.attempt(operation, body, last)


def _document(heard: keepalive.Heard) -> dict[str, Any]:
    """What a reply says. Raises HTTPClientError for one that was damaged, or is a success and no JSON object."""
    counted = str(crc32(heard.body))
    if heard.headers.get("x-amz-crc32", counted) != counted:  # DynamoDB says what it has counted itself
        raise HTTPClientError(error="the reply was damaged on the way")
    document = None
    with suppress(ValueError):
        document = json.loads(heard.body or b"{}")
    if isinstance(document, dict):
        return document
    if heard.status < 300:
        raise HTTPClientError(error="the reply is no JSON object")
    return {"message": heard.body.decode(errors="replace")}


def _pause(error: Exception, operation: str, usual: float) -> float | None:
    """Seconds that the first pause lasts at most after an error; None if nothing is tried again after it."""
    if not isinstance(error, ClientError):
        return usual
    code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    if code in _THROTTLED or status == 429:
        return 1
    conflict = code == _CONFLICT and operation in _WRITES
    return usual if conflict or code in _TRANSIENT or status in (500, 502, 503, 504) else None


class _Exceptions:
    """A client's errors by their codes: `except client.exceptions.ConditionalCheckFailedException`."""

    def __getattr__(self, code: str) -> type[ClientError]:
        return _kind(code)


@cache
def _kind(code: str) -> type[ClientError]:
    return type(code, (ClientError,), {})

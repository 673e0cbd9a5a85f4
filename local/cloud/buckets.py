"""S3, as far as it is more than moto's: it tells EventBridge of new objects, and serves state machines."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Iterable
from typing import IO, Any
from urllib.parse import parse_qs

from botocore.exceptions import ClientError
from moto.backends import get_backend

from local.cloud.errors import ApiError

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Tell = Callable[[str, dict[str, Any]], None]  # bucket, detail of the event
# What a request to make an object may have in its query: a signature, and what clients add to say what they do.
HARMLESS = ("x-amz-", "x-id", "signature", "expires", "awsaccesskeyid")


class Notifications:
    """
    Sees what becomes of requests to S3, whoever makes them, and tells of each new object in `buckets`.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """

    def __init__(self, account: str, tell: Tell) -> None:
        self.buckets: set[str] = set()
        self._account = account
        self._tell = tell
        self._sequence = itertools.count(time.time_ns())

    def watch(self, moto: Application, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The application's answer to a request; when an object has come of it, its event is under way by then."""
        bucket, key = where(environ)
        reason = _reason(environ) if bucket in self.buckets and key else None
        if reason is None:
            return moto(environ, start_response)
        answered: dict[str, str] = {}

        def started(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            answered.update({name.lower(): value for name, value in headers}, status=status[:3])
            return start_response(status, headers, *more)

        body = moto(environ, started)
        if answered["status"] == "200":
            requester = environ.get("REMOTE_ADDR", "")
            self._tell(bucket, self._detail(bucket, key, answered.get("x-amz-version-id"), reason, requester))
        return body

    def _detail(self, bucket: str, key: str, version: str | None, reason: str, address: str) -> dict[str, Any]:
        kept: Any = get_backend("s3")[self._account]["aws"]
        found = kept.get_object(bucket, key, version_id=version)
        versioned = {} if version is None else {"version-id": version}
        return {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {
                "key": key,
                "size": found.size,
                "etag": found.etag.strip('"'),
                **versioned,
                "sequencer": f"{next(self._sequence):018X}",
            },
            "request-id": secrets.token_hex(8).upper(),
            "requester": self._account,
            "source-ip-address": address,
            "reason": reason,
        }


class Objects:
    """The objects of S3 for state machines, each under the name of the machine that asks."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._make_client = client
        self._clients: dict[str, Any] = {}  # by machine

    async def get(self, machine_arn: str, bucket: str, key: str, version: str | None) -> bytes:
        named = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
        content: bytes = await self._call(lambda client: client.get_object(**named)["Body"].read(), machine_arn)
        return content

    async def put(self, machine_arn: str, bucket: str, key: str, body: IO[bytes]) -> None:
        await self._call(lambda client: client.put_object(Bucket=bucket, Key=key, Body=body), machine_arn)

    async def _call(self, ask: Callable[[Any], Any], machine_arn: str) -> Any:
        if machine_arn not in self._clients:
            self._clients[machine_arn] = self._make_client(machine_arn)
        try:
            return await asyncio.to_thread(ask, self._clients[machine_arn])
        except ClientError as refusal:
            error = refusal.response["Error"]
            raise ApiError(error["Code"], error["Message"]) from refusal


def where(environ: dict[str, Any]) -> tuple[str, str]:
    """The bucket and the key of a request (WSGI's, which has the path's bytes as latin-1); empty for none."""
    path: str = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
    bucket, _, key = path.removeprefix("/").partition("/")
    return bucket, key


def asked_for(environ: dict[str, Any]) -> set[str]:
    """The names in a request's query that say what it is about: uploadId, versionId, acl."""
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    return {name for name in query if not name.lower().startswith(HARMLESS)}


def _reason(environ: dict[str, Any]) -> str | None:
    """How a request makes an object, if it does."""
    method, about = environ["REQUEST_METHOD"], asked_for(environ)
    if method == "PUT" and not about:
        return "CopyObject" if "HTTP_X_AMZ_COPY_SOURCE" in environ else "PutObject"
    return "CompleteMultipartUpload" if method == "POST" and about == {"uploadId"} else None

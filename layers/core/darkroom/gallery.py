"""The bucket: images in, images out."""

import base64
import hashlib
import hmac
import io
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import IO, Any, TypedDict

from botocore.exceptions import ClientError

from darkroom import aws, filing, settings
from darkroom.errors import NotFound
from darkroom.task import Task

#: Bytes that fit through a function's response (6 MB of JSON with the picture in base64); the rest goes by redirect.
INLINE_CAP = 4_400_000
#: Seconds for which a presigned link lives: long enough to follow the redirect.
PRESIGNED_S = 300
#: Bytes that are read at a time.
PIECE = 262_144


_STAGING = "staging/"


#: What a file may be called that a caller has uploaded.
UPLOAD = re.compile(r"[a-z2-7]{26}(\.[a-z0-9]{1,11})?")


class Place(TypedDict):
    """Where S3 has a file."""

    Bucket: str
    Key: str


@dataclass(frozen=True)
class File:
    """A stored file: its bytes if it is small, else a link to it that needs no credentials."""

    content_type: str
    disposition: str
    content: bytes | None
    location: str | None


def key(task_id: str, name: str) -> str:
    """Where a task's file lies, unless it is a row of a batch."""
    return f"images/{task_id}/{name}"


def record(task: Task) -> str:
    """Where the record of a task lies."""
    if task.row:
        return f"{task.row['folder']}records/{filing.safe(task.row['custom_id'])}.json"
    return key(task.task_id, "task.json")


def upload(tenant: str, file_id: str) -> Place:
    """Where a file lies that a tenant has uploaded, if there is one of that id."""
    return {"Bucket": settings.images_bucket(), "Key": f"uploads/{tenant}/{file_id}"}


def label(tenant: str, file_id: str) -> Place:
    """Where it is written what such a file is called, and more."""
    place = upload(tenant, file_id)
    return {**place, "Key": f"{place['Key']}/label.json"}


def put_image(
    task: Task, index: int, extension: str, file: IO[bytes], *, content_type: str, sha256: bytes, inert: bool
) -> str:
    """
    Store a task's image; its key. Its bytes determine the key, so that whatever is named anywhere stays as it is.

    A picture of a row has a name that people can use: the row's, and a number. If other bytes lie there already (a
    second look at the gateway brought another file), theirs is added.
    """
    said: dict[str, Any] = {"content_type": content_type, "sha256": sha256, "inert": inert}
    mark = sha256.hex()[:16]
    if not task.row:
        name = key(task.task_id, f"{index}-{mark}.{extension}")
        put(name, file, **said)
        return name
    stem = f"{task.row['folder']}images/{filing.safe(task.row['custom_id'])}-{index}"
    name = f"{stem}.{extension}"
    try:
        put(name, file, new=True, **said)
    except ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
        if not _lies_there(name, sha256):
            name = f"{stem}-{mark}.{extension}"
            file.seek(0)
            put(name, file, **said)
    return name


def _lies_there(name: str, sha256: bytes) -> bool:
    """Whether what lies under a key has these bytes."""
    there = aws.s3().head_object(Bucket=settings.images_bucket(), Key=name, ChecksumMode="ENABLED")
    return hmac.compare_digest(there.get("ChecksumSHA256", ""), _base64(sha256))


def put(
    name: str, file: IO[bytes], *, content_type: str, sha256: bytes, inert: bool = False, new: bool = False
) -> None:
    """
    Store `file` under the key `name`. S3 checks the bytes against `sha256`; repeating changes nothing.

    inert: browsers shall keep it, not show it. new: nothing may be there yet, or S3 says PreconditionFailed.
    """
    condition: dict[str, Any] = {"IfNoneMatch": "*"} if new else {}
    aws.s3().put_object(
        Bucket=settings.images_bucket(),
        Key=name,
        Body=file,
        ContentType=content_type,
        ContentDisposition="attachment" if inert else "inline",
        CacheControl="private, max-age=31536000, immutable",
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=_base64(sha256),
        **condition,
    )


def stage(task_id: str, index: int, content: bytes) -> str:
    """Keep an output that came inline in a gateway's reply until it is collected; its key, which stands for it."""
    sha256 = hashlib.sha256(content)
    name = f"{_STAGING}{task_id}/{index}-{sha256.hexdigest()[:16]}"
    put(name, io.BytesIO(content), content_type="application/octet-stream", sha256=sha256.digest(), inert=True)
    return name


def stage_reply(task_id: str, nonce: str, reply: bytes) -> str:
    """Keep a whole reply that is the answer to a paid POST: before anything else is done with it. Its key."""
    name = reply_key(task_id, nonce)
    put(name, io.BytesIO(reply), content_type="application/json", sha256=hashlib.sha256(reply).digest(), inert=True)
    return name


def reply_key(task_id: str, nonce: str) -> str:
    """Where the reply to the POST of one claim is staged."""
    return f"{_STAGING}{task_id}/{nonce}/reply.json"


def staged_reply(name: str) -> bytes | None:
    """The reply that was staged under a key; None if there is none. Who calls this may list the bucket, so S3 says."""
    try:
        with aws.s3().get_object(Bucket=settings.images_bucket(), Key=name)["Body"] as body:
            return body.read()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
        return None


def staged(output: str) -> bool:
    """Whether an output is the key of one that was staged; else it is a URL."""
    return output.startswith(_STAGING)


def read(name: str, write: Callable[[bytes], object]) -> None:
    """What was staged under a key, a piece at a time, in order."""
    # Not `with` the body itself: that hands out the bare stream, whose checksum nobody looks at.
    with closing(aws.s3().get_object(Bucket=settings.images_bucket(), Key=name)["Body"]) as body:
        for piece in body.iter_chunks(PIECE):
            write(piece)


def get(name: str) -> File:
    """Raises NotFound."""
    place = {"Bucket": settings.images_bucket(), "Key": name}
    try:
        stored = aws.s3().get_object(Bucket=place["Bucket"], Key=name)
    except ClientError as error:
        if not aws.out_of_reach(error):
            raise
        raise NotFound("There is no such file, or it has been deleted.") from error
    with stored["Body"] as body:
        if stored["ContentLength"] <= INLINE_CAP:
            return File(stored["ContentType"], stored["ContentDisposition"], body.read(), None)
    link = aws.s3().generate_presigned_url("get_object", Params=place, ExpiresIn=PRESIGNED_S)
    return File(stored["ContentType"], stored["ContentDisposition"], None, link)


def _base64(digest: bytes) -> str:
    """As S3 tells checksums."""
    return base64.b64encode(digest).decode()

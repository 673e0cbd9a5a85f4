"""
Files that callers put here, to refer to them in an order: through this API if they fit, else straight to the bucket.

A file that came through the API is named after what it is: the same bytes of the same tenant are the same file, however
often they are sent. So a client that repeats all that it did, its uploads included, repeats the very same order.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from mimetypes import MimeTypes
from typing import Any

from botocore.exceptions import ClientError

from darkroom import aws, clock, gallery, labels, task
from darkroom.errors import BodyTooLarge, NotFound
from darkroom.forms import Part
from darkroom.labels import Label, Reservation
from darkroom.predictions import timestamp
from darkroom.shapes import ReservedFile, UploadedFile

#: Bytes of a file that comes through a function: an event holds 6 MB, the file in it is a third longer in base64, and
#: there must be room for the form around it and for the request's headers.
CAP = 4_400_000
#: Seconds within which such a file has to be begun.
PUT_S = 15 * 60
#: Days after which the bucket forgets a file; template.yaml tells it so.
KEPT_DAYS = 7


def receive(tenant: str, parts: Sequence[Part], origin: str) -> UploadedFile:
    """
    Keep the file that a form brings; `origin` is our own scheme and host. Raises InvalidOrder, BodyTooLarge.
    """
    label, content = labels.of_form(parts)
    if len(content) > CAP:
        raise BodyTooLarge(
            f"This file has {len(content)} bytes; {CAP} are the most that come through this request. To upload it, "
            'POST JSON to the same address: {"name": "…", "content_type": "…", "size": …}. In the reply, `upload` says '
            "where to PUT the bytes, and with which headers; when that is done, urls.get is good for an input."
        )
    sha256 = hashlib.sha256(content)
    # Not after its name, too: some clients make up another each time.
    file_id = _id(tenant, f"{label.content_type} {sha256.hexdigest()}", label.content_type)
    key = gallery.upload(tenant, file_id)["Key"]
    gallery.put(key, io.BytesIO(content), content_type=label.content_type, sha256=sha256.digest(), inert=True)
    _keep(tenant, file_id, label, {"sha256": sha256.hexdigest()})
    return show(tenant, file_id, origin)


def reserve(tenant: str, document: dict[str, Any], origin: str) -> ReservedFile:
    """A place for the file that a body describes, and how to put it there. Raises InvalidOrder."""
    asked = labels.checked(Reservation, document)
    file_id = _id(tenant, clock.nonce(), asked.content_type)
    signed: dict[str, Any] = {**gallery.upload(tenant, file_id), "ContentType": asked.content_type}
    if asked.size is not None:
        signed["ContentLength"] = asked.size
    _keep(tenant, file_id, asked, {})
    return {
        **show(tenant, file_id, origin),
        "upload": {
            "method": "PUT",
            "url": aws.s3().generate_presigned_url("put_object", Params=signed, ExpiresIn=PUT_S),
            "headers": {"Content-Type": asked.content_type},
        },
    }


def show(tenant: str, file_id: str, origin: str) -> UploadedFile:
    """A tenant's file, whether or not its bytes have come. Raises NotFound."""
    missing = NotFound("There is no such file: nobody has uploaded it, or that was too long ago.")
    if not gallery.UPLOAD.fullmatch(file_id):
        raise missing
    try:
        with aws.s3().get_object(**gallery.label(tenant, file_id))["Body"] as body:
            kept = json.load(body)
    except ClientError as error:
        if not aws.out_of_reach(error):
            raise
        raise missing from error
    size, md5 = _arrived(tenant, file_id)
    return {
        "id": file_id,
        "name": kept["name"],
        "content_type": kept["content_type"],
        "metadata": kept["metadata"],
        "created_at": timestamp(kept["created"]),
        "expires_at": timestamp(kept["created"] + KEPT_DAYS * 24 * 3600 * 1000),
        "urls": {"get": f"{origin}/v1/files/{file_id}"},
        "size": size,
        "etag": md5,
        "checksums": {**({} if md5 is None else {"md5": md5}), **kept["checksums"]},
    }


def _keep(tenant: str, file_id: str, label: Label, checksums: dict[str, str]) -> None:
    """Write down what was said of a file, beside its bytes: S3 itself would keep no more than 2 KB of it."""
    said = {"name": label.name, "content_type": label.content_type, "metadata": label.metadata}
    text = json.dumps({**said, "created": clock.now(), "checksums": checksums}).encode()
    gallery.put(
        gallery.label(tenant, file_id)["Key"],
        io.BytesIO(text),
        content_type="application/json",
        sha256=hashlib.sha256(text).digest(),
        inert=True,
    )


def _arrived(tenant: str, file_id: str) -> tuple[int | None, str | None]:
    """How many bytes of a file there are, and their MD5: None where none have come."""
    try:
        stored = aws.s3().head_object(**gallery.upload(tenant, file_id))
    except ClientError as error:
        if not aws.out_of_reach(error):
            raise
        return None, None
    # The MD5, of what was put in one piece and is encrypted with S3's own keys: template.yaml sees to that.
    return stored["ContentLength"], stored["ETag"].strip('"')


def _id(tenant: str, what: str, content_type: str) -> str:
    """The id ends as files of its kind do: some dialects tell a picture's kind by its address."""
    return task.name(tenant, what) + (MimeTypes().guess_extension(content_type) or "")

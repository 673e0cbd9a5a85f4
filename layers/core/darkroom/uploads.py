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
from darkroom.shapes import FileFacts, ReservedFile, UploadedFile

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
    gallery.put(
        gallery.upload(tenant, file_id)["Key"],
        io.BytesIO(content),
        content_type=label.content_type,
        sha256=sha256.digest(),
        inert=True,
        note=label.note(checksums={"sha256": sha256.hexdigest()}),
    )
    return show(tenant, file_id, origin)


def reserve(tenant: str, document: dict[str, Any], origin: str) -> ReservedFile:
    """A place for the file that a body describes, and how to put it there. Raises InvalidOrder."""
    asked = labels.checked(Reservation, document)
    file_id = _id(tenant, clock.nonce(), asked.content_type)
    note = {gallery.NOTE: asked.note()}
    signed = {**gallery.upload(tenant, file_id), "ContentType": asked.content_type, "Metadata": note}
    if asked.size is not None:
        signed["ContentLength"] = asked.size
    return {
        **_facts(asked, file_id, clock.now(), origin),
        "size": asked.size,
        "etag": None,
        "checksums": {},
        "upload": {
            "method": "PUT",
            "url": aws.s3().generate_presigned_url("put_object", Params=signed, ExpiresIn=PUT_S),
            "headers": {
                "Content-Type": asked.content_type,
                **{f"x-amz-meta-{name}": value for name, value in note.items()},
            },
        },
    }


def show(tenant: str, file_id: str, origin: str) -> UploadedFile:
    """A tenant's file. Raises NotFound, also for one whose bytes have not come yet."""
    missing = NotFound("There is no such file: it was never uploaded, or not yet, or it is too long ago.")
    if not gallery.UPLOAD.fullmatch(file_id):
        raise missing
    try:
        stored = aws.s3().head_object(**gallery.upload(tenant, file_id))
    except ClientError as error:
        if not aws.out_of_reach(error):
            raise
        raise missing from error
    note = json.loads(stored["Metadata"][gallery.NOTE])
    label = Label(name=note["name"], content_type=stored["ContentType"], metadata=note["metadata"])
    # The MD5, of what was put in one piece and is encrypted with S3's own keys: template.yaml sees to that.
    etag = stored["ETag"].strip('"')
    return {
        **_facts(label, file_id, round(stored["LastModified"].timestamp() * 1000), origin),
        "size": stored["ContentLength"],
        "etag": etag,
        "checksums": {"md5": etag, **note.get("checksums", {})},
    }


def _id(tenant: str, what: str, content_type: str) -> str:
    """The id ends as files of its kind do: some dialects tell a picture's kind by its address."""
    return task.name(tenant, what) + (MimeTypes().guess_extension(content_type) or "")


def _facts(label: Label, file_id: str, created: int, origin: str) -> FileFacts:
    return {
        "id": file_id,
        "name": label.name,
        "content_type": label.content_type,
        "metadata": label.metadata,
        "created_at": timestamp(created),
        "expires_at": timestamp(created + KEPT_DAYS * 24 * 3600 * 1000),
        "urls": {"get": f"{origin}/v1/files/{file_id}"},
    }

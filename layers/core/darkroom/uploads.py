"""
Files that callers put here, to refer to them in an order: through this API if they fit, else straight to the bucket.

A file that came through the API is named after what it is: the same bytes of the same tenant are the same file, however
often they are sent. So a client that repeats all that it did, its uploads included, repeats the very same order.
"""

import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from mimetypes import MimeTypes
from typing import Annotated, Any, NotRequired, Self, TypeVar

from botocore.exceptions import ClientError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
    with_config,
)
from typing_extensions import TypedDict

from darkroom import aws, clock, gallery, order, settings, task
from darkroom.errors import BodyTooLarge, CallerError, InvalidOrder, NotFound
from darkroom.forms import Part
from darkroom.predictions import timestamp
from darkroom.shapes import FileFacts, ReservedFile, UploadedFile

#: Bytes of a file that comes through a function: an event holds 6 MB, the file in it is a third longer in base64, and
#: there must be room for the form around it and for the request's headers.
CAP = 4_400_000
#: Bytes of a file that goes straight to the bucket: what S3 takes in one PUT.
RESERVED_CAP = 5 * 1024**3
#: Seconds within which such a file has to be begun.
PUT_S = 15 * 60
#: Days after which the bucket forgets a file; template.yaml tells it so.
KEPT_DAYS = 7
#: Characters of a file's name and metadata as they are written down: S3 keeps 2 KB beside a file.
_NOTE_CAP = 1900

#: What a file may be called.
ID = re.compile(r"[a-z2-7]{26}(\.[a-z0-9]{1,11})?")
_MEDIA_TYPE = r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+ *(;[^\x00-\x1f]*)?$"
_ANYTHING = "application/octet-stream"
#: How pictures begin.
_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
)


def _essence(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _whole(size: Any) -> Any:
    """In JSON, 464.0 is a whole number."""
    return int(size) if isinstance(size, float) and size.is_integer() else size


Name = Annotated[str, Field(min_length=1, max_length=255)]
MediaType = Annotated[str, Field(max_length=255, pattern=_MEDIA_TYPE), AfterValidator(_essence)]


@with_config(ConfigDict(extra="forbid"))
class Form(TypedDict):
    """The form that brings a file, as Replicate has it. `filename` and `type` if the head of `content` does not say."""

    content: Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary"})]
    filename: NotRequired[Name]
    type: NotRequired[MediaType]
    metadata: NotRequired[dict[str, Any]]


class Label(BaseModel):
    """What is said about a file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    content_type: MediaType
    metadata: dict[str, Any] = {}

    @model_validator(mode="after")
    def _short_enough(self) -> Self:
        if len(self.note()) > _NOTE_CAP:
            raise ValueError(f"name and metadata are longer than {_NOTE_CAP} characters together, as ASCII")
        return self

    def note(self, **more: Any) -> str:
        """What is written beside the file, as JSON in ASCII: S3 keeps no more."""
        return json.dumps({"name": self.name, "metadata": self.metadata, **more})


class Reservation(Label):
    """The body that asks for a place for a file that does not fit through a function. `size`: its bytes, if known."""

    size: Annotated[int, Field(ge=1, le=RESERVED_CAP), BeforeValidator(_whole)] | None = None


Said = TypeVar("Said", bound=Label)


class Place(TypedDict):
    """Where S3 has a file."""

    Bucket: str
    Key: str


def place(tenant: str, file_id: str) -> Place:
    """Where a tenant's file lies, if there is one of that id."""
    return {"Bucket": settings.images_bucket(), "Key": f"uploads/{tenant}/{file_id}"}


def receive(tenant: str, parts: Sequence[Part], origin: str) -> UploadedFile:
    """
    Keep the file that a form brings; `origin` is our own scheme and host. Raises InvalidOrder, BodyTooLarge.
    """
    label, content = _unwrapped(parts)
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
        place(tenant, file_id)["Key"],
        io.BytesIO(content),
        content_type=label.content_type,
        sha256=sha256.digest(),
        inert=True,
        note=label.note(checksums={"sha256": sha256.hexdigest()}),
    )
    return show(tenant, file_id, origin)


def reserve(tenant: str, document: dict[str, Any], origin: str) -> ReservedFile:
    """A place for the file that a body describes, and how to put it there. Raises InvalidOrder."""
    asked = _checked(Reservation, document)
    file_id = _id(tenant, clock.nonce(), asked.content_type)
    note = {gallery.NOTE: asked.note()}
    signed = {**place(tenant, file_id), "ContentType": asked.content_type, "Metadata": note}
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
    if not ID.fullmatch(file_id):
        raise missing
    try:
        stored = aws.s3().head_object(**place(tenant, file_id))
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


def _unwrapped(parts: Sequence[Part]) -> tuple[Label, bytes]:
    """What a form says about its file, and the file. Raises InvalidOrder."""
    known = tuple(Form.__annotations__)
    times = Counter(part.name for part in parts)
    faults = [
        {"field": name[:64], "message": "stands twice" if name in known else f"the parts are {', '.join(known)}"}
        for name, number in times.items()
        if number > 1 or name not in known
    ]
    if not times["content"]:
        faults.append({"field": "content", "message": "Field required"})
    if faults:
        raise InvalidOrder(faults)
    by_name = {part.name: part for part in parts}
    file = by_name["content"]
    told = {name: part.content.decode() for name, part in by_name.items() if part is not file}
    content_type = told.get("type", file.content_type or _ANYTHING)
    document = {
        "name": told.get("filename", file.filename or "file"),
        "content_type": _kind(file.content) if content_type == _ANYTHING else content_type,
        "metadata": _metadata(told.get("metadata", "{}")),
    }
    return _checked(Label, document), file.content


def _metadata(text: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = order.literal_json(text)
    except CallerError as error:
        raise InvalidOrder([{"field": "metadata", "message": str(error)}]) from error
    return document


def _checked(model: type[Said], document: dict[str, Any]) -> Said:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidOrder(order.faults(error.errors())) from error


def _kind(content: bytes) -> str:
    """What a file is that came without saying so, as bytes from memory do: some gateways go by that."""
    return next((kind for signature, kind in _SIGNATURES if signature.match(content)), _ANYTHING)


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

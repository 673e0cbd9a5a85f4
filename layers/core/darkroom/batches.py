"""
A batch, and its files: batch.json, rows.jsonl, index.jsonl and errors.jsonl under `batches/<id>/<nonce>/`, which are
what one run of intake has made of a dropped file. Nothing of them is ever changed.

A row is known by where it stands in rows.jsonl. What it says stays in the bucket until it becomes a task.
"""

import json
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, TypedDict

from darkroom import aws, catalogue, filing, inputs, rows, settings, task
from darkroom.errors import UnknownModel
from darkroom.gallery import Place

#: What S3 calls the version of a file in a bucket that keeps none. The next file is called so, too: a batch's `version`
#: has the ETag behind it.
NO_VERSION = "null"
#: The layout of batch.json. Later versions add members, each with a default, and never change the meaning of one.
VERSION = 1

JSON = "application/json"
JSON_LINES = "application/x-ndjson"


class Price(TypedDict):
    """What the rows would cost at the gateways that they go to first. unpriced: rows that nobody knows the price of."""

    currency: str
    total: float | None
    unpriced: int


class Fault(TypedDict):
    """What is wrong with a whole file."""

    code: str
    message: str


class Stored(TypedDict):
    """A line of rows.jsonl. gateway: the one that the row goes to first."""

    line: int
    custom_id: str
    gateway: str
    document: dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """
    A dropped file as a run of intake has found it.

    files: where what was made of it lies. folder: where its results lie. picture: the s3:// address of the picture
    whose sidecar it is. defaults: as in rows.Defaults.
    limits: by gateway, rows that may be under way there. created: when this run began, ms. rows, bad: how many can be
    made, and how many cannot. error: why its file cannot be read at all.
    """

    id: str
    files: str
    tenant: str
    bucket: str
    key: str
    version: str
    etag: str
    size: int
    folder: str
    picture: str | None
    defaults: dict[str, Any]
    limits: dict[str, int]
    created: int
    rows: int
    bad: int
    dry_run: bool
    price: Price
    error: Fault | None = None

    @property
    def version_id(self) -> str:
        """The version as S3 knows it."""
        return NO_VERSION if self.version.startswith(f"{NO_VERSION}-") else self.version


def save(batch: Batch) -> None:
    aws.s3().put_object(
        Bucket=settings.images_bucket(),
        Key=f"{batch.files}batch.json",
        Body=written({"v": VERSION, **asdict(batch)}),
        ContentType=JSON,
    )


@lru_cache(maxsize=8)
def load(files: str) -> Batch:
    """The batch whose files lie under a prefix. What another version of this code has said beside is left alone."""
    with aws.s3().get_object(Bucket=settings.images_bucket(), Key=f"{files}batch.json")["Body"] as body:
        document = json.load(body)
    known = {field.name for field in fields(Batch)}
    return Batch(**{name: value for name, value in document.items() if name in known})


def row(batch: Batch, offset: int, length: int) -> Stored:
    """The row that stands there in rows.jsonl, in bytes."""
    there = Place(Bucket=settings.images_bucket(), Key=f"{batch.files}rows.jsonl")
    with aws.s3().get_object(**there, Range=f"bytes={offset}-{offset + length - 1}")["Body"] as body:
        stored: Stored = json.load(body)
    return stored


def order(batch: Batch, stored: Stored) -> rows.Row:
    """What a row orders. Raises InvalidOrder."""
    defaults = rows.Defaults(**batch.defaults)
    return rows.read(stored["document"], stored["line"], defaults, batch.picture, known)


def known(model: str) -> frozenset[str]:
    """The inputs that a model's routes have words for; none, if there is no such model."""
    try:
        return inputs.names([route.vocabulary for route in catalogue.catalogue().model(model).routes])
    except UnknownModel:
        return frozenset()


def task_id(batch: Batch, custom_id: str) -> str:
    return task.name(batch.tenant, filing.row_key(batch.bucket, batch.key, batch.version, custom_id))


def written(document: dict[str, Any]) -> bytes:
    """A document as it lies in the bucket."""
    return json.dumps(document, ensure_ascii=False, indent=2).encode()

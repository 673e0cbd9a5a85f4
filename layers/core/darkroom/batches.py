"""
The files of a batch, and how far it has come.

    batches/<id>/<nonce>/   batch.json, rows.jsonl, index.jsonl, errors.jsonl: what one run of intake has made of a
                            file; and in the end the manifest, for whoever is told. Nothing here is ever changed.
    <folder>manifest.json   what the batch's owner reads of its state. Each write of it is conditional, and what is over
                            stays over.

A row is known by where it stands in rows.jsonl. What it says stays in the bucket until it becomes a task.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, TypedDict

from botocore.exceptions import ClientError

from darkroom import aws, catalogue, clock, filing, inputs, rows, settings, task
from darkroom.errors import UnknownModel
from darkroom.gallery import Place
from darkroom.predictions import timestamp

#: Errors that the manifest shows itself.
ERRORS_SHOWN = 20
#: Milliseconds between two manifests that say how far a batch has come.
INTERIM_MS = 60_000
#: Seconds for which it is kept how far a batch has come: as long as its files (template.yaml).
KEPT_S = 90 * 86_400
#: What S3 calls the version of a file in a bucket that keeps none. The next file is called so, too: a batch's `version`
#: has the ETag behind it.
NO_VERSION = "null"
#: The layout of batch.json. Later versions add members, each with a default, and never change the meaning of one.
VERSION = 1
#: What a manifest's status is when nothing more will happen.
OVER = ("completed", "failed")

JSON = "application/json"
JSON_LINES = "application/x-ndjson"

Manifest = dict[str, Any]


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


class _Condition(TypedDict, total=False):
    """On which S3 puts a file: that there is none, or that it is the one of this ETag."""

    IfNoneMatch: str
    IfMatch: str


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
        Body=_written({"v": VERSION, **asdict(batch)}),
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
    defaults = rows.Defaults.model_validate(batch.defaults)
    return rows.read(stored["document"], stored["line"], defaults, batch.picture, known)


def known(model: str) -> frozenset[str]:
    """The inputs that a model's routes have words for; none, if there is no such model."""
    try:
        return inputs.names([route.vocabulary for route in catalogue.catalogue().model(model).routes])
    except UnknownModel:
        return frozenset()


def task_id(batch: Batch, custom_id: str) -> str:
    return task.name(batch.tenant, filing.row_key(batch.bucket, batch.key, batch.version, custom_id))


def manifest(batch: Batch, status: str, errors: Iterable[dict[str, Any]] = ()) -> Manifest:
    """
    What manifest.json says when none of the rows has been made.

    status: validating, in_progress, completed or failed. errors: the first bad rows, as {"line", "custom_id", "code",
    "message"}.
    """
    return {
        "batch_id": batch.id,
        "tenant": batch.tenant,
        "status": status,
        "dry_run": batch.dry_run,
        "source": {
            "bucket": batch.bucket,
            "key": batch.key,
            "version_id": batch.version,
            "etag": batch.etag,
            "size": batch.size,
        },
        "totalRecordCount": batch.rows + batch.bad,
        "processedRecordCount": batch.bad,
        "successRecordCount": 0,
        "errorRecordCount": batch.bad,
        "cost": {
            "currency": batch.price["currency"],
            "estimated": batch.price["total"],
            "unpriced": batch.price["unpriced"],
        },
        "concurrency": batch.limits,
        "started_at": timestamp(batch.created),
        "updated_at": timestamp(clock.now()),
        "completed_at": None,
        "error": batch.error,
        "errors": list(errors),
        "webhook": batch.defaults.get("webhook"),
        "results": {
            "folder": batch.folder,
            "output": f"{batch.folder}output.jsonl",
            "errors": f"{batch.folder}errors.jsonl",
            "images": f"{batch.folder}images/",
        },
    }


def claim(batch: Batch, instead_of: str | None = None) -> bool:
    """
    Make the batch's folder its own, by its first manifest. False: there is another manifest, whoever's it is.

    instead_of: the ETag of the manifest that this one is to replace, if there is to be one.
    """
    condition: _Condition = {"IfMatch": instead_of} if instead_of else {"IfNoneMatch": "*"}
    return _put(batch.folder, manifest(batch, "validating"), condition)


def read_manifest(folder: str) -> tuple[Manifest, str] | None:
    """The manifest of a folder and its ETag; None if there is none. Who calls this may list the bucket, so S3 says."""
    try:
        got = aws.s3().get_object(Bucket=settings.images_bucket(), Key=f"{folder}manifest.json")
    except aws.s3().exceptions.NoSuchKey:
        return None
    with got["Body"] as body:
        return json.load(body), got["ETag"]


def update_manifest(batch: Batch, change: Callable[[Manifest], Manifest]) -> Manifest | None:
    """
    Read the manifest, change it, and write it if nobody else has meanwhile. What it says now; None if somebody has:
    who has to have it written comes again.

    A manifest that is over is not changed by one that is not. One that was deleted is made anew.
    """
    found = read_manifest(batch.folder)
    if found and found[0]["batch_id"] != batch.id:  # it has made nothing, and another version has its folder by now
        return change(manifest(batch, "validating"))
    there = found[0] if found else manifest(batch, "validating")
    changed = change(there)
    if found and (changed == there or (there["status"] in OVER and changed["status"] not in OVER)):
        return there
    changed = changed | {"updated_at": timestamp(clock.now())}
    return changed if _put(batch.folder, changed, {"IfMatch": found[1]} if found else {"IfNoneMatch": "*"}) else None


def count(batch: Batch, ok: bool) -> dict[str, int] | None:
    """
    One more row is over. How far the batch has come, in a manifest's words, if it is this caller's turn to write that
    down: one in a minute has it.

    A row may be counted twice, where a function was repeated: this is for looking on, the end counts the rows anew.
    """
    now, item = clock.now(), {"id": {"S": f"batch#{batch.id}"}}
    client = aws.dynamodb()
    new = client.update_item(
        TableName=settings.batches_table(),
        Key=item,
        UpdateExpression="ADD #counted :one SET #expires = :expires",
        ExpressionAttributeNames={"#counted": "good" if ok else "bad", "#expires": "expires"},
        ExpressionAttributeValues={":one": {"N": "1"}, ":expires": {"N": str(now // 1000 + KEPT_S)}},
        ReturnValues="ALL_NEW",
    )["Attributes"]
    if now - int(new.get("told", {"N": "0"})["N"]) < INTERIM_MS:
        return None
    try:
        client.update_item(
            TableName=settings.batches_table(),
            Key=item,
            ConditionExpression="attribute_not_exists(#told) OR #told <= :before",
            UpdateExpression="SET #told = :now",
            ExpressionAttributeNames={"#told": "told"},
            ExpressionAttributeValues={":now": {"N": str(now)}, ":before": {"N": str(now - INTERIM_MS)}},
        )
    except client.exceptions.ConditionalCheckFailedException:
        return None
    good, bad = (int(new.get(name, {"N": "0"})["N"]) for name in ("good", "bad"))
    good = min(good, batch.rows)
    bad = min(bad, batch.rows - good) + batch.bad
    return {"processedRecordCount": good + bad, "successRecordCount": good, "errorRecordCount": bad}


def keep(batch: Batch, final: Manifest) -> None:
    """The final manifest once more, where nobody touches it: what is told of the batch shall be the same each time."""
    aws.s3().put_object(
        Bucket=settings.images_bucket(), Key=f"{batch.files}manifest.json", Body=_written(final), ContentType=JSON
    )


def kept(batch: Batch) -> bytes:
    """The final manifest, byte for byte."""
    with aws.s3().get_object(Bucket=settings.images_bucket(), Key=f"{batch.files}manifest.json")["Body"] as body:
        return body.read()


def _put(folder: str, document: Manifest, condition: _Condition) -> bool:
    """False: the condition does not hold, or somebody else is writing at this moment."""
    try:
        aws.s3().put_object(
            Bucket=settings.images_bucket(),
            Key=f"{folder}manifest.json",
            Body=_written(document),
            ContentType=JSON,
            **condition,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise
        return False
    return True


def _written(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=2).encode()

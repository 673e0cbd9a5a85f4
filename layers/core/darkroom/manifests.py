"""
manifest.json: what the owner of a batch reads of its state, from the start to the end.

Each write is conditional on what was read before, and what is over stays over. At the end it is kept a second time
among the batch's own files, byte for byte, for whoever is told.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, TypedDict

from botocore.exceptions import ClientError

from darkroom import aws, clock, settings
from darkroom.batches import JSON, Batch, written
from darkroom.predictions import timestamp

#: Errors that the manifest shows itself.
ERRORS_SHOWN = 20
#: Milliseconds between two manifests that say how far a batch has come.
INTERIM_MS = 60_000
#: Seconds for which it is kept how far a batch has come: as long as its files (template.yaml).
KEPT_S = 90 * 86_400
#: What a manifest's status is when nothing more will happen.
OVER = ("completed", "failed")

Manifest = dict[str, Any]


class _Condition(TypedDict, total=False):
    """On which S3 puts a file: that there is none, or that it is the one of this ETag."""

    IfNoneMatch: str
    IfMatch: str


def of(batch: Batch, status: str, errors: Iterable[dict[str, Any]] = ()) -> Manifest:
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
    return _put(batch.folder, of(batch, "validating"), condition)


def read(folder: str) -> tuple[Manifest, str] | None:
    """The manifest of a folder and its ETag; None if there is none. Who calls this may list the bucket, so S3 says."""
    try:
        got = aws.s3().get_object(Bucket=settings.images_bucket(), Key=f"{folder}manifest.json")
    except aws.s3().exceptions.NoSuchKey:
        return None
    with got["Body"] as body:
        return json.load(body), got["ETag"]


def update(batch: Batch, change: Callable[[Manifest], Manifest]) -> Manifest | None:
    """
    Read the manifest, change it, and write it if nobody else has meanwhile. What it says now; None if somebody has:
    who has to have it written comes again.

    A manifest that is over is not changed by one that is not. One that was deleted is made anew.
    """
    found = read(batch.folder)
    if found and found[0]["batch_id"] != batch.id:  # it has made nothing, and another version has its folder by now
        return change(of(batch, "validating"))
    there = found[0] if found else of(batch, "validating")
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
        Bucket=settings.images_bucket(), Key=f"{batch.files}manifest.json", Body=written(final), ContentType=JSON
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
            Body=written(document),
            ContentType=JSON,
            **condition,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise
        return False
    return True

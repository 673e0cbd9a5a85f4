"""
From a file that was dropped into the inbox to a batch that runs.

    1  claim a results folder for this version of the file, by its first manifest
    2  read it once, a piece at a time: good rows here, bad rows there
    3  start the batch, under its own name: of several runs over one file, one is heard

Nothing is spent here, and all of it may be repeated: each run writes files of its own. The rule: what is wrong with the
file is said in its manifest, to whoever dropped it; whatever else goes wrong is raised, and the file's message comes
again.
"""

import json
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from darkroom import aws, batches, clock, filing, http, manifests, rows, settings, sheets, streams
from darkroom.batches import JSON_LINES, Batch
from darkroom.errors import CallerError, ForbiddenAddress
from darkroom.filing import Form
from darkroom.order import BODY_CAP
from darkroom.rows import Defaults
from darkroom.sheets import Unreadable
from darkroom.sorting import Sorter

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import HeadObjectOutputTypeDef

#: Milliseconds for which a file that was dropped may still be on its way to whoever asks S3 for it: after versions are
#: kept for the first time, S3 says for up to 15 minutes now and then that a new file is not there.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/manage-versioning-examples.html
ON_ITS_WAY_MS = 9 * 60 * 1000
#: Seconds until a message whose file could not be taken in comes again the first time; each time by as many later.
PAUSE_S = 60

logger = Logger(child=True)


def take(event: dict[str, Any]) -> None:
    """A file was dropped: EventBridge's event of S3. Raises whatever is no fault of the file's."""
    bucket, dropped = event["detail"]["bucket"]["name"], event["detail"]["object"]
    key, version = dropped["key"], dropped.get("version-id", batches.NO_VERSION)
    form = filing.form(key)
    if form is None and key.rpartition(".")[2].lower() not in filing.MISTAKEN:
        return
    for name in dict.fromkeys((key, unquote_plus(key))):  # whoever hands events on may have encoded the key
        if head := _head(bucket, name, version):
            _take(bucket, name, version, head, form)
            return
    age = clock.now() - 1000 * datetime.fromisoformat(event["time"]).timestamp()
    if age < ON_ITS_WAY_MS:
        raise LookupError(f"S3 does not know the version {version} of this file (yet)")
    logger.warning("a dropped file is gone", extra={"key": key, "version": version})


def put_off(record: dict[str, Any]) -> None:
    """Have a message come again soon: else it would wait for as long as a run of intake might have taken."""
    times = int(record["attributes"]["ApproximateReceiveCount"])
    try:
        aws.sqs().change_message_visibility(
            QueueUrl=settings.intake_queue(), ReceiptHandle=record["receiptHandle"], VisibilityTimeout=PAUSE_S * times
        )
    except (BotoCoreError, ClientError):
        logger.warning("a message comes again late", exc_info=True)


def _take(bucket: str, key: str, version: str, head: "HeadObjectOutputTypeDef", form: Form | None) -> None:
    batch = _claimed(_batch(bucket, key, version, head), f"{head['LastModified']:%Y%m%dT%H%M%SZ}")
    if batch is None:
        return
    batch = _prepared(batch, form)
    _start(batch)
    told = {"batch_id": batch.id, "key": key, "version": version, "rows": batch.rows, "bad": batch.bad}
    logger.info(
        "batch started", extra=told | {"dry_run": batch.dry_run, "code": batch.error["code"] if batch.error else None}
    )


def _batch(bucket: str, key: str, version: str, head: "HeadObjectOutputTypeDef") -> Batch:
    """What is known of a batch before its file has been read."""
    etag = head["ETag"].strip('"')
    version = f"{version}-{etag}" if version == batches.NO_VERSION else version
    batch_id = filing.batch_id(bucket, key, version)
    picture = filing.picture(key)
    return Batch(
        id=batch_id,
        files=f"batches/{batch_id}/{clock.nonce()}/",
        tenant=filing.tenant(key),
        bucket=bucket,
        key=key,
        version=version,
        etag=etag,
        size=head["ContentLength"],
        folder=filing.folder(key),
        picture=f"s3://{bucket}/{picture}" if picture else None,
        defaults={},
        limits={},
        created=clock.now(),
        rows=0,
        bad=0,
        dry_run=False,
        price={"currency": "USD", "total": None, "unpriced": 0},
    )


def _claimed(batch: Batch, stored: str) -> Batch | None:
    """
    The batch with a folder that is its own; None if nothing is left to do: its file has been judged, or it is running.

    stored: when the file was dropped, as in filing.another_folder.
    """
    for folder in (batch.folder, filing.another_folder(batch.key, batch.id, stored)):
        batch = replace(batch, folder=folder)
        if manifests.claim(batch):
            return batch
        found = manifests.read(folder)
        if found is None:  # somebody is just claiming it
            break
        there, etag = found
        if there["batch_id"] == batch.id:
            return batch if there["status"] == "validating" else None
        if _made_nothing(there) and there["source"]["key"] == batch.key and manifests.claim(batch, instead_of=etag):
            return batch
    raise LookupError(f"no folder is free now for the batch {batch.id}")


def _made_nothing(manifest: manifests.Manifest) -> bool:
    """Whether a batch is over and was never to make pictures: then another version of its file may have its folder."""
    return manifest["status"] == "failed" or (manifest["status"], manifest["dry_run"]) == ("completed", True)


def _prepared(batch: Batch, form: Form | None) -> Batch:
    """The batch with its files in place: its rows, or what is wrong with the whole of its file."""
    try:
        batch = _read(batch, form)
    except Unreadable as error:
        batch = replace(batch, error={"code": error.code, "message": str(error)})
    batches.save(batch)
    return batch


def _read(batch: Batch, form: Form | None) -> Batch:
    """Raises Unreadable."""
    if form is None:
        taken = "JSON Lines (.jsonl), CSV (.csv), text (.txt) and JSON (.json)"
        raise Unreadable("unsupported_format", f"No orders can be read from a file of this kind. What can be: {taken}.")
    if batch.size > filing.BYTES_CAP:
        raise Unreadable("file_too_large", f"The file is larger than {filing.BYTES_CAP} bytes. Split it.")
    defaults = _defaults(batch)
    kept = defaults.said
    try:
        return _sorted(replace(batch, defaults=kept, dry_run=defaults.dry_run), defaults, form)
    except ClientError as error:
        if not _gone(error):
            raise
        raise Unreadable("file_deleted", "The file was deleted for good before it could be read.") from error


def _defaults(batch: Batch) -> Defaults:
    """The nearest there are. Raises Unreadable, which says what is wrong and where."""
    for key in filing.defaults(batch.key):
        try:
            got = aws.s3().get_object(Bucket=batch.bucket, Key=key)
        except aws.s3().exceptions.NoSuchKey:
            continue
        try:
            with got["Body"] as body:
                found = rows.defaults_of(body.read(BODY_CAP + 1))
            if found.webhook:
                http.examine(found.webhook)
            return found
        except (CallerError, ForbiddenAddress) as error:
            raise Unreadable("invalid_defaults", f"{key} cannot be used: {rows.complaint(error)}") from error
    return Defaults()


def _sorted(batch: Batch, defaults: Defaults, form: Form) -> Batch:
    """The batch with its file's rows told apart and written down. Raises Unreadable: then nothing of them is there."""
    with ExitStack() as stack:
        good, index, bad = (
            stack.enter_context(streams.Upload(settings.images_bucket(), f"{batch.files}{name}.jsonl", JSON_LINES))
            for name in ("rows", "index", "errors")
        )
        sorter = Sorter(batch, defaults, good, index, bad)
        for line in sheets.read(streams.chunks(batch.bucket, batch.key, batch.version_id), form):
            sorter.sort(line)
    found = sorter.found()
    said = manifests.of(found, "validating", sorter.errors)
    # Another run may have been first, and its batch have begun.
    manifests.update(found, lambda there: there | said if there["status"] == "validating" else there)
    return found


def _start(batch: Batch) -> None:
    document = {
        "v": 1,
        "batch_id": batch.id,
        "files": batch.files,
        "bucket": settings.images_bucket(),
        "rows": 0 if batch.dry_run else batch.rows,
        "concurrency": max(1, sum(batch.limits.values())),
        "wait": 0,
        "turn": 0,
    }
    client = aws.stepfunctions()
    with suppress(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(stateMachineArn=settings.batch_machine(), name=batch.id, input=json.dumps(document))


def _head(bucket: str, key: str, version: str) -> "HeadObjectOutputTypeDef | None":
    """What S3 says of a version of a file; None if there is none (any more)."""
    try:
        return aws.s3().head_object(Bucket=bucket, Key=key, VersionId=version)
    except ClientError as error:
        if not _gone(error):
            raise
        return None


def _gone(error: ClientError) -> bool:
    return error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchVersion")

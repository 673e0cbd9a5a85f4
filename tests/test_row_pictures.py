"""Where the pictures of a row of a batch lie, and how a row is told: functions/finalize.py."""

import base64
import hashlib
import io
import json
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from botocore.exceptions import ClientError

from darkroom import aws, gallery, items, store
from darkroom.conditions import Attr
from darkroom.task import Status, Task
from tests.conftest import (
    OUTPUT,
    RECEIVER,
    Account,
    Wire,
    call,
    picture,
    step,
)
from tests.test_finalize import PNG, finalize, finish, shown

FOLDER = "results/shop/spring/"


@pytest.fixture(autouse=True)
def _receiver(wire: Wire) -> None:
    wire.on("POST", RECEIVER, httpx.Response(204))


def as_row(task: Task, custom_id: str = "sku 1/é") -> Task:
    """The task as that of a row of a batch."""
    row = {"batch_id": "b" * 26, "custom_id": custom_id, "folder": FOLDER}
    made = items.change(task, Attr("task_id").exists(), {"row": row})
    assert made
    return made


def test_pictures_of_a_row_lie_in_the_folder_of_its_batch_by_names_that_people_can_use(
    account: Account, wire: Wire, running: Task
) -> None:
    as_row(running)
    wire.on("GET", OUTPUT, PNG)
    wire.on("GET", f"{OUTPUT}?2", httpx.Response(200, content=picture(kind="JPEG")))
    finalize(finish(account, wire, output=[OUTPUT, f"{OUTPUT}?2"]))
    names = [f"{FOLDER}images/sku 1%2Fé-0.png", f"{FOLDER}images/sku 1%2Fé-1.jpg"]
    assert [image.key for image in account.task().images] == names
    assert set(account.files()) == {*names, f"{FOLDER}records/sku 1%2Fé.json"}
    assert account.files()[names[0]] == picture()
    assert unquote("sku 1%2Fé") == "sku 1/é"


def test_a_rows_picture_that_is_there_already_stays_and_is_the_rows(
    account: Account, wire: Wire, collecting: Task
) -> None:
    wire.on("GET", OUTPUT, PNG)
    name = f"{FOLDER}images/sku 1%2Fé-0.png"
    gallery.put(name, io.BytesIO(picture()), content_type="image/png", sha256=hashlib.sha256(picture()).digest())
    stored = aws.s3().head_object(Bucket=account.bucket, Key=name)["LastModified"]
    finalize(as_row(collecting))
    assert [image.key for image in account.task().images] == [name]
    assert aws.s3().head_object(Bucket=account.bucket, Key=name)["LastModified"] == stored
    assert sum(key.startswith(f"{FOLDER}images/") for key in account.files()) == 1


def test_another_file_from_a_second_look_overwrites_nothing_that_a_manifest_may_name(
    account: Account, wire: Wire, collecting: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: Any, **__: Any) -> None:
        raise ConnectionError

    task = as_row(collecting)
    first, second = picture(color="navy"), picture(color="olive")
    wire.on("GET", OUTPUT, httpx.Response(200, content=first))
    with monkeypatch.context() as cut:
        cut.setattr(store, "end", end)
        with pytest.raises(ConnectionError):
            finalize(task)
    wire.on("GET", OUTPUT, httpx.Response(200, content=second))
    finalize(task)
    (image,) = account.task().images
    sha256 = hashlib.sha256(second).hexdigest()
    assert image.key == f"{FOLDER}images/sku 1%2Fé-0-{sha256[:16]}.png"
    files = account.files()
    assert (files[f"{FOLDER}images/sku 1%2Fé-0.png"], files[image.key]) == (first, second)
    stored = aws.s3().head_object(Bucket=account.bucket, Key=image.key, ChecksumMode="ENABLED")
    assert stored["ChecksumSHA256"] == base64.b64encode(bytes.fromhex(sha256)).decode()


def test_a_bucket_that_will_not_take_a_rows_picture_now_is_asked_again(
    account: Account, wire: Wire, collecting: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**said: Any) -> Any:
        if said["Key"] == name:
            raise ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, "PutObject")
        return put(**said)

    wire.on("GET", OUTPUT, PNG)
    task, put = as_row(collecting), aws.s3().put_object
    name = f"{FOLDER}images/sku 1%2Fé-0.png"
    gallery.put(name, io.BytesIO(picture()), content_type="image/png", sha256=hashlib.sha256(picture()).digest())
    with monkeypatch.context() as full:
        full.setattr(aws.s3(), "put_object", refuse)
        with pytest.raises(ClientError):
            finalize(task)
    assert account.task().status is Status.COLLECTING
    assert finalize(task)["next"] == "deliver"


def test_a_row_says_whose_it_is_in_its_prediction_its_webhook_and_its_event(
    account: Account, wire: Wire, collecting: Task
) -> None:
    row = {"batch_id": "b" * 26, "custom_id": "sku 1/é"}
    task = as_row(collecting)
    assert shown(task)["row"] == row
    wire.on("GET", OUTPUT, PNG)
    news = finalize(task)["news"]
    call("deliver", step(task, 1))
    (told,) = wire.sent("POST", RECEIVER)
    assert json.loads(told.content)["row"] == shown(task)["row"] == news["prediction"]["row"] == row
    assert news["prediction"]["output"] == f"s3://{account.bucket}/{FOLDER}images/sku 1%2Fé-0.png"

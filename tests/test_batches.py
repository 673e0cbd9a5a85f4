"""A batch's manifest, and how far the batch has come."""

import json
from typing import Any

import pytest

from darkroom import aws, batches, manifests
from tests.conftest import Account, Clock, Wire
from tests.dropping import SPRING, batch, drop, manifest


@pytest.fixture(autouse=True)
def _still(time: Clock, wire: Wire) -> None:
    """Time stands still, and nobody is asked anything over the wire."""


def test_a_batch_of_another_version_of_the_code_is_read(account: Account) -> None:
    drop(account)
    found = batch(account)
    key = f"{found.files}batch.json"
    document = json.loads(account.files()[key])
    del document["error"]
    aws.s3().put_object(Bucket=account.bucket, Key=key, Body=json.dumps({**document, "later": "unheard of"}))
    batches.load.cache_clear()
    assert batches.load(found.files) == found


def test_a_manifest_that_is_over_stays_over(account: Account) -> None:
    drop(account)
    found = batch(account)
    over = manifests.update(found, lambda there: there | {"status": "completed"})
    late = manifests.update(found, lambda there: there | {"status": "in_progress"})
    assert late == over == manifest(account)


def test_of_two_who_write_a_manifest_at_once_one_hears_that_it_was_late(account: Account) -> None:
    drop(account)
    found = batch(account)

    def change(there: dict[str, Any]) -> dict[str, Any]:
        manifests.update(found, lambda there: there | {"status": "completed"})
        return there | {"status": "in_progress"}

    assert manifests.update(found, change) is None
    assert manifest(account)["status"] == "completed"


def test_a_manifest_that_was_deleted_is_made_anew(account: Account) -> None:
    drop(account)
    aws.s3().delete_object(Bucket=account.bucket, Key="results/shop/spring/manifest.json")
    manifests.update(batch(account), lambda there: there | {"status": "completed"})
    assert (manifest(account)["status"], manifest(account)["totalRecordCount"]) == ("completed", 2)


def test_how_far_a_batch_has_come_is_told_to_one_caller_a_minute(account: Account, time: Clock) -> None:
    drop(account, content=SPRING * 1 + b"what?\n" + b'{"input": {"prompt": "x"}}\n' * 8)
    found = batch(account)
    assert manifests.count(found, True) == {
        "processedRecordCount": 2, "successRecordCount": 1, "errorRecordCount": 1
    }  # fmt: skip
    assert manifests.count(found, False) is None
    time.forward(59)
    assert manifests.count(found, True) is None
    time.forward(1)
    assert manifests.count(found, True) == {
        "processedRecordCount": 5, "successRecordCount": 3, "errorRecordCount": 2
    }  # fmt: skip


def test_rows_that_were_counted_twice_make_no_more_than_there_are(account: Account, time: Clock) -> None:
    drop(account)
    found = batch(account)
    for _ in range(3):
        time.forward(60)
        counts = manifests.count(found, True)
        manifests.count(found, False)
    assert counts == {"processedRecordCount": 2, "successRecordCount": 2, "errorRecordCount": 0}

"""Files that are dropped into the inbox: how tests drop them, and look at what Intake has made of them."""

import json
from collections.abc import Iterator
from typing import Any

from darkroom import aws, batches, clock, filing, manifests, settings, streams
from darkroom.predictions import timestamp
from tests.conftest import MODEL, Account, Event, call, event

#: What somebody would drop.
SPRING = (
    b'{"custom_id": "sku-1", "input": {"prompt": "a hat"}}\n{"custom_id": "sku-2", "input": {"prompt": "a coat"}}\n'
)
KEY = "shop/spring.jsonl"


def put(account: Account, key: str, content: bytes | str | Event) -> str:
    """A file in the inbox; its version."""
    body = json.dumps(content).encode() if isinstance(content, dict) else content
    return aws.s3().put_object(Bucket=account.inbox, Key=key, Body=body)["VersionId"]


def told(account: Account, key: str, version: str, receives: int = 1, since: int | None = None) -> Event:
    """The event that Intake gets when a version of a file was dropped. since: when, ms."""
    message = event("intake")
    (record,) = message["Records"]
    body = json.loads(record["body"])
    body["detail"]["bucket"]["name"] = account.inbox
    body["detail"]["object"] |= {"key": key, "version-id": version}
    body["time"] = timestamp(clock.now() if since is None else since)
    record["body"] = json.dumps(body)
    record["attributes"]["ApproximateReceiveCount"] = str(receives)
    return message


def drop(
    account: Account, key: str = KEY, content: bytes | str | Event = SPRING, *, default: str | None = MODEL
) -> Event:
    """Drop a file whose rows are for a model, and have Intake hear of it; its event."""
    if default:
        put(account, "_defaults.json", {"model": default})
        put(account, f"{filing.tenant(key)}/_defaults.json", {"model": default})
    message = told(account, key, put(account, key, content))
    assert call("intake", message) == {"batchItemFailures": []}
    return message


def begun(account: Account) -> dict[str, Event]:
    return account.executions("batch")


def batch(account: Account) -> batches.Batch:
    """The only one that was started."""
    (execution,) = begun(account).values()
    return batches.load(execution["files"])


def manifest(account: Account, folder: str = "results/shop/spring/") -> dict[str, Any]:
    found = manifests.read(folder)
    assert found
    return found[0]


def lines(account: Account, name: str) -> list[dict[str, Any]]:
    """What is in one of the batch's files."""
    return [json.loads(line) for line in account.files()[f"{batch(account).files}{name}.jsonl"].splitlines()]


def refused(account: Account) -> list[tuple[int, str]]:
    """Line and code of each row that cannot be made."""
    return [(line["error"]["line"], line["error"]["code"]) for line in lines(account, "errors")]


def fault(account: Account, key: str, content: bytes) -> str:
    """Drop a file that cannot be read; the code of what is wrong with it. Nothing is made, and nothing lies about."""
    drop(account, key, content)
    collate(account)
    files = batch(account).files
    lying = {name.removeprefix(files) for name in account.files() if name.startswith("batches/")}
    assert lying == {"batch.json", "manifest.json"}
    said = manifest(account, filing.folder(key))
    assert said["status"] == "failed"
    assert said["completed_at"]
    assert said["error"]["message"]
    code: str = said["error"]["code"]
    return code


def collate(account: Account) -> None:
    """Have Collate write what there is to say of the only batch, which has no rows to be made."""
    (execution,) = begun(account).values()
    assert execution["rows"] == 0
    for over in (False, True):
        call("collate", {**execution, "over": over})


def rows_of(found: batches.Batch) -> Iterator[batches.Stored]:
    """The rows that the map would go through, each from where it stands."""
    for line in streams.lines(settings.images_bucket(), f"{found.files}index.jsonl"):
        place = json.loads(line)
        yield batches.row(found, place["offset"], place["length"])

"""A batch of a row or some, as intake leaves it, and the way of its rows through accept and the driver."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from darkroom import aws, batches, catalogue, manifests
from darkroom.batches import Batch
from darkroom.task import Task
from tests.conftest import (
    CREATE,
    MODEL,
    OUTPUT,
    QUESTION,
    Account,
    Clock,
    Event,
    Wire,
    call,
    event,
    picture,
    prediction,
    step,
)

VERSION = "3sL4kqtJlcpXroDTDmJ"


def drop(account: Account, time: Clock, *documents: dict[str, Any], **changes: Any) -> list[Event]:
    """A batch of these rows, as intake leaves it; the event of each."""
    files: str = event("accept")["files"]
    batch = Batch(
        id=files.split("/")[1],
        files=files,
        tenant="default",
        bucket=account.inbox,
        key="default/spring sale/cards.jsonl",
        version=VERSION,
        etag="d41d8cd98f00b204e9800998ecf8427e",
        size=1000,
        folder="results/default/spring sale/cards/",
        picture=None,
        defaults={"model": MODEL},
        limits={"vectornode": 10},
        created=time.now,
        rows=len(documents),
        bad=0,
        dry_run=False,
        price={"currency": "USD", "total": None, "unpriced": 0},
    )
    batches.load.cache_clear()
    batches.save(replace(batch, **changes))
    body, events = b"", list[Event]()
    for line, document in enumerate(documents, 1):
        stored = batches.Stored(
            line=line, custom_id=str(document.get("custom_id", line)), gateway="vectornode", document=document
        )
        text = json.dumps(stored).encode() + b"\n"
        events.append(event("accept", row={"line": line, "offset": len(body), "length": len(text)}))
        body += text
    aws.s3().put_object(Bucket=account.bucket, Key=f"{files}rows.jsonl", Body=body)
    assert manifests.claim(batches.load(files))
    return events


def the_row(account: Account, wire: Wire, time: Clock) -> Event:
    """The event of the only row of a batch; its gateway would take it."""
    wire.on("POST", CREATE, prediction())
    (only,) = drop(account, time, {"custom_id": "sku 1/ü", "input": {"prompt": "A lighthouse"}})
    return only


def accept(document: Event) -> Event:
    answer: Event = call("accept", document)
    return answer


def again(answer: Event, **changes: Any) -> Event:
    """What comes to Accept the next time: the same document."""
    return json.loads(json.dumps(answer)) | changes  # type: ignore[no-any-return]


def visit(task: Task, turn: int = 0, **changes: Any) -> Event:
    answer: Event = call("poll", step(task, turn, **changes))
    return answer


def make(account: Account, wire: Wire, time: Clock) -> Task:
    """Drive the only task to its end."""
    wire.on("GET", QUESTION, prediction("succeeded", output=OUTPUT))
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    for turn in range(3):
        time.forward(10)
        if visit(account.task(), turn)["next"] == "finalize":
            break
    call("finalize", step(account.task(), 3))
    return account.task()


def limited(monkeypatch: pytest.MonkeyPatch, concurrency: int) -> None:
    """A catalogue by which no more rows than that may be at the gateway at once."""
    gateway = replace(catalogue.catalogue().gateways["vectornode"], concurrency=concurrency)
    monkeypatch.setitem(catalogue.catalogue().gateways, "vectornode", gateway)


def manifest(account: Account) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(account.files()["results/default/spring sale/cards/manifest.json"])
    return found

"""What is announced on EventBridge: darkroom/announcement.py, through the door that hands it to the state machine."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from darkroom.announcement import ATTEMPTS_CAP, METADATA_CAP, announcement
from darkroom.asking import OUTPUTS
from darkroom.catalogue import NAME_CAP
from darkroom.posting import DETAIL_CAP
from darkroom.predictions import freeze
from darkroom.task import Image, Status, Task
from local.cloud.machines.execution import MAX_BYTES
from tests.conftest import (
    CREATE,
    LINK_KEY,
    ORIGIN,
    OUTPUT,
    QUESTION,
    Account,
    Clock,
    Wire,
    call,
    document,
    event,
    order,
    picture,
    prediction,
    step,
    submit,
)

WORDS = "I do not like a cormorant"


def announced(account: Account) -> dict[str, Any]:
    """What Finalize has announced of the only task."""
    found: dict[str, Any] = call("finalize", step(account.task(), 1))["news"]
    return found


@pytest.fixture
def ordered(account: Account, wire: Wire, time: Clock) -> Task:
    """A task that the second POST got accepted; the gateway had words about the first."""
    wire.on("POST", CREATE, httpx.Response(429, json={"detail": WORDS}), prediction())
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    submit(order(metadata={"row": 7}))
    time.forward(60)
    call("poll", step(account.task()))
    return account.task()


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled"])
def test_every_end_is_announced_as_the_api_shows_it(account: Account, wire: Wire, ordered: Task, status: str) -> None:
    wire.on("GET", QUESTION, prediction(status, output=OUTPUT, error="words"))
    call("poll", step(ordered))
    detail = announced(account)
    told = detail["prediction"]
    shown = document(call("tasks", event("tasks", rawPath=f"/v1/predictions/{ordered.task_id}")))
    assert (detail["tenant"], detail["bucket"]) == ("default", account.bucket)
    assert told["status"] == status
    where = ("input", "output", "images", "attempts")
    same = {name: value for name, value in told.items() if name not in where}
    assert same == {name: shown[name] for name in same}
    assert shown.keys() - told.keys() <= {"input", "error", "logs", "missing", "source", "data_removed"}
    assert [attempt["outcome"] for attempt in told["attempts"]] == ["refused", "accepted"]
    assert told["metadata"] == {"row": 7}


def test_an_event_says_where_the_images_are_for_who_may_read_the_bucket(
    account: Account, wire: Wire, ordered: Task
) -> None:
    wire.on("GET", QUESTION, prediction("succeeded", output=OUTPUT))
    call("poll", step(ordered))
    detail = announced(account)
    (image,) = detail["prediction"]["images"]
    assert account.files()[image["key"]] == picture()
    assert (image["content_type"], image["width"], image["height"]) == ("image/png", 64, 48)
    assert detail["prediction"]["output"] == f"s3://{detail['bucket']}/{image['key']}"


def test_no_prompt_no_word_of_a_gateway_and_no_signed_link_is_announced(
    account: Account, wire: Wire, ordered: Task
) -> None:
    wire.on("GET", QUESTION, prediction("succeeded", output=[OUTPUT, f"{OUTPUT}?gone"]))
    wire.on("GET", f"{OUTPUT}?gone", httpx.Response(200, content=b"<html>"))
    call("poll", step(ordered))
    task = replace(account.task(), status=Status.SUCCEEDED, missing=(WORDS,), images=(IMAGE,))
    assert task.attempts[0]["detail"] == WORDS
    text = json.dumps(announcement(replace(task, news=freeze(task, ORIGIN, LINK_KEY)), "images"))
    assert json.loads(ordered.input)["prompt"] not in text
    assert WORDS not in text
    assert "signature" not in text


IMAGE = Image(f"images/{'a' * 26}/63-{'f' * 16}.webp", "application/octet-stream", 2**31, "f" * 64, True, 9999, 9999)


def test_the_largest_announcement_is_far_from_what_a_state_can_hold(ordered: Task) -> None:
    attempt = {"route": "r" * 3 * NAME_CAP, "outcome": "unavailable", "detail": "d" * DETAIL_CAP, "at": 0}
    attempt |= {"status": 599, "code": "model_unavailable", "price": "0.123456", "retry_after": 3600}
    largest = replace(
        ordered,
        status=Status.SUCCEEDED,
        model="m" * 2 * NAME_CAP,
        tenant="t" * 64,
        several=True,
        images=(IMAGE,) * OUTPUTS,
        attempts=(attempt,) * 400,
        metadata={"note": "📷" * (METADATA_CAP // 12 - 2)},
    )
    detail = announcement(replace(largest, news=freeze(largest, ORIGIN, LINK_KEY)), "b" * 63)
    told = detail["prediction"]
    assert len(json.dumps(detail)) < 0.7 * MAX_BYTES
    assert (len(told["images"]), len(told["attempts"]), told["metadata"]) == (64, ATTEMPTS_CAP, largest.metadata)


def test_metadata_that_would_be_too_much_is_left_out(ordered: Task) -> None:
    room = METADATA_CAP - len('{"note": ""}')
    for length, is_told in ((room, True), (room + 1, False)):
        task = replace(ordered, status=Status.FAILED, metadata={"note": "x" * length})
        told = announcement(replace(task, news=freeze(task, ORIGIN, "")), "images")["prediction"]
        assert ("metadata" in told) is is_told

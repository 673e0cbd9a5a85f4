"""A task as Replicate's clients see it; their own model reads it here."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from replicate.prediction import Prediction

from darkroom import links, predictions
from darkroom.errors import Failure
from darkroom.task import Image, Status, Task
from tests.conftest import LINK_KEY, ORIGIN, RECEIVER

CREATED = 1_795_176_000_001
TASK = Task(
    task_id="6qamm7wfvbhpkryb2uzfytxq7v",
    tenant="default",
    model="google/imagen-4-fast",
    input='{"prompt": "An old lighthouse"}',
    digest="d",
    created=CREATED,
    deadline=CREATED + 1_800_000,
    due=CREATED + 180_000,
)
ATTEMPT = {"route": "vectornode/replicate/m", "outcome": "accepted", "detail": "", "at": CREATED + 20, "status": 201}
SENT: dict[str, Any] = {
    "submitted": CREATED + 999,
    "route": "vectornode/replicate/m",
    "ticket": "t",
    "attempts": (ATTEMPT,),
}
PICTURE = Image(f"images/{TASK.task_id}/0-6c3b1e0f9a7d2c45.png", "image/png", 68, "6c" * 32, True, 64, 48)
INERT = Image(f"images/{TASK.task_id}/1-0f9a7d2c456c3b1e.bin", "application/octet-stream", 9, "0f" * 32, False)
FAILURE = Failure("gateway_failed", "NSFW content detected.", retryable=True, may_be_billed=False)

TASKS = {
    Status.ACCEPTED: TASK,
    Status.SUBMITTING: replace(TASK, nonce="n", lease=CREATED + 58_000),
    Status.RUNNING: replace(TASK, **SENT),
    Status.COLLECTING: replace(TASK, **SENT, answered=CREATED + 4000, outputs=("https://replicate.delivery/a.png",)),
    Status.SUCCEEDED: replace(TASK, **SENT, completed=CREATED + 4002, images=(PICTURE, INERT), several=True),
    Status.FAILED: replace(TASK, **SENT, completed=CREATED + 4002, failure=FAILURE),
    Status.CANCELED: replace(TASK, completed=CREATED + 4002, failure=replace(FAILURE, code="canceled")),
}
TASKS = {status: replace(task, status=status) for status, task in TASKS.items()}


def show(task: Task) -> Any:
    return predictions.show(task, ORIGIN, LINK_KEY)


def thawed(task: Task) -> Any:
    return json.loads(predictions.thaw(replace(task, news=predictions.freeze(task, ORIGIN, LINK_KEY))))


def test_there_is_a_task_here_for_every_status() -> None:
    assert set(TASKS) == set(Status)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_replicates_client_reads_every_status(task: Task) -> None:
    shown = json.loads(json.dumps(show(task)))
    prediction = Prediction(**shown)
    assert (prediction.id, prediction.model, prediction.version) == (task.task_id, task.model, "hidden")
    assert prediction.input == json.loads(task.input)
    assert (prediction.output, prediction.error) == (shown["output"], shown["error"])
    assert all(isinstance(url, str) for url in shown["urls"].values())
    assert shown["urls"]["get"] == f"{ORIGIN}/v1/predictions/{task.task_id}"
    assert shown["urls"]["cancel"] == f"{shown['urls']['get']}/cancel"


def test_to_replicates_clients_a_task_is_starting_until_it_was_sent_and_processing_until_all_is_stored() -> None:
    assert {status.value: show(task)["status"] for status, task in TASKS.items()} == {
        "accepted": "starting",
        "submitting": "starting",
        "running": "processing",
        "collecting": "processing",
        "succeeded": "succeeded",
        "failed": "failed",
        "canceled": "canceled",
    }


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_webhooks_body_says_what_the_api_says(task: Task) -> None:
    assert thawed(task) == show(task)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_nothing_of_the_inside_is_shown(task: Task) -> None:
    task = replace(task, webhook=RECEIVER, nonce="inside", ticket="inside", digest="inside", outputs=("inside",))
    assert "inside" not in json.dumps(show(task))


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_times_are_told_by_rfc_3339_to_the_millisecond_and_only_when_they_have_come(task: Task) -> None:
    shown = show(task)
    times = {"created_at": task.created, "deadline": task.deadline}
    times |= {"started_at": task.submitted} if task.submitted else {}
    times |= {"completed_at": task.completed} if task.completed else {}
    assert {name for name in shown if name.endswith("_at") or name == "deadline"} == set(times)
    assert shown["created_at"] == "2026-11-20T12:00:00.001Z"
    for name, moment in times.items():
        assert datetime.fromisoformat(shown[name]).timestamp() == moment / 1000
    assert all(attempt["at"] == "2026-11-20T12:00:00.021Z" for attempt in shown["attempts"])


@given(some.integers(min_value=0, max_value=4_102_444_800_000))
def test_no_millisecond_is_lost_in_a_time(moment: int) -> None:
    told = datetime.fromisoformat(show(replace(TASK, created=moment))["created_at"])
    assert (told.tzinfo, round((told - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)) == (UTC, moment)


def test_several_outputs_are_a_list_even_of_one_and_a_single_one_is_none() -> None:
    succeeded = TASKS[Status.SUCCEEDED]
    urls = [links.link(ORIGIN, LINK_KEY, TASK.task_id, image.name) for image in (PICTURE, INERT)]
    assert show(succeeded)["output"] == urls
    assert show(replace(succeeded, images=(PICTURE,)))["output"] == urls[:1]
    assert show(replace(succeeded, images=(PICTURE,), several=False))["output"] == urls[0]


def test_an_image_is_told_with_what_it_takes_to_check_it() -> None:
    picture, inert = show(TASKS[Status.SUCCEEDED])["images"]
    assert {name: picture[name] for name in ("content_type", "bytes", "width", "height", "verified")} == {
        "content_type": "image/png",
        "bytes": 68,
        "width": 64,
        "height": 48,
        "verified": True,
    }
    assert (picture["sha256"], picture["url"]) == (PICTURE.sha256, show(TASKS[Status.SUCCEEDED])["output"][0])
    assert (inert["verified"], inert["width"], inert["height"]) == (False, None, None)


def test_a_failure_says_whether_to_try_again_and_whether_it_may_be_billed() -> None:
    shown = show(TASKS[Status.FAILED])
    assert (shown["error"], shown["error_code"]) == ("NSFW content detected.", "gateway_failed")
    assert (shown["retryable"], shown["may_be_billed"], shown["output"]) == (True, False, None)
    assert shown["metrics"] == {"total_time": 4.002, "image_count": 0}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_to_whoever_has_waited_all_that_has_not_ended_is_starting(task: Task) -> None:
    told = predictions.show(task, ORIGIN, LINK_KEY, waited=True)["status"]
    assert told == (show(task)["status"] if task.status.terminal else "starting")


def test_a_version_that_was_asked_for_is_shown_beside_its_model() -> None:
    shown = show(replace(TASK, model="lucataco/remove-bg:95fcc2a26d38"))
    assert (shown["model"], shown["version"]) == ("lucataco/remove-bg", "95fcc2a26d38")


def test_an_input_is_in_the_webhook_byte_for_byte() -> None:
    model_input = '{"prompt": "Ein Leuchtturm 灯台 📷 \\u2028 \\\\", "guidance": 3.50, "seed": 16510644661374190000}'
    task = replace(TASK, input=model_input)
    task = replace(task, news=predictions.freeze(task, ORIGIN, LINK_KEY))
    assert model_input.encode() in predictions.thaw(task)
    assert predictions.thaw(task) == predictions.thaw(task)


def test_what_was_frozen_does_not_thaw_into_something_else() -> None:
    task = replace(TASKS[Status.FAILED], news=predictions.freeze(TASKS[Status.FAILED], ORIGIN, LINK_KEY))
    assert predictions.thaw(replace(task, failure=None, completed=None)) == predictions.thaw(task)


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECT = some.dictionaries(some.text(), JSON, max_size=4)


@given(OBJECT, OBJECT, some.text())
def test_whatever_callers_and_gateways_say_thaws_as_it_is_shown(
    model_input: dict[str, Any], metadata: dict[str, Any], words: str
) -> None:
    task = replace(
        TASKS[Status.FAILED],
        input=json.dumps(model_input, ensure_ascii=False),
        metadata=metadata,
        failure=replace(FAILURE, message=words),
    )
    shown = thawed(task)
    assert shown == show(task)
    assert (shown["input"], shown["metadata"], shown["error"]) == (model_input, metadata, words)

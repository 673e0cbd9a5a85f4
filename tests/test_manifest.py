"""The manifest of a task that has succeeded: whatever is in it is in the bucket, whole, before anybody is told."""

import base64
import hashlib
import json
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from darkroom import aws
from darkroom.errors import OutputUnavailable
from darkroom.order import BODY_CAP
from darkroom.task import Status, Task
from tests.conftest import (
    CREATE,
    OUTPUT,
    QUESTION,
    RECEIVER,
    Account,
    Clock,
    Wire,
    call,
    order,
    picture,
    prediction,
    step,
    submit,
)

COLORS = ("red", "lime", "blue")


@pytest.fixture
def three(account: Account, wire: Wire, time: Clock, running: Task) -> Task:
    """A task with three outputs to be copied."""
    for color in COLORS:
        wire.on("GET", f"{OUTPUT}?{color}", httpx.Response(200, content=picture(color=color)))
    wire.on("GET", QUESTION, prediction("succeeded", output=[f"{OUTPUT}?{color}" for color in COLORS]))
    wire.on("POST", RECEIVER, httpx.Response(204))
    time.forward(4)
    call("poll", step(running))
    return account.task()


def finalize(task: Task) -> Any:
    return call("finalize", step(task, 1))


def test_a_task_succeeds_only_when_all_of_its_images_are_in_the_bucket(
    account: Account, wire: Wire, three: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(**arguments: Any) -> Any:
        there.append(set(account.files()))
        return update(**arguments)

    there: list[set[str]] = []
    update = aws.dynamodb().update_item
    monkeypatch.setattr(aws.dynamodb(), "update_item", seen)
    finalize(three)
    ended = account.task()
    assert ended.status is Status.SUCCEEDED
    assert {image.key for image in ended.images} < there[0]
    assert len(ended.images) == 3


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_a_bucket_that_refuses_delays_the_end_and_loses_nothing(
    account: Account, wire: Wire, three: Task, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    def slow_down(**arguments: Any) -> Any:
        puts.append(arguments["Key"])
        if len(puts) == nth:
            raise ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, "PutObject")
        return put(**arguments)

    puts: list[str] = []
    put = aws.s3().put_object
    monkeypatch.setattr(aws.s3(), "put_object", slow_down)
    with pytest.raises(ClientError):
        finalize(three)
    assert (account.task(), wire.sent("POST", RECEIVER)) == (three, [])
    assert finalize(three)["next"] == "deliver"
    files = account.files()
    for image in account.task().images:
        assert hashlib.sha256(files[image.key]).hexdigest() == image.sha256


def test_s3_is_told_the_checksum_of_every_file(
    account: Account, wire: Wire, three: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def checked(**arguments: Any) -> Any:
        content = arguments["Body"].read()
        arguments["Body"].seek(0)
        assert arguments["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(content).digest()).decode()
        checksums.append(arguments["Key"])
        return put(**arguments)

    checksums: list[str] = []
    put = aws.s3().put_object
    monkeypatch.setattr(aws.s3(), "put_object", checked)
    finalize(three)
    assert sorted(checksums) == sorted(account.files())


def test_an_output_that_is_another_one_the_second_time_is_stored_beside_the_first(
    account: Account, wire: Wire, three: Task
) -> None:
    wire.on("GET", f"{OUTPUT}?blue", httpx.Response(503))
    with pytest.raises(OutputUnavailable):
        finalize(three)
    wire.on("GET", f"{OUTPUT}?red", httpx.Response(200, content=picture(color="pink")))
    wire.on("GET", f"{OUTPUT}?blue", httpx.Response(200, content=picture(color="blue")))
    finalize(three)
    files = account.files()
    stored = [files[image.key] for image in account.task().images]
    assert stored == [picture(color=color) for color in ("pink", "lime", "blue")]
    assert len(files) == 3 + 1 + 1


def test_the_largest_order_with_many_long_outputs_fits_into_one_item(account: Account, wire: Wire, time: Clock) -> None:
    outputs = [f"https://replicate.delivery/{number}/{'x' * 900}.png" for number in range(64)]
    wire.on("POST", CREATE, prediction())
    wire.on("POST", RECEIVER, httpx.Response(204))
    wire.on("GET", QUESTION, prediction("succeeded", output=outputs))
    for number, output in enumerate(outputs):
        wire.on("GET", output, httpx.Response(200, content=f"GIF89a of the {number}th output".encode()))
    body = json.dumps(order(webhook=RECEIVER, metadata={"note": "灯" * ((BODY_CAP - 400) // 3)}), ensure_ascii=False)
    assert submit(body)["statusCode"] == 201
    time.forward(4)
    call("poll", step(account.task()))
    assert finalize(account.task())["next"] == "deliver"
    assert (account.task().status, len(account.task().images)) == (Status.SUCCEEDED, 64)


def test_slow_outputs_get_no_more_time_than_the_function_has(
    account: Account, wire: Wire, time: Clock, running: Task
) -> None:
    def slowly(_: httpx.Request) -> httpx.Response:
        time.forward(55)
        return httpx.Response(200, content=picture())

    links = [f"{OUTPUT}?{number}" for number in range(5)]
    for link in links:
        wire.on("GET", link, slowly)
    wire.on("GET", QUESTION, prediction("succeeded", output=links))
    wire.on("POST", RECEIVER, httpx.Response(204))
    call("poll", step(running))
    finalize(account.task())
    given = [one.extensions["timeout"]["read"] for one in wire.sent("GET", OUTPUT)]
    assert given == pytest.approx([60, 60, 60, 60, 20], rel=0.01)

"""From outputs to images, and the one write that ends a task: functions/finalize.py."""

import base64
import hashlib
import io
import itertools
import json
import random
import struct
import zlib
from datetime import datetime
from typing import Any

import httpx
import pytest
from PIL import Image
from standardwebhooks import Webhook

from darkroom import aws, clock, collection, settings, store
from darkroom.answer import Failed
from darkroom.driver import GRACE_MS
from darkroom.errors import OutputUnavailable, Reason
from darkroom.task import Delivery, Status, Task
from tests.conftest import (
    CREATE,
    GATEWAY,
    OUTPUT,
    QUESTION,
    RECEIVER,
    WEBHOOK_SECRET,
    Account,
    Clock,
    Event,
    Wire,
    call,
    conclude,
    document,
    event,
    order,
    picture,
    prediction,
    step,
    submit,
)

PNG = httpx.Response(200, content=picture())


@pytest.fixture(autouse=True)
def _receiver(wire: Wire) -> None:
    wire.on("POST", RECEIVER, httpx.Response(204))


def finalize(task: Task, **changes: Any) -> Event:
    answer: Event = call("finalize", step(task, 1, **changes))
    return answer


def finish(account: Account, wire: Wire, **members: Any) -> Task:
    """The task after the gateway has said its last word."""
    wire.on("GET", QUESTION, prediction(**{"status": "succeeded", **members}))
    call("poll", step(account.task()))
    return account.task()


def shown(task: Task) -> dict[str, Any]:
    """What its caller sees."""
    return document(call("tasks", event("tasks", rawPath=f"/v1/predictions/{task.task_id}")))


def huge(width: int, height: int) -> bytes:
    """A PNG that claims to be so large, and that nobody can decode."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + struct.pack(">I", zlib.crc32(header)) + b"\0\0\0\4IDAT"


@pytest.mark.parametrize(("kind", "extension"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")])
def test_a_picture_is_stored_as_what_its_bytes_say(
    account: Account, wire: Wire, collecting: Task, kind: str, extension: str
) -> None:
    content = picture(64, 48, kind)
    wire.on("GET", OUTPUT, httpx.Response(200, content=content, headers={"content-type": "text/html"}))
    assert finalize(collecting)["next"] == "deliver"
    sha256 = hashlib.sha256(content).hexdigest()
    key = f"images/{collecting.task_id}/0-{sha256[:16]}.{extension}"
    stored = aws.s3().head_object(Bucket=account.bucket, Key=key)
    assert account.files()[key] == content
    assert (stored["ContentType"], stored["ContentDisposition"]) == (f"image/{kind.lower()}", "inline")
    (image,) = account.task().images
    assert (image.key, image.bytes, image.sha256, image.verified) == (key, len(content), sha256, True)
    assert (image.content_type, image.width, image.height) == (f"image/{kind.lower()}", 64, 48)


def test_beside_the_images_lies_how_they_came_to_be(account: Account, wire: Wire, collecting: Task) -> None:
    wire.on("GET", OUTPUT, PNG)
    finalize(collecting)
    record = json.loads(account.files()[f"images/{collecting.task_id}/task.json"])
    assert record["route"] == "vectornode/replicate/google/imagen-4-fast"
    assert (record["input"], record["ticket"]) == (json.loads(collecting.input), collecting.ticket)
    assert [image["key"] for image in record["images"]] == [image.key for image in account.task().images]


def test_several_outputs_keep_their_order(account: Account, wire: Wire, running: Task) -> None:
    colors = ["red", "lime", "blue"]
    for color in colors:
        wire.on("GET", f"{OUTPUT}?{color}", httpx.Response(200, content=picture(color=color)))
    finalize(finish(account, wire, output=[f"{OUTPUT}?{color}" for color in colors]))
    prints = [hashlib.sha256(picture(color=color)).hexdigest() for color in colors]
    assert [image.sha256 for image in account.task().images] == prints
    links = shown(account.task())["output"]
    assert [f"/{index}-{sha256[:16]}.png" in links[index] for index, sha256 in enumerate(prints)] == [True] * 3


@pytest.mark.parametrize(
    ("model", "output", "shape"),
    [
        ("google/imagen-4-fast", OUTPUT, str),
        ("google/imagen-4-fast", [OUTPUT], str),
        ("google/imagen-4-fast", [OUTPUT, OUTPUT], list),
        ("black-forest-labs/flux-schnell", OUTPUT, list),
        ("somebody/something", OUTPUT, str),
        ("somebody/something", [OUTPUT], list),
    ],
)
def test_callers_get_a_link_or_a_list_as_the_catalogue_has_it_or_else_the_gateway(
    account: Account, wire: Wire, time: Clock, model: str, output: str | list[str], shape: type
) -> None:
    wire.on("POST", f"{GATEWAY}/models/{model}/predictions", prediction())
    wire.on("GET", OUTPUT, PNG)
    submit({"input": {"prompt": "a cormorant"}}, model=model)
    finalize(finish(account, wire, output=output))
    assert type(shown(account.task())["output"]) is shape


def test_the_end_and_its_pending_webhook_are_one_write(
    account: Account, wire: Wire, collecting: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(**update: Any) -> Any:
        writes.append(update)
        return write(**update)

    def half_way(request: httpx.Request) -> httpx.Response:
        task = account.task()
        assert (task.status, task.delivery, len(task.images)) == (Status.SUCCEEDED, Delivery.PENDING, 1)
        assert len(writes) == 1
        assert task.due is not None
        return httpx.Response(200)

    writes: list[Any] = []
    write = aws.dynamodb().update_item
    monkeypatch.setattr(aws.dynamodb(), "update_item", written)
    wire.on("GET", OUTPUT, PNG)
    wire.on("POST", RECEIVER, half_way)
    conclude(collecting)
    assert account.task().delivery is Delivery.DELIVERED


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled"])
def test_every_end_is_told_as_the_caller_would_see_it(
    account: Account, wire: Wire, running: Task, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Then":
            return cls.fromtimestamp(clock.now() / 1000, tz)

    monkeypatch.setattr("standardwebhooks.webhooks.datetime", Then)
    wire.on("GET", OUTPUT, PNG)
    assert conclude(finish(account, wire, status=status, output=OUTPUT, error="words"))["next"] == "done"
    (news,) = wire.sent("POST", RECEIVER)
    seen = shown(account.task())
    assert Webhook(WEBHOOK_SECRET).verify(news.content, dict(news.headers)) == seen
    assert (seen["status"], account.task().delivery) == (status, Delivery.DELIVERED)
    assert "authorization" not in news.headers


BAD_OUTPUTS: dict[str, list[Any]] = {
    "cut short": [httpx.Response(200, content=picture()[:-30])],
    "cut short JPEG": [httpx.Response(200, content=picture(640, 480, "JPEG")[:-300])],
    "empty": [httpx.Response(200)],
    "a web page": [httpx.Response(200, html=" <!DOCTYPE html><title>Sign in</title>")],
    "404": [httpx.Response(404, content=picture())],
    "202": [httpx.Response(202, content=picture())],
    "a long way": [httpx.Response(302, headers={"location": OUTPUT})],
    "a dead host": [httpx.ConnectError],
    "a dead line": [httpx.ReadTimeout],
    "too large": [httpx.Response(200, content=b"\0" * 100_001)],
}


@pytest.mark.parametrize("answers", BAD_OUTPUTS.values(), ids=BAD_OUTPUTS)
def test_an_output_that_cannot_be_had_is_left_for_later(
    account: Account, wire: Wire, time: Clock, collecting: Task, monkeypatch: pytest.MonkeyPatch, answers: list[Any]
) -> None:
    monkeypatch.setattr(collection, "OUTPUT_CAP", 100_000)
    wire.on("GET", OUTPUT, *answers)
    time.forward(3600)
    with pytest.raises(OutputUnavailable):
        finalize(collecting)
    assert account.task() == collecting
    assert wire.sent("POST", RECEIVER) == []
    wire.on("GET", OUTPUT, PNG)
    assert finalize(collecting)["next"] == "deliver"


@pytest.mark.parametrize("answers", [BAD_OUTPUTS["404"], BAD_OUTPUTS["cut short"]], ids=["404", "cut short"])
def test_an_output_that_could_not_be_had_for_an_hour_is_lost(
    account: Account, wire: Wire, time: Clock, collecting: Task, answers: list[Any]
) -> None:
    wire.on("GET", OUTPUT, *answers)
    time.forward(3601)
    assert conclude(collecting)["next"] == "done"
    task = account.task()
    assert task.failure is not None
    assert (task.status, task.failure.code, task.failure.may_be_billed) == (Status.FAILED, "output_lost", True)
    assert len(wire.sent("POST", RECEIVER)) == 1


def test_two_redirects_are_followed_and_no_third(account: Account, wire: Wire, collecting: Task) -> None:
    hosts = [OUTPUT, "https://a.example/1", "https://b.example/2", "https://c.example/3"]
    for here, there in itertools.pairwise(hosts):
        wire.on("GET", here, httpx.Response(302, headers={"location": there}))
    with pytest.raises(OutputUnavailable):
        finalize(collecting)
    wire.on("GET", hosts[2], PNG)
    assert finalize(collecting)["next"] == "deliver"
    assert wire.sent("GET", hosts[3]) == []


def test_nobody_who_keeps_outputs_sees_a_key(account: Account, wire: Wire, collecting: Task) -> None:
    redirect = httpx.Response(302, headers={"location": f"{QUESTION}/files", "set-cookie": "a=b"})
    wire.on("GET", OUTPUT, redirect)
    wire.on("GET", f"{QUESTION}/files", PNG)
    finalize(collecting)
    fetched = [wire.sent("GET", OUTPUT)[0], wire.sent("GET", f"{QUESTION}/files")[0]]
    for request in fetched:
        assert {"authorization", "cookie"}.isdisjoint(request.headers)


def test_a_copy_that_was_left_half_done_is_finished(account: Account, wire: Wire, running: Task) -> None:
    wire.on("GET", f"{OUTPUT}?1", PNG)
    wire.on("GET", f"{OUTPUT}?2", httpx.Response(503), httpx.Response(200, content=picture(color="red")))
    collecting = finish(account, wire, output=[f"{OUTPUT}?1", f"{OUTPUT}?2"])
    with pytest.raises(OutputUnavailable):
        finalize(collecting)
    assert len(account.files()) == 1
    finalize(collecting)
    assert sorted(account.files()) == sorted(
        [image.key for image in account.task().images] + [f"images/{collecting.task_id}/task.json"]
    )


def test_an_output_may_come_inline(account: Account, wire: Wire, running: Task) -> None:
    uri = f"data:image/jpeg;base64,{base64.b64encode(picture()).decode()}"
    finalize(finish(account, wire, output=uri))
    (image,) = account.task().images
    assert (image.content_type, account.files()[image.key]) == ("image/png", picture())


def test_an_inline_output_that_is_garbled_is_asked_for_again(account: Account, wire: Wire, running: Task) -> None:
    wire.on("GET", QUESTION, prediction("succeeded", output="data:image/png;base64,iVBORw0KGgo*"))
    assert call("poll", step(running))["next"] == "wait"


@pytest.mark.parametrize("inline", [False, True], ids=["fetched", "inline"])
def test_a_large_output_lies_under_the_digest_of_all_of_its_bytes(
    account: Account, wire: Wire, running: Task, inline: bool
) -> None:
    content = random.Random(7).randbytes(2 * collection.BLOCK + 300_000)
    wire.on("GET", OUTPUT, httpx.Response(200, content=content))
    data_uri = f"data:application/octet-stream;base64,{base64.b64encode(content).decode()}"
    finalize(finish(account, wire, output=data_uri if inline else OUTPUT))
    task = account.task()
    (image,) = task.images
    digest = hashlib.sha256(content).hexdigest()
    assert (image.sha256, image.bytes) == (digest, len(content))
    assert image.key == f"images/{task.task_id}/0-{digest[:16]}.bin"
    assert account.files()[image.key] == content


def test_what_is_stored_is_not_read_again_to_be_signed_but_held_against_its_checksum(
    account: Account, wire: Wire, collecting: Task
) -> None:
    wire.on("GET", OUTPUT, PNG)
    events, told = aws.s3().meta.events, list[dict[str, str]]()

    def note(request: Any, **_: Any) -> None:
        told.append({name.lower(): str(value) for name, value in request.headers.items()})

    events.register_last("request-created.s3", note)
    try:
        finalize(collecting)
    finally:
        events.unregister("request-created.s3", note)
    checksums = [base64.b64encode(hashlib.sha256(content).digest()).decode() for content in account.files().values()]
    assert sorted(one["x-amz-checksum-sha256"] for one in told) == sorted(checksums)
    for one in told:
        assert one["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
        assert "x-amz-checksum-sha256" in one["authorization"]


@pytest.mark.parametrize(
    "content",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b"\0\0\0\x18ftypmp42",
        b"GIF89a",
        huge(9_000, 9_000),
        huge(60_000, 60_000),
        b"x" * 70_000,
    ],
    ids=["svg", "mp4", "gif", "a bomb", "a larger bomb", "unknown"],
)
def test_what_cannot_be_verified_is_kept_inert(account: Account, wire: Wire, collecting: Task, content: bytes) -> None:
    wire.on("GET", OUTPUT, httpx.Response(200, content=content, headers={"content-type": "image/svg+xml"}))
    finalize(collecting)
    (image,) = account.task().images
    assert (image.verified, image.width, image.key.rpartition(".")[2]) == (False, None, "bin")
    stored = aws.s3().head_object(Bucket=account.bucket, Key=image.key)
    assert (stored["ContentType"], stored["ContentDisposition"]) == ("application/octet-stream", "attachment")
    assert account.files()[image.key] == content


def test_a_small_picture_that_cannot_be_decoded_is_no_bomb(wire: Wire, collecting: Task) -> None:
    wire.on("GET", OUTPUT, httpx.Response(200, content=huge(64, 48)))
    with pytest.raises(OutputUnavailable):
        finalize(collecting)


def test_a_task_that_nobody_wants_to_hear_of_is_over_when_it_has_been_announced(
    account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", CREATE, prediction())
    wire.on("GET", OUTPUT, PNG)
    submit()
    assert finalize(finish(account, wire, output=OUTPUT))["next"] == "deliver"
    (item,) = aws.dynamodb().scan(TableName=settings.tasks_table())["Items"]
    assert (item["due"]["N"], "expires" in item) == (str(time.now + GRACE_MS), False)
    time.forward(7)
    assert call("deliver", step(account.task(), 1))["next"] == "done"
    (item,) = aws.dynamodb().scan(TableName=settings.tasks_table())["Items"]
    assert item["expires"]["N"] == str(time.now // 1000 + 90 * 86_400)
    assert {"due", "due_shard"}.isdisjoint(item)
    assert account.task().delivery is Delivery.NONE


def test_finalizing_again_changes_nothing_and_announces_the_same(
    account: Account, wire: Wire, time: Clock, collecting: Task
) -> None:
    wire.on("GET", OUTPUT, PNG)
    first = finalize(collecting)
    ended = account.task()
    time.forward(100)
    assert finalize(collecting) == first
    assert account.task() == ended
    assert len(wire.sent("GET", OUTPUT)) == 1


def test_who_ends_a_task_tells_its_caller_nothing(account: Account, wire: Wire, collecting: Task) -> None:
    wire.on("GET", OUTPUT, PNG)
    answer = finalize(collecting)
    assert (answer["next"], answer["wait"]) == ("deliver", 0)
    assert (account.task().status, account.task().delivery) == (Status.SUCCEEDED, Delivery.PENDING)
    assert (account.task().deliveries, wire.sent("POST", RECEIVER)) == ((), [])


def test_what_is_over_is_not_announced_again(account: Account, wire: Wire, collecting: Task) -> None:
    wire.on("GET", OUTPUT, PNG)
    conclude(collecting)
    assert finalize(collecting) == step(collecting, 1, next="done")


def test_a_driver_that_another_has_replaced_stores_nothing(account: Account, wire: Wire, collecting: Task) -> None:
    assert finalize(collecting, generation=0) == step(collecting, 1, generation=0, next="leave")
    assert account.files() == {}
    assert account.task() == collecting


def test_a_jpeg_with_a_second_picture_behind_the_first_is_a_jpeg(
    account: Account, wire: Wire, collecting: Task
) -> None:
    file, second = io.BytesIO(), Image.new("RGB", (64, 48), "red")
    Image.new("RGB", (64, 48), "navy").save(file, "MPO", save_all=True, append_images=[second])
    wire.on("GET", OUTPUT, httpx.Response(200, content=file.getvalue()))
    finalize(collecting)
    assert account.task().images[0].content_type == "image/jpeg"


def test_a_success_carries_no_failure_of_another_driver(account: Account, wire: Wire, collecting: Task) -> None:
    def outrun(request: httpx.Request) -> httpx.Response:
        store.hear(collecting, Failed(Reason.OUTPUT_LOST, "lost"), due=0)
        return httpx.Response(200, content=picture())

    wire.on("GET", OUTPUT, outrun)
    assert finalize(collecting)["next"] == "leave"
    assert account.task().status is Status.COLLECTING, "the other driver will end it"
    finalize(account.task())
    assert account.task().status is Status.FAILED


def test_large_metadata_does_not_keep_a_task_from_ending(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, prediction())
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    submit(order(webhook=RECEIVER, metadata={"note": "a" * 210_000}))
    assert conclude(finish(account, wire, output=OUTPUT))["next"] == "done"
    assert json.loads(wire.sent("POST", RECEIVER)[0].content)["metadata"] == {"note": "a" * 210_000}


def test_of_outputs_that_were_lost_in_part_the_good_ones_are_kept(
    account: Account, wire: Wire, running: Task, time: Clock
) -> None:
    collecting = finish(account, wire, output=[OUTPUT, "https://replicate.delivery/xezq/gone.png"])
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    wire.on("GET", "https://replicate.delivery/xezq/gone.png", httpx.Response(404))
    with pytest.raises(OutputUnavailable):
        finalize(collecting)
    time.forward(3601)
    finalize(collecting)
    prediction = shown(account.task())
    assert (prediction["status"], len(prediction["output"])) == ("succeeded", 1)
    assert "404" in prediction["missing"][0]


def test_a_task_whose_outputs_are_not_on_record_has_not_succeeded(account: Account, collecting: Task) -> None:
    aws.dynamodb().update_item(
        TableName=settings.tasks_table(),
        Key={"task_id": {"S": collecting.task_id}},
        UpdateExpression="SET outputs = :none",
        ExpressionAttributeValues={":none": {"L": []}},
    )
    with pytest.raises(OutputUnavailable):
        finalize(collecting)

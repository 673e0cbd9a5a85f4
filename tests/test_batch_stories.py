"""
Dropped files, whole: from a put into the inbox to the folder of results, in the local cloud, from the real template,
against the simulator of the gateways. What counts is what the gateways have charged: once for each row.
"""

import io
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from PIL import Image
from standardwebhooks import Webhook

from local.installation import Installation
from local.receiver import Receiver
from tests import conftest
from tests.batch_dropper import MODEL, Dropper, row

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

VECTORNODE = httpx.URL(conftest.VECTORNODE).host
CREATE = f"/replicate/v1/models/{MODEL}/predictions"
KONTEXT = "black-forest-labs/flux-kontext-pro"


@pytest.fixture(scope="module")
def dropper() -> Iterator[Dropper]:
    with Installation(speed=10) as darkroom:
        yield Dropper(darkroom)


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, "PNG")
    return file.getvalue()


FORMATS: dict[str, tuple[str, list[str]]] = {
    "flat.jsonl": (
        "\n".join(json.dumps(row(f"flat {n}", f"a kettle, flat {n}")) for n in range(3)),
        [f"a kettle, flat {n}" for n in range(3)],
    ),
    "openai.jsonl": (
        "\n".join(
            json.dumps(
                {
                    "custom_id": f"request-{n}",
                    "method": "POST",
                    "url": "/v1/images/generations",
                    "body": {"model": MODEL, "prompt": f"a kettle, openai {n}"},
                }
            )
            for n in range(2)
        ),
        [f"a kettle, openai {n}" for n in range(2)],
    ),
    "bedrock.jsonl": (
        "\n".join(
            json.dumps({"recordId": f"CALL{n:07}", "modelInput": {"prompt": f"a kettle, bedrock {n}"}})
            for n in range(2)
        ),
        [f"a kettle, bedrock {n}" for n in range(2)],
    ),
    "sheet.csv": (
        '\ufeffcustom_id;prompt;seed;go_fast\r\nred;"a kettle;\nsheet red";4;true\r\nblue;a kettle, sheet blue;;\r\n',
        ["a kettle;\nsheet red", "a kettle, sheet blue"],
    ),
    "prompts.txt": (
        "# kettles\na kettle, text one\n\na kettle, text two\n",
        ["a kettle, text one", "a kettle, text two"],
    ),
    "single.json": (json.dumps({"input": {"prompt": "a kettle, one"}}), ["a kettle, one"]),
    "list.json": (
        json.dumps([{"custom_id": n, "input": {"prompt": f"a kettle, list {n}"}} for n in range(2)]),
        [f"a kettle, list {n}" for n in range(2)],
    ),
}


def test_every_format_becomes_pictures_and_each_row_is_charged_once(dropper: Dropper) -> None:
    dropper.drop("default/formats/_defaults.json", json.dumps({"model": MODEL, "metadata": {"shop": 7}}))
    for name, (content, _) in FORMATS.items():
        dropper.drop(f"default/formats/{name}", content)
    for name, (_, prompts) in FORMATS.items():
        folder = f"results/default/formats/{name.rpartition('.')[0]}/"
        manifest = dropper.ended(folder)
        counts = (manifest["totalRecordCount"], manifest["successRecordCount"], manifest["errorRecordCount"])
        assert counts == (len(prompts), len(prompts), 0), manifest
        assert len(dropper.lines(f"{folder}output.jsonl")) == len(dropper.pictures(folder)) == len(prompts)
        assert dropper.charges(*prompts) == [1] * len(prompts)
    assert dropper.lines("results/default/formats/flat/output.jsonl")[1]["custom_id"] == "flat 1"
    assert [line["line"] for line in dropper.lines("results/default/formats/prompts/output.jsonl")] == [2, 4]
    openai = dropper.lines("results/default/formats/openai/output.jsonl")[0]
    assert (openai["custom_id"], openai["response"]["status_code"], openai["error"]) == ("request-0", 200, None)
    bedrock = dropper.lines("results/default/formats/bedrock/output.jsonl")[1]
    assert (bedrock["recordId"], bedrock["modelInput"]) == ("CALL0000001", {"prompt": "a kettle, bedrock 1"})
    assert bedrock["modelOutput"]["metadata"] == {"shop": 7}
    assert bedrock["modelOutput"]["images"][0]["key"] == "results/default/formats/bedrock/images/CALL0000001-0.webp"


def test_a_picture_with_a_sidecar_is_lent_to_the_gateway_even_if_it_comes_second(dropper: Dropper) -> None:
    key = "default/pets/my cat + ß.png"
    dropper.drop(f"{key}.json", json.dumps({"model": KONTEXT, "input": {"prompt": "the cat wears a hat"}}))
    time.sleep(2)
    dropper.drop(key, picture())
    manifest = dropper.ended("results/default/pets/my cat + ß.png/")
    assert (manifest["successRecordCount"], manifest["errorRecordCount"]) == (1, 0), manifest
    assert dropper.charges("the cat wears a hat") == [1]


def test_keys_and_custom_ids_may_be_anything_and_pictures_are_found_by_them(dropper: Dropper) -> None:
    ids = ["../../etc/passwd", "a/b", "ä + 1%", "..", "日本"]
    dropper.drop("default/größe + farbe/my file.jsonl", [row(each, f"a jug {each}") for each in ids])
    folder = "results/default/größe + farbe/my file/"
    manifest = dropper.ended(folder)
    assert manifest["successRecordCount"] == len(ids), manifest
    found = {unquote(name.rpartition("-")[0]) for name in dropper.pictures(folder)}
    assert found == set(ids)
    assert all("/" not in name for name in dropper.pictures(folder))


def test_errors_put_back_run_just_those(dropper: Dropper) -> None:
    rows: list[Any] = [
        row("good", "a lamp that is made"),
        row("bad", ""),
        row("good", "a lamp, a second time under one custom_id"),
        row("filtered", "nsfw lamp"),
        {"model": "nobody", "input": {"prompt": "a lamp of an unknown model"}},
    ]
    content = "\n".join(map(json.dumps, rows)) + '\n{"custom_id": "nan", "input": {"seed": NaN}}\nnot json\n'
    dropper.drop("default/lamps/lamps.jsonl", content)
    folder = "results/default/lamps/lamps/"
    manifest = dropper.ended(folder)
    assert (manifest["successRecordCount"], manifest["errorRecordCount"]) == (1, 6)
    errors = dropper.lines(f"{folder}errors.jsonl")
    assert [line["error"]["line"] for line in errors] == [2, 3, 4, 5, 6, 7]
    assert [{k: v for k, v in line.items() if k != "error"} for line in errors[:4]] == rows[1:]
    assert errors[2]["error"]["may_be_billed"] is True
    before = dropper.all_charges()
    dropper.drop("default/lamps/again.jsonl", dropper.read(f"{folder}errors.jsonl").replace(b'"nsfw lamp"', b'"lamp"'))
    again = dropper.ended("results/default/lamps/again/")
    assert (again["successRecordCount"], again["errorRecordCount"]) == (2, 4), "the second of one id, and the filtered"
    assert dropper.all_charges() - before == 2
    assert dropper.charges("a lamp that is made") == [1]


def test_events_that_come_again_and_messages_that_are_sent_again_cost_nothing(dropper: Dropper) -> None:
    prompts = [f"a clock {n}" for n in range(3)]
    version = dropper.drop("default/clocks/clocks.jsonl", [row(str(n), prompt) for n, prompt in enumerate(prompts)])
    event = {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "time": "2026-11-21T12:00:00Z",
        "detail": {
            "bucket": {"name": dropper.inbox},
            "object": {"key": "default/clocks/clocks.jsonl", "version-id": version, "etag": "…", "size": 1},
            "reason": "PutObject",
        },
    }
    sqs = dropper.darkroom.cloud.client("sqs")
    for _ in range(3):
        sqs.send_message(QueueUrl=dropper.darkroom.cloud.resources["IntakeQueue"], MessageBody=json.dumps(event))
    dropper.ended("results/default/clocks/clocks/")
    sqs.send_message(QueueUrl=dropper.darkroom.cloud.resources["IntakeQueue"], MessageBody=json.dumps(event))
    time.sleep(3)
    assert dropper.charges(*prompts) == [1, 1, 1]
    assert dropper.folders("results/default/clocks/") == ["results/default/clocks/clocks/"]


def test_an_overwritten_file_is_a_new_batch_beside_the_first_and_takes_nothing_from_it(dropper: Dropper) -> None:
    first = [row("same", "a vase, first slow"), row("other", "a vase, first")]
    dropper.drop("default/vases/vases.jsonl", first)
    folder = "results/default/vases/vases/"
    dropper.wait(folder, "in_progress")
    dropper.drop("default/vases/vases.jsonl", [row("same", "a vase, second")])
    dropper.s3.delete_object(Bucket=dropper.inbox, Key="default/vases/vases.jsonl")
    deadline = time.monotonic() + 30
    while len(folders := dropper.folders("results/default/vases/")) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    (another,) = set(folders) - {folder}
    assert dropper.ended(another)["successRecordCount"] == 1
    assert dropper.ended(folder, seconds=120)["successRecordCount"] == 2
    assert dropper.charges("a vase, first slow", "a vase, first", "a vase, second") == [1, 1, 1]
    assert len(dropper.pictures(folder)) == 2


def test_a_batch_and_a_row_tell_whom_they_name(dropper: Dropper) -> None:
    with Receiver() as batches, Receiver() as rows:
        dropper.drop("default/told/_defaults.json", json.dumps({"model": MODEL, "webhook": batches.url}))
        dropper.drop("default/told/told.jsonl", [row("one", "a bell", webhook=rows.url), row("two", "a second bell")])
        secret = Webhook(dropper.darkroom.webhook_secret)
        delivery = rows.next()
        told = secret.verify(delivery.body, delivery.headers)
        assert (told["status"], told["row"]["custom_id"]) == ("succeeded", "one")
        delivery = batches.next()
        news = secret.verify(delivery.body, delivery.headers)
        assert (news["type"], news["data"]) == ("batch.completed", dropper.manifest("results/default/told/told/"))
        assert not rows.came()
    assert dropper.announced(news["data"]["batch_id"]) == "completed"


def test_a_file_that_was_mended_has_its_results_where_it_failed(dropper: Dropper) -> None:
    dropper.drop("default/mended/mended.jsonl", b"")
    assert dropper.ended("results/default/mended/mended/")["status"] == "failed"
    dropper.drop("default/mended/mended.jsonl", [row("m", "a mended jar")])
    assert dropper.wait("results/default/mended/mended/", "completed")["successRecordCount"] == 1
    assert dropper.charges("a mended jar") == [1]


def test_a_dry_run_says_what_is_wrong_and_what_it_would_cost_and_spends_nothing(dropper: Dropper) -> None:
    before = dropper.all_charges()
    dropper.drop("default/dry/_defaults.json", json.dumps({"model": MODEL, "dry_run": True}))
    dropper.drop("default/dry/dry.csv", "prompt,seed\na tap,1\n,2\na sink,3\n")
    folder = "results/default/dry/dry/"
    manifest = dropper.ended(folder)
    assert (manifest["dry_run"], manifest["totalRecordCount"], manifest["errorRecordCount"]) == (True, 3, 1), manifest
    assert set(dropper.names(folder)) == {"manifest.json", "errors.jsonl"}
    assert dropper.all_charges() == before


BAD: dict[str, tuple[bytes, str]] = {
    "empty.jsonl": (b"", "empty_file"),
    "binary.jsonl": (picture(), "not_text"),
    "utf16.csv": ("prompt\na cup\n".encode("utf-16"), "wrong_encoding"),
    "headless.csv": (b"a cup,3\na saucer,4\n", "no_header"),
    "broken.json": (b'[{"input": {"prompt": "a cup"}}, {"input": ', "malformed_file"),
}


def test_a_file_that_cannot_be_read_is_told_in_its_manifest_and_costs_nothing(dropper: Dropper) -> None:
    before = dropper.all_charges()
    for name, (content, _) in BAD.items():
        dropper.drop(f"default/bad/{name}", content)
    dropper.drop("default/bad/long.jsonl", b'{"input": {"prompt": "' + b"x" * 50_000_000 + b'"}}')
    for name, (_, code) in BAD.items():
        manifest = dropper.ended(f"results/default/bad/{name.partition('.')[0]}/")
        assert (manifest["status"], manifest["error"]["code"]) == ("failed", code), manifest
        assert dropper.announced(manifest["batch_id"]) == "failed"
    manifest = dropper.ended("results/default/bad/long/")
    assert (manifest["successRecordCount"], manifest["errorRecordCount"]) == (0, 1)
    assert len(dropper.read("results/default/bad/long/errors.jsonl")) < 10_000
    assert dropper.all_charges() == before


def test_a_message_that_nobody_can_read_ends_among_the_dead_letters(dropper: Dropper) -> None:
    sqs, resources = dropper.darkroom.cloud.client("sqs"), dropper.darkroom.cloud.resources
    sqs.send_message(QueueUrl=resources["IntakeQueue"], MessageBody="no event at all")
    deadline = time.monotonic() + 120
    while not (found := sqs.receive_message(QueueUrl=resources["IntakeDeadLetters"]).get("Messages")):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert found[0]["Body"] == "no event at all"
    dropper.drop("default/after/after.txt", "a hook after the poison")
    assert dropper.ended("results/default/after/after/")["errorRecordCount"] == 1, "there is no model"


def test_what_a_batch_leaves_holds_no_prompt_where_none_belongs(dropper: Dropper) -> None:
    dropper.drop("default/secret/secret.jsonl", [row("s", "a cormorant on a rock")])
    dropper.ended("results/default/secret/secret/")
    cloud = dropper.darkroom.cloud
    histories = [cloud.history(one.arn) for one in cloud.executions()]
    told = "\n".join(cloud.log_lines()) + json.dumps(histories, default=str)
    assert "cormorant" not in told
    assert "cormorant" not in json.dumps([event.detail for event in cloud.events()])

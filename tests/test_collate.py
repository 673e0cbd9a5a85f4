"""The result files of a batch: functions/collate.py."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from darkroom import aws, batches, manifests, rows, store, streams
from darkroom.batches import Batch
from darkroom.errors import Failure, Unavailable
from darkroom.task import Image, Status, Task
from tests.conftest import MODEL, ORIGIN, RECEIVER, Account, Clock, Event, call, event

FOLDER = "results/shop/spring/"
PROMPT = "a lighthouse that nobody else should read of"

#: Rows by the line that they are on.
Rows = Mapping[int, dict[str, Any]]

FLAT: dict[str, Any] = {"custom_id": "sku-1", "model": MODEL, "input": {"prompt": PROMPT}}
OPENAI: dict[str, Any] = {
    "custom_id": "sku-2",
    "method": "POST",
    "url": "/v1/images",
    "body": {"model": MODEL, "prompt": PROMPT},
}
BEDROCK: dict[str, Any] = {"recordId": "CALL0000001", "model": MODEL, "modelInput": {"prompt": PROMPT}}


@pytest.fixture
def batch(account: Account, time: Clock) -> Batch:
    """Three good rows, on the lines 2, 4 and 5; the rows of line 1 and 3 could not be read."""
    return lay(
        account,
        good={2: FLAT, 4: OPENAI, 5: BEDROCK},
        bad={1: {"row": "{nonsense"}, 3: {**FLAT, "custom_id": "sku-0", "input": {}}},
        created=time.now,
    )


def lay(account: Account, good: Rows, bad: Rows, created: int, **changes: Any) -> Batch:
    """A batch whose files lie where Intake puts them, rows by line."""
    sent = event("collate")
    found = Batch(
        id=sent["batch_id"],
        files=f"batches/{account.stack}/",
        tenant="shop",
        bucket=account.inbox,
        key="shop/spring.jsonl",
        version="v1",
        etag="e",
        size=1234,
        folder=FOLDER,
        picture=None,
        defaults={"webhook": RECEIVER},
        limits={"vectornode": 10},
        created=created,
        rows=len(good),
        bad=len(bad),
        dry_run=False,
        price={"currency": "USD", "total": 0.06, "unpriced": 0},
    )
    found = replace(found, **changes)
    batches.save(found)
    stored = [
        {"line": line, "custom_id": named(row), "gateway": "vectornode", "document": row} for line, row in good.items()
    ]
    broken = [
        row | {"error": {"code": "malformed_row", "message": "of it", "line": line, "custom_id": str(line)}}
        for line, row in bad.items()
    ]
    for name, lines in (("rows.jsonl", stored), ("errors.jsonl", broken)):
        with streams.Upload(account.bucket, f"{found.files}{name}", "text/plain") as file:
            for each in lines:
                file.write(json.dumps(each).encode() + b"\n")
    manifests.claim(found)
    return found


def named(row: dict[str, Any]) -> str:
    return str(row.get("custom_id", row.get("recordId")))


def record(batch: Batch, row: dict[str, Any], status: Status = Status.SUCCEEDED, **changes: Any) -> Task:
    """The task of a row."""
    task_id = batches.task_id(batch, named(row))
    key = f"{batch.folder}images/{named(row)}-0.png"
    images = (Image(key, "image/png", 123, "ab" * 32, True, 64, 48),) if status is Status.SUCCEEDED else ()
    task = Task(
        task_id=task_id,
        tenant=batch.tenant,
        model=MODEL,
        input=json.dumps({"prompt": PROMPT}),
        digest="d",
        created=batch.created,
        deadline=batch.created,
        due=batch.created,
        status=status,
        row={"batch_id": batch.id, "custom_id": named(row), "folder": batch.folder},
        route="vectornode/replicate/x",
        metadata={"season": "spring"},
        attempts=({"at": 1, "route": "vectornode/replicate/x", "outcome": "accepted", "price": "0.02"},),
        completed=batch.created + 7000 if status.terminal else None,
        images=images,
    )
    return store.create(replace(task, **changes))


def collate(batch: Batch, *, over: bool = True) -> Event:
    answer: Event = call("collate", event("collate", files=batch.files, over=over))
    return answer


def lines(account: Account, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in account.files()[f"{FOLDER}{name}"].decode().splitlines()]


def manifest(account: Account) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(account.files()[f"{FOLDER}manifest.json"])
    return found


def counts(told: dict[str, Any]) -> tuple[int, ...]:
    """Of all, processed, made and failed."""
    return tuple(told[f"{each}RecordCount"] for each in ("total", "processed", "success", "error"))


def test_a_batch_that_begins_tells_its_rows_and_those_that_cannot_be_read(account: Account, batch: Batch) -> None:
    sent = event("collate", files=batch.files, over=False)
    assert call("collate", sent) == sent
    told = manifest(account)
    assert (told["status"], counts(told), told["completed_at"]) == ("in_progress", (5, 2, 0, 2), None)
    assert [(error["line"], error["custom_id"], error["code"]) for error in told["errors"]] == [
        (1, "1", "malformed_row"),
        (3, "sku-0", "malformed_row"),
    ]
    assert account.files()[f"{FOLDER}errors.jsonl"] == account.files()[f"{batch.files}errors.jsonl"]
    assert f"{FOLDER}output.jsonl" not in account.files()


def test_each_row_is_told_in_its_own_words(account: Account, batch: Batch) -> None:
    for row in (FLAT, OPENAI, BEDROCK):
        record(batch, row)
    collate(batch)
    flat, openai, bedrock = lines(account, "output.jsonl")
    made = {name: value for name, value in flat.items() if name not in ("custom_id", "line")}
    key = f"{FOLDER}images/sku-1-0.png"
    assert (flat["custom_id"], flat["line"]) == ("sku-1", 2)
    assert made == {
        "task_id": batches.task_id(batch, "sku-1"),
        "model": MODEL,
        "status": "succeeded",
        "images": [
            {
                "key": key,
                "content_type": "image/png",
                "bytes": 123,
                "sha256": "ab" * 32,
                "width": 64,
                "height": 48,
            }
        ],
        "output": [f"s3://{account.bucket}/{key}"],
        "metadata": {"season": "spring"},
        "route": "vectornode/replicate/x",
        "price": "0.02",
        "metrics": {"total_time": 7.0, "image_count": 1},
    }
    assert (openai["id"], openai["custom_id"]) == (batches.task_id(batch, "sku-2"), "sku-2")
    assert openai["response"]["body"]["output"] == [f"s3://{account.bucket}/{FOLDER}images/sku-2-0.png"]
    assert (bedrock["recordId"], bedrock["modelInput"]) == ("CALL0000001", BEDROCK["modelInput"])
    assert bedrock["modelOutput"]["task_id"] == batches.task_id(batch, "CALL0000001")


FAILURE = Failure("filtered", f"No pictures of {PROMPT}.", retryable=False, may_be_billed=True)


def test_a_line_that_is_written_at_the_end_looks_as_one_that_is_written_at_the_beginning(
    account: Account, batch: Batch
) -> None:
    record(batch, FLAT)
    collate(batch)
    (made,) = account.files()[f"{FOLDER}output.jsonl"].splitlines()
    not_made = account.files()[f"{FOLDER}errors.jsonl"].splitlines()[-1]
    assert [made, not_made] == [rows.written(json.loads(line)) for line in (made, not_made)]


def test_an_error_is_the_row_itself_and_what_was_wrong_with_it_by_line(account: Account, batch: Batch) -> None:
    record(batch, FLAT, Status.FAILED, failure=FAILURE)
    record(batch, OPENAI, Status.RUNNING)
    collate(batch)
    told = lines(account, "errors.jsonl")
    assert [line["error"]["line"] for line in told] == [1, 2, 3, 4, 5]
    errors = [line.pop("error") for line in told]
    assert [told[1], told[3], told[4]] == [FLAT, OPENAI, BEDROCK]
    seen = [[error.get(each) for each in ("code", "retryable", "may_be_billed", "task_id")] for error in errors]
    assert seen[1] == ["filtered", False, True, batches.task_id(batch, "sku-1")]
    assert seen[3] == ["unfinished", False, True, batches.task_id(batch, "sku-2")]
    assert seen[4] == ["not_accepted", True, False, None]
    assert errors[1]["message"] == FAILURE.message
    assert (errors[4]["errorCode"], errors[4]["errorMessage"]) == (500, errors[4]["message"])
    assert counts(manifest(account)) == (5, 5, 0, 5)
    assert [error["line"] for error in manifest(account)["errors"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.SUBMITTING, Status.RUNNING, Status.COLLECTING])
def test_a_row_that_has_not_ended_goes_on_and_is_not_to_be_dropped_again(
    account: Account, batch: Batch, status: Status
) -> None:
    # A task that collects has its failure on record already, and has not ended with it.
    record(batch, FLAT, status, failure=FAILURE if status is Status.COLLECTING else None)
    collate(batch)
    error = lines(account, "errors.jsonl")[1]["error"]
    assert (error["code"], error["retryable"], error["may_be_billed"]) == ("unfinished", False, True)


def test_the_manifest_says_at_the_end_what_it_was_and_what_it_cost(account: Account, batch: Batch, time: Clock) -> None:
    collate(batch, over=False)
    record(batch, FLAT)
    record(
        batch, OPENAI, images=(Image("a", "image/png", 1, "c" * 64, True), Image("b", "image/png", 1, "d" * 64, True))
    )
    record(batch, BEDROCK, attempts=({"at": 1, "route": "r", "outcome": "accepted"},))
    time.forward(60)
    collate(batch)
    told = manifest(account)
    assert (told["status"], counts(told)) == ("completed", (5, 5, 3, 2))
    assert told["cost"] == {"currency": "USD", "estimated": 0.06, "unpriced": 0, "actual": 0.06}
    assert (told["started_at"], told["completed_at"]) == ("2026-11-20T12:00:00.000Z", "2026-11-20T12:01:00.000Z")
    assert [error["line"] for error in told["errors"]] == [1, 3]
    assert told["source"]["version_id"] == "v1"


def test_only_the_accepted_attempt_is_paid_for(account: Account, batch: Batch) -> None:
    refused = {"at": 1, "route": "dear", "outcome": "refused", "price": "9.00"}
    record(batch, FLAT, attempts=(refused, {"at": 2, "route": "cheap", "outcome": "accepted", "price": "0.01"}))
    collate(batch)
    assert manifest(account)["cost"]["actual"] == 0.01
    assert lines(account, "output.jsonl")[0]["price"] == "0.01"


def test_what_has_no_price_has_not_cost_nothing(account: Account, batch: Batch) -> None:
    collate(batch)
    assert manifest(account)["cost"]["actual"] == 0, "nothing was made"
    record(batch, FLAT, attempts=({"at": 1, "route": "r", "outcome": "accepted"},))
    collate(batch)
    assert manifest(account)["cost"]["actual"] is None


def test_pictures_that_are_missing_are_told_beside_those_that_are_there(account: Account, batch: Batch) -> None:
    record(batch, FLAT, missing=("an output is empty",))
    collate(batch)
    assert lines(account, "output.jsonl")[0]["missing"] == ["an output is empty"]


def test_a_repetition_writes_the_same_bytes(account: Account, batch: Batch, time: Clock) -> None:
    record(batch, FLAT)
    first = collate(batch)
    files = account.files()
    time.forward(3600)
    assert collate(batch) == first
    assert account.files() == files


def test_the_manifest_comes_last(account: Account, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(manifests, "update", cut)
    with pytest.raises(KeyboardInterrupt):
        collate(batch)
    assert {f"{FOLDER}output.jsonl", f"{FOLDER}errors.jsonl"} <= set(account.files())
    assert manifest(account)["status"] == "validating"


def test_somebody_else_at_the_manifest_means_coming_again(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "update", lambda *_: None)
    with pytest.raises(Unavailable):
        collate(batch)
    with pytest.raises(Unavailable):
        collate(batch, over=False)


def test_a_dry_run_makes_nothing_and_leaves_the_manifest_and_the_errors(account: Account, time: Clock) -> None:
    batch = lay(account, good={1: FLAT}, bad={2: {"row": "?"}}, created=time.now, dry_run=True)
    collate(batch, over=False)
    collate(batch)
    told = manifest(account)
    assert (told["status"], told["dry_run"], counts(told)) == ("completed", True, (2, 2, 1, 1))
    assert (told["cost"]["estimated"], told["cost"]["actual"]) == (0.06, 0)
    assert [line["row"] for line in lines(account, "errors.jsonl")] == ["?"]
    assert {name for name in account.files() if name.startswith(FOLDER)} == {
        f"{FOLDER}{name}" for name in ("manifest.json", "errors.jsonl")
    }


def test_a_file_without_a_good_row_has_results_too(account: Account, time: Clock) -> None:
    batch = lay(account, good={}, bad={1: {"row": "?"}}, created=time.now)
    collate(batch)
    assert counts(manifest(account)) == (1, 1, 0, 1)
    assert account.files()[f"{FOLDER}output.jsonl"] == b""


def test_the_event_says_how_it_went_and_nothing_of_what_was_asked(account: Account, batch: Batch) -> None:
    record(batch, FLAT)
    record(batch, OPENAI, Status.FAILED, failure=FAILURE)
    answer = collate(batch)
    news = answer.pop("news")
    assert answer == event("collate", files=batch.files)
    assert news == {
        "tenant": "shop",
        "batch_id": batch.id,
        "bucket": account.bucket,
        "folder": FOLDER,
        "status": "completed",
        "dry_run": False,
        "source": manifest(account)["source"],
        "totalRecordCount": 5,
        "processedRecordCount": 5,
        "successRecordCount": 1,
        "errorRecordCount": 4,
        "cost": {"currency": "USD", "estimated": 0.06, "unpriced": 0, "actual": 0.02},
        "started_at": manifest(account)["started_at"],
        "completed_at": manifest(account)["completed_at"],
    }


def test_no_prompt_reaches_the_log_or_the_event(
    account: Account, batch: Batch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    record(batch, FLAT, Status.FAILED, failure=FAILURE)
    record(batch, OPENAI)
    answer = collate(batch)
    logged = caplog.text + str([vars(each) for each in caplog.records]) + capsys.readouterr().out
    assert "batch over" in logged
    assert PROMPT not in logged + json.dumps(answer)
    assert PROMPT in account.files()[f"{FOLDER}errors.jsonl"].decode()
    assert ORIGIN not in account.files()[f"{FOLDER}output.jsonl"].decode(), "no links, which lapse"


def test_only_the_first_errors_are_in_the_manifest_and_the_others_in_their_file(account: Account, time: Clock) -> None:
    rows = {line: {**FLAT, "custom_id": f"sku-{line}"} for line in range(1, 31)}
    batch = lay(account, good=rows, bad={31: {"row": "?"}}, created=time.now)
    collate(batch)
    assert [error["line"] for error in manifest(account)["errors"]] == list(range(1, 21))
    assert len(lines(account, "errors.jsonl")) == 31


def served(monkeypatch: pytest.MonkeyPatch, at_once: int) -> list[int]:
    """DynamoDB gives so many tasks at once, and leaves the others; how many it was asked for each time."""
    asked, get = list[int](), aws.dynamodb().batch_get_item

    def some(RequestItems: Any) -> Any:  # noqa: N803 - boto3's name
        ((table, wanted),) = RequestItems.items()
        keys = wanted["Keys"]
        asked.append(len(keys))
        if not at_once:
            return {"Responses": {}, "UnprocessedKeys": {table: wanted}}
        some_of_it: Any = {table: {**wanted, "Keys": keys[:at_once]}}
        reply: Any = get(RequestItems=some_of_it)
        left = {table: {**wanted, "Keys": keys[at_once:]}} if keys[at_once:] else {}
        return reply | {"UnprocessedKeys": left}

    monkeypatch.setattr(aws.dynamodb(), "batch_get_item", some)
    return asked


def many(account: Account, time: Clock, number: int) -> Batch:
    rows = {line: {**FLAT, "custom_id": f"sku-{line}"} for line in range(1, number + 1)}
    batch = lay(account, good=rows, bad={}, created=time.now)
    for row in rows.values():
        record(batch, row)
    return batch


def test_what_dynamodb_leaves_is_asked_for_again(
    account: Account, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = many(account, time, 120)
    asked = served(monkeypatch, 40)
    collate(batch)
    assert asked == [100, 60, 20, 20]
    assert [line["line"] for line in lines(account, "output.jsonl")] == list(range(1, 121))


def test_a_table_that_gives_nothing_now_is_left_to_the_machine_to_try_again(
    account: Account, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = many(account, time, 3)
    asked = served(monkeypatch, 0)
    with pytest.raises(Unavailable):
        collate(batch)
    assert asked == [3]
    assert {f"{FOLDER}output.jsonl", f"{FOLDER}errors.jsonl"}.isdisjoint(account.files())

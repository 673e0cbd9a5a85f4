"""accept: a row of a batch on its way to its task and to its end."""

import json
from dataclasses import replace

import httpx
import pytest
from botocore.exceptions import ReadTimeoutError

from darkroom import acceptance, batches, catalogue, clock, filing, manifests, store, turnstile
from darkroom.catalogue import Catalogue
from darkroom.task import Status, Task
from tests.catalogue_text import GOOD
from tests.conftest import (
    CREATE,
    MODEL,
    RECEIVER,
    Account,
    Clock,
    Event,
    Wire,
    call,
    conclude,
    event,
    prediction,
    step,
)
from tests.imagen import KONTEXT, KONTEXT_URL
from tests.one_row import VERSION, accept, again, drop, limited, make, manifest, the_row, visit


@pytest.fixture
def row(account: Account, wire: Wire, time: Clock) -> Event:
    return the_row(account, wire, time)


def test_a_row_becomes_a_task_and_is_driven_under_its_own_name(row: Event, account: Account, time: Clock) -> None:
    answer = accept(row)
    task = account.task()
    assert task.task_id == answer["task_id"]
    assert task.row == {
        "batch_id": row["files"].split("/")[1],
        "custom_id": "sku 1/ü",
        "folder": "results/default/spring sale/cards/",
    }
    assert (task.tenant, task.model, json.loads(task.input)) == ("default", MODEL, {"prompt": "A lighthouse"})
    assert task.due == time.now + 180_000, "if nobody drives it, the sweeper will"
    first = {"v": 1, "task_id": task.task_id, "generation": 1, "wait": 0, "turn": 0, "at": 0, "asked": 0}
    assert answer == row | {"task_id": task.task_id, "next": "drive", "wait": 0, "step": first}


def test_a_rows_task_is_named_after_its_file_version_and_custom_id(row: Event, account: Account) -> None:
    batch = batches.load(row["files"])
    assert accept(row)["task_id"] == batches.task_id(batch, "sku 1/ü")
    other = replace(batch, version="another")
    assert batches.task_id(other, "sku 1/ü") != account.task().task_id
    assert filing.row_key(batch.bucket, batch.key, VERSION, "sku 1/ü") == (
        f"{account.inbox}/default/spring sale/cards.jsonl@{VERSION}#sku 1/ü"
    )


def test_what_a_row_says_does_not_travel(row: Event) -> None:
    answer = accept(row)
    assert set(answer) == {"v", "files", "row", "driven", "task_id", "next", "wait", "step"}
    assert "lighthouse" not in json.dumps(answer)


def test_a_document_of_a_version_that_is_not_known_is_refused(row: Event, account: Account) -> None:
    with pytest.raises(ValueError, match="version 2"):
        accept(row | {"v": 2})
    assert account.tasks() == []


def test_a_row_that_comes_again_is_the_same_task_and_driven_by_the_same_step(row: Event, account: Account) -> None:
    first = accept(row)
    assert accept(row) == accept(again(first)) == first
    assert len(account.tasks()) == 1


def test_a_row_whose_driving_is_over_and_its_task_is_not_is_waited_for(row: Event) -> None:
    """Its driver was lost, or another drives it; asking comes to nothing, since nobody could drive it twice."""
    driven = accept(again(accept(row), driven=True))
    assert driven["next"] == "wait"
    assert 15 <= driven["wait"] <= 60
    assert "step" not in driven


def test_pauses_grow_with_time_so_that_an_executions_history_lasts_for_days(
    row: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "chance", lambda: 0.9)
    document, visits = again(accept(row), driven=True), 0
    while document["wait"] < 900:
        document, visits = accept(document), visits + 1
    assert 10 < visits < 50
    assert accept(document)["wait"] == accept(accept(document))["wait"] == 900
    room = 25_000 // 9  # visits that an execution's history has room for
    assert (room - visits) * 900 > acceptance.BATCH_MS // 1000


def test_no_row_is_begun_so_late_that_its_batch_could_not_tell_its_results(
    row: Event, account: Account, time: Clock
) -> None:
    time.forward(29 * 24 * 60 * 60)
    assert accept(row)["next"] == "done"
    assert not account.tasks()


def test_a_made_row_is_over_and_makes_room(
    row: Event, account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, 1)
    accept(row)
    task = make(account, wire, time)
    assert task.status is Status.SUCCEEDED
    assert not turnstile.enter("vectornode", "next", 1)
    assert accept(again(row, driven=True))["next"] == "done"
    assert turnstile.enter("vectornode", "next", 1)
    assert len(wire.sent("POST", CREATE)) == 1


def test_a_row_that_is_over_is_counted_once_however_often_it_comes(
    row: Event, account: Account, wire: Wire, time: Clock
) -> None:
    accept(row)
    make(account, wire, time)
    for _ in range(3):
        assert accept(row)["next"] == "done"
    batch = batches.load(row["files"])
    time.forward(120)
    assert manifests.count(replace(batch, rows=10), ok=False) == {
        "processedRecordCount": 2,
        "successRecordCount": 1,
        "errorRecordCount": 1,
    }


def test_the_manifest_says_now_and_then_how_far_the_batch_has_come(
    row: Event, account: Account, wire: Wire, time: Clock
) -> None:
    accept(row)
    assert manifest(account)["processedRecordCount"] == 0
    make(account, wire, time)
    accept(row)
    said = manifest(account)
    assert (said["status"], said["processedRecordCount"], said["successRecordCount"]) == ("in_progress", 1, 1)


def test_a_manifest_that_is_final_stays_so(row: Event, account: Account, wire: Wire, time: Clock) -> None:
    accept(row)
    make(account, wire, time)
    manifests.update(batches.load(row["files"]), lambda there: there | {"status": "completed"})
    final = manifest(account)
    accept(row)
    assert manifest(account) == final


def test_no_more_rows_than_may_be_at_a_gateway_are_recorded(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, 2)
    events = drop(account, time, *({"input": {"prompt": f"Boat {number}"}} for number in range(5)))
    answers = [accept(each) for each in events]
    assert [each["next"] for each in answers] == ["drive", "drive", "wait", "wait", "wait"]
    assert len(account.tasks()) == 2
    assert all(15 <= each["wait"] <= 60 for each in answers[2:])
    assert len({each["wait"] for each in (accept(events[4]) for _ in range(20))}) > 1, "not all come again at once"


def test_the_concurrency_that_counts_is_the_catalogues_of_now(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = drop(account, time, *({"input": {"prompt": f"Boat {n}"}} for n in range(3)), limits={"vectornode": 1})
    limited(monkeypatch, 2)
    assert [accept(each)["next"] for each in events] == ["drive", "drive", "wait"]
    monkeypatch.delitem(catalogue.catalogue().gateways, "vectornode")
    assert accept(events[2])["next"] == "wait"


def test_a_row_whose_record_was_lost_on_the_way_gets_it_at_the_place_that_it_has(
    row: Event, account: Account, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, 1)
    create = store.create

    def lost(task: Task) -> Task:
        raise ReadTimeoutError(endpoint_url="https://dynamodb")

    monkeypatch.setattr(store, "create", lost)
    with pytest.raises(Exception, match="not known whether"):
        accept(row)
    monkeypatch.setattr(store, "create", create)
    assert accept(row)["next"] == "drive"
    assert not turnstile.enter("vectornode", "other", 1)


def test_a_row_that_was_recorded_and_never_driven_gets_a_driver_from_the_sweeper(
    row: Event, account: Account, time: Clock
) -> None:
    accept(row)
    time.forward(181)
    call("sweep", event("sweep"))
    assert set(account.executions()) == {f"{account.task().task_id}-2"}
    assert accept(row)["next"] == "drive", "which then leaves the task to the sweeper's"
    assert visit(account.task(), generation=1)["next"] == "leave"


def test_a_model_that_is_gone_since_the_file_was_read_is_the_end_of_the_row_alone(
    row: Event, account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "catalogue", lambda: Catalogue(GOOD))
    assert accept(row)["next"] == "drive"
    assert visit(account.task())["next"] == "finalize"
    call("finalize", step(account.task(), 1))
    failure = account.task().failure
    assert failure
    assert failure.code == "model_unavailable"
    assert accept(again(row, driven=True))["next"] == "done"


# ---- Pictures -----------------------------------------------------------------------------------------------------


@pytest.fixture
def pictured(account: Account, wire: Wire, time: Clock) -> Event:
    """The event of a row that refers to a picture which is not there."""
    wire.on("POST", KONTEXT_URL, prediction())
    document = {
        "model": KONTEXT,
        "input": {"prompt": "The same in winter", "image": f"s3://{account.inbox}/default/cat.png"},
        "webhook": RECEIVER,
    }
    (only,) = drop(account, time, document)
    return only


def test_a_row_waits_for_its_picture_outside_the_turnstile(
    pictured: Event, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, 1)
    answer = accept(pictured)
    assert answer["next"] == "wait"
    assert 5 <= answer["wait"] <= 20
    assert account.tasks() == []
    assert turnstile.enter("vectornode", "another", 1)


def test_waiting_for_a_picture_is_never_longer_than_half_a_minute(pictured: Event) -> None:
    document = pictured
    for _ in range(25):
        document = accept(document)
    assert document["wait"] <= 30


def test_a_row_whose_picture_comes_is_made_with_it(pictured: Event, cat: str, account: Account, wire: Wire) -> None:
    assert accept(pictured)["next"] == "drive"
    assert visit(account.task())["next"] == "wait"
    (sent,) = wire.sent("POST", KONTEXT_URL)
    assert "default/cat.png" in sent.content.decode()


def test_a_row_whose_picture_has_not_come_in_a_quarter_of_an_hour_fails_and_its_caller_is_told(
    pictured: Event, account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", RECEIVER, httpx.Response(200))
    time.forward(15 * 60 - 1)
    assert accept(pictured)["next"] == "wait"
    time.forward(1)
    assert accept(pictured)["next"] == "drive"
    assert visit(account.task())["next"] == "finalize"
    assert conclude(account.task())["next"] == "done"
    task = account.task()
    assert task.failure
    assert (task.status, task.failure.code, task.failure.may_be_billed) == (Status.FAILED, "invalid_input", False)
    assert "input.image: there is no file s3://" in task.failure.message
    assert wire.sent("POST", KONTEXT_URL) == []
    (told,) = wire.sent("POST", RECEIVER)
    assert b"there is no file" in told.content
    assert accept(again(pictured, driven=True))["next"] == "done"
    assert (manifest(account)["successRecordCount"], manifest(account)["errorRecordCount"]) == (0, 1)


def test_a_row_that_fails_for_its_picture_cannot_be_posted_if_whoever_recorded_it_dies(
    pictured: Event, account: Account, wire: Wire, time: Clock
) -> None:
    """Its failure is written by the write that records it."""
    time.forward(15 * 60)
    accept(pictured)
    assert account.task().status is Status.COLLECTING
    time.forward(181)
    call("sweep", event("sweep"))
    assert visit(account.task())["next"] == "finalize"
    assert wire.sent("POST", KONTEXT_URL) == []

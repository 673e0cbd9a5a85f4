"""accept: a row of a batch on its way to its task and to its end; and the patience that it has."""

import itertools
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from botocore.exceptions import ReadTimeoutError

from darkroom import acceptance, aws, batches, catalogue, clock, filing, items, manifests, schedule, store, turnstile
from darkroom.batches import Batch
from darkroom.catalogue import Catalogue
from darkroom.driver import LAST_TURN
from darkroom.task import Status, Task
from tests.catalogue_text import GOOD
from tests.conftest import (
    CREATE,
    GATEWAY,
    MODEL,
    OUTPUT,
    QUESTION,
    RECEIVER,
    Account,
    Clock,
    Event,
    Wire,
    call,
    conclude,
    event,
    picture,
    prediction,
    step,
)
from tests.imagen import KONTEXT, KONTEXT_URL

REPLICATE = "https://api.replicate.com/v1"
#: Where a row is posted to next if the first gateway refuses it.
NEXT_CREATE = f"{REPLICATE}/models/{MODEL}/predictions"
BUSY = httpx.Response(429, json={"detail": "Request was throttled."})
BROKEN = httpx.Response(503, text="Service Unavailable")
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


@pytest.fixture
def row(account: Account, wire: Wire, time: Clock) -> Event:
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
    first = {"v": 1, "task_id": task.task_id, "generation": 1, "wait": 0, "turn": 0}
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


# ---- An outage of the gateway -------------------------------------------------------------------------------------


def lose(account: Account, answer: Event, wire: Wire, time: Clock) -> Event:
    """Drive an accepted row whose gateway answers with an error of its own, to its end."""
    task = store.read(answer["task_id"])
    for turn in range(4):
        if visit(store.read(task.task_id), turn)["next"] == "finalize":
            break
        time.forward(40)
    call("finalize", step(store.read(task.task_id), 4))
    ended = store.read(task.task_id)
    assert ended.failure
    assert ended.failure.code == "submission_unknown"
    return accept(again(answer, driven=True))


def test_an_outage_burns_a_few_rows_and_not_the_file(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, BROKEN)
    events = drop(account, time, *({"input": {"prompt": f"Boat {number}"}} for number in range(30)))
    ahead, burned, began = list(events), 0, time.now
    while time.now < began + 60 * 60 * 1000 and ahead:
        answer = accept(ahead[0])
        if answer["next"] == "drive":
            ahead.pop(0)
            burned += 1
            assert lose(account, answer, wire, time)["next"] == "done"
        time.forward(15)
    assert 3 < burned < 20, "one at a time, in ever longer intervals"
    wire.on("POST", CREATE, prediction())
    time.forward(300)
    answer = accept(ahead[0])
    assert [answer["next"], accept(ahead[1])["next"]] == ["drive", "wait"]
    task = store.read(answer["task_id"])
    time.forward(1)
    visit(task)
    wire.on("GET", QUESTION, prediction("failed", error="NSFW content detected"))
    time.forward(10)
    visit(store.read(task.task_id), 1)
    call("finalize", step(store.read(task.task_id), 2))
    assert accept(again(answer, driven=True))["next"] == "done", "the gateway has answered, whatever it has said"
    assert [accept(each)["next"] for each in ahead[1:6]] == ["drive"] * 5


def test_a_gateway_that_rejects_a_row_is_there(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", CREATE, BROKEN, BROKEN, BROKEN, httpx.Response(422, json={"detail": "prompt: too strange"}))
    events = drop(account, time, *({"input": {"prompt": f"Boat {number}"}} for number in range(6)))
    for each in events[:3]:
        assert lose(account, accept(each), wire, time)["next"] == "done"
    time.forward(16)
    answer = accept(events[3])
    assert [answer["next"], accept(events[4])["next"]] == ["drive", "wait"]
    time.forward(1)
    assert visit(store.read(answer["task_id"]))["next"] == "finalize"
    call("finalize", step(store.read(answer["task_id"]), 1))
    assert accept(again(answer, driven=True))["next"] == "done"
    assert [accept(each)["next"] for each in events[4:]] == ["drive", "drive"]


# ---- Going on to the next gateway ---------------------------------------------------------------------------------


@pytest.fixture
def refused(account: Account, wire: Wire) -> None:
    """The first gateway refuses whatever comes; the next one would take it."""
    account.put("gateways/replicate", "replicate-key")
    wire.on("POST", CREATE, BUSY)
    wire.on("POST", NEXT_CREATE, prediction())
    wire.on("GET", QUESTION.replace(GATEWAY, REPLICATE), prediction("succeeded", output=OUTPUT))


@pytest.fixture
def fallback(account: Account, time: Clock, refused: None) -> Event:
    """The event of the only row of a batch, which the first gateway refuses."""
    (only,) = drop(account, time, {"input": {"prompt": "A lighthouse"}})
    return only


def crowded() -> None:
    """As many rows are at the next gateway as may be."""
    assert all(turnstile.enter("replicate", f"other-{number}", 10) for number in range(10))


def test_a_row_that_is_refused_is_posted_to_the_next_gateway_when_there_is_room_and_once(
    fallback: Event, account: Account, wire: Wire, time: Clock
) -> None:
    crowded()
    accept(fallback)
    waits = []
    for turn in range(8):
        answer = visit(account.task(), turn)
        assert answer["next"] == "wait"
        waits.append(answer["wait"])
        time.forward(answer["wait"])
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256]
    assert account.task().status is Status.ACCEPTED
    assert wire.sent("POST", NEXT_CREATE) == []
    turnstile.leave("replicate", "other-0", lost=False, answered=None)
    visit(account.task(), 8)
    assert account.task().status is Status.RUNNING
    assert not turnstile.enter("replicate", "another", 10), "it has taken the place"
    assert make(account, wire, time).status is Status.SUCCEEDED
    assert len(wire.sent("POST", NEXT_CREATE)) == 1


def test_a_row_does_not_wait_for_a_gateway_that_is_full_where_another_takes_it(
    fallback: Event, account: Account, wire: Wire, time: Clock
) -> None:
    """Else rows that two gateways have refused could wait for each other's places for a day."""
    crowded()
    accept(fallback)
    time.forward(visit(account.task())["wait"])
    wire.on("POST", CREATE, prediction())
    visit(account.task(), 1)
    assert (account.task().status, account.task().route) == (Status.RUNNING, f"vectornode/replicate/{MODEL}")
    assert wire.sent("POST", NEXT_CREATE) == []


def test_a_row_whose_only_gateway_that_has_its_model_is_full_is_not_given_up(
    fallback: Event, account: Account, wire: Wire, time: Clock
) -> None:
    crowded()
    wire.on("POST", CREATE, httpx.Response(404, json={"detail": "retired"}))
    accept(fallback)
    assert [visit(account.task(), turn)["wait"] for turn in range(3)] == [2, 4, 8]
    assert len(wire.sent("POST", CREATE)) == 1
    turnstile.leave("replicate", "other-0", lost=False, answered=None)
    visit(account.task(), 3)
    assert account.task().status is Status.RUNNING


@pytest.mark.parametrize("made_by", ["vectornode", "replicate"])
def test_a_row_that_is_over_leaves_each_gateway_that_it_was_at_and_is_counted_once(
    fallback: Event, account: Account, wire: Wire, time: Clock, made_by: str
) -> None:
    wire.on("POST", CREATE, BUSY, prediction())
    wire.on("POST", NEXT_CREATE, prediction() if made_by == "replicate" else BUSY)
    accept(fallback)
    visit(account.task())
    assert (make(account, wire, time).route or "").startswith(made_by)
    assert [turnstile.enter(gateway, "next", 1) for gateway in ("vectornode", "replicate")] == [False, False]
    for _ in range(3):
        assert accept(again(fallback, driven=True))["next"] == "done"
    assert [turnstile.enter(gateway, "next", 1) for gateway in ("vectornode", "replicate")] == [True, True]
    assert manifest(account)["processedRecordCount"] == 1
    time.forward(120)
    counted = manifests.count(replace(batches.load(fallback["files"]), rows=10), ok=True)
    assert counted
    assert counted["processedRecordCount"] == 2


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize("noted", [True, False])
def test_rows_that_the_next_gateway_lost_tell_of_that_one_alone(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch, noted: bool
) -> None:
    """Whether or not whoever has posted lived to write down that it does not know what came of it."""
    wire.on("POST", NEXT_CREATE, BROKEN)
    if not noted:
        monkeypatch.setattr(store, "note", lambda *_: None)
    events = drop(account, time, *({"input": {"prompt": f"Boat {number}"}} for number in range(4)))
    for each in events[:3]:
        assert lose(account, accept(each), wire, time)["next"] == "done"
    answer = accept(events[3])
    assert answer["next"] == "drive", "the first gateway has answered"
    visit(store.read(answer["task_id"]))
    assert len(wire.sent("POST", NEXT_CREATE)) == 3, "the other is left alone"
    assert turnstile.enter("vectornode", "another", 10)


def test_what_the_next_gateway_answers_does_not_open_the_first_again(
    fallback: Event, account: Account, wire: Wire, time: Clock
) -> None:
    accept(fallback)
    for number in range(turnstile.LOST):
        turnstile.enter("vectornode", f"lost-{number}", 10)
        turnstile.leave("vectornode", f"lost-{number}", lost=True, answered=None)
    time.forward(1)
    visit(account.task())
    make(account, wire, time)
    assert accept(again(fallback, driven=True))["next"] == "done"
    time.forward(300)
    assert [turnstile.enter("vectornode", each, 10) for each in ("one", "two")] == [True, False]


def test_nothing_is_posted_for_a_row_while_nobody_can_say_whether_there_is_room(
    row: Event, account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(row)
    with monkeypatch.context() as patch:
        patch.setenv("BATCHES_TABLE", "away")
        with pytest.raises(aws.dynamodb().exceptions.ResourceNotFoundException):
            visit(account.task())
    assert wire.sent("POST", CREATE) == []
    assert (account.task().status, account.task().attempts) == (Status.ACCEPTED, ())
    visit(account.task())
    assert (account.task().status, len(wire.sent("POST", CREATE))) == (Status.RUNNING, 1)


# ---- Patience -----------------------------------------------------------------------------------------------------


def test_a_row_has_a_day_until_a_gateway_takes_it_and_then_its_half_hour(
    row: Event, account: Account, wire: Wire, time: Clock
) -> None:
    accept(row)
    assert account.task().deadline == time.now + 24 * 60 * 60 * 1000
    time.forward(10 * 60 * 60)
    visit(account.task())
    assert account.task().status is Status.RUNNING
    assert account.task().deadline == time.now + 30 * 60 * 1000


def test_a_row_that_is_refused_for_hours_is_not_failed_and_is_made_in_the_end_once(
    row: Event, account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", CREATE, BUSY)
    accept(row)
    waits, began, turn = [], time.now, 0
    while time.now < began + 2 * 60 * 60 * 1000:
        answer = visit(account.task(), turn)
        assert answer["next"] == "wait", "no driver leaves it, and nobody ends it"
        turn = answer["turn"]
        waits.append(answer["wait"])
        time.forward(answer["wait"])
        assert account.task().due > time.now  # type: ignore[operator]
    assert waits[:8] == [2, 4, 8, 16, 32, 64, 128, 256]
    assert set(waits[8:]) == {480}
    assert sum(waits) / turn * LAST_TURN > schedule.PATIENCE_S, "one driver lasts for a day"
    refused = len(wire.sent("POST", CREATE))
    wire.on("POST", CREATE, prediction())
    assert visit(account.task(), turn)["next"] == "wait"
    assert len(wire.sent("POST", CREATE)) == refused + 1
    assert make(account, wire, time).status is Status.SUCCEEDED
    assert len(wire.sent("POST", CREATE)) == refused + 1
    assert accept(again(row, driven=True))["next"] == "done"


def test_a_row_that_nobody_took_in_a_day_fails_and_says_why(
    row: Event, account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", CREATE, BUSY)
    accept(row)
    visit(account.task())
    time.forward(24 * 60 * 60)
    assert visit(account.task(), 1)["next"] == "finalize"
    failure = account.task().failure
    assert failure
    assert (failure.code, failure.retryable, failure.may_be_billed) == ("rate_limited", True, False)


def test_a_day_of_refusals_fits_into_a_tasks_item(account: Account, wire: Wire, time: Clock) -> None:
    """An item of DynamoDB holds 400 KB, and each refusal is on record."""
    wire.on("POST", CREATE, httpx.Response(429, json={"detail": "é" * 5000}, headers={"retry-after": "1"}))
    long = {f"word{number}": "x" * 31_000 for number in range(8)}
    (only,) = drop(account, time, {"input": {"prompt": "A lighthouse", **long}, "metadata": {"note": "x" * 12_000}})
    accept(only)
    empty = size(account)
    visit(account.task())
    tries = next(each for each in itertools.count() if sum(map(patient, range(each))) >= schedule.PATIENCE_S)
    assert empty > 256_000
    assert empty + tries * (size(account) - empty) < 400 * 1024


def patient(tries: int) -> int:
    return schedule.backoff(tries, patient=True)


def size(account: Account) -> int:
    """Bytes of the only task's item, and some more: DynamoDB counts no punctuation."""
    (item,) = aws.dynamodb().scan(TableName=f"{account.stack}-TasksTable")["Items"]
    return len(json.dumps(items.deserialized(item), ensure_ascii=False).encode())


def test_an_ordinary_task_is_no_more_patient_than_before(running: Task) -> None:
    assert running.deadline == running.created + schedule.DEADLINE_S * 1000
    assert not running.patient


def test_a_rows_task_is_kept_for_as_long_again_as_its_batch_may_take(
    row: Event, account: Account, wire: Wire, time: Clock
) -> None:
    accept(row)
    conclude(make(account, wire, time))
    item = aws.dynamodb().scan(TableName=f"{account.stack}-TasksTable")["Items"][0]
    assert int(item["expires"]["N"]) == time.now // 1000 + (90 + 90) * 86_400

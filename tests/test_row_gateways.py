"""What gateways that are out, refuse or are full mean for the rows of a batch, at accept and when they are posted."""

from dataclasses import replace

import httpx
import pytest

from darkroom import aws, batches, manifests, store, turnstile
from darkroom.task import Status
from tests.conftest import (
    CREATE,
    GATEWAY,
    MODEL,
    OUTPUT,
    QUESTION,
    Account,
    Clock,
    Event,
    Wire,
    call,
    prediction,
    step,
)
from tests.one_row import accept, again, drop, make, manifest, the_row, visit

REPLICATE = "https://api.replicate.com/v1"
#: Where a row is posted to next if the first gateway refuses it.
NEXT_CREATE = f"{REPLICATE}/models/{MODEL}/predictions"
BUSY = httpx.Response(429, json={"detail": "Request was throttled."})
BROKEN = httpx.Response(503, text="Service Unavailable")


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


@pytest.fixture
def row(account: Account, wire: Wire, time: Clock) -> Event:
    return the_row(account, wire, time)


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

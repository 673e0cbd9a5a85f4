"""The numbers that an operator hears of: darkroom/metrics.py, through the doors."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from darkroom import metrics, recovery, store
from darkroom.driver import GRACE_MS
from darkroom.metrics import Fact
from darkroom.task import Status
from tests.conftest import (
    CREATE,
    OUTPUT,
    QUESTION,
    RECEIVER,
    ROOT,
    Account,
    Clock,
    Context,
    Wire,
    call,
    conclude,
    event,
    order,
    picture,
    prediction,
    step,
    submit,
)

#: What callers and gateways say in these tests. None of it may be counted.
CANARY = "canary"
PROMPT, TENANT, SECRET = f"{CANARY} prompt", "default", f"https://files.example/{CANARY}?signature={CANARY}"
PAGE = ROOT / "docs" / "operating.md"

Told = list[tuple[str, float, dict[str, str]]]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], account: Account) -> Callable[[], Told]:
    """What has been counted since it was last asked: name, number, dimensions but for the stack."""

    def read() -> Told:
        found: Told = []
        for line in capsys.readouterr().out.splitlines():
            if '"_aws"' not in line:
                continue
            document = json.loads(line)
            ((directive),) = document["_aws"]["CloudWatchMetrics"]
            assert directive["Namespace"] == metrics.NAMESPACE
            (metric,), (dimensions,) = directive["Metrics"], directive["Dimensions"]
            assert set(document) == {"_aws", metric["Name"], *dimensions}
            assert CANARY not in line
            assert not any(one.task_id in line for one in account.tasks())
            values = {name: document[name] for name in dimensions}
            assert values.pop("stack") == account.stack
            found.append((metric["Name"], sum(document[metric["Name"]]), values))
        return found

    return read


def sent(**members: Any) -> None:
    submit(order(**{"input": {"prompt": PROMPT}, "webhook": RECEIVER, "metadata": {"note": CANARY}, **members}))


def poll(account: Account, turn: int = 0) -> str:
    answer: str = call("poll", step(account.task(), turn))["next"]
    return answer


def finish(account: Account) -> None:
    conclude(account.task())


def test_nothing_is_counted_while_all_goes_well(
    account: Account, wire: Wire, time: Clock, told: Callable[[], Told]
) -> None:
    wire.on("POST", CREATE, prediction())
    wire.on("GET", QUESTION, prediction("processing"), prediction("succeeded", output=OUTPUT))
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    wire.on("POST", RECEIVER, httpx.Response(204))
    sent()
    assert [poll(account, turn) for turn in range(2)] == ["wait", "finalize"]
    finish(account)
    call("sweep", event("sweep"))
    assert account.task().status is Status.SUCCEEDED
    assert told() == []


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_gateway_that_refuses_the_key_or_the_account_is_counted_by_name(
    account: Account, wire: Wire, time: Clock, told: Callable[[], Told], status: int
) -> None:
    refusal = httpx.Response(status, json={"detail": f"no, {PROMPT}"})
    wire.on("POST", CREATE, refusal, prediction())
    sent()
    assert told() == [(Fact.GATEWAY_REFUSED, 1, {"gateway": "vectornode"})]
    time.forward(60)
    poll(account)
    assert told() == []
    wire.on("GET", QUESTION, refusal)
    poll(account, 1)
    assert told() == [(Fact.GATEWAY_REFUSED, 1, {"gateway": "vectornode"})]


@pytest.mark.parametrize("answer", [httpx.Response(429), httpx.Response(404), httpx.ConnectError])
def test_other_refusals_are_not_counted(
    account: Account, wire: Wire, time: Clock, told: Callable[[], Told], answer: Any
) -> None:
    wire.on("POST", CREATE, answer)
    sent()
    assert told() == []


def test_a_lost_reply_is_counted_when_its_task_ends(
    account: Account, wire: Wire, time: Clock, told: Callable[[], Told]
) -> None:
    wire.on("POST", CREATE, httpx.Response(500, json={"detail": PROMPT}))
    wire.on("POST", RECEIVER, httpx.Response(204))
    sent()
    time.forward(1)
    assert poll(account) == "finalize"
    assert told() == []
    for _ in range(2):
        call("finalize", step(account.task()))
    assert told() == [(Fact.SUBMISSION_UNKNOWN, 1, {"gateway": "vectornode"})]


def test_a_word_that_nobody_knows_is_counted_by_dialect_and_not_told(
    account: Account, wire: Wire, time: Clock, told: Callable[[], Told]
) -> None:
    wire.on("POST", CREATE, prediction())
    wire.on("GET", QUESTION, prediction(PROMPT), prediction("processing"), httpx.Response(502, text=PROMPT))
    sent()
    for turn in range(3):
        poll(account, turn)
    assert told() == [(Fact.UNKNOWN_STATUS, 1, {"dialect": "replicate"})]


def test_a_request_that_the_gateway_has_lost_is_counted(
    account: Account, wire: Wire, time: Clock, told: Callable[[], Told]
) -> None:
    wire.on("POST", CREATE, prediction())
    wire.on("POST", RECEIVER, httpx.Response(204))
    wire.on("GET", QUESTION, httpx.Response(404, json={"detail": PROMPT}))
    sent()
    turn = 0
    while poll(account, turn) == "wait":
        turn += 1
        time.forward(60)
    finish(account)
    assert told() == [(Fact.GATEWAY_LOST, 1, {"gateway": "vectornode"})]


def test_a_task_that_ends_without_all_of_its_images_is_counted(
    account: Account, wire: Wire, time: Clock, told: Callable[[], Told]
) -> None:
    wire.on("POST", CREATE, prediction())
    wire.on("POST", RECEIVER, httpx.Response(204))
    wire.on("GET", QUESTION, prediction("succeeded", output=[OUTPUT, SECRET]))
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    wire.on("GET", SECRET, httpx.Response(404))
    sent()
    poll(account)
    time.forward(3601)
    finish(account)
    assert account.task().status is Status.SUCCEEDED
    assert told() == [(Fact.IMAGES_MISSING, 1, {})]


def test_a_webhook_that_is_given_up_is_counted(
    account: Account, wire: Wire, time: Clock, told: Callable[[], Told]
) -> None:
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": PROMPT}))
    wire.on("POST", RECEIVER, httpx.Response(500), httpx.Response(410))
    sent()
    call("deliver", step(account.task()))
    assert told() == []
    for _ in range(2):
        call("deliver", step(account.task()))
    assert told() == [(Fact.WEBHOOK_GIVEN_UP, 1, {})]


def test_what_had_lost_its_driver_or_its_delivery_is_counted(
    account: Account, wire: Wire, time: Clock, told: Callable[[], Told]
) -> None:
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": PROMPT}), prediction())
    wire.on("POST", RECEIVER, httpx.Response(500))
    sent()
    finish(account)
    submit(order(webhook=RECEIVER), key="order-2")
    time.forward((Context().remaining + 30_000 + GRACE_MS) / 1000 + 1)
    assert call("sweep", event("sweep")) == {"rescued": 2}
    assert sorted(told()) == [(Fact.DELIVERY_LOST, 1, {}), (Fact.DRIVER_LOST, 1, {})]
    assert call("sweep", event("sweep")) == {"rescued": 0}
    assert told() == []


def test_what_a_sweep_leaves_to_the_next_one_is_counted(
    account: Account, wire: Wire, time: Clock, told: Callable[[], Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "LIMIT", 2)
    wire.on("POST", CREATE, prediction())
    for number in range(20):
        submit(key=str(number))
    shards = [store.due_shard(task.task_id) for task in account.tasks()]
    left = {shard: shards.count(shard) - 2 for shard in set(shards) if shards.count(shard) > 2}
    time.forward((Context().remaining + 30_000 + GRACE_MS) / 1000 + 1)
    rescued = call("sweep", event("sweep"))["rescued"]
    assert rescued + sum(left.values()) == 20
    found = [(number, dimensions) for name, number, dimensions in told() if name == Fact.OVERDUE_LEFT]
    assert sorted(number for number, _ in found) == sorted(left.values())
    assert left


def test_a_task_that_could_not_be_carried_to_its_end_is_counted(
    account: Account, wire: Wire, time: Clock, told: Callable[[], Told]
) -> None:
    wire.on("POST", CREATE, prediction())
    wire.on("POST", RECEIVER, httpx.Response(204))
    sent()
    time.now = account.task().deadline + recovery.HOPELESS_MS + 1
    for _ in range(recovery.DRIVERS):
        store.visited(account.task())
    call("sweep", event("sweep"))
    finish(account)
    assert told() == [(Fact.DRIVER_LOST, 1, {}), (Fact.INTERNAL, 1, {})]


def test_a_count_leaves_nothing_behind(account: Account, told: Callable[[], Told]) -> None:
    metrics.count(Fact.GATEWAY_LOST, gateway="fal")
    metrics.count(Fact.OVERDUE_LEFT, 7)
    metrics.count(Fact.GATEWAY_LOST, gateway="google")
    assert told() == [
        (Fact.GATEWAY_LOST, 1, {"gateway": "fal"}),
        (Fact.OVERDUE_LEFT, 7, {}),
        (Fact.GATEWAY_LOST, 1, {"gateway": "google"}),
    ]


def test_the_page_for_operators_knows_every_number_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(Fact)

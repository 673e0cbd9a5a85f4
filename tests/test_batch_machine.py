"""The life in statemachines/batch.asl.yaml: rows that wait, fail and come again, and an AWS that is away for hours."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

import pytest
import yaml

from darkroom import inquiry, schedule, turnstile
from local.cloud.errors import ApiError
from local.cloud.machines.definition import parse
from local.cloud.machines.engine import Engine
from local.cloud.machines.events import Bus
from local.cloud.machines.execution import MAX_EVENTS, Execution
from tests.conftest import ROOT, Event

ARN = "arn:aws:states:us-east-1:1:stateMachine"
BATCH, GENERATION = f"{ARN}:Batch", f"{ARN}:Generation"
FUNCTIONS = ("Collate", "Accept", "Deliver", "Poll")
#: A driver, as far as a batch has to do with it: a function, and an end.
DRIVER = "{StartAt: Drive, States: {Drive: {Type: Task, Resource: '${Poll}', End: true}}, QueryLanguage: JSONata}"
NEWS = {"tenant": "default", "batch_id": "b" * 26, "status": "completed"}
FILES = "batches/b/1/"


def batch(rows: int, concurrency: int = 10) -> Event:
    """What intake starts a batch with."""
    document = {"v": 1, "batch_id": "b" * 26, "files": FILES, "bucket": "images", "rows": rows}
    return document | {"concurrency": concurrency, "wait": 0, "turn": 0}


@dataclass
class Life:
    """
    A whole execution, which waits for nothing. `calls` is what came to each function, `most` how many rows there were
    at once. It is the bucket, too, which cannot be read `away` times.
    """

    rows: int
    answer: Callable[[str, Event], Event] | None = None
    concurrency: int = 10
    away: int = 0
    calls: dict[str, list[Event]] = field(default_factory=lambda: {name: [] for name in FUNCTIONS})
    slept: list[float] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    most: int = 0

    def run(self) -> Execution:
        return asyncio.run(self._to_the_end())

    async def _to_the_end(self) -> Execution:
        self.bus = Bus(lambda: 0.0)
        engine = self.engine = Engine(self._invoke, lambda: 0.0, self._sleep, self.bus, self)
        arns = {name: f"arn:aws:lambda:us-east-1:1:function:{name}" for name in FUNCTIONS}
        words = {**arns, "Generation": GENERATION, "Partition": "aws", "Stack": "darkroom"}
        engine.add(GENERATION, parse(DRIVER, words, "generation"))
        engine.add(BATCH, parse((ROOT / "statemachines" / "batch.asl.yaml").read_text(), words, "batch"))
        execution = engine.start(BATCH, "b" * 26, json.dumps(batch(self.rows, self.concurrency)))
        while execution.status == "RUNNING":
            self.most = max(self.most, sum(each.status == "RUNNING" for each in self.children()))
            await asyncio.sleep(0)
        return execution

    def children(self) -> list[Execution]:
        return [each for each in self.engine.executions.values() if each.machine_arn == f"{BATCH}/rows"]

    async def _invoke(self, function: str, payload: bytes) -> tuple[bytes, str | None]:
        name, event = function.rpartition(":")[2], json.loads(payload)
        self.calls[name].append(event)
        try:
            return json.dumps((self.answer or usual)(name, event)).encode(), None
        except ApiError:
            raise
        except Exception as error:
            return json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)}).encode(), "Unhandled"

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    async def get(self, _: str, bucket: str, key: str, __: str | None) -> bytes:
        assert (bucket, key) == ("images", f"{FILES}index.jsonl")
        self.away -= 1
        if self.away >= 0:
            raise ApiError("SlowDown", "not now", 503)
        lines = ({"line": number, "offset": number * 100, "length": 100} for number in range(1, self.rows + 1))
        return "".join(f"{json.dumps(line)}\n" for line in lines).encode()

    async def put(self, _: str, bucket: str, key: str, __: IO[bytes]) -> None:
        self.written.append(f"{bucket}/{key}")


def usual(function: str, event: Event) -> Event:
    """What the functions answer when nothing goes wrong."""
    match function:
        case "Accept":
            task_id = f"task-{event['row']['line']}"
            if event["driven"]:
                return event | {"next": "done", "wait": 0}
            return event | {"task_id": task_id, "next": "drive", "wait": 0, "step": {"v": 1, "task_id": task_id}}
        case "Collate":
            return event | ({"news": NEWS} if event["over"] else {})
        case "Deliver":
            return event | {"next": "done"}
        case _:
            return event


def after(times: int, function: str, error: type[Exception]) -> Callable[[str, Event], Event]:
    """As usual, but that a function fails so many times for each that it is asked for."""
    failed: dict[str, int] = {}

    def answer(name: str, event: Event) -> Event:
        asked = json.dumps([event.get("row"), event.get("over")])
        failed.setdefault(asked, 0)
        if name == function and failed[asked] < times:
            failed[asked] += 1
            raise error
        return usual(name, event)

    return answer


def test_every_row_is_taken_driven_and_looked_at_again_and_then_the_results_are_written_and_told() -> None:
    life = Life(rows=3)
    assert life.run().status == "SUCCEEDED"
    assert [event["over"] for event in life.calls["Collate"]] == [False, True]
    lines = sorted((event["row"]["line"], event["driven"]) for event in life.calls["Accept"])
    assert lines == [(1, False), (1, True), (2, False), (2, True), (3, False), (3, True)]
    assert sorted(event["task_id"] for event in life.calls["Poll"]) == ["task-1", "task-2", "task-3"]
    assert len(life.calls["Deliver"]) == 1


def test_a_rows_driver_has_the_name_and_input_that_any_driver_has() -> None:
    life = Life(rows=1)
    life.run()
    driver = life.engine.executions[f"{GENERATION.replace('stateMachine', 'execution')}:task-1"]
    assert json.loads(driver.input) == {"v": 1, "task_id": "task-1"}


def test_a_batch_without_rows_goes_straight_to_its_results() -> None:
    life = Life(rows=0)
    assert life.run().status == "SUCCEEDED"
    assert [event["over"] for event in life.calls["Collate"]] == [False, True]
    assert life.calls["Accept"] == []
    assert life.written == []


def test_the_end_is_announced_on_the_default_bus_under_the_stacks_name_and_its_news_travels_no_further() -> None:
    life = Life(rows=1)
    execution = life.run()
    (announced,) = life.bus.events
    assert (announced.source, announced.detail_type, announced.detail) == ("darkroom.darkroom", "batch.completed", NEWS)
    (told,) = life.calls["Deliver"]
    assert "news" not in told
    assert "news" not in json.dumps(execution.output)


def test_no_more_rows_are_held_than_the_batch_may_have_at_once() -> None:
    life = Life(rows=30, concurrency=4)
    assert life.run().status == "SUCCEEDED"
    assert life.most == 4


def test_what_travels_is_where_a_row_stands_and_small_numbers() -> None:
    life = Life(rows=1)
    life.run()
    first, second = life.calls["Accept"]
    assert first == {"v": 1, "files": FILES, "row": {"line": 1, "offset": 100, "length": 100}, "driven": False}
    assert second.keys() == first.keys() | {"task_id", "next", "wait", "step"}
    for event in life.calls["Collate"] + life.calls["Deliver"]:
        assert event.keys() <= batch(1).keys() | {"over"}


def test_what_the_rows_answer_is_put_away_and_not_handed_on() -> None:
    life = Life(rows=2)
    life.run()
    assert life.written
    assert all(key.startswith(f"images/{FILES}map/") for key in life.written)
    assert life.calls["Collate"][1] == batch(2) | {"over": True}


def test_a_row_that_may_not_be_made_yet_waits_and_comes_again() -> None:
    def answer(function: str, event: Event) -> Event:
        if function == "Accept" and len(life.calls["Accept"]) <= 5:
            return event | {"task_id": "task-1", "next": "wait", "wait": 17}
        return usual(function, event)

    life = Life(rows=1, answer=answer)
    assert life.run().status == "SUCCEEDED"
    assert life.slept == [17] * 5


def test_a_row_whose_driver_fails_is_looked_at_again() -> None:
    life = Life(rows=2, answer=after(1000, "Poll", ZeroDivisionError))
    assert life.run().status == "SUCCEEDED"
    assert sorted(event["driven"] for event in life.calls["Accept"]) == [False, False, True, True]


def test_a_row_that_has_been_driven_already_is_not_driven_again_but_looked_at() -> None:
    """Two rows that are one task: whoever comes second finds the name taken."""

    def answer(function: str, event: Event) -> Event:
        told = usual(function, event)
        return told | {"task_id": "same", "step": {"v": 1}} if function == "Accept" else told

    life = Life(rows=2, concurrency=1, answer=answer)
    assert life.run().status == "SUCCEEDED"
    assert len(life.calls["Poll"]) == 1
    assert [event["driven"] for event in life.calls["Accept"]] == [False, True, False, True]


@pytest.mark.parametrize("function", ["Accept", "Collate"])
@pytest.mark.parametrize("error", [ZeroDivisionError, lambda: ApiError("TooManyRequestsException", "not now", 429)])
def test_hours_of_an_aws_that_is_away_lose_no_row(function: str, error: Any) -> None:
    life = Life(rows=2, answer=after(250, function, error))
    assert life.run().status == "SUCCEEDED"
    assert len(life.calls["Poll"]) == 2
    assert sum(life.slept) > 6 * 60 * 60
    assert all(child.status == "SUCCEEDED" for child in life.children())
    assert max(len(child.events) for child in life.children()) < 0.1 * MAX_EVENTS


def test_a_row_that_cannot_be_taken_at_all_is_missing_and_the_others_are_made() -> None:
    def answer(function: str, event: Event) -> Event:
        if function == "Accept" and event["row"]["line"] == 1:
            raise ZeroDivisionError
        return usual(function, event)

    life = Life(rows=3, answer=answer)
    assert life.run().status == "SUCCEEDED"
    assert sorted(child.status for child in life.children()) == ["FAILED", "SUCCEEDED", "SUCCEEDED"]
    assert [event["over"] for event in life.calls["Collate"]] == [False, True]
    assert len(life.bus.events) == 1


def test_a_step_that_no_machine_knows_ends_its_row_and_not_the_batch() -> None:
    def answer(function: str, event: Event) -> Event:
        return usual(function, event) | ({"next": "dance"} if function == "Accept" else {})

    life = Life(rows=2, answer=answer)
    assert life.run().status == "SUCCEEDED"
    assert {child.error for child in life.children()} == {"UnknownNextStep"}


def test_a_map_that_cannot_read_its_rows_is_begun_again() -> None:
    life = Life(rows=2, away=3)
    assert life.run().status == "SUCCEEDED"
    assert len(life.calls["Poll"]) == 2


def test_a_map_that_never_can_read_its_rows_leads_to_results_all_the_same() -> None:
    life = Life(rows=2, away=1000)
    assert life.run().status == "SUCCEEDED"
    assert life.calls["Accept"] == []
    assert life.calls["Collate"] == [batch(2) | {"over": over} for over in (False, True)]


def test_who_asked_for_it_is_told_until_that_succeeds() -> None:
    def answer(function: str, event: Event) -> Event:
        if function == "Deliver" and len(life.calls["Deliver"]) < 4:
            return event | {"next": "wait", "wait": 300}
        return usual(function, event)

    life = Life(rows=0, answer=answer)
    assert life.run().status == "SUCCEEDED"
    assert life.slept == [300] * 3


def test_rows_that_fail_do_not_fail_the_map() -> None:
    machine = yaml.safe_load((ROOT / "statemachines" / "batch.asl.yaml").read_text())
    assert machine["States"]["Make the rows"]["ToleratedFailurePercentage"] == 100


def test_a_driver_is_waited_for_longer_than_any_row_lives() -> None:
    machine = yaml.safe_load((ROOT / "statemachines" / "batch.asl.yaml").read_text())
    waits = machine["States"]["Make the rows"]["ItemProcessor"]["States"]["Make it"]
    assert waits["TimeoutSeconds"] * 1000 > turnstile.LONGEST_STAY_MS
    collecting = 60 * 60
    life = schedule.PATIENCE_S + schedule.DEADLINE_S + inquiry.UNHEARD_MS / 1000 + collecting
    assert life < turnstile.LONGEST_STAY_MS / 1000

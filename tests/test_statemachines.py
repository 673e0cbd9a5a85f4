"""The lives in statemachines/, with functions that fail, that are not there, and that never come to an end."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import yaml

from darkroom import collection, delivery, driver, posting
from darkroom.driver import LAST_TURN, Step
from darkroom.task import Task
from local.cloud.errors import ApiError
from local.cloud.machines.definition import parse
from local.cloud.machines.engine import Engine
from local.cloud.machines.events import Bus, Entry
from local.cloud.machines.execution import MAX_EVENTS, Execution
from tests.conftest import (
    CREATE,
    QUESTION,
    RECEIVER,
    ROOT,
    Account,
    Clock,
    Event,
    Wire,
    call,
    order,
    picture,
    prediction,
    step,
    submit,
)
from tests.test_template import FUNCTIONS, MACHINES, RESOURCES, states

ARN = "arn:aws:states:us-east-1:1:stateMachine:Generation"
NAMES = ("Poll", "Finalize", "Deliver")
#: What Finalize has to announce.
NEWS = {"tenant": "default", "bucket": "images", "prediction": {"id": "a" * 26, "status": "succeeded"}}
#: What comes after the name of a step is the same in each: ids and small numbers.
FIRST = Step("a" * 26, 1, 4).document()


class Deaf(Bus):
    """A bus that does not take what is put on it, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__(lambda: 0.0)
        self.times = times

    async def put(self, entries: list[Entry], by: Execution) -> Event:
        self.times -= 1
        if self.times >= 0:
            return {"Entries": [{"ErrorCode": "InternalFailure"}], "FailedEntryCount": 1}
        return await super().put(entries, by)


def run(
    answer: Callable[[str, Event], Event], name: str = "generation", first: Event = FIRST, bus: Bus | None = None
) -> Execution:
    """A whole execution, which waits for nothing. answer: what a function returns, by its name."""

    async def invoke(function: str, payload: bytes) -> tuple[bytes, str | None]:
        try:
            return json.dumps(answer(function.rpartition(":")[2], json.loads(payload))).encode(), None
        except ApiError:
            raise
        except Exception as error:
            return json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)}).encode(), "Unhandled"

    async def sleep(_: float) -> None:
        await asyncio.sleep(0)

    async def to_the_end() -> Execution:
        engine = Engine(invoke, lambda: 0.0, sleep, bus)
        arns = {each: f"arn:aws:lambda:us-east-1:1:function:{each}" for each in NAMES}
        text = (ROOT / "statemachines" / f"{name}.asl.yaml").read_text()
        engine.add(ARN, parse(text, {**arns, "Delivery": ARN, "Partition": "aws", "Stack": "darkroom"}, name))
        execution = engine.start(ARN, "one", json.dumps(first))
        while execution.status == "RUNNING":
            await asyncio.sleep(0)
        return execution

    return asyncio.run(to_the_end())


def test_every_life_is_a_standard_workflow_which_runs_once_under_its_name() -> None:
    machines = [each for each in RESOURCES.values() if each["Type"] == "AWS::StepFunctions::StateMachine"]
    assert [each["Properties"]["StateMachineType"] for each in machines] == ["STANDARD"] * 3


@pytest.mark.parametrize("file", MACHINES, ids=lambda file: file.name)
def test_every_task_is_tried_again_whatever_was_wrong_and_not_by_all_at_the_same_moment(file: Any) -> None:
    tasks = [state for state in states(yaml.safe_load(file.read_text())) if state["Type"] == "Task"]
    assert tasks
    attempts = 300 if file.name == "batch.asl.yaml" else 6  # no sweeper comes to a batch
    for state in tasks:
        caught = {name for handler in state.get("Catch", []) for name in handler["ErrorEquals"]}
        if caught == {"States.ALL"}:
            continue
        last = state["Retry"][-1]
        assert last["ErrorEquals"] == ["States.TaskFailed", "States.Timeout"]
        assert (last["MaxAttempts"], last["BackoffRate"], last["JitterStrategy"]) == (attempts, 2, "FULL")
        assert {name for each in state["Retry"][:-1] for name in each["ErrorEquals"]} == caught


@pytest.mark.parametrize(
    "error", ["TooManyRequestsException", "ServiceException", "ResourceNotFoundException", "SdkClientException"]
)
def test_a_function_that_lambda_does_not_run_is_asked_for_again(error: str) -> None:
    def answer(function: str, event: Event) -> Event:
        asked.append(function)
        if len(asked) <= 6:
            raise ApiError(error, "not now", 429)
        return {**event, "next": "leave"}

    asked: list[str] = []
    assert run(answer).status == "SUCCEEDED"
    assert asked == ["Poll"] * 7


@pytest.mark.parametrize("failing", NAMES)
def test_a_function_that_always_fails_ends_the_execution_and_leaves_the_task_to_the_sweeper(failing: str) -> None:
    def answer(function: str, event: Event) -> Event:
        asked.append(function)
        if function == failing:
            raise ZeroDivisionError
        return {**event, "next": "finalize"}

    asked: list[str] = []
    execution = run(answer, "delivery" if failing == "Deliver" else "generation")
    assert (execution.status, execution.error) == ("FAILED", "ZeroDivisionError")
    assert asked.count(failing) == 7


def test_a_driver_with_much_trouble_is_through_with_its_turns_before_its_history_is_full() -> None:
    asked = 0

    def answer(function: str, event: Event) -> Event:
        nonlocal asked
        asked += 1
        if asked % 4:  # three failures in a row, and then an answer
            raise ZeroDivisionError
        turn = event["turn"] + 1
        return {**event, "turn": turn, "next": "leave" if turn == LAST_TURN else "wait"}

    execution = run(answer)
    assert (execution.status, asked) == ("SUCCEEDED", 4 * LAST_TURN)
    assert len(execution.events) < 0.6 * MAX_EVENTS


def test_a_wait_after_a_copy_that_failed_grows_up_to_a_minute() -> None:
    class OutputUnavailable(Exception):
        """By this name the machine knows it."""

    def answer(function: str, event: Event) -> Event:
        if function == "Finalize":
            raise OutputUnavailable
        waits.append(event["wait"])
        turn = event["turn"] + 1
        return {**event, "turn": turn, "next": "leave" if turn == 16 else "finalize"}

    waits: list[int] = []
    assert run(answer).status == "SUCCEEDED"
    assert waits == [4, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 60, 60, 60]


def test_what_travels_is_small_whatever_the_task_holds(account: Account, wire: Wire, time: Clock) -> None:
    inline = f"data:image/png;base64,{base64.b64encode(picture() + bytes(400_000)).decode()}"
    wire.on("POST", CREATE, prediction())
    wire.on("GET", QUESTION, prediction("succeeded", output=[inline] * 4, logs="x" * 100_000))
    wire.on("POST", RECEIVER, httpx.Response(500))
    submit({**order(webhook=RECEIVER), "metadata": {"note": "x" * 200_000}})
    (first,) = account.executions().values()
    time.forward(4)
    steps = [first, call("poll", step(account.task()))]
    finalized = call("finalize", steps[-1])
    assert len(json.dumps(finalized.pop("news"))) < 10_000
    steps += [finalized, call("deliver", step(account.task()))]
    for each in steps:
        assert each.keys() <= {"v", "task_id", "generation", "wait", "turn", "at", "asked", "next"}
        assert len(json.dumps(each)) < 200


def an_end(told: str = "done") -> Callable[[str, Event], Event]:
    """What the functions answer when a task has come to its end, and the receiver is told for the first time."""
    next_state = {"Poll": "finalize", "Finalize": "deliver", "Deliver": told}

    def answer(function: str, event: Event) -> Event:
        more = {"news": NEWS} if function == "Finalize" else {}
        return {**event, "next": next_state[function], **more}

    return answer


def entered(execution: Execution, state: str) -> list[Event]:
    """The input of a state, each time that the execution entered it."""
    found = [event["stateEnteredEventDetails"] for event in execution.events if "stateEnteredEventDetails" in event]
    return [json.loads(each["input"]) for each in found if each["name"] == state]


def test_an_end_is_announced_on_the_default_bus_under_the_stacks_name() -> None:
    bus = Deaf(0)
    execution = run(an_end(), bus=bus)
    (announced,) = bus.events
    assert (announced.source, announced.detail_type, announced.detail) == ("darkroom.darkroom", "Task succeeded", NEWS)
    assert announced.resources == (execution.arn, ARN)


def test_the_caller_is_told_after_the_announcement_and_the_news_travels_no_further() -> None:
    execution = run(an_end(), bus=Deaf(3))
    assert execution.status == "SUCCEEDED"
    (told,) = entered(execution, "Tell the caller")
    assert told == FIRST | {"next": "deliver"}
    assert "news" not in json.dumps(execution.output)


def test_an_end_that_cannot_be_announced_is_left_to_the_sweeper_and_nobody_is_told() -> None:
    bus = Deaf(7)
    execution = run(an_end(), bus=bus)
    assert (execution.status, execution.error) == ("FAILED", "EventBridge.FailedEntry")
    assert (bus.times, bus.events, entered(execution, "Tell the caller")) == (0, [], [])


@pytest.mark.parametrize("next_state", ["leave", "done"])
def test_what_another_driver_ends_and_what_is_over_is_not_announced(next_state: str) -> None:
    bus = Deaf(0)
    answers = {"Poll": "finalize", "Finalize": next_state}
    assert run(lambda function, event: {**event, "next": answers[function]}, bus=bus).status == "SUCCEEDED"
    assert bus.events == []


def test_a_receiver_that_did_not_take_the_news_is_tried_again_by_another_machine() -> None:
    execution = run(an_end("wait"), bus=Deaf(0))
    (started,) = entered(execution, "Keep trying to tell the caller")
    assert started == FIRST | {"next": "wait"}


def seconds(function: str) -> float:
    return float(FUNCTIONS[function]["Timeout"])


def test_a_function_has_more_time_than_all_that_it_waits_for() -> None:
    longest = {
        "Submit": max(posting.ENOUGH_S, posting.POST_S + posting.RESERVE_S),
        "Poll": max(posting.ENOUGH_TO_DRAW_S, posting.DRAW_S + posting.STAGE_S),
        "Finalize": collection.COLLECT_MS / 1000,
        "Deliver": delivery.ATTEMPT_S,
    }
    assert all(seconds(name) > longest[name] for name in longest)
    assert seconds("Finalize") <= driver.COLLECT_MS / 1000


def test_nobody_is_taken_for_lost_while_a_machine_tries_again(running: Task, time: Clock) -> None:
    document = yaml.safe_load((ROOT / "statemachines" / "generation.asl.yaml").read_text())
    for state in (each for each in states(document) if each["Type"] == "Task"):
        retry = state["Retry"][-1]
        pauses = [min(retry["MaxDelaySeconds"], retry["IntervalSeconds"] * 2**n) for n in range(retry["MaxAttempts"])]
        assert sum(pauses) <= driver.GRACE_MS / 1000

"""The state machines, without a cloud around them: functions are Python, and waiting takes no time."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import yaml

from local.cloud.errors import ApiError, CloudError
from local.cloud.machines.definition import parse
from local.cloud.machines.engine import Engine
from local.cloud.machines.execution import MAX_BYTES, MAX_EVENTS, Execution

MACHINE = "arn:aws:states:us-east-1:1:stateMachine:M"
FUNCTION = "arn:aws:lambda:us-east-1:1:function:f"
Answers = Callable[[Any], Any]


class Failure(Exception):
    """What a function raises: the name and the message that Lambda reports."""


class Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


def engine(
    states: dict[str, Any], answer: Answers = lambda event: event, time: Time | None = None, **machine: Any
) -> Engine:
    async def invoke(name: str, payload: bytes) -> tuple[bytes, str | None]:
        try:
            given = answer(json.loads(payload))
            return json.dumps(await given if isinstance(given, Awaitable) else given).encode(), None
        except Failure as failure:
            kind, message = failure.args
            return json.dumps({"errorType": kind, "errorMessage": message}).encode(), "Unhandled"

    time = time or Time()
    made = Engine(invoke, time.clock, time.sleep)
    document = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states, **machine}
    made.add(MACHINE, parse(yaml.safe_dump(document, sort_keys=False), {}, "M"))
    return made


def run(states: dict[str, Any], data: Any, answer: Answers = lambda event: event, **more: Any) -> Execution:
    async def to_the_end() -> Execution:
        machine = engine(states, answer, **more)
        execution = machine.start(MACHINE, "one", json.dumps(data))
        while execution.status == "RUNNING":
            await asyncio.sleep(0.001)
        return execution

    return asyncio.run(to_the_end())


def task(**fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": FUNCTION, "End": True} | fields


def kinds(execution: Execution) -> list[str]:
    return [event["type"] for event in execution.events]


def test_a_document_travels_from_state_to_state() -> None:
    states = {
        "Rest": {"Type": "Wait", "Seconds": "{% $states.input.wait %}", "Next": "Ask"},
        "Ask": task(
            Arguments={"n": "{% $states.input.n %}"},
            Output={"m": "{% $states.result.n + 1 %}"},
            Next="Which?",
            End=False,
        ),
        "Which?": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.input.m = 3 %}", "Next": "Done"}],
            "Default": "Bad",
        },
        "Done": {"Type": "Succeed"},
        "Bad": {"Type": "Fail", "Error": "Bad", "Cause": "bad"},
    }
    time = Time()
    execution = run(states, {"wait": 7, "n": 2}, time=time)
    assert (execution.status, execution.output, execution.transitions, time.slept) == ("SUCCEEDED", {"m": 3}, 4, [7])
    assert kinds(execution) == [
        "ExecutionStarted", "WaitStateEntered", "WaitStateExited",
        "TaskStateEntered", "LambdaFunctionScheduled", "LambdaFunctionStarted",
        "LambdaFunctionSucceeded", "TaskStateExited",
        "ChoiceStateEntered", "ChoiceStateExited", "SucceedStateEntered", "SucceedStateExited", "ExecutionSucceeded",
    ]  # fmt: skip
    entered = execution.events[3]["stateEnteredEventDetails"]
    assert entered["name"] == "Ask"
    assert json.loads(entered["input"]) == {"wait": 7, "n": 2}


def test_variables_outlive_the_states_that_assign_them() -> None:
    states = {
        "A": {"Type": "Pass", "Assign": {"kept": "{% $states.input.n %}"}, "Output": {}, "Next": "B"},
        "B": {"Type": "Pass", "Output": "{% $kept %}", "Assign": {"kept": "{% $kept + 1 %}"}, "Next": "C"},
        "C": {"Type": "Pass", "Output": ["{% $states.input %}", "{% $kept %}"], "End": True},
    }
    assert run(states, {"n": 1}).output == [1, 2]


def test_the_context_tells_who_and_where() -> None:
    states = {
        "A": {
            "Type": "Pass",
            "Output": "{% $states.context.Execution.Name & $states.context.State.Name %}",
            "End": True,
        }
    }
    assert run(states, {}).output == "oneA"


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ({"Type": "Pass", "Output": "{% $states.input.nothing %}", "End": True}, "returned nothing"),
        ({"Type": "Pass", "Output": "{% 1 + 'x' %}", "End": True}, "threw an error"),
        ({"Type": "Wait", "Seconds": "{% 1.5 %}", "End": True}, "whole number"),
        ({"Type": "Wait", "Seconds": "{% -1 %}", "End": True}, "from 0"),
        ({"Type": "Wait", "Seconds": "{% 100000000 %}", "End": True}, "99999999"),
        ({"Type": "Wait", "Seconds": "{% 'soon' %}", "End": True}, "whole number"),
        (task(TimeoutSeconds="{% $nobody %}"), "returned nothing"),
    ],
)
def test_an_expression_that_gives_nothing_fit_is_an_error(state: dict[str, Any], word: str) -> None:
    execution = run({"A": state}, {})
    assert (execution.status, execution.error) == ("FAILED", "States.QueryEvaluationError")
    assert word in str(execution.cause)


def test_null_is_a_value() -> None:
    assert run({"A": {"Type": "Pass", "Output": {"x": "{% $states.input.x %}"}, "End": True}}, {"x": None}).output == {
        "x": None
    }


def test_a_choice_without_a_way_fails() -> None:
    choices = [{"Condition": "{% $states.input.n = 1 %}", "Next": "B"}]
    states = {"A": {"Type": "Choice", "Choices": choices}, "B": {"Type": "Succeed"}}
    assert run(states, {"n": 2}).error == "States.NoChoiceMatched"


def test_a_failing_function_is_tried_again_at_growing_intervals() -> None:
    calls = []

    def answer(event: Any) -> Any:
        calls.append(event)
        if len(calls) < 4:
            raise Failure("Throttled", "later")
        return "done"

    time = Time()
    retry = [
        {"ErrorEquals": ["Other"]},
        {"ErrorEquals": ["Throttled"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxDelaySeconds": 10},
    ]
    execution = run({"A": task(Retry=retry)}, {}, answer, time=time)
    assert (execution.output, time.slept, execution.transitions) == ("done", [2, 6, 10], 4)


def test_an_error_that_is_not_to_be_repeated_is_not_repeated_by_a_later_rule() -> None:
    def answer(event: Any) -> Any:
        raise Failure("OutputUnavailable", "gone")

    time = Time()
    retry = [{"ErrorEquals": ["OutputUnavailable"], "MaxAttempts": 0}, {"ErrorEquals": ["States.TaskFailed"]}]
    catch = [{"ErrorEquals": ["OutputUnavailable"], "Next": "B"}]
    states = {"A": task(Retry=retry, Catch=catch), "B": {"Type": "Succeed"}}
    assert run(states, {}, answer, time=time).status == "SUCCEEDED"
    assert time.slept == []


def test_jitter_stays_within_the_interval() -> None:
    def answer(event: Any) -> Any:
        raise Failure("Throttled", "later")

    time = Time()
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 8, "MaxAttempts": 2, "JitterStrategy": "FULL"}]
    execution = run({"A": task(Retry=retry)}, {}, answer, time=time)
    assert execution.status == "FAILED"
    assert 0 <= time.slept[0] <= 8
    assert 0 <= time.slept[1] <= 16
    assert len(time.slept) == 2


def test_an_error_that_is_caught_goes_its_own_way_with_its_reason() -> None:
    def answer(event: Any) -> Any:
        raise Failure("OutputUnavailable", "gone")

    catch = [
        {"ErrorEquals": ["Other"], "Next": "Bad"},
        {
            "ErrorEquals": ["OutputUnavailable"],
            "Output": "{% $merge([$states.input, {'why': $states.errorOutput.Error}]) %}",
            "Assign": {"seen": "{% $states.errorOutput.Cause %}"},
            "Next": "Good",
        },
    ]
    states = {
        "A": task(Catch=catch),
        "Good": {"Type": "Pass", "Output": ["{% $states.input %}", "{% $contains($seen, 'gone') %}"], "End": True},
        "Bad": {"Type": "Succeed"},
    }
    assert run(states, {"n": 1}, answer).output == [{"n": 1, "why": "OutputUnavailable"}, True]


@pytest.mark.parametrize(
    ("error", "caught"), [("Anything", True), ("States.Timeout", False), ("States.DataLimitExceeded", False)]
)
def test_task_failed_stands_for_all_but_timeouts_and_terminal_errors(error: str, caught: bool) -> None:
    def answer(event: Any) -> Any:
        raise Failure(error, "x")

    states = {"A": task(Catch=[{"ErrorEquals": ["States.TaskFailed"], "Next": "B"}]), "B": {"Type": "Succeed"}}
    assert (run(states, {}, answer).status == "SUCCEEDED") is caught


@pytest.mark.parametrize(
    ("names", "error", "caught"),
    [
        (["States.ALL"], "Anything", True),
        (["States.ALL"], "States.Timeout", True),
        (["States.ALL"], "States.DataLimitExceeded", False),
        (["States.DataLimitExceeded"], "States.DataLimitExceeded", True),
        (["States.ALL"], "States.Runtime", False),
        (["States.Runtime"], "States.Runtime", False),
    ],
)
def test_states_all_does_not_stand_for_what_is_terminal(names: list[str], error: str, caught: bool) -> None:
    def answer(event: Any) -> Any:
        raise Failure(error, "x")

    states = {"A": task(Catch=[{"ErrorEquals": names, "Next": "B"}]), "B": {"Type": "Succeed"}}
    assert (run(states, {}, answer).status == "SUCCEEDED") is caught


def test_a_task_that_takes_too_long_times_out() -> None:
    async def slow(event: Any) -> Any:
        await asyncio.sleep(5)

    states = {
        "A": task(TimeoutSeconds=0.05, Catch=[{"ErrorEquals": ["States.Timeout"], "Next": "B"}]),
        "B": {"Type": "Succeed"},
    }
    assert "LambdaFunctionTimedOut" in kinds(run(states, {}, slow))


def test_a_machine_that_takes_too_long_times_out() -> None:
    async def slow(event: Any) -> Any:
        await asyncio.sleep(5)

    assert (
        run(
            {"A": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "B"}]), "B": {"Type": "Succeed"}},
            {},
            slow,
            TimeoutSeconds=0.05,
        ).status
        == "TIMED_OUT"
    )


def test_more_than_256_kb_does_not_travel() -> None:
    execution = run(
        {"A": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "B"}]), "B": {"Type": "Succeed"}},
        {},
        lambda _: "x" * MAX_BYTES,
    )
    assert (execution.status, execution.error) == ("FAILED", "States.DataLimitExceeded")
    assert run({"A": task()}, {}, lambda _: "x" * (MAX_BYTES - 2)).status == "SUCCEEDED"


def test_a_loop_without_end_runs_out_of_history() -> None:
    states = {
        "A": {"Type": "Pass", "Next": "B"},
        "B": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "C"}], "Default": "A"},
        "C": {"Type": "Succeed"},
    }
    execution = run(states, {})
    assert (execution.status, execution.error, len(execution.events)) == ("FAILED", "States.Runtime", MAX_EVENTS)


def test_a_machine_starts_another_and_knows_when_that_has_been_done() -> None:
    start = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution",
        "Arguments": {"StateMachineArn": "{% $states.input.machine %}", "Name": "child", "Input": {"n": 1}},
        "Catch": [{"ErrorEquals": ["StepFunctions.ExecutionAlreadyExistsException"], "Next": "Known"}],
        "Next": "Started",
    }
    states = {"A": start, "Started": {"Type": "Succeed"}, "Known": {"Type": "Pass", "Output": "known", "End": True}}

    async def story() -> tuple[Any, Any, dict[str, Execution]]:
        made = engine(states)
        child = "arn:aws:states:us-east-1:1:stateMachine:Child"
        made.add(
            child,
            parse(
                yaml.safe_dump({"QueryLanguage": "JSONata", "StartAt": "S", "States": {"S": {"Type": "Succeed"}}}),
                {},
                "C",
            ),
        )
        outputs = []
        for name in ("one", "two"):
            execution = made.start(MACHINE, name, json.dumps({"machine": child}))
            while execution.status == "RUNNING":
                await asyncio.sleep(0.001)
            outputs.append(execution.output)
        return outputs[0], outputs[1], made.executions

    first, second, executions = asyncio.run(story())
    assert first["ExecutionArn"].endswith(":execution:Child:child")
    assert second == "known"
    assert json.loads(executions[first["ExecutionArn"]].input) == {"n": 1}


def test_lambda_invoke_wraps_what_a_function_returns() -> None:
    invoke = task(Resource="arn:aws:states:::lambda:invoke", Arguments={"FunctionName": FUNCTION, "Payload": {"n": 1}})
    assert run({"A": invoke}, {}).output["Payload"] == {"n": 1}


def test_a_resource_that_is_not_known_is_refused_before_anything_runs() -> None:
    with pytest.raises(CloudError, match="sqs:sendMessage"):
        engine({"A": task(Resource="arn:aws:states:::sqs:sendMessage")})


def test_a_name_is_used_once() -> None:
    async def story() -> None:
        made = engine({"A": {"Type": "Wait", "Seconds": 5, "End": True}})
        first = made.start(MACHINE, "n", '{"a": 1}')
        assert made.start(MACHINE, "n", '{"a": 1}') is first
        with pytest.raises(ApiError, match="Already Exists") as refusal:
            made.start(MACHINE, "n", '{"a": 2}')
        assert refusal.value.code == "ExecutionAlreadyExists"
        while first.status == "RUNNING":
            await asyncio.sleep(0.001)
        with pytest.raises(ApiError, match="Already Exists"):
            made.start(MACHINE, "n", '{"a": 1}')
        assert made.start(MACHINE, None, "{}").name != made.start(MACHINE, None, "{}").name
        await made.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("machine", "name", "text", "code"),
    [
        ("arn:other", "n", "{}", "StateMachineDoesNotExist"),
        (MACHINE, "a b", "{}", "InvalidName"),
        (MACHINE, "a/b", "{}", "InvalidName"),
        (MACHINE, "x" * 81, "{}", "InvalidName"),
        (MACHINE, "", "{}", "InvalidName"),
        (MACHINE, "n", "{", "InvalidExecutionInput"),
        (MACHINE, "n", '"' + "x" * MAX_BYTES + '"', "ValidationException"),
    ],
)
def test_a_start_that_aws_refuses_is_refused(machine: str, name: str, text: str, code: str) -> None:
    with pytest.raises(ApiError) as refusal:
        engine({"A": {"Type": "Succeed"}}).start(machine, name, text)
    assert refusal.value.code == code


def test_an_execution_can_be_stopped_in_the_middle() -> None:
    async def story() -> Execution:
        never = asyncio.Event()
        made = engine({"A": task()}, lambda _: never.wait())
        execution = made.start(MACHINE, "n", "{}")
        await asyncio.sleep(0.01)
        made.stop(execution.arn, "Enough", "of this")
        await asyncio.sleep(0.01)
        return execution

    execution = asyncio.run(story())
    assert (execution.status, execution.error, execution.cause) == ("ABORTED", "Enough", "of this")
    assert kinds(execution)[-1] == "ExecutionAborted"

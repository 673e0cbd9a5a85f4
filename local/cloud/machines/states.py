"""What each state does: one walk through a definition, from its first state to its end.

https://states-language.net/spec.html, and for the names of errors
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

from local.cloud.machines.definition import Definition
from local.cloud.machines.execution import Execution, as_json, timestamp
from local.cloud.machines.expressions import StateError, evaluated
from local.cloud.machines.integrations import Integrations
from local.cloud.machines.maps import Maps

LONGEST_WAIT = 99_999_999  # seconds
# States.ALL does not match these; States.Runtime cannot be retried or caught at all.
TERMINAL = {"States.DataLimitExceeded", "States.Runtime"}


class Walk:
    """Takes one execution from the state that it is in to the end. `run` returns the output, or raises StateError."""

    def __init__(
        self,
        definition: Definition,
        execution: Execution,
        integrations: Integrations,
        maps: Maps,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.definition = definition
        self.execution = execution
        self.integrations = integrations
        self.maps = maps
        self.clock = clock
        self.sleep = sleep
        self.context: dict[str, Any] = {}

    async def run(self) -> Any:
        self.context = {
            "Execution": {
                "Id": self.execution.arn,
                "Input": json.loads(self.execution.input),
                "Name": self.execution.name,
                "RedriveCount": self.execution.redrives,
                "StartTime": timestamp(self.execution.started),
            },
            "StateMachine": {"Id": self.execution.machine_arn, "Name": self.execution.machine_arn.rsplit(":", 1)[1]},
        }
        name: str | None = self.execution.state or self.definition.start_at
        data = self.execution.data
        while name is not None:
            state = self.definition.states[name]
            self._enter(name, state, data)
            name, data = await self._do(name, state, data)
        return data

    def _enter(self, name: str, state: dict[str, Any], data: Any) -> None:
        self.execution.state, self.execution.data = name, data
        self.execution.transitions += 1
        self.context["State"] = {"EnteredTime": timestamp(self.clock()), "Name": name, "RetryCount": 0}
        self._record(
            f"{state['Type']}StateEntered", "stateEnteredEventDetails", name=name, input=as_json(data, "The input")
        )

    async def _do(self, name: str, state: dict[str, Any], data: Any) -> tuple[str | None, Any]:
        match state["Type"]:
            case "Task" | "Map":
                return await self._work(name, state, data)
            case "Wait":
                await self.sleep(self._whole_seconds(evaluated(state["Seconds"], self._bindings(data))))
                return self._leave(name, state, state, data)
            case "Choice":
                return self._choice(name, state, data)
            case "Fail":
                bindings = self._bindings(data)
                error, cause = (evaluated(state.get(field, ""), bindings) for field in ("Error", "Cause"))
                raise StateError(error, cause)
        return self._leave(name, state, state, data)  # Pass, Succeed

    def _choice(self, name: str, state: dict[str, Any], data: Any) -> tuple[str | None, Any]:
        for rule in state["Choices"]:
            holds = evaluated(rule["Condition"], self._bindings(data))
            if not isinstance(holds, bool):
                raise StateError("States.QueryEvaluationError", f"A Condition of {name!r} is neither true nor false.")
            if holds:
                return self._leave(name, state, {**state, **rule}, data)
        if "Default" not in state:
            raise StateError("States.NoChoiceMatched", f"No choice of {name!r} matched, and it has no Default.")
        return self._leave(name, state, {**state, "Next": state["Default"]}, data)

    async def _work(self, name: str, state: dict[str, Any], data: Any) -> tuple[str | None, Any]:
        retriers = [Retrier(fields) for fields in state.get("Retry", [])]
        while True:
            try:
                result = await (self._attempt if state["Type"] == "Task" else self._map)(state, data)
                self.execution.map_run = None
                return self._leave(name, state, state, data, result=result)
            except StateError as error:
                # The first that is meant for an error decides: when it has no attempts left, no other takes over.
                retrier = next((one for one in retriers if matches(one.fields["ErrorEquals"], error.error)), None)
                if retrier is None or retrier.spent:
                    return self._caught(name, state, data, error)
                delay = retrier.delay()
            self.execution.map_run = None  # a retry is a run of its own
            self.context["State"]["RetryCount"] += 1
            self.execution.transitions += 1
            await self.sleep(delay)

    async def _map(self, state: dict[str, Any], data: Any) -> Any:
        return await self.maps.run(state, self.execution, self._bindings(data))

    async def _attempt(self, state: dict[str, Any], data: Any) -> Any:
        bindings = self._bindings(data)
        arguments = evaluated(state["Arguments"], bindings) if "Arguments" in state else data
        timeout = evaluated(state.get("TimeoutSeconds"), bindings)
        text = as_json(arguments, "The arguments")
        kind, details = self.integrations.event_names(state["Resource"])
        described = self.integrations.described(state["Resource"])
        self._record(f"{kind}Scheduled", f"{details}ScheduledEventDetails", **described, input=text)
        self._record(f"{kind}Started")
        try:
            result = await asyncio.wait_for(
                self.integrations.run(state["Resource"], arguments, self.execution), timeout
            )
            output = as_json(result, "The result")
        except TimeoutError:
            error = StateError("States.Timeout", f"The task did not end within {timeout} seconds.")
            self._record(f"{kind}TimedOut", f"{details}TimedOutEventDetails", error=error.error, cause=error.cause)
            raise error from None
        except StateError as error:
            self._record(f"{kind}Failed", f"{details}FailedEventDetails", error=error.error, cause=error.cause)
            raise
        self._record(f"{kind}Succeeded", f"{details}SucceededEventDetails", output=output)
        return result

    def _caught(self, name: str, state: dict[str, Any], data: Any, error: StateError) -> tuple[str | None, Any]:
        for catcher in state.get("Catch", []):
            if matches(catcher["ErrorEquals"], error.error):
                self.execution.map_run = None
                output = {"Error": error.error, "Cause": error.cause}
                return self._leave(name, state, catcher, data, errorOutput=output)
        raise error

    def _leave(
        self, name: str, state: dict[str, Any], way: dict[str, Any], data: Any, **outcome: Any
    ) -> tuple[str | None, Any]:
        """Where to, with what: `way` is the state, choice rule or catcher whose Output, Assign and Next count."""
        bindings = self._bindings(data, **outcome)
        default = next(iter(outcome.values()), data)
        output = evaluated(way["Output"], bindings) if "Output" in way else default
        text = as_json(output, "The output")
        # Both see the variables as they were before: https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html
        self.execution.variables = self.execution.variables | evaluated(way.get("Assign", {}), bindings)
        self._record(f"{state['Type']}StateExited", "stateExitedEventDetails", name=name, output=text)
        return way.get("Next"), output

    def _bindings(self, data: Any, **outcome: Any) -> dict[str, Any]:
        return {**self.execution.variables, "states": {"input": data, "context": self.context, **outcome}}

    def _record(self, kind: str, details: str = "", /, **values: Any) -> None:
        self.execution.record(self.clock(), kind, details, **values)

    def _whole_seconds(self, seconds: Any) -> int:
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds != int(seconds):
            raise StateError("States.QueryEvaluationError", f"Seconds must be a whole number, not {seconds!r}.")
        if not 0 <= seconds <= LONGEST_WAIT:
            raise StateError("States.QueryEvaluationError", f"Seconds must be from 0 to {LONGEST_WAIT}, not {seconds}.")
        return int(seconds)


class Retrier:
    """One entry of Retry, and how often it has been used in this state."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields
        self.attempts = 0

    @property
    def spent(self) -> bool:
        return self.attempts >= int(self.fields.get("MaxAttempts", 3))

    def delay(self) -> float:
        """Seconds before the next attempt."""
        seconds: float = self.fields.get("IntervalSeconds", 1) * self.fields.get("BackoffRate", 2.0) ** self.attempts
        self.attempts += 1
        longest = min(seconds, self.fields.get("MaxDelaySeconds", seconds))
        return random.uniform(0, longest) if self.fields.get("JitterStrategy") == "FULL" else longest


def matches(names: list[str], error: str) -> bool:
    """Whether Retry's or Catch's ErrorEquals is meant for this error."""
    if error == "States.Runtime":
        return False
    if error in names:
        return True
    if error in TERMINAL:
        return False
    return "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout")

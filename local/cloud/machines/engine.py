"""State machines that run: starting, stopping and describing their executions, in one event loop.

Waits and retries sleep through `sleep`, so that a test may make time pass faster; the timeouts of tasks and machines
are real time, since what they bound is real work.
"""

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from local.cloud.errors import ApiError, CloudError
from local.cloud.machines.definition import Definition
from local.cloud.machines.events import Bus
from local.cloud.machines.execution import MAX_BYTES, Execution
from local.cloud.machines.expressions import StateError
from local.cloud.machines.integrations import Integrations, Invoke
from local.cloud.machines.states import Walk

# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
NAME = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}")


class Engine:
    """All state machines of one cloud, and the bus for their events. Its methods belong to the event loop's thread."""

    def __init__(
        self,
        invoke: Invoke,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        bus: Bus | None = None,
    ) -> None:
        self.bus = bus or Bus(clock)
        self.integrations = Integrations(invoke, self._start_from_task, self.bus)
        self.clock = clock
        self.sleep = sleep
        self.machines: dict[str, Definition] = {}
        self.executions: dict[str, Execution] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def add(self, arn: str, definition: Definition) -> None:
        for name, state in definition.states.items():
            if state["Type"] == "Task" and not self.integrations.knows(state["Resource"]):
                raise CloudError(f"The state {name!r} has a Resource that is not known here: {state['Resource']}.")
        self.machines[arn] = definition

    def start(self, machine_arn: str, name: str | None, text: str) -> Execution:
        """Start an execution, by the rules of Standard workflows for names; raises ApiError."""
        if machine_arn not in self.machines:
            raise ApiError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{machine_arn}'")
        name = str(uuid.uuid4()) if name is None else name
        if not NAME.fullmatch(name):
            raise ApiError("InvalidName", f"Invalid Name: '{name}'")
        if len(text.encode()) > MAX_BYTES:
            raise ApiError("ValidationException", f"The input has more than {MAX_BYTES} bytes.")
        try:
            data = json.loads(text)
        except ValueError as error:
            raise ApiError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'") from error
        arn = f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
        if earlier := self.executions.get(arn):
            if earlier.status == "RUNNING" and earlier.input == text:
                return earlier
            raise ApiError("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
        execution = Execution(arn, machine_arn, name, text, self.clock())
        execution.record(self.clock(), "ExecutionStarted", "executionStartedEventDetails", input=text)
        self.executions[arn] = execution
        self._running[arn] = asyncio.get_running_loop().create_task(self._run(execution, data), name=arn)
        return execution

    def stop(self, arn: str, error: str | None, cause: str | None) -> Execution:
        execution = self.find(arn)
        if running := self._running.pop(arn, None):
            running.cancel()
            execution.end(self.clock(), "ABORTED", error=error, cause=cause)
        return execution

    def find(self, arn: str) -> Execution:
        if arn not in self.executions:
            raise ApiError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return self.executions[arn]

    async def close(self) -> None:
        """Leave every execution where it is."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _run(self, execution: Execution, data: Any) -> None:
        definition = self.machines[execution.machine_arn]
        walk = Walk(definition, execution, self.integrations, self.clock, self.sleep)
        try:
            async with asyncio.timeout(definition.timeout):
                output = await walk.run(data)
            execution.end(self.clock(), "SUCCEEDED", output)
        except StateError as failure:
            execution.end(self.clock(), "FAILED", error=failure.error, cause=failure.cause)
        except TimeoutError:
            execution.end(self.clock(), "TIMED_OUT", error="States.Timeout")
        except Exception as fault:  # of this interpreter: it must not look like an execution that is still waiting
            execution.end(self.clock(), "FAILED", error="States.Runtime", cause=repr(fault))
        self._running.pop(execution.arn, None)

    def _start_from_task(self, machine_arn: str, name: str | None, text: str) -> tuple[str, float]:
        execution = self.start(machine_arn, name, text)
        return execution.arn, execution.started

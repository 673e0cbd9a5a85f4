"""State machines that run: starting, stopping and describing their executions, in one event loop.

Waits and retries sleep through `sleep`, so that a test may make time pass faster; the timeouts of tasks and machines
are real time, since what they bound is real work. Of executions that have succeeded, all but the latest few thousand
keep only how they ended: a batch may have 100,000 of them.
"""

import asyncio
import json
import re
import uuid
from collections import deque
from collections.abc import Awaitable, Callable

from local.cloud.errors import ApiError, CloudError
from local.cloud.machines.definition import Definition
from local.cloud.machines.events import Bus
from local.cloud.machines.execution import MAX_BYTES, Execution
from local.cloud.machines.expressions import StateError
from local.cloud.machines.integrations import Integrations, Invoke, Permit
from local.cloud.machines.maps import Maps, Objects
from local.cloud.machines.states import Walk

# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
NAME = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}")
WHOLE = 3_000  # succeeded executions that are kept with their history and output


class Engine:
    """
    All state machines of one cloud, and the bus for their events. Its methods belong to the event loop's thread.

    objects: S3, which only maps need. permit: whether a machine's role lets it do something.
    A map's executions are those of a machine of their own, whose ARN is `<the map's machine>/<the map's label>`.
    """

    def __init__(
        self,
        invoke: Invoke,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        bus: Bus | None = None,
        objects: Objects | None = None,
        permit: Permit = lambda *_: True,
    ) -> None:
        self.bus = bus or Bus(clock)
        self.integrations = Integrations(invoke, self, self.bus, permit)
        self.maps = Maps(self, objects, self.integrations.allow, clock)
        self.clock = clock
        self.sleep = sleep
        self.machines: dict[str, Definition] = {}
        self.executions: dict[str, Execution] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._whole: deque[Execution] = deque()

    def add(self, arn: str, definition: Definition) -> None:
        for name, state in definition.states.items():
            if state["Type"] == "Task" and not self.integrations.knows(state["Resource"]):
                raise CloudError(f"The state {name!r} has a Resource that is not known here: {state['Resource']}.")
            if state["Type"] == "Map":
                self.add(f"{arn}/{state['Label']}", state["ItemProcessor"])
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
        execution = Execution(arn, machine_arn, name, text, self.clock(), data=data)
        execution.record(self.clock(), "ExecutionStarted", "executionStartedEventDetails", input=text)
        self.executions[arn] = execution
        self._go(execution)
        return execution

    def redrive(self, arn: str) -> Execution:
        """Go on with an execution that has not succeeded, in the state in which it ended; raises ApiError."""
        execution = self.find(arn)
        if execution.status in ("RUNNING", "SUCCEEDED") or "/" in execution.machine_arn:
            raise ApiError("ExecutionNotRedrivable", f"The execution cannot be redriven: '{arn}'")
        self.resume(execution)
        return execution

    def resume(self, execution: Execution) -> None:
        execution.begin_again(self.clock())
        self._go(execution)

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

    async def ended(self, execution: Execution) -> None:
        """Return when the execution is over, however it came to its end."""
        if running := self._running.get(execution.arn):
            await asyncio.wait([running])

    async def close(self) -> None:
        """Leave every execution where it is."""
        running = list(self._running.values())
        self._running.clear()  # so that nobody can stop what they have begun
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _go(self, execution: Execution) -> None:
        task = asyncio.get_running_loop().create_task(self._run(execution), name=execution.arn)
        self._running[execution.arn] = task

    async def _run(self, execution: Execution) -> None:
        definition = self.machines[execution.machine_arn]
        walk = Walk(definition, execution, self.integrations, self.maps, self.clock, self.sleep)
        try:
            async with asyncio.timeout(definition.timeout):
                output = await walk.run()
            execution.end(self.clock(), "SUCCEEDED", output)
        except StateError as failure:
            execution.end(self.clock(), "FAILED", error=failure.error, cause=failure.cause)
        except TimeoutError:
            execution.end(self.clock(), "TIMED_OUT", error="States.Timeout")
        except Exception as fault:  # of this interpreter: it must not look like an execution that is still waiting
            execution.end(self.clock(), "FAILED", error="States.Runtime", cause=repr(fault))
        self._running.pop(execution.arn, None)
        if execution.status == "SUCCEEDED":
            self._whole.append(execution)
            if len(self._whole) > WHOLE:
                self._whole.popleft().forget()

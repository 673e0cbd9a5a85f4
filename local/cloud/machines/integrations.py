"""What a Task's Resource stands for: a function by its ARN, or one of Step Functions' optimized integrations."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from local.cloud.errors import ApiError
from local.cloud.machines.events import Bus
from local.cloud.machines.execution import Execution
from local.cloud.machines.expressions import StateError

LAMBDA = "arn:aws:lambda:"
START_EXECUTION = "arn:aws:states:::states:startExecution"
INVOKE = "arn:aws:states:::lambda:invoke"
START_EXECUTION_AND_WAIT = f"{START_EXECUTION}.sync:2"
PUT_EVENTS = "arn:aws:states:::events:putEvents"
# The rule by which Step Functions itself hears of the end of what it has started; the role must let it make that.
ENDS_RULE = "StepFunctionsGetEventsForStepFunctionsExecutionRule"

Invoke = Callable[[str, bytes], Awaitable[tuple[bytes, str | None]]]  # function, payload -> payload, function error
Permit = Callable[[str, str, str], bool]  # machine's ARN, action, ARN of what it is done to
Run = Callable[[dict[str, Any], Execution], Awaitable[Any]]  # arguments, who runs it -> result


class Executions(Protocol):
    """What an engine does for tasks that start executions; `start` raises ApiError."""

    def start(self, machine_arn: str, name: str | None, text: str) -> Execution: ...

    def stop(self, arn: str, error: str | None, cause: str | None) -> Execution: ...

    async def ended(self, execution: Execution) -> None: ...


class Integrations:
    """Runs tasks; errors come out under the names that state machines know them by."""

    def __init__(self, invoke: Invoke, executions: Executions, bus: Bus, permit: Permit) -> None:
        self._invoke = invoke
        self._executions = executions
        self._bus = bus
        self._permit = permit
        self._optimized: dict[str, Run] = {
            START_EXECUTION: self._start_execution,
            START_EXECUTION_AND_WAIT: self._start_execution_and_wait,
            INVOKE: self._lambda_invoke,
            PUT_EVENTS: self._put_events,
        }

    def knows(self, resource: str) -> bool:
        return resource.startswith(LAMBDA) or resource in self._optimized

    async def run(self, resource: str, arguments: Any, execution: Execution) -> Any:
        if resource.startswith(LAMBDA):
            return await self._function(resource, arguments, execution)
        return await self._optimized[resource](arguments, execution)

    def event_names(self, resource: str) -> tuple[str, str]:
        """How history names what happens to a task: the start of its events' types, and of their details' fields."""
        if resource.startswith(LAMBDA):
            return "LambdaFunction", "lambdaFunction"
        return "Task", "task"

    def described(self, resource: str) -> dict[str, str]:
        if resource.startswith(LAMBDA):
            return {"resource": resource}
        service, action = resource.partition(":::")[2].split(":", 1)
        return {"resourceType": service, "resource": action}

    def allow(self, execution: Execution, action: str, resource: str) -> None:
        """Raise StateError unless the role of the execution's machine lets it do this."""
        machine = execution.machine_arn.partition("/")[0]
        if not self._permit(machine, action, resource):
            raise StateError("States.Permissions", f"The role of {machine} does not allow {action} on {resource}.")

    async def _function(self, function: str, event: Any, execution: Execution) -> Any:
        self.allow(execution, "lambda:InvokeFunction", function)
        try:
            payload, error = await self._invoke(function, json.dumps(event).encode())
        except ApiError as refusal:
            raise StateError(f"Lambda.{refusal.code}", str(refusal)) from refusal
        if error:
            # The error's name is the exception's class name, its cause the whole of what Lambda reports.
            # Lambda.Unknown is for what names no error.
            raise StateError(json.loads(payload).get("errorType") or "Lambda.Unknown", payload.decode())
        return json.loads(payload)

    async def _lambda_invoke(self, arguments: dict[str, Any], execution: Execution) -> Any:
        payload = await self._function(arguments["FunctionName"], arguments.get("Payload", {}), execution)
        return {"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200}

    async def _put_events(self, arguments: dict[str, Any], execution: Execution) -> Any:
        # https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html: the ARNs of the execution and
        # of its machine are added to each entry, and one entry that has failed fails the state.
        if unknown := arguments.keys() - {"Entries"}:
            raise StateError("States.Runtime", f"PutEvents' {', '.join(sorted(unknown))} is not known here.")
        region, account = execution.machine_arn.split(":")[3:5]
        self.allow(execution, "events:PutEvents", f"arn:aws:events:{region}:{account}:event-bus/default")
        origin = [execution.arn, execution.machine_arn]
        entries = [
            {
                **entry,
                "Detail": json.dumps(entry["Detail"]) if isinstance(entry.get("Detail"), dict) else entry.get("Detail"),
                "Resources": [*entry.get("Resources", []), *origin],
            }
            for entry in arguments["Entries"]
        ]
        try:
            result = await self._bus.put(entries, execution)
        except ApiError as refusal:
            raise StateError(f"EventBridge.{refusal.code}", str(refusal)) from refusal
        if result["FailedEntryCount"]:
            raise StateError("EventBridge.FailedEntry", json.dumps(result))
        return result

    async def _start_execution(self, arguments: dict[str, Any], execution: Execution) -> Any:
        started = self._start(arguments, execution)
        return {"ExecutionArn": started.arn, "StartDate": started.started}

    async def _start_execution_and_wait(self, arguments: dict[str, Any], execution: Execution) -> Any:
        # https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html: what has been started is
        # stopped with who waits for it, and an end that is no success is a cause that holds the whole description.
        machine = arguments["StateMachineArn"]
        children = f"{machine.replace(':stateMachine:', ':execution:')}:*"
        self.allow(execution, "states:DescribeExecution", children)
        self.allow(execution, "states:StopExecution", children)
        region, account = execution.machine_arn.split(":")[3:5]
        for action in ("events:PutTargets", "events:PutRule", "events:DescribeRule"):
            self.allow(execution, action, f"arn:aws:events:{region}:{account}:rule/{ENDS_RULE}")
        started = self._start(arguments, execution)
        try:
            await self._executions.ended(started)
        finally:
            self._executions.stop(started.arn, None, None)
        if started.status != "SUCCEEDED":
            raise StateError("States.TaskFailed", json.dumps(_described(started)))
        return _described(started)

    def _start(self, arguments: dict[str, Any], execution: Execution) -> Execution:
        self.allow(execution, "states:StartExecution", arguments["StateMachineArn"])
        document = arguments.get("Input", {})
        text = document if isinstance(document, str) else json.dumps(document)
        try:
            return self._executions.start(arguments["StateMachineArn"], arguments.get("Name"), text)
        except ApiError as refusal:
            # As the Java SDK names its exceptions: StepFunctions.ExecutionAlreadyExistsException.
            name = refusal.code.removesuffix("Exception")
            raise StateError(f"StepFunctions.{name}Exception", str(refusal)) from refusal


def _described(execution: Execution) -> dict[str, Any]:
    """DescribeExecution as a task has it: times in milliseconds, input and output parsed."""
    described = {
        "ExecutionArn": execution.arn,
        "Input": json.loads(execution.input),
        "InputDetails": {"Included": True},
        "Name": execution.name,
        "RedriveCount": execution.redrives,
        "StartDate": int(execution.started * 1000),
        "StateMachineArn": execution.machine_arn,
        "Status": execution.status,
        "StopDate": int((execution.stopped or 0) * 1000),
    }
    if execution.status == "SUCCEEDED":
        return described | {"Output": execution.output, "OutputDetails": {"Included": True}}
    return described | {"Error": execution.error, "Cause": execution.cause}

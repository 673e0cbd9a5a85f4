"""What a Task's Resource stands for: a function by its ARN, or one of Step Functions' optimized integrations."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from local.cloud.errors import ApiError
from local.cloud.machines.events import Bus
from local.cloud.machines.execution import Execution
from local.cloud.machines.expressions import StateError

LAMBDA = "arn:aws:lambda:"
START_EXECUTION = "arn:aws:states:::states:startExecution"
INVOKE = "arn:aws:states:::lambda:invoke"
PUT_EVENTS = "arn:aws:states:::events:putEvents"

Invoke = Callable[[str, bytes], Awaitable[tuple[bytes, str | None]]]  # function, payload -> payload, function error
Start = Callable[[str, str | None, str], tuple[str, float]]  # machine, name, input -> execution ARN, start date
Run = Callable[[dict[str, Any], Execution], Awaitable[Any]]  # arguments, who runs it -> result


class Integrations:
    """Runs tasks; errors come out under the names that state machines know them by."""

    def __init__(self, invoke: Invoke, start: Start, bus: Bus) -> None:
        self._invoke = invoke
        self._start = start
        self._bus = bus
        self._optimized: dict[str, Run] = {
            START_EXECUTION: self._start_execution,
            INVOKE: self._lambda_invoke,
            PUT_EVENTS: self._put_events,
        }

    def knows(self, resource: str) -> bool:
        return resource.startswith(LAMBDA) or resource in self._optimized

    async def run(self, resource: str, arguments: Any, execution: Execution) -> Any:
        if resource.startswith(LAMBDA):
            return await self._function(resource, arguments)
        return await self._optimized[resource](arguments, execution)

    def event_names(self, resource: str) -> tuple[str, str]:
        """How history names what happens to a task: the start of its events' types, and of their details' fields."""
        if resource.startswith(LAMBDA):
            return "LambdaFunction", "lambdaFunction"
        return "Task", "task"

    def described(self, resource: str) -> dict[str, str]:
        if resource.startswith(LAMBDA):
            return {"resource": resource}
        service, action = resource.rsplit(":", 2)[1:]
        return {"resourceType": service, "resource": action}

    async def _function(self, function: str, event: Any) -> Any:
        try:
            payload, error = await self._invoke(function, json.dumps(event).encode())
        except ApiError as refusal:
            raise StateError(f"Lambda.{refusal.code}", str(refusal)) from refusal
        if error:
            # The error's name is the exception's class name, its cause the whole of what Lambda reports.
            # Lambda.Unknown is for what names no error.
            raise StateError(json.loads(payload).get("errorType") or "Lambda.Unknown", payload.decode())
        return json.loads(payload)

    async def _lambda_invoke(self, arguments: dict[str, Any], _: Execution) -> Any:
        payload = await self._function(arguments["FunctionName"], arguments.get("Payload", {}))
        return {"ExecutedVersion": "$LATEST", "Payload": payload, "StatusCode": 200}

    async def _put_events(self, arguments: dict[str, Any], execution: Execution) -> Any:
        # https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html: the ARNs of the execution and
        # of its machine are added to each entry, and one entry that has failed fails the state.
        if unknown := arguments.keys() - {"Entries"}:
            raise StateError("States.Runtime", f"PutEvents' {', '.join(sorted(unknown))} is not known here.")
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

    async def _start_execution(self, arguments: dict[str, Any], _: Execution) -> Any:
        document = arguments.get("Input", {})
        text = document if isinstance(document, str) else json.dumps(document)
        try:
            arn, started = self._start(arguments["StateMachineArn"], arguments.get("Name"), text)
        except ApiError as refusal:
            # As the Java SDK names its exceptions: StepFunctions.ExecutionAlreadyExistsException.
            name = refusal.code.removesuffix("Exception")
            raise StateError(f"StepFunctions.{name}Exception", str(refusal)) from refusal
        return {"ExecutionArn": arn, "StartDate": started}

"""Step Functions' API over the engine: the operations that the functions, the tests and the operator's command use.

https://docs.aws.amazon.com/step-functions/latest/apireference/
"""

import json
from collections.abc import Callable
from typing import Any

from local.cloud.errors import ApiError
from local.cloud.machines.engine import Engine
from local.cloud.machines.execution import Execution


class StepFunctions:
    """Takes the name of an operation and its parameters, as the wire has them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "StartExecution": self.start,
            "StopExecution": self.stop,
            "RedriveExecution": self.redrive,
            "DescribeExecution": self.describe,
            "GetExecutionHistory": self.history,
            "ListExecutions": self.list,
        }

    async def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if operation not in self.operations:
            raise ApiError("UnknownOperationException", f"The local cloud does not know Step Functions' {operation}.")
        return self.operations[operation](parameters)

    def start(self, parameters: dict[str, Any]) -> dict[str, Any]:
        text = parameters.get("input", "{}")
        execution = self.engine.start(parameters["stateMachineArn"], parameters.get("name"), text)
        return {"executionArn": execution.arn, "startDate": execution.started}

    def stop(self, parameters: dict[str, Any]) -> dict[str, Any]:
        arn, error, cause = (parameters.get(name) for name in ("executionArn", "error", "cause"))
        return {"stopDate": self.engine.stop(str(arn), error, cause).stopped}

    def redrive(self, parameters: dict[str, Any]) -> dict[str, Any]:
        self.engine.redrive(parameters["executionArn"])
        return {"redriveDate": self.engine.clock()}

    def describe(self, parameters: dict[str, Any]) -> dict[str, Any]:
        execution = self.engine.find(parameters["executionArn"])
        described = _listed(execution) | {"input": execution.input}
        if execution.status == "SUCCEEDED":
            described["output"] = json.dumps(execution.output)
        return described | {
            name: value for name, value in (("error", execution.error), ("cause", execution.cause)) if value is not None
        }

    def history(self, parameters: dict[str, Any]) -> dict[str, Any]:
        events = self.engine.find(parameters["executionArn"]).events
        return {"events": events[::-1] if parameters.get("reverseOrder") else events}

    def list(self, parameters: dict[str, Any]) -> dict[str, Any]:
        machine, status = parameters["stateMachineArn"], parameters.get("statusFilter")
        executions = [
            _listed(execution)
            for execution in reversed(self.engine.executions.values())
            if execution.machine_arn == machine and status in (None, execution.status)
        ]
        return {"executions": executions}


def _listed(execution: Execution) -> dict[str, Any]:
    listed = {
        "executionArn": execution.arn,
        "stateMachineArn": execution.machine_arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": execution.started,
        "redriveCount": execution.redrives,
    }
    return listed if execution.stopped is None else listed | {"stopDate": execution.stopped}

"""One execution of a state machine: what it is doing, and the history of all that it did."""

import json
from dataclasses import dataclass, field
from typing import Any

from local.cloud.machines.expressions import StateError

MAX_EVENTS = 25_000  # https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MAX_BYTES = 262_144  # of a state's input or output, as UTF-8; same page


@dataclass
class Execution:
    """`events` have the shape of GetExecutionHistory; times are seconds since the epoch."""

    arn: str
    machine_arn: str
    name: str
    input: str  # JSON, as it was given
    started: float
    status: str = "RUNNING"  # or SUCCEEDED, FAILED, TIMED_OUT, ABORTED
    stopped: float | None = None
    output: Any = None
    error: str | None = None
    cause: str | None = None
    state: str | None = None  # the one that it is in
    # As AWS bills them: "each time a step of your workflow is executed", retries included
    # (https://aws.amazon.com/step-functions/pricing/), so every state entered and every retry of a Task.
    transitions: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)

    def record(self, now: float, kind: str, details: str = "", /, **values: Any) -> None:
        """Add an event of this kind; `details` names the field that AWS keeps its values under."""
        # The last place is kept for the event that ends the execution.
        if len(self.events) >= MAX_EVENTS - 1 and not kind.startswith("Execution"):
            raise StateError("States.Runtime", f"The execution reached the maximum of {MAX_EVENTS} history events.")
        event = {"id": len(self.events) + 1, "previousEventId": len(self.events), "timestamp": now, "type": kind}
        if details:
            event[details] = values
        self.events.append(event)

    def end(
        self, now: float, status: str, output: Any = None, error: str | None = None, cause: str | None = None
    ) -> None:
        self.status, self.stopped, self.output, self.error, self.cause = status, now, output, error, cause
        kind = {"SUCCEEDED": "Succeeded", "FAILED": "Failed", "TIMED_OUT": "TimedOut", "ABORTED": "Aborted"}[status]
        values = {"output": json.dumps(output)} if status == "SUCCEEDED" else _given(error=error, cause=cause)
        self.record(now, f"Execution{kind}", f"execution{kind}EventDetails", **values)


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def as_json(data: Any, what: str) -> str:
    """The data as JSON text, within what a state may hold."""
    text = json.dumps(data)
    if len(text.encode()) > MAX_BYTES:
        raise StateError("States.DataLimitExceeded", f"{what} is larger than {MAX_BYTES} bytes.")
    return text

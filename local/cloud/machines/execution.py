"""One execution of a state machine: what it is doing, and the history of all that it did."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local.cloud.machines.expressions import StateError

if TYPE_CHECKING:
    from local.cloud.machines.maps import MapRun

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
    state: str | None = None  # the one that it is in, or ended in
    data: Any = None  # what that state was given
    variables: dict[str, Any] = field(default_factory=dict)
    map_run: "MapRun | None" = None  # of the Map that it is in, or ended in
    redrives: int = 0
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

    def begin_again(self, now: float) -> None:
        """Be redriven: https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html"""
        self.redrives += 1
        self.status, self.stopped, self.error, self.cause = "RUNNING", None, None, None
        self.record(now, "ExecutionRedriven", "executionRedrivenEventDetails", redriveCount=self.redrives)

    def forget(self) -> None:
        """Keep how it ended, and no more."""
        self.events, self.variables = [], {}
        self.output = self.data = self.map_run = None


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def as_json(data: Any, what: str) -> str:
    """The data as JSON text, within what a state may hold."""
    text = json.dumps(data)
    if len(text.encode()) > MAX_BYTES:
        raise StateError("States.DataLimitExceeded", f"{what} is larger than {MAX_BYTES} bytes.")
    return text


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""Distributed Maps: each line of a file in S3 becomes an execution of its own, a bounded number of them at once.

https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html. One liberty: of items that were still
to come when a map failed there is no file (PENDING_0.json).
"""

import asyncio
import io
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import IO, Any, Protocol, TypeVar

from local.cloud.errors import ApiError
from local.cloud.machines.execution import Execution, as_json, timestamp
from local.cloud.machines.expressions import StateError, evaluated

T = TypeVar("T")
MOST_AT_ONCE = 10_000  # what MaxConcurrency 0 means


class Objects(Protocol):
    """S3, on behalf of a state machine. Both raise ApiError."""

    async def get(self, machine_arn: str, bucket: str, key: str, version: str | None) -> bytes: ...

    async def put(self, machine_arn: str, bucket: str, key: str, body: IO[bytes]) -> None: ...


class Children(Protocol):
    """What an engine does for a map's executions."""

    def start(self, machine_arn: str, name: str | None, text: str) -> Execution: ...

    def resume(self, execution: Execution) -> None: ...

    def stop(self, arn: str, error: str | None, cause: str | None) -> Execution: ...

    async def ended(self, execution: Execution) -> None: ...


@dataclass
class MapRun:
    """One run over one file. It outlives its execution's failure, so that a redrive goes on with it."""

    arn: str
    lines: list[bytes]
    succeeded: set[int] = field(default_factory=set)  # indexes of lines
    begun: dict[int, Execution] = field(default_factory=dict)  # those that have not succeeded, by index
    results: io.BytesIO = field(default_factory=io.BytesIO)  # of those that have succeeded

    @property
    def id(self) -> str:
        return self.arn.rsplit(":", 1)[1]

    @property
    def failed(self) -> list[Execution]:
        return [child for child in self.begun.values() if child.status != "RUNNING"]

    def note(self, index: int, child: Execution) -> None:
        if child.status == "SUCCEEDED":
            self.results.write((b",\n" if self.succeeded else b"[") + _record(child))
            self.succeeded.add(index)
            del self.begun[index]


class Maps:
    """Runs the Map states of one engine."""

    def __init__(
        self,
        children: Children,
        objects: Objects | None,
        allow: Callable[[Execution, str, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._children = children
        self._objects = objects
        self._allow = allow
        self._clock = clock

    async def run(self, state: dict[str, Any], execution: Execution, bindings: dict[str, Any]) -> Any:
        """What a Map's state results in; raises StateError. An execution that has a map run goes on with that."""
        machine = execution.machine_arn
        # https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
        self._allow(execution, "states:StartExecution", machine)
        if execution.map_run:
            kind = "MapRunRedriven"
            redriven = f"{machine.replace(':stateMachine:', ':execution:')}/{state['Label']}:*"
            self._allow(execution, "states:RedriveExecution", redriven)
        else:
            kind = "MapRunStarted"
            lines = await self._read(state["ItemReader"], execution, bindings)
            execution.map_run = MapRun(
                f"{machine.replace(':stateMachine:', ':mapRun:')}/{state['Label']}:{uuid.uuid4()}", lines
            )
        run = execution.map_run
        self._tell(execution, kind, f"{kind[0].lower()}{kind[1:]}EventDetails", mapRunArn=run.arn)
        try:
            await self._through(run, state, execution, bindings)
        except StateError as error:
            self._tell(execution, "MapRunFailed", "mapRunFailedEventDetails", error=error.error, cause=error.cause)
            await self._write(state["ResultWriter"], run, execution, bindings)
            raise
        self._tell(execution, "MapRunSucceeded")
        return await self._write(state["ResultWriter"], run, execution, bindings)

    async def _read(self, reader: dict[str, Any], execution: Execution, bindings: dict[str, Any]) -> list[bytes]:
        """The lines of the file. It fails without any: AWS says nothing of that, so no definition may count on it."""
        where = evaluated(reader["Arguments"], bindings)
        content = await self._asked(
            "States.ItemReaderFailed",
            lambda objects: objects.get(execution.machine_arn, where["Bucket"], where["Key"], where.get("VersionId")),
        )
        lines = [line for line in content.split(b"\n") if line.strip()]
        if not lines:
            raise StateError("States.ItemReaderFailed", f"There is no item in s3://{where['Bucket']}/{where['Key']}.")
        return lines

    async def _through(
        self, run: MapRun, state: dict[str, Any], execution: Execution, bindings: dict[str, Any]
    ) -> None:
        """Have every line's execution succeed, or raise because too many did not; leaves none of them running."""
        at_once = _number(state.get("MaxConcurrency", 0), bindings, "MaxConcurrency") or MOST_AT_ONCE
        tolerated = _number(state.get("ToleratedFailurePercentage", 0), bindings, "ToleratedFailurePercentage")
        ahead = (index for index in range(len(run.lines)) if index not in run.succeeded)
        earlier = run.begun
        run.begun = {}
        failed = 0

        async def work() -> None:
            nonlocal failed
            for index in ahead:
                if child := earlier.pop(index, None):
                    self._children.resume(child)
                else:
                    text = self._selected(run, index, state, bindings)
                    child = self._children.start(f"{execution.machine_arn}/{state['Label']}", None, text)
                run.begun[index] = child
                await self._children.ended(child)
                run.note(index, child)
                failed += child.status != "SUCCEEDED"
                if failed * 100 > tolerated * len(run.lines):
                    cause = f"{failed} of {len(run.lines)} items have failed: more than {tolerated} percent."
                    raise StateError("States.ExceedToleratedFailureThreshold", cause)

        workers = [asyncio.create_task(work()) for _ in range(min(int(at_once), len(run.lines)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            run.begun = earlier | run.begun
            for child in run.begun.values():
                self._children.stop(child.arn, None, None)

    def _selected(self, run: MapRun, index: int, state: dict[str, Any], bindings: dict[str, Any]) -> str:
        """The input of a line's execution."""
        try:
            value = json.loads(run.lines[index])
        except ValueError as error:
            raise StateError("States.ItemReaderFailed", f"Line {index + 1} is not JSON: {error}") from error
        states = bindings["states"]
        context = {**states["context"], "Map": {"Item": {"Index": index, "Value": value}}}
        selector = state.get("ItemSelector", value)
        return as_json(evaluated(selector, {**bindings, "states": {**states, "context": context}}), "The item")

    async def _write(
        self, writer: dict[str, Any], run: MapRun, execution: Execution, bindings: dict[str, Any]
    ) -> dict[str, Any]:
        """
        What became of the items, in files, and where those are.

        https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
        """
        where = evaluated(writer["Arguments"], bindings)
        bucket, prefix = where["Bucket"], "/".join(filter(None, [where.get("Prefix", "").strip("/"), run.id]))

        async def put(name: str, body: IO[bytes]) -> dict[str, Any]:
            size, key = body.seek(0, io.SEEK_END), f"{prefix}/{name}"
            body.seek(0)
            await self._asked(
                "States.ResultWriterFailed", lambda objects: objects.put(execution.machine_arn, bucket, key, body)
            )
            return {"Key": key, "Size": size}

        files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        if run.succeeded:
            end = run.results.seek(0, io.SEEK_END)
            run.results.write(b"]")
            files["SUCCEEDED"].append(await put("SUCCEEDED_0.json", run.results))
            run.results.seek(end)
            run.results.truncate()  # more may come by a redrive
        if run.failed:
            failed = b"[" + b",\n".join(map(_record, run.failed)) + b"]"
            files["FAILED"].append(await put("FAILED_0.json", io.BytesIO(failed)))
        manifest = {"DestinationBucket": bucket, "MapRunArn": run.arn, "ResultFiles": files}
        written = await put("manifest.json", io.BytesIO(json.dumps(manifest).encode()))
        return {"MapRunArn": run.arn, "ResultWriterDetails": {"Bucket": bucket, "Key": written["Key"]}}

    async def _asked(self, error: str, ask: Callable[[Objects], Awaitable[T]]) -> T:
        try:
            if self._objects is None:
                raise ApiError("NoSuchBucket", "This engine has no S3.", 404)
            return await ask(self._objects)
        except ApiError as refusal:
            raise StateError(error, f"{refusal.code}: {refusal}") from refusal

    def _tell(self, execution: Execution, kind: str, details: str = "", /, **values: Any) -> None:
        execution.record(self._clock(), kind, details, **values)


def _number(value: Any, bindings: dict[str, Any], what: str) -> float:
    number = evaluated(value, bindings)
    if isinstance(number, bool) or not isinstance(number, int | float) or number < 0:
        raise StateError("States.QueryEvaluationError", f"{what} must be a number from 0, not {number!r}.")
    return number


def _record(child: Execution) -> bytes:
    """An execution as a result file has it: input and output are text."""
    record = {
        "ExecutionArn": child.arn,
        "Input": child.input,
        "InputDetails": {"Included": True},
        "Name": child.name,
        "RedriveCount": child.redrives,
        "StartDate": timestamp(child.started),
        "StateMachineArn": child.machine_arn,
        "Status": child.status,
    }
    if child.stopped is not None:
        record["StopDate"] = timestamp(child.stopped)
    if child.status == "SUCCEEDED":
        record |= {"Output": json.dumps(child.output), "OutputDetails": {"Included": True}}
    else:
        record |= {"Error": child.error, "Cause": child.cause}
    return json.dumps(record).encode()

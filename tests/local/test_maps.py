"""Distributed Maps and executions that wait for executions, without a cloud around them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import IO, Any

import pytest
import yaml

from local.cloud.errors import ApiError, CloudError
from local.cloud.machines import engine as engine_module
from local.cloud.machines.definition import parse
from local.cloud.machines.engine import Engine
from local.cloud.machines.execution import Execution
from tests.local.test_machine import FUNCTION, MACHINE, Failure, Time, kinds, task

OTHER = "arn:aws:states:us-east-1:1:stateMachine:Other"
CHILDREN = f"{MACHINE}/row"


class Shelf:
    """S3, by bucket and key."""

    def __init__(self, *items: Any) -> None:
        self.kept = {("files", "a/index.jsonl"): "\n".join(map(json.dumps, items)).encode()}

    async def get(self, _machine: str, bucket: str, key: str, version: str | None) -> bytes:
        assert version is None
        if (bucket, key) not in self.kept:
            raise ApiError("NoSuchKey", "The specified key does not exist.", 404)
        return self.kept[bucket, key]

    async def put(self, _machine: str, bucket: str, key: str, body: IO[bytes]) -> None:
        if bucket != "files":
            raise ApiError("AccessDenied", "Access Denied", 403)
        self.kept[bucket, key] = body.read()

    def read(self, key: str) -> Any:
        return json.loads(self.kept["files", key])


def rows(**fields: Any) -> dict[str, Any]:
    return {
        "Type": "Map",
        "Label": "row",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSONL"},
            "Arguments": {"Bucket": "files", "Key": "{% $states.input.folder & 'index.jsonl' %}"},
        },
        "ItemSelector": {
            "n": "{% $states.context.Map.Item.Value.n %}",
            "at": "{% $states.context.Map.Item.Index %}",
            "of": "{% $states.input.folder %}",
        },
        "MaxConcurrency": "{% $states.input.at_once %}",
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "First",
            "States": {"First": {"Type": "Pass", "Next": "Make it"}, "Make it": task()},
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Arguments": {"Bucket": "files", "Prefix": "{% $states.input.folder & 'map' %}"},
        },
        "End": True,
    } | fields


class Play:
    """Machines in an engine, and what their functions were asked."""

    def __init__(
        self,
        states: dict[str, Any],
        items: list[Any],
        answer: Callable[[Any], Any] = lambda event: event,
        permit: Callable[[str, str, str], bool] = lambda *_: True,
        other: dict[str, Any] | None = None,
    ) -> None:
        self.asked: list[Any] = []
        self.shelf = Shelf(*items)
        self.time = Time()

        async def invoke(_: str, payload: bytes) -> tuple[bytes, str | None]:
            event = json.loads(payload)
            self.asked.append(event)
            try:
                given = answer(event)
                return json.dumps(await given if isinstance(given, Awaitable) else given).encode(), None
            except Failure as failure:
                kind, message = failure.args
                return json.dumps({"errorType": kind, "errorMessage": message}).encode(), "Unhandled"

        self.engine = Engine(invoke, self.time.clock, self.time.sleep, objects=self.shelf, permit=permit)
        for arn, those in (MACHINE, states), (OTHER, other):
            if those:
                document = {"QueryLanguage": "JSONata", "StartAt": next(iter(those)), "States": those}
                self.engine.add(arn, parse(yaml.safe_dump(document, sort_keys=False), {}, "M"))

    def start(self, at_once: Any = 2) -> Execution:
        document = {"folder": "a/", "at_once": at_once}
        return self.engine.start(MACHINE, "batch", json.dumps(document))

    async def run(self, at_once: Any = 2) -> Execution:
        execution = self.start(at_once)
        await self.engine.ended(execution)
        return execution

    def children(self) -> list[Execution]:
        return [one for one in self.engine.executions.values() if one.machine_arn == CHILDREN]


def rows_of(number: int) -> list[dict[str, int]]:
    return [{"n": n} for n in range(number)]


def fails(*which: int) -> Callable[[Any], Any]:
    def answer(event: Any) -> Any:
        if event["n"] in which:
            raise Failure("Broken", f"row {event['n']}")
        return event

    return answer


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come about")


def test_each_line_of_the_file_is_an_execution_of_its_own() -> None:
    play = Play({"Rows": rows()}, rows_of(3))
    execution = asyncio.run(play.run())
    assert execution.status == "SUCCEEDED"
    assert sorted(play.asked, key=lambda event: int(event["at"])) == [{"n": n, "at": n, "of": "a/"} for n in range(3)]
    children = play.children()
    assert [child.status for child in children] == ["SUCCEEDED"] * 3
    assert all(child.arn == f"{CHILDREN.replace('stateMachine', 'execution')}:{child.name}" for child in children)
    assert kinds(children[0])[0] == "ExecutionStarted"
    assert (execution.transitions, children[0].transitions) == (1, 2)
    assert [kind for kind in kinds(execution) if "Map" in kind] == [
        "MapStateEntered", "MapRunStarted", "MapRunSucceeded", "MapStateExited",
    ]  # fmt: skip


def test_what_became_of_the_lines_is_written_to_files() -> None:
    play = Play({"Rows": rows(ToleratedFailurePercentage=100)}, rows_of(3), fails(1))
    output = asyncio.run(play.run(1)).output
    run, key = output["MapRunArn"], output["ResultWriterDetails"]["Key"]
    assert run.startswith("arn:aws:states:us-east-1:1:mapRun:M/row:")
    assert output["ResultWriterDetails"] == {"Bucket": "files", "Key": f"a/map/{run.rsplit(':', 1)[1]}/manifest.json"}
    manifest = play.shelf.read(key)
    files = manifest.pop("ResultFiles")
    assert manifest == {"DestinationBucket": "files", "MapRunArn": run}
    (good,), (bad,) = files["SUCCEEDED"], files["FAILED"]
    assert good["Size"] == len(play.shelf.kept["files", good["Key"]])
    first, last = play.shelf.read(good["Key"])
    assert (json.loads(first["Input"])["n"], json.loads(last["Output"])["n"], last["Status"]) == (0, 2, "SUCCEEDED")
    (failed,) = play.shelf.read(bad["Key"])
    assert (failed["Status"], failed["Error"], json.loads(failed["Cause"])["errorMessage"]) == (
        "FAILED", "Broken", "row 1",
    )  # fmt: skip


@pytest.mark.parametrize(("tolerated", "status"), [(0, "FAILED"), (33, "FAILED"), (34, "SUCCEEDED")])
def test_more_failures_than_are_tolerated_fail_the_map(tolerated: int, status: str) -> None:
    play = Play({"Rows": rows(ToleratedFailurePercentage=tolerated)}, rows_of(3), fails(0))
    execution = asyncio.run(play.run(1))
    assert execution.status == status
    if status == "FAILED":
        assert execution.error == "States.ExceedToleratedFailureThreshold"
        assert [child.status for child in play.children()] == ["FAILED"], "nothing is begun afterwards"


@pytest.mark.parametrize(("at_once", "most"), [(3, 3), (0, 20)])
def test_no_more_lines_are_under_way_than_allowed(at_once: int, most: int) -> None:
    under_way, seen = 0, set()

    async def answer(event: Any) -> Any:
        nonlocal under_way
        under_way += 1
        seen.add(under_way)
        for _ in range(50):
            await asyncio.sleep(0)
        under_way -= 1
        return event

    play = Play({"Rows": rows()}, rows_of(20), lambda event: answer(event))
    assert asyncio.run(play.run(at_once)).status == "SUCCEEDED"
    assert max(seen) == most


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"MaxConcurrency": "{% 'many' %}"}, "States.QueryEvaluationError"),
        ({"ItemSelector": "{% $states.context.Map.Item.Value.nothing %}"}, "States.QueryEvaluationError"),
        ({"ResultWriter": rows()["ResultWriter"] | {"Arguments": {"Bucket": "nobody's"}}}, "States.ResultWriterFailed"),
        (
            {"ItemReader": rows()["ItemReader"] | {"Arguments": {"Bucket": "files", "Key": "b"}}},
            "States.ItemReaderFailed",
        ),
    ],
)
def test_a_map_that_cannot_go_on_fails_under_its_errors_name(change: dict[str, Any], error: str) -> None:
    execution = asyncio.run(Play({"Rows": rows(**change)}, rows_of(2)).run())
    assert (execution.status, execution.error) == ("FAILED", error)


def test_a_file_without_lines_and_a_line_that_is_not_json_fail_the_map() -> None:
    assert asyncio.run(Play({"Rows": rows()}, []).run()).error == "States.ItemReaderFailed"
    play = Play({"Rows": rows()}, [])
    play.shelf.kept["files", "a/index.jsonl"] = b'{"n": 1}\n{"n": \n'
    assert asyncio.run(play.run()).error == "States.ItemReaderFailed"


def test_a_map_is_retried_as_a_whole_and_caught() -> None:
    retry = [{"ErrorEquals": ["States.ExceedToleratedFailureThreshold"], "MaxAttempts": 1}]
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Sorry", "Output": "{% $states.errorOutput.Error %}"}]
    sorry = {"Type": "Pass", "End": True}
    play = Play({"Rows": rows(Retry=retry, Catch=catch), "Sorry": sorry}, rows_of(2), fails(1))
    execution = asyncio.run(play.run(1))
    assert (execution.status, execution.output) == ("SUCCEEDED", "States.ExceedToleratedFailureThreshold")
    assert [event["n"] for event in play.asked] == [0, 1, 0, 1]
    assert kinds(execution).count("MapRunStarted") == 2


def test_stopping_an_execution_stops_its_maps_children() -> None:
    async def story() -> tuple[Play, Execution]:
        play = Play({"Rows": rows()}, rows_of(5), lambda _: asyncio.Event().wait())
        execution = play.start()
        await until(lambda: len(play.asked) == 2)
        play.engine.stop(execution.arn, None, None)
        await until(lambda: all(child.status == "ABORTED" for child in play.children()))
        return play, execution

    play, execution = asyncio.run(story())
    assert (execution.status, len(play.children())) == ("ABORTED", 2)


def test_a_redrive_runs_those_again_that_did_not_succeed_where_they_ended() -> None:
    broken = {2, 3}

    async def story() -> tuple[Play, Execution, list[str]]:
        play = Play({"Rows": rows(ToleratedFailurePercentage=40)}, rows_of(5), lambda event: fails(*broken)(event))
        execution = play.start(1)
        await play.engine.ended(execution)
        assert execution.status == "SUCCEEDED"
        play = Play({"Rows": rows(ToleratedFailurePercentage=30)}, rows_of(5), lambda event: fails(*broken)(event))
        execution = play.start(1)
        await play.engine.ended(execution)
        assert (execution.status, [event["n"] for event in play.asked]) == ("FAILED", [0, 1, 2, 3])
        before = [child.arn for child in play.children()]
        play.engine.redrive(execution.arn)
        await play.engine.ended(execution)
        (file,) = [key for _, key in play.shelf.kept if key.endswith("SUCCEEDED_0.json")]
        assert (execution.status, len(play.shelf.read(file))) == ("FAILED", 2)
        broken.clear()
        play.engine.redrive(execution.arn)
        await play.engine.ended(execution)
        return play, execution, before

    play, execution, before = asyncio.run(story())
    assert (execution.status, execution.redrives) == ("SUCCEEDED", 2)
    assert [event["n"] for event in play.asked] == [0, 1, 2, 3, 2, 3, 2, 3, 4]
    assert [child.arn for child in play.children()][:4] == before, "they keep their names"
    assert [child.redrives for child in play.children()] == [0, 0, 2, 2, 0]
    assert play.children()[2].transitions == 4, "it went on in the state that failed"
    assert kinds(execution).count("MapRunRedriven") == 2
    written = play.shelf.read(execution.output["ResultWriterDetails"]["Key"])["ResultFiles"]
    assert len(play.shelf.read(written["SUCCEEDED"][0]["Key"])) == 5
    assert written["FAILED"] == []


def test_what_succeeded_runs_or_is_a_maps_child_is_not_redriven() -> None:
    async def story() -> None:
        play = Play({"Rows": rows()}, rows_of(1), fails(0))
        execution = play.start()
        with pytest.raises(ApiError, match="cannot be redriven"):
            play.engine.redrive(execution.arn)
        await play.engine.ended(execution)
        with pytest.raises(ApiError, match="cannot be redriven"):
            play.engine.redrive(play.children()[0].arn)

    asyncio.run(story())


def test_of_many_executions_only_the_latest_keep_their_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "WHOLE", 4)
    play = Play({"Rows": rows()}, rows_of(10))
    execution = asyncio.run(play.run())
    assert [bool(child.events) for child in play.children()] == [False] * 7 + [True] * 3
    assert {child.status for child in play.children()} == {"SUCCEEDED"}
    files = play.shelf.read(execution.output["ResultWriterDetails"]["Key"])["ResultFiles"]
    assert len(play.shelf.read(files["SUCCEEDED"][0]["Key"])) == 10


def waits(**fields: Any) -> dict[str, Any]:
    arguments = {"StateMachineArn": OTHER, "Name": "inner", "Input": {"n": 1}}
    return task(Resource="arn:aws:states:::states:startExecution.sync:2", Arguments=arguments, **fields)


def test_a_task_waits_for_the_execution_that_it_starts() -> None:
    execution = asyncio.run(Play({"Wait": waits()}, [], other={"Ask": task()}).run())
    described = execution.output
    assert (described["Status"], described["Name"], described["Output"], described["Input"]) == (
        "SUCCEEDED", "inner", {"n": 1}, {"n": 1},
    )  # fmt: skip
    scheduled = next(event for event in execution.events if event["type"] == "TaskScheduled")
    assert scheduled["taskScheduledEventDetails"]["resource"] == "startExecution.sync:2"


def test_an_inner_execution_that_fails_fails_the_task_with_its_description() -> None:
    execution = asyncio.run(Play({"Wait": waits()}, [], fails(1), other={"Ask": task()}).run())
    assert (execution.status, execution.error) == ("FAILED", "States.TaskFailed")
    assert json.loads(str(execution.cause))["Error"] == "Broken"


def test_an_inner_execution_that_is_there_already_is_an_error_to_catch() -> None:
    async def story() -> Execution:
        play = Play({"Wait": waits()}, [], other={"Ask": task()})
        await play.engine.ended(play.engine.start(OTHER, "inner", "{}"))
        return await play.run()

    assert asyncio.run(story()).error == "StepFunctions.ExecutionAlreadyExistsException"


@pytest.mark.parametrize("stop", [True, False])
def test_who_stops_waiting_stops_the_inner_execution(stop: bool) -> None:
    async def story() -> tuple[Execution, Execution]:
        play = Play(
            {"Wait": waits(TimeoutSeconds=60 if stop else 1)}, [], lambda _: asyncio.Event().wait(), other={"A": task()}
        )
        execution = play.start()
        await until(lambda: bool(play.asked))
        if stop:
            play.engine.stop(execution.arn, None, None)
            await asyncio.sleep(0.01)
        else:
            await play.engine.ended(execution)
        return execution, play.engine.find(f"{OTHER.replace('stateMachine', 'execution')}:inner")

    execution, inner = asyncio.run(story())
    assert (execution.status, inner.status) == ("ABORTED" if stop else "FAILED", "ABORTED")


@pytest.mark.parametrize(
    ("states", "action", "resource"),
    [
        ({"Ask": task()}, "lambda:InvokeFunction", FUNCTION),
        ({"Wait": waits()}, "states:StartExecution", OTHER),
        ({"Wait": waits()}, "states:StopExecution", f"{OTHER.replace('stateMachine', 'execution')}:*"),
        ({"Rows": rows()}, "states:StartExecution", MACHINE),
        ({"Rows": rows()}, "lambda:InvokeFunction", FUNCTION),
    ],
)
def test_a_machine_may_do_what_its_role_allows(states: dict[str, Any], action: str, resource: str) -> None:
    asked = []

    def permit(machine: str, *act: str) -> bool:
        assert machine == MACHINE, "a map's executions act under the role of the map's machine"
        asked.append(act)
        return act != (action, resource)

    play = Play(states, rows_of(1), permit=permit)
    execution = asyncio.run(play.run())
    assert (action, resource) in asked
    assert execution.error in ("States.Permissions", "States.ExceedToleratedFailureThreshold")
    assert play.asked == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"ItemProcessor": rows()["ItemProcessor"] | {"ProcessorConfig": {"Mode": "INLINE"}}}, "not a Distributed Map"),
        ({"ItemReader": rows()["ItemReader"] | {"ReaderConfig": {"InputType": "CSV"}}}, "it takes JSONL"),
        ({"ResultWriter": {"WriterConfig": {}}}, "WriterConfig"),
        ({"Label": "a row"}, "Label"),
        ({"ItemBatcher": {}}, "ItemBatcher"),
        ({"ItemProcessor": rows()["ItemProcessor"] | {"StartAt": "Nowhere"}}, "M/row goes on to 'Nowhere'"),
        (
            {"ItemProcessor": rows()["ItemProcessor"] | {"StartAt": "A", "States": {"A": task(Resource="arn:aws:x")}}},
            "Resource that is not known",
        ),
    ],
)
def test_a_map_that_is_not_known_is_refused(change: dict[str, Any], word: str) -> None:
    with pytest.raises(CloudError, match=word):
        Play({"Rows": rows(**change)}, [])


def test_a_map_needs_its_parts() -> None:
    with pytest.raises(CloudError, match="no ResultWriter"):
        Play({"Rows": {name: value for name, value in rows().items() if name != "ResultWriter"}}, [])

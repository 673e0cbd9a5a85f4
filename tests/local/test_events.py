"""EventBridge, as far as state machines put events on its default bus."""

import asyncio
import json
from typing import Any

import pytest

from local.cloud.errors import ApiError
from local.cloud.machines.events import Bus, Event
from local.cloud.machines.execution import MAX_BYTES, Execution
from tests.local.test_machine import MACHINE, engine

EVENT = {"Source": "test", "DetailType": "Told", "Detail": {"n": 1}}


def put(*entries: dict[str, Any], **more: Any) -> tuple[Execution, list[Event]]:
    """An execution that puts entries on the bus, and what is on it then."""

    async def to_the_end() -> tuple[Execution, list[Event]]:
        arguments = {"Entries": list(entries), **more}
        state = {"Type": "Task", "Resource": "arn:aws:states:::events:putEvents", "Arguments": arguments, "End": True}
        machine = engine({"Put": state})
        execution = machine.start(MACHINE, "one", "{}")
        while execution.status == "RUNNING":
            await asyncio.sleep(0.001)
        return execution, machine.bus.events

    return asyncio.run(to_the_end())


def test_events_are_put_on_the_bus_with_whose_they_are() -> None:
    execution, (first, second) = put(EVENT, {**EVENT, "Detail": '{"n": 2}', "Resources": ["mine"]})
    assert (first.source, first.detail_type, first.detail, first.time) == ("test", "Told", {"n": 1}, 1_000_000.0)
    assert first.resources == (execution.arn, MACHINE)
    assert (second.detail, second.resources) == ({"n": 2}, ("mine", execution.arn, MACHINE))
    ids = [{"EventId": first.id}, {"EventId": second.id}]
    assert execution.output == {"Entries": ids, "FailedEntryCount": 0}
    scheduled = next(event for event in execution.events if event["type"] == "TaskScheduled")
    assert scheduled["taskScheduledEventDetails"]["resource"] == "putEvents"


@pytest.mark.parametrize("wrong", [{"Detail": "words"}, {"Detail": "[1]"}, {"Detail": ""}, {"Source": ""}])
def test_one_entry_that_is_not_taken_fails_the_state(wrong: dict[str, Any]) -> None:
    execution, events = put(EVENT, {**EVENT, **wrong})
    assert (execution.status, execution.error) == ("FAILED", "EventBridge.FailedEntry")
    assert json.loads(str(execution.cause))["FailedEntryCount"] == 1
    assert len(events) == 1


@pytest.mark.parametrize(
    ("entries", "more", "error"),
    [
        ([EVENT] * 11, {}, "EventBridge.ValidationException"),
        ([], {}, "EventBridge.ValidationException"),
        ([{**EVENT, "EventBusName": "another"}], {}, "EventBridge.ValidationException"),
        ([{**EVENT, "Detail": {"n": "x" * (MAX_BYTES // 2)}}] * 2, {}, "States.DataLimitExceeded"),
        ([EVENT], {"EndpointId": "here"}, "States.Runtime"),
    ],
)
def test_a_request_that_is_not_known_or_too_large_puts_nothing(
    entries: list[dict[str, Any]], more: dict[str, Any], error: str
) -> None:
    execution, events = put(*entries, **more)
    assert (execution.status, execution.error, events) == ("FAILED", error, [])


def test_what_is_in_a_request_is_counted_with_the_names_that_are_added() -> None:
    async def put(size: int) -> Any:
        execution = Execution("arn", MACHINE, "one", "{}", 0)
        return await Bus(lambda: 0.0).put([{**EVENT, "Detail": json.dumps({"n": "x" * size})}], execution)

    room = MAX_BYTES - len('testTold{"n": ""}')
    assert asyncio.run(put(room))["FailedEntryCount"] == 0
    with pytest.raises(ApiError, match="over the limit"):
        asyncio.run(put(room + 1))

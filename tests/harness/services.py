"""
AWS, as the handlers meet it: moto behind hooks in boto3 that make each call an effect, and Step Functions and
EventBridge as the local cloud has them.
"""

import json
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from botocore.retries.quota import RetryQuota
from botocore.useragent import UserAgentString
from moto.core.botocore_stubber import MockRawResponse
from moto.core.models import botocore_stubber
from moto.core.serialize import BaseJSONSerializer

from darkroom import aws
from local.cloud.errors import ApiError
from local.cloud.machines.events import Bus, Entry
from local.cloud.machines.execution import Execution
from tests.harness.invocation import Invocation, current
from tests.harness.mishaps import Mishap

#: Seconds that the SDK waits before it repeats a call whose reply it has not got. Its own are a matter of chance.
SDK_PAUSE = 1.0
WRITES = ("before-send.dynamodb.PutItem", "before-send.dynamodb.UpdateItem")


class Watched(Protocol):
    """Who wants to know of effects, and runs state machines."""

    def reach(self, invocation: Invocation, name: str) -> Mishap | None:
        """An effect is about to happen. What will be wrong with its reply; raises Killed."""

    def written(self, invocation: Invocation) -> None:
        """A table has been written to."""

    def start_execution(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Step Functions' StartExecution. Raises ApiError."""

    def seconds(self) -> float:
        """What time it is, s since 1970."""

    async def reach_from(self, execution: Execution, name: str) -> Mishap | None:
        """As `reach`, of an effect that a state machine has by itself: who is killed is the execution."""

    async def abort(self, execution: Execution) -> None:
        """End an execution, from within it."""

    def ended(self, task_id: str) -> bool:
        """Whether a task's end is on record."""


class EventBridge(Bus):
    """The default bus. `early` are tasks that were announced before their end was on record."""

    def __init__(self, watched: Watched) -> None:
        super().__init__(watched.seconds)
        self._watched = watched
        self.early = set[str]()

    async def put(self, entries: list[Entry], by: Execution) -> dict[str, Any]:
        fate = await self._watched.reach_from(by, "events.PutEvents")
        if fate is Mishap.OUT_OF_REACH:
            raise ApiError("InternalException", "It could not be reached.", 500)
        result = await super().put(entries, by)
        told = (event.detail["prediction"]["id"] for event in self.events)
        self.early |= {task_id for task_id in told if not self._watched.ended(task_id)}
        match fate:
            case Mishap.KILLED_AFTER:
                await self._watched.abort(by)
            case Mishap.REPLY_LOST:
                raise ApiError("InternalException", "Its answer was lost.", 500)
        return result


class Services:
    """The hooks, for as long as a world exists."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._fates: dict[Invocation, Mishap | None] = {}

    @contextmanager
    def installed(self) -> Iterator[None]:
        clients: tuple[Any, ...] = (aws.dynamodb(), aws.s3(), aws.ssm(), aws.stepfunctions())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(botocore.endpoint, "time", types.SimpleNamespace(sleep=_sleep))
            # The SDK stops repeating when it has done so too often; that must not depend on worlds before this one.
            patch.setattr(RetryQuota, "acquire", lambda *_: True)
            quickly = _as_it_is(BaseJSONSerializer._serialize_type_map)
            patch.setattr(BaseJSONSerializer, "_serialize_type_map", quickly)
            moto: Any = botocore_stubber
            patch.setattr(UserAgentString, "to_string", lambda _: "harness")  # a tenth of a call's time
            aws.stepfunctions().meta.events.unregister("before-send", moto)
            for client in clients:
                client.meta.events.register_first("before-send", self._before)
                client.meta.events.register_last("before-send", self._after)
            try:
                yield
            finally:
                for client in clients:
                    client.meta.events.unregister("before-send", self._before)
                    client.meta.events.unregister("before-send", self._after)
                aws.stepfunctions().meta.events.register("before-send", moto)

    def _before(self, request: Any, event_name: str, **_more: Any) -> AWSResponse | None:
        invocation = current()
        if invocation is None:
            return None
        _, service, operation = event_name.split(".")
        fate = self._watched.reach(invocation, f"{service}.{operation}")
        if fate is Mishap.OUT_OF_REACH:
            raise ConnectTimeoutError(endpoint_url=request.url)
        self._fates[invocation] = fate
        if operation != "StartExecution":
            return None
        parameters = json.loads(request.body)
        return _answer(request, lambda: invocation.outside(lambda: self._watched.start_execution(parameters)))

    def _after(self, request: Any, event_name: str, **_more: Any) -> None:
        invocation = current()
        if invocation is None:
            return
        if event_name in WRITES:
            self._watched.written(invocation)
        match self._fates.pop(invocation, None):
            case Mishap.KILLED_AFTER:
                invocation.kill()
            case Mishap.REPLY_LOST:
                raise ReadTimeoutError(endpoint_url=request.url)


def _as_it_is(slowly: Callable[..., None]) -> Callable[..., None]:
    """moto goes through each member of each value of an item, which has the form that goes over the wire already."""

    def serialize(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.value.name == "AttributeValue":
            serialized[key] = value
        else:
            slowly(self, serialized, value, shape, key)

    return serialize


def _sleep(_: float) -> None:
    if invocation := current():
        invocation.pause(SDK_PAUSE)


def _answer(request: Any, work: Callable[[], dict[str, Any]]) -> AWSResponse:
    document: dict[str, Any]
    try:
        status, document = 200, work()
    except ApiError as error:
        status, document = error.status, {"__type": error.code, "message": str(error)}
    raw: Any = MockRawResponse(json.dumps(document))
    head: Any = {"content-type": "application/x-amz-json-1.0"}
    return AWSResponse(request.url, status, head, raw)

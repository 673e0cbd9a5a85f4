"""
A stack in virtual time: its callers, its driver and its sweeper, until everything is quiet.

The handlers are the real ones, the state machines are those of statemachines/, run by the local cloud's interpreter;
the tables and buckets are moto's. Whoever is killed is repeated as AWS would repeat it: by the state machine's Retry,
by the sweeper a minute later, by a caller who has not got an answer.
"""

import asyncio
import contextlib
import importlib
import io
import json
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from darkroom import catalogue, clock, task
from darkroom.task import Status
from local.cloud.machines.api import StepFunctions
from local.cloud.machines.engine import Engine
from local.cloud.machines.execution import Execution
from local.simulator.simulator import Simulator
from tests.conftest import ROOT, WEBHOOK_SECRET, Context, Event, event
from tests.harness import virtual
from tests.harness.invocation import Invocation, Killed, current
from tests.harness.mishaps import CALM, Effect, Fortune, Mishap
from tests.harness.network import Network
from tests.harness.orders import Order, Reply
from tests.harness.services import EventBridge, Services
from tests.harness.stack import FUNCTION, Stack

#: When every world begins, ms since 1970.
BEGINNING = 1_795_176_000_000
#: How long a world may take to become quiet, s: a receiver may be offered a webhook for 28 hours.
PATIENCE = 40 * 3600.0
#: How often somebody may have to be rescued.
SWEEPS = 100
#: How often the SDK tries.
SDK_TRIES = 4
CATALOGUE = ROOT / "layers/core/darkroom/catalogue.toml"


@dataclass(frozen=True)
class Change:
    """A write to a task: when (s), by whom, and the item after it."""

    at: float
    by: Invocation
    item: dict[str, Any]


class World:
    """
    One story. `fortune` decides what goes wrong; `gateways` are those whose keys are here; `seed` decides all else that
    is left to chance.
    """

    def __init__(
        self,
        stack: Stack,
        fortune: Fortune = CALM,
        *,
        gateways: tuple[str, ...] = ("vectornode",),
        seed: int = 0,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.stack, self.fortune, self.trace = stack, fortune, trace
        self.chance = random.Random(seed)
        self.seed = seed
        self.effects = list[Effect]()
        self.replies = list[Reply]()
        self.history = dict[str, list[Change]]()
        self.failures = list[str]()
        self.orders = list[Order]()
        self.log = io.StringIO()
        known = catalogue.catalogue().gateways
        self.keys = {name: f"secret-key-of-{name}" for name in gateways}
        hosts = {self.keys[name]: known[name].url.removeprefix("https://") for name in gateways}
        self.network = Network(self, WEBHOOK_SECRET, hosts)
        self.simulator: Simulator
        self.loop: virtual.VirtualLoop
        self.engine: Engine
        self.bus: EventBridge
        self._busy = self._sweeps = 0

    # ---- Telling a story -----------------------------------------------------------------------------------------

    def run(self, story: Callable[["World"], Any]) -> "World":
        """Let the story happen, and everything that follows from it."""
        self.stack.emptied(self.keys)
        with self._installed():
            self.loop = virtual.VirtualLoop()
            self.bus = EventBridge(self)
            self.engine = Engine(self._invoke_for_task, self.seconds, asyncio.sleep, self.bus)
            for name, definition in self.stack.machines.items():
                self.engine.add(self.stack.arn(name), definition)
            self.simulator = Simulator(
                seed=self.seed,
                keys=tuple(self.keys.values()),
                catalogue=CATALOGUE,
                clock=self.loop.time,
                sleep=self.network.sleep,
                wall=lambda: BEGINNING * 1_000_000,
            )
            self.network.simulator = self.simulator
            virtual.run(self._whole(story), self.loop)
        return self

    async def ask(self, order: Order) -> Reply:
        """Submit an order, once."""
        if order not in self.orders:
            self.orders.append(order)
        return await self._called("submit", order.event, order)

    async def insist(self, order: Order, pause: float = 5.0, tries: int = 4) -> Reply:
        """Submit an order until there is an answer that says something."""
        for _ in range(tries):
            reply = await self.ask(order)
            if reply.status is not None and reply.status < 500:
                break
            await asyncio.sleep(pause)
        return reply

    async def cancel(self, order: Order) -> Reply:
        task_id = task.name(order.tenant, order.key)
        path = f"/v1/predictions/{task_id}/cancel"
        sent = event("tasks", routeKey="POST /v1/predictions/{task_id}/cancel", rawPath=path)
        sent["requestContext"]["http"] |= {"method": "POST", "path": path}
        sent["pathParameters"] = {"task_id": task_id}
        sent["requestContext"]["authorizer"]["lambda"]["tenant"] = order.tenant
        return await self._called("tasks", sent, order)

    async def call(self, function: str, payload: Any) -> Any:
        """What a function answers. Raises what it raises, and Killed."""
        return await self._lived(self._begun(function, payload))

    def start(self, machine: str, name: str, document: dict[str, Any]) -> None:
        """Start an execution that nobody should have started."""
        self.engine.start(self.stack.arn(machine), name, json.dumps(document))

    # ---- What others look at -------------------------------------------------------------------------------------

    def item(self, task_id: str) -> dict[str, Any]:
        """A task as DynamoDB has it, in its own JSON."""
        item: dict[str, Any] = self.stack.tasks()[task_id].to_json()["Attributes"]
        return item

    def task_ids(self) -> list[str]:
        return list(self.stack.tasks())

    def files(self) -> dict[str, bytes]:
        """What lies in the images bucket."""
        return self.stack.files()

    def ended(self, task_id: str) -> bool:
        return Status(self.item(task_id)["status"]["S"]).terminal

    # ---- What the hooks tell, and ask ----------------------------------------------------------------------------

    def seconds(self) -> float:
        return BEGINNING / 1000 + self.loop.time()

    def reach(self, invocation: Invocation, name: str) -> Mishap | None:
        effect = self._met(invocation.function, name)
        invocation.pause(self.fortune.latency(effect))
        mishap = self._befalls(effect)
        # The SDK tries four times; only then does the handler get to know.
        invocation.setbacks = invocation.setbacks + 1 if mishap and not name.startswith("http.") else 0
        invocation.disturbed = invocation.disturbed or invocation.setbacks >= SDK_TRIES
        if mishap is Mishap.KILLED_BEFORE:
            invocation.kill()
        return mishap

    async def reach_from(self, execution: Execution, name: str) -> Mishap | None:
        """The same, of an effect that a state machine has by itself: who is killed is the execution."""
        effect = self._met("machine", name)
        await asyncio.sleep(self.fortune.latency(effect))
        mishap = self._befalls(effect)
        if mishap is Mishap.KILLED_BEFORE:
            await self.abort(execution)
        return mishap

    async def abort(self, execution: Execution) -> None:
        """End an execution here and now; called from within it."""
        self.engine.stop(execution.arn, None, None)
        await asyncio.sleep(0)

    def written(self, invocation: Invocation) -> None:
        for task_id, row in self.stack.tasks().items():
            known = self.history.setdefault(task_id, [])
            item = row.to_json()["Attributes"]
            if not known or known[-1].item != item:
                known.append(Change(self.loop.time(), invocation, item))

    def start_execution(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return StepFunctions(self.engine).start(parameters)

    # ---- How it works --------------------------------------------------------------------------------------------

    def _met(self, who: str, name: str) -> Effect:
        effect = Effect(len(self.effects), self.loop.time(), who, name)
        self.effects.append(effect)
        return effect

    def _befalls(self, effect: Effect) -> Mishap | None:
        mishap = self.fortune.befalls(effect)
        if self.trace:
            self.trace(f"{effect}{f'  << {mishap.value}' if mishap else ''}")
        return mishap

    @contextlib.contextmanager
    def _installed(self) -> Iterator[None]:
        chance = random.Random(f"nonces of {self.seed}")
        random.seed(self.seed)  # the state machines' jitter
        with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
            for name, value in self.stack.environment.items():
                patch.setenv(name, value)
            patch.setattr(clock, "now", lambda: BEGINNING + round(self.loop.time() * 1000))
            patch.setattr(clock, "sleep", _pause)
            patch.setattr(clock, "chance", chance.random)
            patch.setattr(clock, "nonce", lambda: f"{chance.getrandbits(128):032x}")
            stack.enter_context(_logged(self.log))
            stack.enter_context(Services(self).installed())
            stack.enter_context(self.network.installed())
            yield

    async def _whole(self, story: Callable[["World"], Any]) -> None:
        told = asyncio.ensure_future(story(self))
        while True:
            await asyncio.sleep(60 - self.loop.time() % 60)
            if self._overdue():
                self._sweeps += 1
                with contextlib.suppress(Exception, Killed):
                    await self.call("sweep", event("sweep"))
            if told.done() and self._quiet():
                break
            if self.loop.time() > PATIENCE or self._sweeps > SWEEPS:
                self.failures.append("it never became quiet")
                break
        await told

    def _overdue(self) -> bool:
        """Whether a sweep would find anything: when it would not, there is no need to have it look."""
        now = clock.now()
        return any("due" in row.attrs and int(row.attrs["due"].value) < now for row in self._rows())

    def _quiet(self) -> bool:
        """Whether nothing will ever happen again."""
        running = any(one.status == "RUNNING" for one in self.engine.executions.values())
        return not self._busy and not running and not any("due" in row.attrs for row in self._rows())

    def _rows(self) -> Any:
        return self.stack.tasks().values()

    def _begun(self, function: str, payload: Any) -> Invocation:
        module = importlib.import_module(function)
        lifetime = self.stack.lifetimes[function]
        end = clock.now() + round(lifetime * 1000)
        context = _Context(function_name=function, end=end)
        return Invocation(function, lambda: module.handler(json.loads(json.dumps(payload)), context))

    async def _lived(self, invocation: Invocation) -> Any:
        self._busy += 1
        try:
            return await invocation.run(self.stack.lifetimes[invocation.function])
        finally:
            self._busy -= 1

    async def _called(self, function: str, sent: Event, order: Order) -> Reply:
        invocation = self._begun(function, sent)
        reply = Reply(order, None, {})
        try:
            answer = await self._lived(invocation)
            reply = Reply(order, answer["statusCode"], json.loads(answer["body"]))
        except Killed:
            pass
        except Exception as error:  # every error has an answer
            self.failures.append(f"{function} raised {error!r}")
        if reply.status is not None and reply.status >= 500 and not invocation.disturbed:
            self.failures.append(f"{function} answered {reply.status}, and AWS was there: {reply.document}")
        self.replies.append(reply)
        return reply

    async def _invoke_for_task(self, name: str, payload: bytes) -> tuple[bytes, str | None]:
        try:
            answer = await self.call(name.removeprefix(FUNCTION), json.loads(payload))
            return json.dumps(answer).encode(), None
        except Killed:
            failure = {"errorType": "Sandbox.Timedout", "errorMessage": "killed"}
        except Exception as error:
            failure = {"errorType": type(error).__name__, "errorMessage": str(error)}
        return json.dumps(failure).encode(), "Unhandled"


@dataclass
class _Context(Context):
    """What Lambda hands to a handler: its time is running out."""

    end: int = 0

    def get_remaining_time_in_millis(self) -> int:
        return self.end - clock.now()


def _pause(seconds: float) -> None:
    """Let virtual time pass for the invocation that asks for it."""
    invocation = current()
    assert invocation, "only handlers wait"
    invocation.pause(seconds)


@contextlib.contextmanager
def _logged(log: io.StringIO) -> Iterator[None]:
    """All that the handlers log, and all that they print (metrics), goes here."""
    handlers = [
        handler
        for name in list(logging.Logger.manager.loggerDict)
        for handler in logging.getLogger(name).handlers
        if isinstance(handler, logging.StreamHandler)
    ]
    before = [handler.setStream(log) for handler in handlers]
    try:
        with contextlib.redirect_stdout(log):
            yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            if stream is not None:
                handler.setStream(stream)

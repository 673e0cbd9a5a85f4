"""
A stack in virtual time that makes tasks and is metered while it does: tests/harness's world, with the time that
everything takes on its way in it.
"""

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from benchmarks.bill.meter import Meter, Units
from darkroom import inquiry, tenants
from local.cloud.machines.execution import Execution
from local.simulator import pictures
from tests.conftest import event
from tests.harness.invocation import Invocation
from tests.harness.mishaps import Effect, Mishap
from tests.harness.orders import Order
from tests.harness.stack import FUNCTION, Stack
from tests.harness.world import World

MODEL = "black-forest-labs/flux-schnell"
#: Tasks that are made first, and not looked at, so that the route's durations are known.
LEARNING = 100
#: Seconds that the textbook's loop waits between two questions.
TEXTBOOK_S = 5
#: Seconds for which the API keeps what the authorizer has said of a caller (template.yaml).
AUTHORIZED_S = 60
#: What is asked for, beside its number.
WORDS = (
    "a studio photograph of a ceramic mug on a weathered oak table, morning light from a window on the left, shallow "
    "depth of field, steam, muted colours, 50 mm lens, no text"
)

#: Seconds until an effect happens, by the beginning of its name, the longest that fits: not measured, but assumed.
LATENCIES = {
    "http.": 0.24,  # three round trips of 80 ms: a connection, TLS, the request
    "http.download": 0.6,  # and one or two MB
    "dynamodb.": 0.005,
    "s3.": 0.03,
    "ssm.": 0.015,
    "sfn.": 0.03,
    "events.": 0.03,
}
#: Seconds that Step Functions takes for one turn of the loop beyond its wait, or to get to another function: assumed.
TURN_S = 0.3


@dataclass
class Work:
    """One invocation. Seconds: `processor` of this machine's, `elapsed` of virtual time, `waited` for others in it."""

    function: str
    processor: float = 0.0
    elapsed: float = 0.0
    waited: float = 0.0


@dataclass
class Story:
    """What came of the tasks that were looked at. lags: of each success, s from the gateway's last
    word to our knowing it."""

    tasks: int
    counts: Units
    works: list[Work]
    executions: list[Execution]
    questions: int
    lags: list[float]
    logged: int
    items: list[dict[str, Any]]
    endings: Counter[str] = field(default_factory=Counter)


class _Ways:
    """Nothing goes wrong, and everything takes its time."""

    def latency(self, effect: Effect, /) -> float:
        return LATENCIES[max((each for each in LATENCIES if effect.name.startswith(each)), key=len)]

    def befalls(self, _: Effect) -> Mishap | None:
        return None


class Rehearsal(World):
    """`textbook`: whether its loop always waits TEXTBOOK_S, and never holds a question back within a function."""

    def __init__(self, stack: Stack, *, seed: int, textbook: bool) -> None:
        super().__init__(stack, _Ways(), seed=seed)
        self.meter = Meter()
        self.works = dict[Invocation, Work]()
        self._textbook = textbook
        self._authorized = -math.inf
        self._key = ""

    def told(self, median: float, tasks: int) -> Story:
        """Have so many tasks made, which take the gateway `median` s."""
        story: list[Story] = []

        async def whole(_: World) -> None:
            self._key = tenants.make_key("default")
            self._slow_down(median)
            await self._learn()
            began, logged, questions = self.seconds(), len(self.log.getvalue()), self._questions()
            self.works.clear()
            self.meter.running = True
            await self._make(range(LEARNING, LEARNING + tasks))
            self.meter.running = False
            story.append(self._looked_at(began, logged, questions))

        with self.meter.installed(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(pictures, "draw", _drawn)
            patch.setenv("POWERTOOLS_SERVICE_NAME", "darkroom")
            if self._textbook:
                patch.setattr(inquiry, "STAY_MS", 0)
            self.run(whole)
        if self.failures:
            raise SystemExit("\n".join(self.failures))
        return story[0]

    def alone(self, function: str, payload: Any) -> tuple[Work, Units]:
        """One invocation of a warm function, where nothing else happens."""

        async def twice(_: World) -> None:
            await self.call(function, payload)
            self.works.clear()
            self.meter.running = True
            await self.call(function, payload)

        with self.meter.installed():
            self.run(twice)
        (work,) = self.works.values()
        return work, self.meter.counts

    # ---- What the harness tells, and asks ------------------------------------------------------------------------

    def written(self, invocation: Invocation) -> None:
        """Nobody will ask what the tasks were like in between."""

    def reach(self, invocation: Invocation, name: str) -> Mishap | None:
        began = self.loop.time()
        mishap = super().reach(invocation, name)
        self.works[invocation].waited += self.loop.time() - began
        return mishap

    def start_execution(self, parameters: dict[str, Any]) -> dict[str, Any]:
        step = json.loads(parameters["input"])
        return super().start_execution({**parameters, "input": json.dumps(self._timed(step))})

    def _begun(self, function: str, payload: Any) -> Invocation:
        invocation = super()._begun(function, payload)
        self.works[invocation] = Work(function)
        invocation._work = self._measured(invocation, invocation._work)
        return invocation

    async def _lived(self, invocation: Invocation) -> Any:
        began = self.loop.time()
        try:
            return await super()._lived(invocation)
        finally:
            self.works[invocation].elapsed = self.loop.time() - began

    async def _invoke_for_task(self, name: str, payload: bytes) -> tuple[bytes, str | None]:
        await asyncio.sleep(TURN_S)
        answer, error = await super()._invoke_for_task(name, payload)
        if name == f"{FUNCTION}poll" and not error:
            answer = json.dumps(self._timed(json.loads(answer))).encode()
        return answer, error

    # ---- How it works --------------------------------------------------------------------------------------------

    def _timed(self, step: dict[str, Any]) -> dict[str, Any]:
        """A step that is to wait, as the textbook has it."""
        if not self._textbook or step.get("next", "wait") != "wait":
            return step
        return {**step, "wait": TEXTBOOK_S, "at": 0}

    def _measured(self, invocation: Invocation, work: Callable[[], Any]) -> Callable[[], Any]:
        def measured() -> Any:
            began = time.thread_time()
            try:
                return work()
            finally:
                spent = time.thread_time() - began - self.meter.theirs[invocation]
                self.works[invocation].processor = spent

        return measured

    def _slow_down(self, median: float) -> None:
        """Have jobs run for `median` s. What the gateway does is nobody's work whom we pay."""
        create, exchange = self.simulator.jobs.create, self.network.exchange

        def slowly(*names: Any, **more: Any) -> Any:
            return create(*names, **{**more, "median_seconds": median})

        def aside(request: Any, place: Any) -> Any:
            with self.meter.aside():
                return exchange(request, place)

        self.simulator.jobs.create = slowly  # type: ignore[method-assign]
        self.network.exchange = aside  # type: ignore[method-assign]

    async def _learn(self) -> None:
        """
        Have the tasks made that are not looked at. The textbook learns nothing from them, so that there are only their
        jobs, for the gateway to draw the same durations for those that follow.
        """
        if not self._textbook:
            await self._make(range(LEARNING))
            return
        for number in range(LEARNING):
            self.simulator.jobs.create(
                f"before-{number}", model="", prompt="", inputs={}, outputs=(), key="", median_seconds=1
            )

    async def _make(self, numbers: range) -> None:
        """One task a second, each by its own order, until all of them are over."""
        orders = [asyncio.ensure_future(self._ordered(number, number - numbers.start)) for number in numbers]
        await asyncio.gather(*orders)
        while any(each.status == "RUNNING" for each in self.engine.executions.values()):
            await asyncio.sleep(1)

    async def _ordered(self, number: int, second: float) -> None:
        await asyncio.sleep(second)
        if self.loop.time() >= self._authorized + AUTHORIZED_S:
            self._authorized = self.loop.time()
            await self.call("authorize", event("authorize", headers={"authorization": f"Bearer {self._key}"}))
        await self.ask(Order(number, MODEL, words=WORDS))

    def _questions(self) -> int:
        return sum(effect.name == "http.question" for effect in self.effects)

    def _looked_at(self, began: float, logged: int, questions: int) -> Story:
        items = [self.item(task_id) for task_id in self.task_ids()]
        items = [each for each in items if int(each["created"]["N"]) / 1000 >= began]
        ended = {job.id: job.ended for job in self.simulator.jobs.newest_first()}
        start = self.seconds() - self.loop.time()
        good = [each for each in items if each["status"]["S"] == "succeeded"]
        lags = [int(each["answered"]["N"]) / 1000 - start - ended[each["ticket"]["S"]] for each in good]
        return Story(
            tasks=len(items),
            counts=self.meter.counts,
            works=list(self.works.values()),
            executions=[each for each in self.engine.executions.values() if each.started >= began],
            questions=self._questions() - questions,
            lags=lags,
            logged=len(self.log.getvalue().encode()) - logged,
            items=items,
            endings=Counter(each["status"]["S"] for each in items),
        )


@cache
def _file(width: int, height: int, kind: pictures.Format) -> bytes:
    return _draw(pictures.Sketch(WORDS, width, height, kind))


def _drawn(sketch: pictures.Sketch) -> bytes:
    """The same picture for all, drawn once: that takes long, and is not what is measured."""
    return _file(sketch.width, sketch.height, sketch.format)


_draw = pictures.draw

"""
Random stories: callers that repeat and cancel, drivers that nobody should have started, calls that stall, get lost or
never come back, outages of AWS, a gateway that lies, a receiver that sulks. A seed tells the same story every time.
"""

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass, field
from typing import Any

from darkroom import task
from tests.conftest import event
from tests.harness.expected import ALWAYS, Expected, expected
from tests.harness.invariants import violations
from tests.harness.invocation import Killed
from tests.harness.mishaps import Effect, Mishap
from tests.harness.network import REBOUND, RECEIVER
from tests.harness.orders import Order
from tests.harness.stack import Stack
from tests.harness.world import World

#: Seconds after which nothing goes wrong any more, so that everything can come to its end.
CALM_AFTER = 600.0
#: Gateways whose keys are there, the dialect that orders are then made in, and the models that are asked for.
HOUSES: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = (
    (("vectornode",), "replicate", ("google/imagen-4-fast", "black-forest-labs/flux-schnell")),
    (("replicate",), "replicate", ("google/imagen-4-fast", "black-forest-labs/flux-schnell")),
    (("fal",), "fal", ("fal-ai/imagen4/preview/fast", "google/nano-banana")),
    (("google",), "gemini", ("google/nano-banana",)),
    (("openai",), "openai", ("openai/gpt-image-2",)),
    (("vectornode", "replicate", "tokaify", "fal"), "any", ("google/imagen-4-fast",)),
)
SERVICES = ("dynamodb", "s3", "ssm", "sfn", "events")
#: How likely it is that something is wrong with an effect: most stories are of one bad day, some of none.
ODDS = (0.0, 0.005, 0.02, 0.06)


@dataclass(frozen=True)
class Caller:
    """Asks for an order at `starts`, again at `repeats`, and wants to be rid of it at `cancels` (s)."""

    order: Order
    starts: float
    repeats: tuple[float, ...]
    cancels: float | None


@dataclass(frozen=True)
class Stray:
    """At `at` (s), somebody who should not be there visits a task."""

    at: float
    function: str
    order: Order
    turn: int


@dataclass(frozen=True)
class Outage:
    """A service of AWS that cannot be reached for a while (s)."""

    service: str
    begins: float
    ends: float


@dataclass(frozen=True)
class Schedule:
    seed: int
    gateways: tuple[str, ...]
    callers: tuple[Caller, ...]
    strays: tuple[Stray, ...]
    outages: tuple[Outage, ...]
    faults: tuple[Expected, ...]
    times: tuple[int, ...]
    manners: tuple[int | None, ...]
    odds: float
    excuses: frozenset[str] = field(default=frozenset())

    def told(self, stack: Stack, **world: Any) -> World:
        """What happens."""
        made = World(stack, Storm(self), gateways=self.gateways, seed=self.seed, **world)
        made.network.manners = list(self.manners)
        return made.run(self._story)

    def violations(self, stack: Stack) -> list[str]:
        return violations(self.told(stack), self.excuses)

    async def _story(self, world: World) -> None:
        for fault, times in zip(self.faults, self.times, strict=True):
            world.simulator.script({"fault": fault.fault, "step": fault.step, "times": times})
        async with asyncio.TaskGroup() as group:
            for caller in self.callers:
                group.create_task(_asks(world, caller))
            for stray in self.strays:
                group.create_task(_strays(world, stray))


class Storm:
    """Misfortune by chance."""

    def __init__(self, schedule: Schedule) -> None:
        self._chance = random.Random(f"storm {schedule.seed}")
        self._odds, self._outages = schedule.odds, schedule.outages

    def latency(self, effect: Effect) -> float:
        if effect.at < CALM_AFTER and self._chance.random() < self._odds:
            return self._chance.uniform(0.5, 20.0)
        return self._chance.uniform(0.001, 0.02)

    def befalls(self, effect: Effect) -> Mishap | None:
        if effect.at > CALM_AFTER:
            return None
        service = effect.name.partition(".")[0]
        if any(one.service == service and one.begins <= effect.at < one.ends for one in self._outages):
            return Mishap.OUT_OF_REACH
        if self._chance.random() < self._odds:
            return self._chance.choice(list(Mishap))
        return None


def schedule(seed: int) -> Schedule:
    """The story of a seed."""
    chance = random.Random(f"schedule {seed}")
    gateways, dialect, models = chance.choice(HOUSES)
    odds = chance.choice(ODDS)
    orders = [_order(chance, number, models) for number in range(1, chance.choice((1, 1, 1, 2)) + 1)]
    callers = tuple(_caller(chance, order) for order in orders)
    strays = tuple(
        Stray(chance.uniform(0, 200), chance.choice(VISITS), chance.choice(orders), chance.randrange(3))
        for _ in range(chance.choice((0, 0, 1, 2, 4)))
    )
    outages = tuple(_outage(chance) for _ in range(chance.choice((0, 0, 0, 1))))
    known = [
        one
        for one in expected()
        if not one.unlike and one.times != ALWAYS and (dialect == "any" or dialect in one.dialects)
    ]
    faults = tuple(chance.choice(known) for _ in range(chance.choice((0, 0, 1, 1, 2))))
    manners: tuple[int | None, ...] = (*chance.choices((200, 500, 503, 302, None), k=chance.choice((0, 0, 1, 3))), 200)
    return Schedule(
        seed,
        gateways,
        callers,
        strays,
        outages,
        faults,
        tuple(chance.choice((1, 1, 2, 5)) for _ in faults),
        manners,
        odds,
        frozenset(code for fault in faults for code in fault.excuses),
    )


def _order(chance: random.Random, number: int, models: tuple[str, ...]) -> Order:
    model = chance.choice(models)
    more = {"num_outputs": chance.choice((1, 2, 3))} if "schnell" in model else {}
    words = chance.choices(("", "nsfw", "crash"), (10, 1, 1))[0]
    receiver = chance.choices((RECEIVER, REBOUND, None), (16, 1, 3))[0]
    return Order(number, model, more, words, receiver, chance.choice(("default", "other")))


def _caller(chance: random.Random, order: Order) -> Caller:
    repeats = tuple(chance.uniform(0, 60) for _ in range(chance.choice((0, 0, 1, 2))))
    cancels = chance.choice((chance.uniform(0, 30), chance.uniform(0, 1))) if chance.random() < 0.15 else None
    return Caller(order, chance.uniform(0, 20), repeats, cancels)


def _outage(chance: random.Random) -> Outage:
    begins = chance.uniform(0, 60)
    return Outage(chance.choice(SERVICES), begins, begins + chance.choice((3.0, 20.0, 120.0)))


async def _asks(world: World, caller: Caller) -> None:
    async def after(seconds: float, story: Any) -> None:
        await asyncio.sleep(caller.starts + seconds)
        await story()

    async with asyncio.TaskGroup() as group:
        group.create_task(after(0, lambda: world.insist(caller.order)))
        for repeat in caller.repeats:
            group.create_task(after(repeat, lambda: world.ask(caller.order)))
        if caller.cancels is not None:
            group.create_task(after(caller.cancels, lambda: world.cancel(caller.order)))


VISITS = ("poll", "finalize", "deliver", "sweep", "generation", "delivery")


async def _strays(world: World, stray: Stray) -> None:
    """A visit to a task by a driver that is not its own, or by one of long ago."""
    await asyncio.sleep(stray.at)
    task_id = task.name(stray.order.tenant, stray.order.key)
    if stray.function == "sweep":
        with contextlib.suppress(Exception, Killed):
            await world.call("sweep", event("sweep"))
        return
    if task_id not in world.task_ids():
        return
    generation = int(world.item(task_id)["generation"]["N"])
    step = {"v": 1, "task_id": task_id, "generation": generation, "wait": 1, "turn": stray.turn}
    if stray.function in ("deliver", "delivery") and not world.item(task_id)["deliveries"]["L"]:
        return  # the first attempt is made by who has announced the end
    if stray.function in ("generation", "delivery"):
        world.start(stray.function, f"stray-{stray.at}", step)
        return
    if stray.function == "finalize" and world.item(task_id)["status"]["S"] in ("accepted", "submitting", "running"):
        return  # no driver gets there by itself before the last word is known
    with contextlib.suppress(Exception, Killed):
        await world.call(stray.function, json.loads(json.dumps(step)))

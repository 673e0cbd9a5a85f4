"""One task at a gateway that misbehaves as a row of the table (expected.py) says, and what came of it."""

from collections.abc import Iterator
from dataclasses import replace

from tests.harness.expected import ALWAYS, Expected
from tests.harness.invariants import endings, of_money, violations
from tests.harness.orders import Order
from tests.harness.stack import Stack
from tests.harness.world import World

#: The gateway whose key is there, and what is asked for, for each dialect.
ORDERS = {
    "replicate": ("vectornode", Order(1, "black-forest-labs/flux-schnell", {"num_outputs": 2})),
    "fal": ("vectornode", Order(1, "fal-ai/flux/schnell", {"num_images": 2})),
    "gemini": ("google", Order(1, "google/nano-banana")),
    "openai": ("openai", Order(1, "openai/gpt-image-2", {"n": 2})),
}


def surprises(stack: Stack, row: Expected, dialect: str) -> Iterator[str]:
    """Sentences, each about something that is not as the row says, or must not be at all."""
    gateway, order = ORDERS[dialect]

    async def story(world: World) -> None:
        if row.fault == "foreign_id":  # somebody's, then
            await world.insist(replace(order, number=2))
        world.simulator.script({"fault": row.fault, "step": row.step, "times": row.times})
        await world.insist(order)

    world = World(stack, gateways=(gateway,)).run(story)
    if row.times != ALWAYS and len(world.simulator.faults):
        yield "the gateway has not misbehaved"
    if set(endings(world)) != {row.end}:
        yield f"it ended as {dict(endings(world))}"
    if of_money(world)[order.number] != row.charges:
        yield f"it was charged for {of_money(world)[order.number]} times"
    if not row.unlike:
        yield from violations(world, row.excuses)

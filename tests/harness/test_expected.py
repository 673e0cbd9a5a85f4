"""The table of what a misbehaving gateway leads to, row by row, through the whole of the machinery."""

import dataclasses

import pytest

from local.simulator import switches
from tests.harness.expected import ALWAYS, Expected, expected
from tests.harness.invariants import endings, of_money, violations
from tests.harness.world import Order, Stack, World

#: The gateway whose key is there, and what is asked for, for each dialect.
ORDERS = {
    "replicate": ("vectornode", Order(1, "black-forest-labs/flux-schnell", {"num_outputs": 2})),
    "fal": ("vectornode", Order(1, "fal-ai/flux/schnell", {"num_images": 2})),
    "gemini": ("google", Order(1, "google/nano-banana")),
    "openai": ("openai", Order(1, "openai/gpt-image-2")),
}
ROWS = [pytest.param(row, dialect, id=f"{dialect}: {row}") for row in expected() for dialect in row.dialects]


@pytest.mark.parametrize(("row", "dialect"), ROWS)
def test_a_gateway_that_misbehaves(stack: Stack, row: Expected, dialect: str) -> None:
    gateway, order = ORDERS[dialect]

    async def story(world: World) -> None:
        if row.fault == "foreign_id":  # somebody's, then
            await world.insist(dataclasses.replace(order, number=2))
        world.simulator.script({"fault": row.fault, "step": row.step, "times": row.times})
        await world.insist(order)

    world = World(stack, gateways=(gateway,)).run(story)
    taken = row.times == ALWAYS or not len(world.simulator.faults)
    assert taken, "it has not happened"
    assert set(endings(world)) == {row.end}
    assert of_money(world)[order.number] == row.charges
    if not row.unlike:
        assert violations(world, row.excuses) == []


def test_the_table_has_every_switch_of_the_simulator() -> None:
    there = {(name, step) for name, switch in switches.SWITCHES.items() for step in switch.steps}
    assert {(row.fault, row.step) for row in expected()} <= there
    assert {row.fault for row in expected()} == set(switches.SWITCHES)

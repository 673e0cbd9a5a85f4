"""The table of what a misbehaving gateway leads to, row by row, through the whole of the machinery."""

import pytest

from local.simulator import switches
from tests.harness.expected import Expected, expected
from tests.harness.misbehaviour import surprises
from tests.harness.stack import Stack

ROWS = [pytest.param(row, dialect, id=f"{dialect}: {row}") for row in expected() for dialect in row.dialects]


@pytest.mark.parametrize(("row", "dialect"), ROWS)
def test_a_gateway_that_misbehaves_costs_nothing_twice_and_ends_as_expected(
    stack: Stack, row: Expected, dialect: str
) -> None:
    assert list(surprises(stack, row, dialect)) == []


def test_the_table_has_every_switch_of_the_simulator() -> None:
    there = {(name, step) for name, switch in switches.SWITCHES.items() for step in switch.steps}
    own = {(name, step) for name, switch in switches.SWITCHES.items() for step in switch.own}
    assert own <= {(row.fault, row.step) for row in expected()} <= there

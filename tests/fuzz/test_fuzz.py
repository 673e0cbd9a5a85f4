"""A few examples of each operation at every run of the tests; `make fuzz` makes hundreds."""

import pytest

from local.installation import Installation
from tests.fuzz.run import fuzz

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_schemathesis_finds_nothing() -> None:
    with Installation(speed=20) as darkroom:
        done = fuzz(darkroom, examples=10)
    assert done.returncode == 0, done.stdout

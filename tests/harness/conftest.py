"""One stack for all worlds of a process."""

import pytest

from tests.harness.stack import Stack


@pytest.fixture(scope="session")
def stack(_moto: None) -> Stack:
    return Stack()

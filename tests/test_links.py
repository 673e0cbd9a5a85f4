"""Links to files: the signature is the permission."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from darkroom import links
from tests.conftest import LINK_KEY, ORIGIN

TASK = "6qamm7wfvbhpkryb2uzfytxq7v"
NAME = "0-6c3b1e0f9a7d2c45.png"


def signature(key: str = LINK_KEY, task_id: str = TASK, name: str = NAME) -> str:
    return parse_qs(urlsplit(links.link(ORIGIN, key, task_id, name)).query)["signature"][0]


def test_a_link_is_on_our_own_host_and_needs_no_escapes() -> None:
    link = links.link(ORIGIN, LINK_KEY, TASK, NAME)
    address, _, query = link.partition("?")
    assert address == f"{ORIGIN}/v1/files/{TASK}/{NAME}"
    assert re.fullmatch(r"signature=[A-Za-z0-9_-]{32}", query)


def test_a_link_is_the_same_each_time() -> None:
    assert links.link(ORIGIN, LINK_KEY, TASK, NAME) == links.link(ORIGIN, LINK_KEY, TASK, NAME)


def test_a_link_opens_its_own_file() -> None:
    assert links.genuine(signature(), LINK_KEY, TASK, NAME)


@pytest.mark.parametrize(
    ("key", "task_id", "name"),
    [("another key", TASK, NAME), ("", TASK, NAME), (LINK_KEY, TASK[::-1], NAME), (LINK_KEY, TASK, "1" + NAME[1:])],
    ids=["another key", "no key", "another task", "another file"],
)
def test_a_link_opens_nothing_else(key: str, task_id: str, name: str) -> None:
    assert not links.genuine(signature(), key, task_id, name)
    assert not links.genuine(signature(key, task_id, name), LINK_KEY, TASK, NAME)


def test_a_forged_signature_opens_nothing() -> None:
    true = signature()
    for forged in ("", true[:-1], true + "A", true.swapcase(), true[::-1], "é" * 32, "\x00", " " + true):
        assert not links.genuine(forged, LINK_KEY, TASK, NAME)
    for position in range(len(true)):
        other = "A" if true[position] != "A" else "B"
        assert not links.genuine(true[:position] + other + true[position + 1 :], LINK_KEY, TASK, NAME)


def test_a_signature_does_not_tell_the_key() -> None:
    assert LINK_KEY not in links.link(ORIGIN, LINK_KEY, TASK, NAME)
    assert len({signature(key=f"key {number}") for number in range(100)}) == 100

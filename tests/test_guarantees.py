"""docs/guarantees.md: whatever it promises row by row is proved by tests that exist, or said not to be promised."""

import ast
import re
from functools import cache

import pytest

from darkroom.delivery import PAUSES_S
from darkroom.errors import Reason
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "guarantees.md").read_text()
#: A row that has a letter and a number: what goes wrong, what holds, what proves it.
ROW = re.compile(r"^\| ([A-Z])(\d+) \| (.*?) \| (.*?) \| (.*?) \|$", re.MULTILINE)
SECTION = PAGE.partition("## Row by row")[2]
ROWS = {f"{row[1]}{row[2]}": row for row in ROW.finditer(SECTION)}
#: Of each table, its letter and how many rows it has: none is left out without a word.
TABLES = {"A": 17, "P": 19, "Q": 12, "F": 15, "W": 15, "E": 6, "D": 19, "C": 9, "S": 9}
NOT_PROMISED = re.compile(r"\bnot promised\b", re.IGNORECASE)


@cache
def defined_in(file: str) -> set[str]:
    """The names of the tests in a file, read and not run."""
    path = ROOT / file
    if not path.is_file():
        return set()
    found = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def named(text: str) -> list[tuple[str, str]]:
    """The tests that a text names: file and function."""
    return re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text)


def test_every_test_that_is_named_exists() -> None:
    missing = [f"{file}::{name}" for file, name in named(PAGE) if name not in defined_in(file)]
    assert missing == []


def test_nothing_is_named_that_looks_like_a_test_and_is_none() -> None:
    assert re.findall(r"tests/[\w/.:]*", PAGE) == [f"{file}::{name}" for file, name in named(PAGE)]


def test_every_table_is_whole_and_in_order() -> None:
    numbers = [(row[1], int(row[2])) for row in ROW.finditer(SECTION)]
    assert numbers == [(letter, number) for letter, rows in TABLES.items() for number in range(1, rows + 1)]
    assert len(re.findall(r"^\| [A-Z]\d", SECTION, re.MULTILINE)) == len(numbers)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_says_what_holds_and_what_proves_it(row: str) -> None:
    wrong, holds, proof = ROWS[row].groups()[2:]
    assert all(each.strip(" -") for each in (wrong, holds, proof))
    assert named(proof) or NOT_PROMISED.search(holds), "neither a test, nor said not to be promised"
    assert len(set(named(proof))) == len(named(proof))


def test_every_code_that_may_have_been_billed_is_explained() -> None:
    section = PAGE.partition("## When money may have been spent")[2].partition("\n## ")[0]
    told = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    billed = {reason.code for reason in Reason if reason.may_be_billed}
    assert billed - {"filtered"} == told  # what a filter held back is explained with the gateways


def test_how_long_receivers_are_told_is_what_the_schedule_says() -> None:
    hours = f"{sum(PAUSES_S) / 3600:.1f} hours"
    assert set(re.findall(r"[\d.]+ hours", PAGE)) == {hours}

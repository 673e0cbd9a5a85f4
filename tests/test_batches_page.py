"""docs/batches.md: what it shows can be dropped as it is printed, and its numbers are those of the code."""

import json
import re

import pytest

from darkroom import filing, rows, sheets, tables
from darkroom.filing import Form
from tests.conftest import MODEL, ROOT

PAGE = (ROOT / "docs" / "batches.md").read_text(encoding="utf-8")
FORMS: dict[str, Form] = {"jsonl": "jsonl", "csv": "csv", "text": "txt", "json": "json"}
#: What stands on the page, without the indentation of a list.
BLOCKS = [
    (kind, re.sub(rf"^{space}", "", text, flags=re.MULTILINE))
    for space, kind, text in re.findall(r"^( *)```(\w+)\n(.*?)\n *```$", PAGE, re.MULTILINE | re.DOTALL)
]
FILES = [block for block in BLOCKS if block[0] in ("jsonl", "csv", "text") or block[1].startswith("[")]
DEFAULTS = [text for kind, text in BLOCKS if kind == "json" and re.match(r'\{\s*"model"', text)]


def test_the_page_shows_every_form_and_the_defaults() -> None:
    assert {FORMS[kind] for kind, _ in FILES} == {"jsonl", "csv", "txt", "json"}
    assert (len(FILES), len(DEFAULTS)) == (6, 2)


@pytest.mark.parametrize(("kind", "text"), FILES)
def test_what_the_page_shows_can_be_dropped(kind: str, text: str) -> None:
    lines = list(sheets.read([text.encode()], FORMS[kind]))
    assert lines
    for line in lines:
        row = rows.read(line.document, line.number, rows.Defaults(model=MODEL), None, lambda _: frozenset())
        assert row.order.input["prompt"]


@pytest.mark.parametrize("text", DEFAULTS)
def test_the_defaults_that_the_page_shows_can_be_dropped(text: str) -> None:
    assert rows.defaults_of(text.encode()).model == MODEL


def test_every_example_in_json_is_json() -> None:
    shown = [json.loads(text) for kind, text in BLOCKS if kind == "json"]
    assert any("totalRecordCount" in each for each in shown)


def test_the_line_of_errors_jsonl_that_the_page_shows_is_a_row_again() -> None:
    (shown,) = (json.loads(text) for kind, text in BLOCKS if kind == "json" and '"rate_limited"' in text)
    assert rows.read(shown, 1, rows.Defaults(), None, lambda _: frozenset()).custom_id == "sku-2"
    assert shown == rows.with_error(shown, 2, shown["error"])


def test_the_numbers_on_the_page_are_those_of_the_code() -> None:
    assert f"more than {filing.ROWS_CAP:,} rows" in PAGE
    assert f"larger than {filing.BYTES_CAP:,} bytes" in PAGE
    assert f"larger than {filing.ROW_CAP // 1024} KB; in a table, than {tables.ROW_CAP // 1024} KB" in PAGE
    assert f"first {sheets.SHOWN} characters" in PAGE
    assert re.search(rf"{filing.NAME_CAP} bytes at most", PAGE)

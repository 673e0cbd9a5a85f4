"""docs/batches.md: what it shows can be made as it is printed, and its numbers and codes are those of the code."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from darkroom import catalogue, cutting, filing, manifests, order, results, rows, sheets, tables
from darkroom.errors import InvalidOrder, NoGatewayKey, UnknownModel
from tests.conftest import MODEL, ROOT, Account, Clock, Wire, picture
from tests.dropping import batch, drop, lines, manifest, put

PAGE = (ROOT / "docs" / "batches.md").read_text(encoding="utf-8")
#: How names of files end, by what their text is marked as.
ENDINGS = {"jsonl": "jsonl", "csv": "csv", "text": "txt", "json": "json"}
#: What stands on the page, without the indentation of a list.
BLOCKS = [
    (kind, re.sub(rf"^{space}", "", text, flags=re.MULTILINE))
    for space, kind, text in re.findall(r"^( *)```(\w+)\n(.*?)\n *```$", PAGE, re.MULTILINE | re.DOTALL)
]
FILES = [block for block in BLOCKS if block[0] in ("jsonl", "csv", "text") or block[1].startswith("[")]
DEFAULTS = [text for kind, text in BLOCKS if kind == "json" and re.match(r'\{\s*"model"', text)]


def test_the_page_shows_every_form_and_the_defaults() -> None:
    assert {kind for kind, _ in FILES} == set(ENDINGS)
    assert (len(FILES), len(DEFAULTS)) == (6, 2)


@pytest.mark.parametrize(("kind", "text"), FILES)
def test_every_row_that_the_page_shows_can_be_made(
    account: Account, time: Clock, wire: Wire, kind: str, text: str
) -> None:
    put(account, "default/spring/_defaults.json", DEFAULTS[0])
    drop(account, f"default/spring/shown.{ENDINGS[kind]}", text.encode(), default=None)
    assert lines(account, "errors") == []
    assert batch(account).rows > 0


def test_the_picture_that_the_page_shows_can_be_edited(account: Account, time: Clock, wire: Wire) -> None:
    (shown,) = (text for kind, text in BLOCKS if kind == "sh" and "cat.png.txt" in text)
    files: dict[str, bytes | str] = {"cat.png": picture()}
    files |= {name: text for text, name in re.findall(r"""^echo ['"](.+)['"] > (\S+)$""", shown, re.MULTILINE)}
    *others, (note, key) = re.findall(r"^aws s3 cp (\S+) s3://my-inbox/(\S+)$", shown, re.MULTILINE)
    for name, place in others:
        put(account, place, files[name])
    drop(account, key, files[note], default=None)
    assert lines(account, "errors") == []
    assert (batch(account).rows, batch(account).picture) == (1, f"s3://{account.inbox}/default/cats/cat.png")


@pytest.mark.parametrize("text", DEFAULTS)
def test_the_defaults_that_the_page_shows_can_be_dropped(text: str) -> None:
    assert rows.defaults_of(text.encode()).model == MODEL


def test_the_manifest_that_the_page_shows_has_what_a_manifest_has(account: Account, time: Clock, wire: Wire) -> None:
    (shown,) = (json.loads(text) for kind, text in BLOCKS if kind == "json" and "totalRecordCount" in text)
    drop(account)
    there = manifest(account)
    for name in ("source", "cost", "results"):
        assert shown[name].keys() == there[name].keys()
    assert shown.keys() == there.keys()
    assert shown["concurrency"].keys() <= catalogue.catalogue().gateways.keys()


def test_the_line_of_errors_jsonl_that_the_page_shows_is_a_row_again() -> None:
    (shown,) = (json.loads(text) for kind, text in BLOCKS if kind == "json" and '"rate_limited"' in text)
    assert rows.read(shown, 1, rows.Defaults(), None, lambda _: frozenset()).custom_id == "sku-2"
    assert shown == rows.with_error(shown, 2, shown["error"])


def test_the_numbers_on_the_page_are_those_of_the_code() -> None:
    assert f"more than {filing.ROWS_CAP:,} rows" in PAGE
    assert f"larger than {filing.BYTES_CAP:,} bytes" in PAGE
    assert f"more than {cutting.LINES_CAP:,} lines" in PAGE
    assert f"larger than {filing.ROW_CAP // 1024} KB, by itself or with its defaults" in PAGE
    assert f"in a table, than {tables.ROW_CAP // 1024} KB" in PAGE
    assert filing.ROW_CAP == order.BODY_CAP
    assert f"first {sheets.SHOWN} characters" in PAGE
    assert re.search(rf"{filing.NAME_CAP} bytes at most", PAGE)
    assert f"`errors` has the first {manifests.ERRORS_SHOWN}." in PAGE


def test_the_line_of_output_jsonl_that_the_page_shows_was_made_where_it_says() -> None:
    (shown,) = (json.loads(text) for kind, text in BLOCKS if kind == "json" and '"sha256"' in text)
    (route,) = (each for each in catalogue.catalogue().model(shown["model"]).routes if each.name == shown["route"])
    assert shown["price"] == str(route.price)
    assert tuple(shown["images"][0]) == results.TOLD_OF_IMAGE


def test_the_gateway_that_the_page_says_has_no_prices_has_none() -> None:
    models = catalogue.catalogue().models.values()
    routes = [route for model in models for route in model.routes if route.gateway.name == "vectornode"]
    first = [model for model in models if model.routes[0] in routes]
    assert "VectorNode has no prices, and\nwith a key for it most rows go there first" in PAGE
    assert {route.price for route in routes} == {None}
    assert len(first) > len(models) / 2


# Codes.


def test_the_page_tells_every_code_that_a_row_or_a_file_may_have() -> None:
    of_rows, of_files = told("the row"), told("the file")
    assert of_rows == given("Fault") | ends() | {InvalidOrder.code, UnknownModel.code, NoGatewayKey.code}
    assert of_files == given("Unreadable")


def told(what: str) -> set[str]:
    """The codes in a table of the page."""
    (table,) = re.findall(rf"^\| code \| {what} \|.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    codes = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert len(codes) == len(set(codes))
    return set(codes)


def given(name: str) -> set[str]:
    """The codes with which the rooms make a Fault, or raise Unreadable."""
    found = set[str]()
    for node in (node for room in Path(rows.__file__).parent.glob("*.py") for node in nodes(room)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            found |= texts(node.args[0])
    return found


def ends() -> set[str]:
    """The codes of rows that have no word of a gateway."""
    found = set[str]()
    for node in (node for node in nodes(Path(results.__file__)) if isinstance(node, ast.Dict)):
        for key, value in zip(node.keys, node.values, strict=True):
            found |= texts(value) if isinstance(key, ast.Constant) and key.value == "code" else set()
    return found


def nodes(room: Path) -> list[Any]:
    return list(ast.walk(ast.parse(room.read_text(encoding="utf-8"))))


def texts(node: ast.expr) -> set[str]:
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()

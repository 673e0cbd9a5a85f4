"""
Tables in CSV (RFC 4180, and what spreadsheets make of it): a row at a time, each as the flat row that JSON would say.

The first row names the columns: a `prompt`; a `custom_id`, a `model` and a `count`, if there are any; all others are
inputs of the model. A table that leaves room for doubt where its cells end is refused, row by row: drawing half a row
costs as much as a whole one.
"""

import csv
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from darkroom import cutting
from darkroom.cutting import Fault, Piece, Unreadable
from darkroom.inputs import COUNT

#: Bytes of a row: what the csv module takes for one cell.
ROW_CAP = 128 * 1024

#: Columns with a meaning of ours, in whatever case they come.
_RESERVED = {"prompt": "prompt", "custom_id": "custom_id", "model": "model", "count": COUNT}
_BOOLEANS = ("true", "false")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,99})(\.\d{1,99})?([eE][+-]?\d{1,3})?", re.ASCII)
_QUOTES = "A cell that holds a comma, a quote or a line break stands in quotes, and each quote in it is doubled."


def read(chunks: Iterable[bytes]) -> Iterator[tuple[Piece, dict[str, Any] | Fault]]:
    """The rows after the header, each as it stands there and as what it says. Raises Unreadable."""
    feed = _Feed(cutting.lines(chunks, ROW_CAP))
    header = feed.header()
    if header is None:
        return
    try:
        reader = csv.reader(feed, delimiter=_delimiter(header), strict=True, skipinitialspace=True)
        columns = _columns(next(reader))
    except (csv.Error, _TooLarge) as error:
        raise Unreadable("no_header", f"The header cannot be read: {error}. {_QUOTES}") from error
    while True:
        feed.begin()
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except _TooLarge as error:
            feed.skip()
            yield feed.row(), Fault("row_too_large", str(error))
        except csv.Error as error:
            yield feed.row(), Fault("malformed_row", f"The row is not CSV: {error}. {_QUOTES}")
        else:
            if any(cells):
                row = feed.row()
                yield row, row.fault or _said(columns, cells)


def column(field: str) -> str:
    """What a row's fault is about, as the table has it: a column, where the row that was made of it has an input."""
    name = field.removeprefix("input.")
    return f"count ({COUNT})" if name == COUNT else name


class _TooLarge(Exception):
    """A row that is not handed on to its end."""


class _Feed:
    """Hands csv.reader as many lines as it takes for a row, and knows which. What is not UTF-8 in them is replaced."""

    def __init__(self, lines: Iterator[Piece]) -> None:
        self._lines = lines
        self.begin()

    def begin(self) -> None:
        """The next row."""
        self._row: list[Piece] = []
        self._size = 0

    def row(self) -> Piece:
        """The present row, of one line or of several."""
        return Piece(self._row[0].number, b"\n".join(line.content for line in self._row))

    def header(self) -> str | None:
        """The first line that is not blank, before it is handed on. Raises Unreadable."""
        first = next((line for line in self._lines if line.content.strip()), None)
        if first is None:
            return None
        if first.fault:
            code = "wrong_encoding" if first.fault.code == "not_utf8" else "no_header"
            raise Unreadable(code, f"The header cannot be read. {first.fault.message}")
        self._lines = itertools.chain((first,), self._lines)
        return first.content.decode()

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._row.append(line)
        self._size += len(line.content) + 1
        if self._size > ROW_CAP:
            raise _TooLarge(f"The row is larger than {ROW_CAP // 1024} KB, or a quote in it is never closed.")
        return line.content.decode(errors="replace") + "\n"

    def skip(self) -> None:
        """Throw away what is left of a row that is too large: it goes on while a cell in quotes does."""
        inside = len(self._row) > 1
        for line in itertools.chain(self._row[-1:], self._lines):
            inside ^= line.quotes % 2 == 1
            if not inside:
                return


def _delimiter(header: str) -> str:
    """Spreadsheets write what is usual where they are: comma, semicolon or tab."""

    def columns(delimiter: str) -> tuple[bool, int]:
        names = [_name(cell) for cell in next(csv.reader([header], delimiter=delimiter, skipinitialspace=True))]
        return "prompt" in names, len(names)

    return max(",;\t", key=columns)


def _columns(header: list[str]) -> list[str]:
    """What the columns are called here, "" if they have no name. Raises Unreadable."""
    columns = [_name(cell) for cell in header]
    twice = [name for name, times in Counter(columns).items() if name and times > 1]
    if "prompt" not in columns:
        raise Unreadable("no_header", "The first line names no column `prompt`, so nobody knows which is which.")
    if twice:
        raise Unreadable("malformed_header", f"Two columns mean the same: {twice[0][:64]}.")
    return columns


def _name(cell: str) -> str:
    """What a column is called here: our own names in whatever case they come."""
    name = cell.strip()
    return _RESERVED.get(name.lower(), name)


def _said(columns: list[str], cells: list[str]) -> dict[str, Any] | Fault:
    """What a row says. One without a prompt has an empty one, which is a fault: it does not mean the default."""
    placed = list(itertools.zip_longest(columns, cells, fillvalue=""))
    if any(cell and not name for name, cell in placed):
        return Fault("malformed_row", f"The row has more cells than the header has names. {_QUOTES}")
    said = {name: cell for name, cell in placed if cell}
    ours: dict[str, Any] = {name: said.pop(name) for name in ("custom_id", "model") if name in said}
    prompt = said.pop("prompt", "")
    return {**ours, "input": {"prompt": prompt, **{name: _value(cell) for name, cell in said.items()}}}


def _value(cell: str) -> Any:
    """What a cell means: a number or true or false, if JSON would have it so (007 is text); or else its text."""
    if cell.lower() in _BOOLEANS:
        return cell.lower() == "true"
    number = json.loads(cell) if _NUMBER.fullmatch(cell) else math.inf
    return number if math.isfinite(number) else cell

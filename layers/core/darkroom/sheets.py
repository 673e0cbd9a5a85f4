"""
From the bytes of a dropped file to its rows, a piece at a time: however large a file is, one row of it is held.

A row that cannot be read is handed on with its fault, and the file goes on. JSON is taken literally, as the body of a
request is. A row of a table and a line of text become the flat row that JSON would have said.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from darkroom import cutting, filing, order, tables
from darkroom.cutting import Fault as Fault
from darkroom.cutting import Piece
from darkroom.cutting import Unreadable as Unreadable
from darkroom.errors import BodyTooLarge, CallerError
from darkroom.filing import Form

#: Characters of an unreadable row that are shown, and the most bytes that a character has.
SHOWN, _WIDEST = 1000, 4

_OLD_MAC = Fault("malformed_row", "The line holds a carriage return: it may be several. Lines end with \\n or \\r\\n.")


@dataclass(frozen=True)
class Line:
    """
    number: the line of the file that the row begins on; in JSON, the number of the entry, from 1.
    document: the row as a JSON object; of a row that cannot be read, {"row": its beginning}, and the fault.
    """

    number: int
    document: dict[str, Any]
    fault: Fault | None = None


def read(chunks: Iterable[bytes], form: Form) -> Iterator[Line]:
    """The rows of a file. Raises Unreadable, perhaps after some rows: then nothing of it may be made."""
    rows = 0
    for piece, found in _READERS[form](cutting.text(chunks)):
        rows += 1
        if rows > filing.ROWS_CAP:
            raise Unreadable("too_many_rows", f"The file has more than {filing.ROWS_CAP} rows. Split it.")
        if isinstance(found, Fault):
            beginning = piece.content[: SHOWN * _WIDEST].decode(errors="replace")[:SHOWN]
            yield Line(piece.number, {"row": beginning}, found)
        else:
            yield Line(piece.number, found)
    if not rows:
        raise Unreadable("empty_file", "There is no row in the file.")


def _lines(chunks: Iterable[bytes]) -> Iterator[tuple[Piece, dict[str, Any] | Fault]]:
    pieces = cutting.lines(chunks, filing.ROW_CAP)
    return ((piece, _document(piece)) for piece in pieces if piece.content.strip())


def _entries(chunks: Iterable[bytes]) -> Iterator[tuple[Piece, dict[str, Any] | Fault]]:
    return ((piece, _document(piece)) for piece in cutting.entries(chunks, filing.ROW_CAP))


def _document(piece: Piece) -> dict[str, Any] | Fault:
    if piece.fault:
        return piece.fault
    try:
        document: dict[str, Any] = order.literal_json(piece.content.decode(), "The row")
    except BodyTooLarge as error:
        return Fault("row_too_large", str(error))
    except CallerError as error:
        return Fault("malformed_row", str(error))
    return document


def _prompts(chunks: Iterable[bytes]) -> Iterator[tuple[Piece, dict[str, Any] | Fault]]:
    for piece in cutting.lines(chunks, filing.ROW_CAP):
        prompt = piece.content.decode(errors="replace").strip()
        if prompt and not prompt.startswith("#"):
            fault = piece.fault or (_OLD_MAC if "\r" in prompt else None)
            yield piece, fault or {"input": {"prompt": prompt}}


_READERS: Mapping[Form, Callable[[Iterable[bytes]], Iterator[tuple[Piece, dict[str, Any] | Fault]]]] = {
    "jsonl": _lines,
    "csv": tables.read,
    "txt": _prompts,
    "json": _entries,
}

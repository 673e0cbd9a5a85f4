"""
A dropped file cut into pieces as it streams by: lines, or the entries of a JSON list.

Whatever its length, of a piece no more than a cap is ever held; the rest is thrown away. How the stream was cut into
chunks on its way makes no difference.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

#: Bytes at a file's beginning by which it is judged whether it is text.
HEAD = 4096
#: Lines of a file, the blank ones too, and brackets and commas of a JSON one: what has more only takes its time.
LINES_CAP, MARKS_CAP = 2_000_000, 20_000_000

_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
#: How files begin that are text, or nearly so, and that nobody would want drawn line by line.
_OTHER = re.compile(rb"PK\x03\x04|\x1f\x8b|\s*(%PDF-|\{\\rtf|<!doctype|<html|<\?xml)", re.IGNORECASE)
_STRUCTURE = re.compile(rb'["{}\[\],]')
_IN_STRING = re.compile(rb'["\\]')
_SPACE = b" \t\r\n"
_LAST = {b"[": b"]", b"{": b"}"}
_BY_URL = "Pass large files by URL."
_NEITHER = "The file is neither a JSON object nor a list of them."
_FOLLOWS = "Something follows the end of the JSON. A file with a row on each line is to be called .jsonl."


class Unreadable(Exception):
    """A file of which nothing can be taken. `code` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Fault:
    """What is wrong with a row. `code` is for programs, `message` for people."""

    code: str
    message: str


@dataclass(frozen=True)
class Piece:
    """
    A row, or a line of one.

    number: of the line or entry, from 1. content: its bytes, without a line's end. cut: whether it was longer than the
    cap, and content is but its beginning. quotes: how many `"` it holds, with what was thrown away.
    """

    number: int
    content: bytes
    cut: bool = False
    quotes: int = 0

    @property
    def fault(self) -> Fault | None:
        """Why it cannot be taken, whatever it says."""
        if self.cut:
            return Fault("row_too_large", f"The row is larger than {len(self.content) // 1024} KB. {_BY_URL}")
        try:
            self.content.decode()
        except UnicodeDecodeError as error:
            return Fault(
                "not_utf8", f"The row is not UTF-8: {error.reason} at its byte {error.start}. Save it as UTF-8."
            )
        return None


class _Held:
    """The beginning of the present piece, and what is known of the rest."""

    def __init__(self, cap: int) -> None:
        # A line's end may be two bytes long, and the first of them is no part of the line.
        self._room = cap + 1
        self._cap = cap
        self.clear()

    def clear(self) -> None:
        self._content = bytearray()
        self._lost = 0
        self._quotes = 0

    def __bool__(self) -> bool:
        return len(self._content) > 0

    def add(self, content: bytes) -> None:
        kept = self._room - len(self._content)
        self._content += content[:kept]
        self._lost += len(content[kept:])
        self._quotes += content.count(b'"')

    def piece(self, number: int, end: bytes = b"") -> Piece:
        """What was held, without `end`; another begins."""
        content = bytes(self._content.removesuffix(end))
        cut = self._lost > 0 or len(content) > self._cap
        piece = Piece(number, content[: self._cap], cut, self._quotes)
        self.clear()
        return piece


def text(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """
    The same bytes without a byte order mark, if they begin as text in UTF-8, or near it, does. Raises Unreadable.
    """
    stream = iter(chunks)
    head = b""
    for chunk in stream:
        head += chunk
        if len(head) >= HEAD:
            break
    _judge(head[:HEAD].removeprefix(codecs.BOM_UTF8))
    yield head.removeprefix(codecs.BOM_UTF8)
    yield from stream


def _judge(head: bytes) -> None:
    if _OTHER.match(head):
        raise Unreadable("not_text", "The file is of another kind than its name says: PDF, RTF, HTML, XML, or packed.")
    zeros = head.count(0) * 4 >= len(head) > 0
    if head.startswith(_BYTE_ORDER_MARKS) or (zeros and any(_reads(head, encoding) for encoding in _WIDE)):
        raise Unreadable("wrong_encoding", "The file is in UTF-16 or UTF-32. Save it as UTF-8.")
    if b"\0" in head or (_CONTROLS.search(head.decode("latin-1")) and _decoded(head, "utf-8") is None):
        raise Unreadable("not_text", "The file is not text, or not in UTF-8: it holds bytes that no such text has.")


def _reads(head: bytes, encoding: str) -> bool:
    text = _decoded(head, encoding)
    return text is not None and not _CONTROLS.search(text)


def _decoded(head: bytes, encoding: str) -> str | None:
    """The text, but for half a character at its end; None if it is not in this encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None


def lines(chunks: Iterable[bytes], cap: int) -> Iterator[Piece]:
    """The lines of a text. They end with \\n or \\r\\n, the last perhaps with nothing."""
    held, number = _Held(cap), 1
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            held.add(chunk[start:end])
            yield held.piece(number, b"\r")
            number, start = number + 1, end + 1
            if number > LINES_CAP:
                raise Unreadable("too_many_lines", f"The file has more than {LINES_CAP} lines. Split it.")
        held.add(chunk[start:])
    if held:
        yield held.piece(number, b"\r")


def entries(chunks: Iterable[bytes], cap: int) -> Iterator[Piece]:
    """
    The entries of a JSON list, or the one object that is the whole text.

    They are told apart by brackets and quotes alone: whether one is JSON is its reader's affair, so what is wrong with
    it does not harm the next. Raises Unreadable where there is no telling where an entry ends.
    """
    held, marks, number, depth, last, seen = _Held(cap), _Marks(), 1, 0, b"", 0
    for chunk in chunks:
        start = 0
        for at in marks.find(chunk):
            mark, seen = chunk[at : at + 1], seen + 1
            if seen > MARKS_CAP:
                raise Unreadable(
                    "malformed_file", "The file has more brackets and commas than rows could need. Split it."
                )
            if depth == 0:
                held.add(chunk[start:at])
                if last or held.piece(0).content.strip(_SPACE) or mark not in b"[{":
                    raise Unreadable("malformed_file", _FOLLOWS if last else _NEITHER)
                depth, last, start = 1, _LAST[mark], at + 1 if mark == b"[" else at
            elif mark in b"[{":
                depth += 1
            elif depth > 1:
                depth -= mark != b","
            elif mark == last or (mark, last) == (b",", b"]"):
                held.add(chunk[start:at] + (mark if last == b"}" else b""))
                depth, start = int(mark == b","), at + 1
                piece = held.piece(number)
                if depth or number > 1 or piece.content.strip(_SPACE):
                    yield piece
                number += 1
            elif mark != b",":
                raise Unreadable("malformed_file", f"Entry {number} closes a bracket that was not opened.")
        held.add(chunk[start:])
    if depth:
        raise Unreadable("malformed_file", "The file ends in the middle of an entry, or before its list does.")
    if held.piece(0).content.strip(_SPACE):
        raise Unreadable("malformed_file", _FOLLOWS if last else _NEITHER)


class _Marks:
    """Finds brackets and commas, but those in strings."""

    def __init__(self) -> None:
        self._in_string = self._escaped = False

    def find(self, chunk: bytes) -> Iterator[int]:
        """Where they stand in the next chunk."""
        at = 0
        while at < len(chunk):
            if self._escaped:
                self._escaped, at = False, at + 1
                continue
            found = (_IN_STRING if self._in_string else _STRUCTURE).search(chunk, at)
            if found is None:
                return
            at = found.end()
            if found[0] == b"\\":
                self._escaped = True
            elif found[0] == b'"':
                self._in_string = not self._in_string
            else:
                yield found.start()

"""From the bytes of a dropped file to its rows: lines of JSON, lists of JSON, lines of text. Tables are beside it."""

import itertools
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from darkroom import cutting, filing, sheets
from darkroom.filing import Form
from darkroom.sheets import Fault, Line, Unreadable

CAT, DOG = {"input": {"prompt": "A cat"}}, {"input": {"prompt": "Ein Höhlenlöwe 🦁"}}


def read(content: bytes, form: Form = "jsonl", size: int = 1_000_000) -> list[Line]:
    chunks = (content[start : start + size] for start in range(0, len(content), size))
    return list(sheets.read(chunks, form))


def written(*documents: Any) -> bytes:
    return b"".join(json.dumps(document, ensure_ascii=False).encode() + b"\n" for document in documents)


def refused(content: bytes, form: Form = "jsonl") -> tuple[str, str]:
    with pytest.raises(Unreadable) as caught:
        read(content, form)
    return caught.value.code, str(caught.value)


def faults(content: bytes, form: Form = "jsonl") -> list[tuple[int, str | None]]:
    return [(line.number, line.fault.code if line.fault else None) for line in read(content, form)]


# However the bytes are cut.

PIECES = some.sampled_from(
    [
        *(b"\n", b"\r\n", b"\r", b"\n\n", b'"', b'\\"', b'"a"', b",", b";", b"[", b"]", b"{", b"}", b" ", b"x", b"\0"),
        *("灯台".encode(), "🦁".encode(), "🦁".encode()[:2], b"\xe4", b"\xef\xbb\xbf", b"\xff\xfe", b"prompt", b"#"),
        *(b'{"input":{"prompt":"a"}}', b'{"input":', b"NaN", b"null", b"7", b'"one\ntwo"', b"y" * 70),
    ]
)


def outcome(content: bytes, form: Form, cuts: list[int]) -> tuple[list[Line], str]:
    """The rows, and how it ended."""
    places = sorted({0, *(cut for cut in cuts if cut < len(content)), len(content)})
    rows: list[Line] = []
    try:
        rows.extend(sheets.read((content[one:other] for one, other in itertools.pairwise(places)), form))
    except Unreadable as error:
        return [], error.code
    return rows, "the end"


@pytest.mark.parametrize("form", ["jsonl", "csv", "txt", "json"])
@settings(max_examples=150, deadline=None)
@given(data=some.data())
def test_it_makes_no_difference_how_a_file_was_cut_on_its_way(form: Form, data: some.DataObject) -> None:
    beginning = {"csv": b"prompt,seed\n", "json": b"[", "txt": b"", "jsonl": b""}[form]
    content = beginning + b"".join(data.draw(some.lists(PIECES, max_size=30)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filing, "ROW_CAP", 64)
        patch.setattr(cutting, "HEAD", 16)
        cuts = data.draw(some.lists(some.integers(0, 200), max_size=8))
        whole = outcome(content, form, [])
        assert outcome(content, form, cuts) == whole
        assert outcome(content, form, list(range(len(content)))) == whole


@given(some.lists(some.sampled_from([CAT, DOG, None]), min_size=1), some.sampled_from(["\n", "\r\n"]), some.booleans())
def test_a_row_is_known_by_the_line_that_it_stands_on(documents: list[Any], end: str, ended: bool) -> None:
    texts = [json.dumps(document, ensure_ascii=False) if document else " " for document in documents]
    content = end.join(texts) + (end if ended else "")
    expected = [(number, document) for number, document in enumerate(documents, 1) if document]
    if expected:
        assert [(line.number, line.document) for line in read(content.encode())] == expected


# Lines of JSON.


def test_each_line_is_a_row_and_blank_ones_are_none() -> None:
    content = b"\xef\xbb\xbf" + written(CAT) + b"\r\n \n" + written(DOG).rstrip() + b"\r\n"
    assert read(content) == [Line(1, CAT), Line(4, DOG)]


BAD = [
    (b"A cat", "malformed_row", "not JSON"),
    (b'{"input": {"prompt": NaN}}', "malformed_row", "NaN"),
    (b'{"input": {"seed": -Infinity}}', "malformed_row", "Infinity"),
    (b'{"input": {"seed": 1e999}}', "malformed_row", "not JSON"),
    (b'{"model": "a", "model": "b"}', "malformed_row", "'model' stands twice"),
    (b'{"input": {"prompt": "\\ud83e"}}', "malformed_row", "surrogate"),
    (b'{"a":' * 40 + b"1" + b"}" * 40, "malformed_row", "nested more than 32 deep"),
    (b'{"a":' + b"[" * 100_000, "malformed_row", "nested more than 32 deep"),
    (b'["A cat"]', "malformed_row", "must be a JSON object"),
    (b'"A cat"', "malformed_row", "must be a JSON object"),
    (b"{}{}", "malformed_row", "not JSON"),
    (b'{"input": {"prompt": "a\0b"}}', "malformed_row", "not JSON"),
    (b"\xef\xbb\xbf{}", "malformed_row", "not JSON"),
    ('{"input": {"prompt": "Höhle"}}'.encode("latin-1"), "not_utf8", "UTF-8"),
    (b'{"a": "' + b"x" * filing.ROW_CAP + b'"}', "row_too_large", "256 KB"),
]


@pytest.mark.parametrize(("row", "code", "clue"), BAD, ids=lambda each: repr(each)[:24])
def test_a_row_that_means_nothing_or_two_things_is_told_and_the_file_goes_on(row: bytes, code: str, clue: str) -> None:
    good = written(*([CAT] * 300))
    before, bad, after = (lines := read(good + row + b"\n" + written(DOG)))[:300], lines[300], lines[301:]
    assert [line.document for line in before] == [CAT] * 300
    assert after == [Line(302, DOG)]
    assert (bad.number, bad.fault and bad.fault.code) == (301, code)
    assert bad.fault is not None
    assert clue in bad.fault.message
    assert bad.document == {"row": row.decode(errors="replace")[:1000]}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("size", [1000, filing.ROW_CAP, filing.ROW_CAP + 1, 1_000_000])
def test_a_row_may_be_as_large_as_a_request(end: bytes, size: int) -> None:
    row = b'{"a": "' + b"x" * (filing.ROW_CAP - 9) + b'"}'
    assert len(row) == filing.ROW_CAP
    assert [line.fault for line in read(row + end, size=size)] == [None]
    for longer in (row[:-1] + b" }", row + b"\r ", row + b"\r\r"):
        assert [line.fault and line.fault.code for line in read(longer + end, size=size)] == ["row_too_large"]


def flood(beginning: bytes, megabytes: int, end: bytes) -> Iterator[bytes]:
    yield beginning
    for _ in range(megabytes * 4):
        yield b"x" * 250_000
    yield end


@pytest.mark.parametrize(
    ("form", "beginning", "end", "number"),
    [
        ("jsonl", written(CAT) + b'{"a": "', b'"}\n' + written(CAT), 3),
        ("txt", b"A cat\n", b"\nA cat\n", 3),
        ("csv", b"prompt\nA cat\n", b"\nA cat\n", 4),
        ("csv", b'prompt\nA cat\n"', b'"\nA cat\n', 4),
        ("json", b'[{"input": {"prompt": "A cat"}}, {"a": "', b'"}, {"input": {"prompt": "A cat"}}]', 3),
    ],
)
def test_fifty_megabytes_on_one_line_are_an_error_and_are_not_held(
    form: Form, beginning: bytes, end: bytes, number: int
) -> None:
    tracemalloc.start()
    first, bad, last = sheets.read(flood(beginning, 50, end), form)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000
    assert (first.document, last) == (CAT, Line(number, CAT))
    assert bad.fault is not None
    assert bad.fault.code == "row_too_large"
    assert len(bad.document["row"]) <= 1000


def test_a_file_of_many_rows_is_not_held_either() -> None:
    row = written({"input": {"prompt": "A cat " * 30}})
    tracemalloc.start()
    rows = sum(1 for _ in sheets.read(itertools.repeat(row * 50, 40), "jsonl"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (rows, peak < 500_000) == (2_000, True)


# Whole files.


@pytest.mark.parametrize("form", ["jsonl", "csv", "txt", "json"])
@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n\r\n \n"])
def test_an_empty_file_is_said_to_be_empty(form: Form, content: bytes) -> None:
    assert refused(content, form)[0] == "empty_file"


@pytest.mark.parametrize(
    ("form", "content"), [("txt", b"# later\n#\n"), ("csv", b"prompt,seed\n,\n"), ("json", b"[ ]"), ("json", b"\n[]\n")]
)
def test_a_file_without_rows_is_empty_too(form: Form, content: bytes) -> None:
    assert refused(content, form)[0] == "empty_file"


@pytest.mark.parametrize("form", ["jsonl", "csv", "txt", "json"])
@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\4\0",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"PK\3\4\x14\0\6\0",
        b"\x1f\x8b\x08\0\0\0\0\0",
        b"\x1f\x8b\x08\x08\x9b\xd5ice.jsonl\n",
        b"%PDF-1.7\n1 0 obj\n",
        b"{\\rtf1\\ansi A cat}",
        b"\xef\xbb\xbf<!DOCTYPE html>\n<p>A cat",
        b'\n<?xml version="1.0"?>',
        b"A cat\nA d\0g\n",
        b"A cat\n\x8a\x01\x02\x99\nA dog\n",
        bytes(range(256)),
    ],
    ids=lambda content: repr(content[:8]),
)
def test_a_file_that_is_no_text_makes_no_pictures(form: Form, content: bytes) -> None:
    assert refused(content, form)[0] == "not_text"


@pytest.mark.parametrize("form", ["jsonl", "csv", "txt", "json"])
@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig+utf-16-le"]
)
def test_wide_characters_are_recognized(form: Form, encoding: str) -> None:
    text = 'prompt\n[{"input": {"prompt": "Ein Höhlenlöwe 猫 🦁"}}]\n' * 300
    mark, _, rest = encoding.partition("+")
    content = b"\xef\xbb\xbf" + text.encode(rest) if rest else text.encode(mark)
    assert refused(content, form) == ("wrong_encoding", "The file is in UTF-16 or UTF-32. Save it as UTF-8.")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_wide_characters_are_recognized_by_their_mark_alone(encoding: str) -> None:
    assert refused("\ufeff猫と犬".encode(encoding), "txt")[0] == "wrong_encoding"


def test_a_file_in_another_code_page_is_told_so_line_by_line() -> None:
    content = "Höhle\nCave\nGrotte é\n".encode("cp1252")
    assert faults(content, "txt") == [(1, "not_utf8"), (2, None), (3, "not_utf8")]


def test_a_character_may_lie_on_the_border_of_what_is_looked_at_first() -> None:
    for more in range(4):
        prompt = "x" * (cutting.HEAD - more) + "🦁\x1b\x07"
        assert read(prompt.encode(), "txt") == [Line(1, {"input": {"prompt": prompt}})]


@pytest.mark.parametrize("form", ["jsonl", "txt"])
def test_a_file_has_so_many_rows_at_most(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filing, "ROWS_CAP", 3)
    assert len(read(written(CAT, DOG, CAT), form)) == 3
    assert refused(written(CAT, DOG, CAT) + b"NaN\n", form) == (
        "too_many_rows",
        "The file has more than 3 rows. Split it.",
    )


# Lines of text.


def test_each_line_of_a_text_is_a_prompt() -> None:
    content = "\ufeffA cat, sitting\r\n\n  # not yet\n\t A 'dog' # running \nlast".encode()
    prompts = [(line.number, line.document["input"]["prompt"]) for line in read(content, "txt")]
    assert prompts == [(1, "A cat, sitting"), (4, "A 'dog' # running"), (5, "last")]


def test_a_stray_control_character_is_for_its_row_alone_to_answer() -> None:
    assert [line.document["input"]["prompt"] for line in read("A c\aat\nHöhle".encode(), "txt")] == ["A c\aat", "Höhle"]


def test_lines_that_end_as_they_did_long_ago_are_not_taken_for_one_prompt() -> None:
    assert faults(b"A cat\rA dog\r", "txt") == [(1, "malformed_row")]
    assert faults(b"A cat\r\r\nA dog\r", "txt") == [(1, None), (2, None)]


# JSON.


def test_a_document_is_one_request_or_a_list() -> None:
    for content in (
        json.dumps([CAT, DOG]),
        json.dumps([CAT, DOG], indent=2),
        f"\ufeff\n[{json.dumps(CAT)},{json.dumps(DOG)}]\n",
    ):
        assert [(line.number, line.document) for line in read(content.encode(), "json")] == [(1, CAT), (2, DOG)]
    for content in (json.dumps(CAT), json.dumps(CAT, indent=2), f" \n{json.dumps(CAT)}\n\n"):
        assert read(content.encode(), "json") == [Line(1, CAT)]


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=8,
)
TEXT = some.text(some.sampled_from('[]{},"\\\n 灯a'), max_size=8)


@settings(deadline=None)
@given(
    some.lists(some.dictionaries(TEXT, JSON | TEXT, max_size=3), min_size=1, max_size=5),
    some.sampled_from([None, 1]),
    some.booleans(),
    some.integers(1, 50),
)
@example([{"a": '}],[{"\\'}, {}], None, False, 1)
def test_brackets_and_commas_in_strings_end_no_entry(
    documents: list[dict[str, Any]], indent: int | None, escaped: bool, size: int
) -> None:
    content = json.dumps(documents, indent=indent, ensure_ascii=escaped).encode()
    lines = read(content, "json", size)
    assert [(line.number, line.document) for line in lines] == list(enumerate(documents, 1))
    alone = json.dumps(documents[0], indent=indent, ensure_ascii=escaped).encode()
    assert [line.document for line in read(alone, "json", size)] == [documents[0]]


def test_a_bad_entry_harms_no_other() -> None:
    cat = json.dumps(CAT)
    entries = ['{"input": {"prompt": NaN}}', "'A cat'", "", '{"a": 1, "a": 2}', "[1]", "{} {}", '{"a": 1e999}', cat]
    lines = read(f"[{','.join([cat, *entries])}]".encode(), "json")
    assert [(line.number, line.fault and line.fault.code) for line in lines] == [
        (1, None),
        *((number, "malformed_row") for number in range(2, 9)),
        (9, None),
    ]
    large = f'[{cat}, {{"a": ["{"x" * filing.ROW_CAP}"]}}, {cat}]'.encode()
    assert faults(large, "json") == [(1, None), (2, "row_too_large"), (3, None)]


def test_a_comma_too_many_is_told() -> None:
    assert faults(b'[{"a": 1},]', "json") == [(1, None), (2, "malformed_row")]


@pytest.mark.parametrize(
    ("content", "clue"),
    [
        (b"A cat", "neither a JSON object nor a list"),
        (b'"A cat"', "neither a JSON object nor a list"),
        (b"7 [{}]", "neither a JSON object nor a list"),
        (b"]", "neither a JSON object nor a list"),
        (b'[{"a": 1}', "ends in the middle"),
        (b'[{"a": 1},', "ends in the middle"),
        (b'[{"a": "1}]', "ends in the middle"),
        (b'{"a": 1', "ends in the middle"),
        (b'[{"a": 1}}]', "closes a bracket"),
        (b'{"a": 1]', "closes a bracket"),
        (written(CAT, DOG), ".jsonl"),
        (b"[{}] []", ".jsonl"),
        (b"[{}] x", ".jsonl"),
        (b"{},", ".jsonl"),
    ],
)
def test_where_nobody_knows_what_belongs_to_what_nothing_is_made(content: bytes, clue: str) -> None:
    code, message = refused(content, "json")
    assert code == "malformed_file"
    assert clue in message


def test_a_fault_is_for_programs_and_for_people() -> None:
    (line,) = read(b"NaN")
    assert line.fault == Fault("malformed_row", "The row is not JSON: NaN is not a JSON number")


@pytest.mark.parametrize("form", ["jsonl", "txt", "csv"])
def test_a_file_of_nothing_but_line_ends_is_given_up(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "LINES_CAP", 1000)
    assert refused(b"prompt\n" + b"\n" * 2000, form)[0] == "too_many_lines"


def test_a_file_of_nothing_but_brackets_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "MARKS_CAP", 1000)
    assert refused(b"[" * 2000, "json")[0] == "malformed_file"


def test_a_stray_zero_does_not_make_a_text_wide() -> None:
    assert refused(b"A ok\x00B", "txt")[0] == "not_text"

"""Tables in CSV, as spreadsheets and people write them."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from darkroom import sheets, tables
from darkroom.sheets import Line, Unreadable


def read(content: bytes | str, size: int = 1_000_000) -> list[Line]:
    content = content.encode() if isinstance(content, str) else content
    return list(sheets.read((content[start : start + size] for start in range(0, len(content), size)), "csv"))


def said(content: bytes | str) -> list[dict[str, Any]]:
    assert not [line.fault for line in read(content) if line.fault]
    return [line.document for line in read(content)]


def faults(content: bytes | str) -> list[tuple[int, str | None]]:
    return [(line.number, line.fault.code if line.fault else None) for line in read(content)]


def refused(content: bytes | str) -> tuple[str, str]:
    with pytest.raises(Unreadable) as caught:
        read(content)
    return caught.value.code, str(caught.value)


def test_columns_are_inputs_but_for_ours() -> None:
    content = "prompt,custom_id,model,count,aspect_ratio,seed\nA cat,sku-1,google/imagen-4,2,16:9,7\n"
    assert said(content) == [
        {
            "custom_id": "sku-1",
            "model": "google/imagen-4",
            "input": {"prompt": "A cat", "num_images": 2, "aspect_ratio": "16:9", "seed": 7},
        }
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_is_read_as_any_spreadsheet_writes_it(delimiter: str, mark: str, end: str) -> None:
    rows = [["Seed", "Prompt", "custom_id"], ["7", 'A "big" cat, a dog; both\tat\nhome', "a"], ["", "Höhle", "b"]]
    paper = io.StringIO(newline="")
    csv.writer(paper, delimiter=delimiter, lineterminator=end).writerows(rows)
    assert read(mark + paper.getvalue()) == [
        Line(2, {"custom_id": "a", "input": {"prompt": 'A "big" cat, a dog; both\tat\nhome', "Seed": 7}}),
        Line(4, {"custom_id": "b", "input": {"prompt": "Höhle"}}),
    ]


CELL = some.text(some.sampled_from('ab",;\t\n 灯'), max_size=6).map(str.strip)


@settings(deadline=None)
@given(
    some.lists(some.tuples(CELL.filter(bool), CELL), min_size=1, max_size=6),
    some.sampled_from(",;\t"),
    some.sampled_from(["\n", "\r\n"]),
    some.integers(1, 40),
)
def test_a_row_is_known_by_the_line_on_which_it_begins(
    rows: list[tuple[str, str]], delimiter: str, end: str, size: int
) -> None:
    paper = io.StringIO(newline="")
    writer = csv.writer(paper, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["prompt", "style"])
    expected = []
    for prompt, style in rows:
        expected.append((paper.getvalue().count("\n") + 1, prompt, style or None))
        writer.writerow([prompt, style])
    lines = read(paper.getvalue().encode(), size)
    found = [(line.number, line.document["input"]["prompt"], line.document["input"].get("style")) for line in lines]
    assert found == expected


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        *(
            ("7", 7),
            ("-7", -7),
            ("0", 0),
            ("0.50", 0.5),
            ("1e3", 1000.0),
            ("-1.5E-2", -0.015),
            ("1" * 30, int("1" * 30)),
        ),
        *(("true", True), ("TRUE", True), ("False", False)),
        *(
            (text, text)
            for text in ("007", "+7", "1,5", "1.", ".5", "1e999", "NaN", "Infinity", "null", "yes", "٣", "1٣", "1_0")
        ),
        *((text, text) for text in ("[1]", '{"a": 1}', "1" * 5000, "0x1F", "2026-11-21")),
    ],
)
def test_numbers_and_truth_are_recognized_and_nothing_else(cell: str, value: Any) -> None:
    quoted = '" ' + cell.replace('"', '""') + ' "'
    (found,) = said(f"prompt,seed\nA cat,{quoted}\n")
    assert found == {"input": {"prompt": "A cat", "seed": value}}
    assert type(found["input"]["seed"]) is type(value)


@pytest.mark.parametrize("text", ["7", "007", "true", "1e3"])
def test_a_prompt_and_names_are_always_text(text: str) -> None:
    (found,) = said(f"prompt,custom_id,model\n{text},{text},{text}\n")
    assert found == {"custom_id": text, "model": text, "input": {"prompt": text}}


def test_cells_that_say_nothing_are_left_out_but_a_prompt_is_not() -> None:
    assert said("custom_id,prompt,seed,model\na,A cat\n,A dog,,\nb\n") == [
        {"custom_id": "a", "input": {"prompt": "A cat"}},
        {"input": {"prompt": "A dog"}},
        {"custom_id": "b", "input": {"prompt": ""}},
    ]


def test_rows_and_columns_that_a_spreadsheet_thinks_are_there_are_none() -> None:
    assert read("\n \nprompt,,seed,\nA cat,,7,\n,,,\n\n  \nA dog\n") == [
        Line(4, {"input": {"prompt": "A cat", "seed": 7}}),
        Line(8, {"input": {"prompt": "A dog"}}),
    ]


def test_people_may_put_spaces_between_cells() -> None:
    assert said('prompt , "seed", Custom_ID \n "A cat, sitting", 7 ,a b \n') == [
        {"custom_id": "a b", "input": {"prompt": "A cat, sitting", "seed": 7}}
    ]


def test_a_table_may_have_one_column() -> None:
    assert said("prompt\nA cat\nA dog") == [{"input": {"prompt": "A cat"}}, {"input": {"prompt": "A dog"}}]


@pytest.mark.parametrize(
    "row",
    ["A cat, sitting,7", "a,7,,x", '"A cat" sitting,7', '"A cat"",7', "A cat\rA dog,7"],
)
def test_a_row_whose_cells_are_in_doubt_is_told_and_the_table_goes_on(row: str) -> None:
    assert faults(f"prompt,seed\nA dog,1\n{row}\nA dog,2\n")[:2] == [(2, None), (3, "malformed_row")]


def test_after_a_row_in_doubt_comes_the_next() -> None:
    content = 'prompt,,seed\nA dog,,1\nA cat,x,1\nA cat, sitting,1,7\n"A cat" sitting,1\nA dog,,2\n'
    lines = read(content)
    assert faults(content) == [(2, None), *((number, "malformed_row") for number in (3, 4, 5)), (6, None)]
    assert lines[2].document == {"row": "A cat, sitting,1,7"}


def test_a_quote_that_is_never_closed_makes_one_error_and_no_picture() -> None:
    (fine, bad) = read('prompt,seed\nA dog,1\n"A cat,2\nA dog,3\nA dog,4\n')
    assert (fine.fault, bad.number, bad.fault and bad.fault.code) == (None, 3, "malformed_row")
    assert bad.document == {"row": '"A cat,2\nA dog,3\nA dog,4'}
    rest = "A dog,3\n" * 50_000
    assert faults(f'prompt,seed\nA dog,1\n"A cat,2\n{rest}') == [(2, None), (3, "row_too_large")]


@pytest.mark.parametrize("end", ['"\n', '",7\n', 'x\n"\n', 'x""x\n",7\n', 'x", "and\nagain"\n'])
def test_what_is_left_of_a_row_that_is_too_large_is_not_taken_for_rows(end: str) -> None:
    for large in ("x" * tables.ROW_CAP, "A cat\n" * (tables.ROW_CAP // 6), "x" * 300_000 + "\nA cat\n"):
        content = f'prompt,seed\nA dog,1\n"{large}{end}A dog,2\n'
        next_line = content.count("\n")
        assert faults(content) == [(2, None), (3, "row_too_large"), (next_line, None)]


def test_a_row_may_be_as_large_as_the_cap() -> None:
    largest = "x" * (tables.ROW_CAP - 3)
    assert faults(f'prompt\n"{largest}"\nA dog\n') == [(2, None), (3, None)]
    assert faults(f'prompt\n"{largest}x"\nA dog\n') == [(2, "row_too_large"), (3, None)]


def test_many_short_lines_in_one_cell_take_no_time() -> None:
    cell = "\n" * (tables.ROW_CAP - 10)
    (found,) = said(f'prompt,style\nA cat,"{cell}x"\n')
    assert found["input"]["style"].endswith("x")


def test_a_row_in_another_code_page_is_told_and_the_table_goes_on() -> None:
    rows = ["A cat,1", "Höhle,2", '"A dog\nin its Höhle",3', "A dog,4"]
    content = "\n".join(["prompt,seed", *rows]).encode("latin-1")
    assert faults(content) == [(2, None), (3, "not_utf8"), (4, "not_utf8"), (6, None)]
    assert read(content)[2].document == {"row": '"A dog\nin its H\ufffdhle",3'}


@pytest.mark.parametrize(
    ("content", "code", "clue"),
    [
        ("A cat\nA dog\n", "no_header", "`prompt`"),
        ("custom_id,seed\na,1\n", "no_header", "`prompt`"),
        ("prompts,seed\na,1\n", "no_header", "`prompt`"),
        ("prompt|seed\na|1\n", "no_header", "`prompt`"),
        ('"prompt,seed\na,1\n', "no_header", "cannot be read"),
        ("prompt,seed\rA cat,1\rA dog,2\r", "no_header", "cannot be read"),
        ("prompt," + "x" * 200_000 + "\nA cat\n", "no_header", "128 KB"),
        ('prompt,"' + "x\n" * 100_000 + '"\nA cat\n', "no_header", "128 KB"),
        ("prompt,größe\nA cat,1\n".encode("latin-1"), "wrong_encoding", "Save it as UTF-8"),
        ("prompt,seed,seed\nA cat,1,2\n", "malformed_header", "seed"),
        ("Prompt,prompt\nA cat,1\n", "malformed_header", "prompt"),
        ("prompt,count,num_images\nA cat,1,2\n", "malformed_header", "num_images"),
        ("prompt,seed\n", "empty_file", "no row"),
        ("prompt,seed", "empty_file", "no row"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_table_without_a_proper_header_makes_no_pictures(content: bytes | str, code: str, clue: str) -> None:
    found, message = refused(content)
    assert found == code
    assert clue in message


def test_a_header_may_have_line_breaks_in_its_names() -> None:
    assert said('prompt,"aspect\nratio"\nA cat,x\n') == [{"input": {"prompt": "A cat", "aspect\nratio": "x"}}]
    assert said('seed;"aspect\nratio";prompt\n1;x;A cat\n') == [
        {"input": {"prompt": "A cat", "seed": 1, "aspect\nratio": "x"}}
    ]


def test_what_separates_columns_is_what_sets_the_prompt_apart() -> None:
    assert said("prompt;style, or not, or so\nA cat, asleep;x\n") == [
        {"input": {"prompt": "A cat, asleep", "style, or not, or so": "x"}}
    ]

"""One row of a dropped file to an order, in each format, and back to a line of a result file."""

import contextlib
import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as some

from darkroom import filing, rows
from darkroom.errors import BodyTooLarge, InvalidOrder, MalformedBody
from darkroom.order import Order
from darkroom.rows import Defaults, Row
from tests.conftest import MODEL, RECEIVER

FLAT = {"custom_id": "sku-1", "model": MODEL, "input": {"prompt": "A cat"}}
OPENAI = {
    "custom_id": "sku-1",
    "method": "POST",
    "url": "/v1/images/generations",
    "body": {"model": "gpt-image-1", "prompt": "A cat", "n": 2, "size": "1024x1024"},
}
BEDROCK = {"recordId": "sku-1", "modelInput": {"prompt": "A cat", "seed": 7}}
NOTHING = Defaults()
PICTURE = "s3://inbox/shop/cat.png"
ERROR = {"code": "rate_limited", "message": "Slow down.", "retryable": True, "may_be_billed": False}


def read(
    document: dict[str, Any],
    defaults: Defaults = NOTHING,
    number: int = 3,
    picture: str | None = None,
    words: tuple[str, ...] = ("num_images", "image"),
) -> Row:
    return rows.read(document, number, defaults, picture, lambda _: frozenset(words))


def faults(document: dict[str, Any], defaults: Defaults = NOTHING) -> list[tuple[str, str]]:
    with pytest.raises(InvalidOrder) as caught:
        read(document, defaults)
    return [(fault["field"], fault["message"]) for fault in caught.value.faults]


def test_a_flat_row_is_an_order() -> None:
    document = {**FLAT, "webhook": RECEIVER, "webhook_events_filter": ["completed"], "metadata": {"a": 1}}
    assert read(document) == Row(
        "sku-1",
        MODEL,
        Order(input={"prompt": "A cat"}, webhook=RECEIVER, webhook_events_filter=["completed"], metadata={"a": 1}),
    )


def test_a_row_of_openai_is_an_order() -> None:
    assert read(OPENAI) == Row(
        "sku-1", "gpt-image-1", Order(input={"prompt": "A cat", "num_images": 2, "size": "1024x1024"})
    )


def test_a_row_of_openai_may_hold_the_body_of_a_request_here() -> None:
    body = {"input": {"prompt": "A cat"}, "webhook": RECEIVER, "metadata": {"a": 1}}
    url = "https://darkroom.example.com/v1/models/google/imagen-4-fast/predictions"
    expected = Row("sku-1", MODEL, Order(input={"prompt": "A cat"}, webhook=RECEIVER, metadata={"a": 1}))
    assert read({"custom_id": "sku-1", "url": url, "body": body}) == expected
    assert read({"custom_id": "sku-1", "body": {**body, "model": MODEL}}) == expected
    assert read({"custom_id": "sku-1", "url": "/v1/predictions", "body": {**body, "version": MODEL}}) == expected


def test_what_stands_beside_the_input_in_a_row_of_openai_is_no_input() -> None:
    beside: dict[str, Any] = {"webhook": RECEIVER, "webhook_events_filter": ["output"], "metadata": {"a": 1}}
    body = {"model": MODEL, "prompt": "A cat", "user": "u", **beside}
    expected = Order(input={"prompt": "A cat", "user": "u"}, **beside)
    assert read({"custom_id": "a", "body": body}).order == expected


def test_the_number_of_images_is_said_in_openais_word_where_nobody_knows_another() -> None:
    assert read(OPENAI, words=()).order.input == {"prompt": "A cat", "n": 2, "size": "1024x1024"}
    both = {"prompt": "A cat", "num_images": 3, "n": 2}
    assert read({**OPENAI, "body": {"model": MODEL, **both}}).order.input == both
    assert read({**FLAT, "input": {"prompt": "A cat", "n": 2}}).order.input == {"prompt": "A cat", "n": 2}


def test_a_row_of_bedrock_is_an_order() -> None:
    expected = Row("sku-1", MODEL, Order(input={"prompt": "A cat", "seed": 7}))
    assert read(BEDROCK, Defaults(model=MODEL)) == expected
    assert read({**BEDROCK, "model": MODEL}) == expected
    body = {"model": MODEL, "input": {"prompt": "A cat", "seed": 7}}
    assert read({"recordId": "sku-1", "modelInput": body}) == expected


@pytest.mark.parametrize(
    ("said", "model"),
    [
        ({"model": "google/imagen-4"}, "google/imagen-4"),
        ({"model": "flux"}, "flux"),
        ({"version": "google/imagen-4:hidden"}, "google/imagen-4"),
        ({"version": "google~imagen-4"}, "google/imagen-4"),
        ({"model": "google/imagen-4", "version": "google/imagen-4:google~imagen-4"}, "google/imagen-4"),
        ({"model": "stability-ai/sdxl:39ed52f2"}, "stability-ai/sdxl:39ed52f2"),
        ({"model": None}, "a/default"),
        ({}, "a/default"),
    ],
)
def test_a_model_is_named_as_in_the_api(said: dict[str, Any], model: str) -> None:
    document = {"custom_id": "a", "input": {"prompt": "A cat"}, **said}
    assert read(document, Defaults(model="a/default")).model == model


@pytest.mark.parametrize("model", ["", 7, True, ["a/b"], {"a": 1}, "a" * 257])
def test_a_model_that_is_no_name_is_a_fault(model: Any) -> None:
    document = {**FLAT, "model": model}
    assert faults(document) == [("model", "must be a string of 1 to 256 characters")]
    assert faults({"body": {"input": {}, "model": model}}) == [("model", "must be a string of 1 to 256 characters")]


def test_a_row_names_a_model_once_or_says_the_same() -> None:
    assert faults({**FLAT, "version": "google/imagen-4"}) == [("model", "is named twice, and differently")]
    url = "/v1/models/google/imagen-4/predictions"
    assert faults({**OPENAI, "url": url}) == [("model", "is named twice, and differently")]
    assert read({**OPENAI, "url": "/v1/models/gpt/image/predictions", "body": {"prompt": "a"}}).model == "gpt/image"


def test_a_row_without_a_model_needs_a_default() -> None:
    missing = [("model", "is missing: name one in the row, or in _defaults.json")]
    assert faults({"input": {"prompt": "A cat"}}) == missing
    assert faults({"body": {"prompt": "A cat"}}) == missing
    assert faults(BEDROCK) == missing


# What a row is called.


@pytest.mark.parametrize("custom_id", ["..", "/", "a/../b", "a\0b", "📷", "a.", " ", "0", 7, -1, "07"])
@pytest.mark.parametrize("row", [FLAT, OPENAI, BEDROCK], ids=["flat", "openai", "bedrock"])
def test_a_custom_id_may_be_anything_that_fits_into_a_name(row: dict[str, Any], custom_id: Any) -> None:
    member = "recordId" if row is BEDROCK else "custom_id"
    found = read({**row, member: custom_id}, Defaults(model=None if row is OPENAI else MODEL))
    assert found.custom_id == str(custom_id)
    assert unquote(filing.safe(found.custom_id)) == str(custom_id)


@pytest.mark.parametrize("row", [FLAT, OPENAI, BEDROCK], ids=["flat", "openai", "bedrock"])
@pytest.mark.parametrize(
    ("custom_id", "clue"), [("", "string"), (True, "string"), (1.5, "string"), ([], "string"), ("/" * 86, "256 bytes")]
)
def test_a_custom_id_that_could_name_nothing_is_a_fault(row: dict[str, Any], custom_id: Any, clue: str) -> None:
    member = "recordId" if row is BEDROCK else "custom_id"
    document = {**row, member: custom_id}
    ((field, message),) = faults(document, Defaults(model=None if row is OPENAI else MODEL))
    assert field == member
    assert clue in message
    assert rows.custom_id(document, 3) == "3"


def test_a_row_without_a_custom_id_is_called_by_its_line() -> None:
    without: list[dict[str, Any]] = [{"model": MODEL, "input": {}}, {"custom_id": None, "model": MODEL, "input": {}}]
    for document in without:
        assert read(document, number=17).custom_id == rows.custom_id(document, 17) == "17"


def test_a_row_is_called_as_it_says_before_it_is_called_as_it_was() -> None:
    error = {**ERROR, "custom_id": "17"}
    assert read({**FLAT, "error": error}).custom_id == "sku-1"
    assert read({"model": MODEL, "input": {}, "error": error}).custom_id == "17"


# Defaults.


def test_defaults_lie_under_the_row() -> None:
    defaults = Defaults(
        model="a/default", input={"prompt": "A dog", "seed": 1}, metadata={"a": 1, "b": 1}, webhook="https://b.example/"
    )
    assert read({"custom_id": "a"}, defaults) == Row(
        "a", "a/default", Order(input={"prompt": "A dog", "seed": 1}, metadata={"a": 1, "b": 1})
    )
    own = {"model": MODEL, "input": {"prompt": "A cat", "seed": None}, "metadata": {"b": 2}, "webhook": RECEIVER}
    assert read(own, defaults).order == Order(
        input={"prompt": "A cat", "seed": None}, metadata={"a": 1, "b": 2}, webhook=RECEIVER
    )
    assert read({"metadata": None}, defaults).order.metadata == {"a": 1, "b": 1}
    assert defaults.input == {"prompt": "A dog", "seed": 1}


def test_defaults_may_be_anything_that_an_order_may() -> None:
    text = json.dumps({"model": MODEL, "input": {"seed": 1}, "webhook": RECEIVER, "metadata": {}, "dry_run": True})
    expected = Defaults(model=MODEL, input={"seed": 1}, webhook=RECEIVER, dry_run=True)
    assert rows.defaults_of(text.encode()) == rows.defaults_of(b"\xef\xbb\xbf" + text.encode()) == expected
    assert rows.defaults_of(b"{}") == NOTHING


@pytest.mark.parametrize(
    ("text", "error", "clue"),
    [
        (b"", MalformedBody, "The file is not JSON"),
        (b"[]", MalformedBody, "must be a JSON object"),
        (b'{"input": {"seed": NaN}}', MalformedBody, "NaN"),
        ("{}".encode("utf-16"), MalformedBody, "not UTF-8"),
        (b" " * 300_000, BodyTooLarge, "256 KB"),
        (b'{"modell": "a/b"}', InvalidOrder, "modell"),
        (b'{"model": ""}', InvalidOrder, "model: .* at least 1 character"),
        (b'{"model": 7}', InvalidOrder, "model"),
        (b'{"dry_run": "yes"}', InvalidOrder, "dry_run"),
        (b'{"dry_run": null}', InvalidOrder, "dry_run: must be true or false"),
        (b'{"input": {"prompt": " "}}', InvalidOrder, "prompt is empty"),
        (b'{"webhook": "shop"}', InvalidOrder, "webhook"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_defaults_that_cannot_be_meant_are_refused(text: bytes, error: type[Exception], clue: str) -> None:
    with pytest.raises(error, match=clue):
        rows.defaults_of(text)


# Faults.


def test_all_faults_of_a_row_are_found_at_once() -> None:
    document = {
        "custom_id": "",
        "model": 7,
        "input": {"prompt": "a\0"},
        "webhook": "shop",
        "prompt": "A cat",
        "size": 1,
    }
    assert [field for field, _ in faults(document)] == ["custom_id", "model", "input", "webhook", "prompt", "size"]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"model": MODEL, "prompt": "A cat"}, [("input", "is missing"), ("prompt", "is not known here")]),
        ({"model": MODEL, "input": "A cat"}, [("input", "must be an object")]),
        ({**FLAT, "webhook": 7}, [("webhook", "must be a string")]),
        ({**BEDROCK, "model": MODEL, "custom_id": "a"}, [("custom_id", "is not known here")]),
    ],
)
def test_what_is_wrong_with_a_row_is_said_in_plain_words(document: dict[str, Any], told: list[tuple[str, str]]) -> None:
    assert faults(document) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'{"modell": "a/b", "dry_run": "yes"}', "dry_run: must be true or false; modell: is not known here"),
        (b"[]", "The file must be a JSON object."),
    ],
)
def test_what_is_wrong_with_defaults_is_said_in_plain_words_on_one_line(text: bytes, told: str) -> None:
    with pytest.raises((InvalidOrder, MalformedBody)) as caught:
        rows.defaults_of(text)
    assert rows.complaint(caught.value) == told


def test_a_line_that_could_not_be_read_has_to_be_mended_before_it_is_dropped_again() -> None:
    again = rows.with_error({"row": "no JSON"}, 3, {"code": "malformed_row", "message": "The row is not JSON."})
    ((field, message),) = faults(again, Defaults(model=MODEL))
    assert field == "row"
    assert "could not be read the first time: mend it" in message
    assert faults({"row": "no JSON"}, Defaults(model=MODEL)) == [
        ("input", "is missing"),
        ("row", "is not known here"),
    ]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"custom_id": "a", "model": MODEL, "prompt": "A cat", "input": {}}, "prompt"),
        ({"model": MODEL}, "input"),
        ({"model": MODEL, "input": None}, "input"),
        ({"model": MODEL, "input": "A cat"}, "input"),
        ({"model": MODEL, "input": {"prompt": ""}}, "input"),
        ({"model": MODEL, "input": {}, "metadata": 7}, "metadata"),
        ({"model": MODEL, "input": {}, "recordid": 7}, "recordid"),
        ({**OPENAI, "method": "GET"}, "method"),
        ({**OPENAI, "url": "/v1/chat/completions"}, "url"),
        ({**OPENAI, "url": "/v1/embeddings"}, "url"),
        ({**OPENAI, "url": 7}, "url"),
        ({**OPENAI, "input": {}}, "input"),
        ({**OPENAI, "model": MODEL}, "model"),
        ({**OPENAI, "body": {"input": {}, "model": MODEL, "prompt": "A cat"}}, "prompt"),
        ({**BEDROCK, "model": MODEL, "custom_id": "a"}, "custom_id"),
        ({**BEDROCK, "model": MODEL, "modelOutput": {}}, "modelOutput"),
    ],
)
def test_what_a_row_says_that_nobody_understands_is_a_fault_of_that_name(document: dict[str, Any], field: str) -> None:
    assert [each for each, _ in faults(document)] == [field]


@pytest.mark.parametrize("document", [{**OPENAI, "body": "A cat"}, {"custom_id": "a", "url": OPENAI["url"]}])
def test_a_row_without_its_body_is_told(document: dict[str, Any]) -> None:
    assert ("body", "must be an object") in faults(document, Defaults(model=MODEL))
    assert faults({"recordId": "a"}, Defaults(model=MODEL)) == [("modelInput", "must be an object")]


def test_a_row_with_a_thousand_faults_is_told_some() -> None:
    told = faults({**FLAT, **{f"{number}" * 100: 1 for number in range(1000)}})
    assert len(told) == 20
    assert max(len(field) for field, _ in told) == 64


@pytest.mark.parametrize("method", ["POST", None])
@pytest.mark.parametrize(
    "url", [None, "/v1/images/generations", "/v1/images/edits", "https://a.example/v1/predictions"]
)
def test_a_row_of_openai_goes_where_images_are_made(method: str | None, url: str | None) -> None:
    assert read({**OPENAI, "method": method, "url": url}).model == "gpt-image-1"


# A picture with a sidecar.


@pytest.mark.parametrize(
    ("words", "put"),
    [
        (("image",), {"image": PICTURE}),
        (("images",), {"images": [PICTURE]}),
        (("image", "images"), {"image": PICTURE}),
        ((), {"image": PICTURE}),
        (("seed",), {"image": PICTURE}),
    ],
)
def test_a_sidecars_picture_is_put_where_the_model_takes_one(words: tuple[str, ...], put: dict[str, Any]) -> None:
    assert read(FLAT, picture=PICTURE, words=words).order.input == {"prompt": "A cat", **put}
    assert read({"model": MODEL}, picture=PICTURE, words=words).order.input == put


@pytest.mark.parametrize("own", [{"image": "https://a.example/b.png"}, {"images": []}])
def test_a_row_may_name_another_picture_than_the_one_beside_it(own: dict[str, Any]) -> None:
    document = {"model": MODEL, "input": own}
    assert read(document, picture=PICTURE).order.input == own


def test_the_picture_beside_a_sidecar_goes_before_a_default_one() -> None:
    defaults = Defaults(input={"image": "https://a.example/b.png"})
    assert read(FLAT, defaults, picture=PICTURE).order.input["image"] == PICTURE


# Result files.

ROWS = [
    FLAT,
    {"input": {"prompt": "A cat"}, "metadata": {"a": 1}},
    {**FLAT, "custom_id": 7},
    OPENAI,
    {"body": {"prompt": "A cat", "model": "m"}},
    BEDROCK,
    {"modelInput": {"input": {"prompt": "A cat"}}},
]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_with_its_error_dropped_again_orders_the_same_under_the_same_name(row: dict[str, Any]) -> None:
    defaults = Defaults(model=None if "body" in row else MODEL)
    again, number = row, 17
    for new_number in (1, 5):
        again = json.loads(json.dumps(rows.with_error(again, number, ERROR)))
        number = new_number
        assert read(again, defaults, number) == read(row, defaults, 17)
        assert rows.custom_id(again, number) == rows.custom_id(row, 17)


def test_a_row_of_a_sidecar_keeps_its_picture_when_it_is_dropped_again_on_its_own() -> None:
    note = {"input": {"prompt": "The cat wears a hat"}}
    again = rows.with_error(rows.with_error(note, 1, ERROR, PICTURE), 1, ERROR)
    assert {name: value for name, value in again.items() if name != "error"} == note
    assert read(again, Defaults(model=MODEL)) == read(note, Defaults(model=MODEL), 1, PICTURE)
    assert read(again, Defaults(model=MODEL)).order.input["image"] == PICTURE


@pytest.mark.parametrize("row", ROWS)
def test_an_error_stands_beside_the_row_as_it_came(row: dict[str, Any]) -> None:
    told = rows.with_error({**row, "error": "of the last time"}, 17, {**ERROR, "task_id": "t", "line": 1})
    assert {name: value for name, value in told.items() if name != "error"} == row
    expected = {**ERROR, "task_id": "t", "line": 17, "custom_id": rows.custom_id(row, 17)}
    assert expected.items() <= told["error"].items()


def test_an_error_says_at_least_whether_to_try_again_and_what_it_may_have_cost() -> None:
    told = rows.with_error(FLAT, 3, {"code": "unknown_model", "message": "There is none."})
    assert told["error"] == {
        "retryable": False,
        "may_be_billed": False,
        "code": "unknown_model",
        "message": "There is none.",
        "line": 3,
        "custom_id": "sku-1",
    }


@pytest.mark.parametrize(("retryable", "code"), [(True, 500), (False, 400)])
def test_an_error_of_a_row_of_bedrock_is_said_in_its_words_too(retryable: bool, code: int) -> None:
    error = rows.with_error(BEDROCK, 3, {**ERROR, "retryable": retryable})["error"]
    assert (error["errorCode"], error["errorMessage"]) == (code, "Slow down.")
    assert "errorCode" not in rows.with_error(FLAT, 3, ERROR)["error"]


MADE = {"task_id": "mmtpytwruwbbd6nwhalv3fg672", "status": "succeeded", "images": []}


def test_what_was_made_is_told_in_the_rows_own_format() -> None:
    assert rows.output(FLAT, 3, "sku-1", MADE) == {"custom_id": "sku-1", "line": 3, **MADE}
    assert rows.output(OPENAI, 3, "sku-1", MADE) == {
        "id": MADE["task_id"],
        "custom_id": "sku-1",
        "response": {"status_code": 200, "request_id": MADE["task_id"], "body": MADE},
        "error": None,
    }
    assert rows.output(BEDROCK, 3, "sku-1", MADE) == {
        "recordId": "sku-1",
        "modelInput": BEDROCK["modelInput"],
        "modelOutput": MADE,
    }


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=4),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = some.sampled_from(
    [
        "custom_id",
        "recordId",
        "model",
        "version",
        "input",
        "body",
        "modelInput",
        "url",
        "method",
        "error",
        "metadata",
        "x",
    ]
)


@given(some.dictionaries(MEMBERS, JSON | some.just({"prompt": "A cat"}) | some.just({"input": {}}), max_size=6))
def test_any_object_is_an_order_or_has_faults(document: dict[str, Any]) -> None:
    before = json.dumps(document)
    with contextlib.suppress(InvalidOrder):
        row = read(document, Defaults(model=MODEL), picture=PICTURE)
        assert read(rows.with_error(document, 3, ERROR), Defaults(model=MODEL), 9, PICTURE) == row
    assert rows.custom_id(document, 3)
    assert json.dumps(document) == before


def test_a_line_is_as_short_as_it_can_be() -> None:
    assert rows.written({"custom_id": "Höhle", "line": 3}) == '{"custom_id":"Höhle","line":3}'.encode()

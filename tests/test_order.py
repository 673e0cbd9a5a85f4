"""What a caller may ask for, and every way in which it is refused."""

import json
from typing import Any

import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from darkroom import headers, task
from darkroom import order as bodies
from darkroom.errors import BodyTooLarge, InvalidOrder, MalformedBody
from darkroom.order import BODY_CAP, DEPTH_CAP, MEMBERS, PROMPT_CAP, VERSIONED, Order, literal_json, read
from local import orders
from tests.conftest import RECEIVER, ROOT, order

JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECT = some.dictionaries(some.text(), JSON, max_size=4)


@given(OBJECT, some.booleans(), some.sampled_from([None, 2, "\t"]))
def test_json_is_read_as_everybody_reads_it(document: dict[str, Any], escaped: bool, indent: Any) -> None:
    text = json.dumps(document, ensure_ascii=escaped, indent=indent)
    assert literal_json(text) == json.loads(text) == document


MALFORMED = [
    ("nothing", "", "not JSON"),
    ("half of it", '{"input": {', "not JSON"),
    ("two of them", "{}{}", "not JSON"),
    ("a comment", "{} // why", "not JSON"),
    ("single quotes", "{'input': 1}", "not JSON"),
    ("a last comma", '{"input": 1,}', "not JSON"),
    ("a byte order mark", "\ufeff{}", "not JSON"),
    ("a line break in a string", '{"a": "b\nc"}', "not JSON"),
    ("NaN", '{"seed": NaN}', "NaN"),
    ("infinity", '{"seed": Infinity}', "Infinity"),
    ("less than all", '{"seed": [-Infinity]}', "-Infinity"),
    ("a number beyond counting", '{"seed": ' + "1" * 5000 + "}", "not JSON"),
    ("a key twice", '{"a": 1, "a": 1}', "'a' stands twice"),
    ("a key twice, once escaped", '{"a": 1, "\\u0061": 2}', "'a' stands twice"),
    ("a key twice, deep inside", '{"a": [{"b": {"c": 1, "c": 2}}]}', "'c' stands twice"),
    ("half a character", '{"a": "\\ud83d"}', "surrogate"),
    ("half a character as a key", '{"\\udcf7": 1}', "surrogate"),
    ("half a character, raw", '{"a": "\ud83d"}', "surrogate"),
    ("a list", "[]", "must be a JSON object"),
    ("a string", '"input"', "must be a JSON object"),
    ("null", "null", "must be a JSON object"),
]


@pytest.mark.parametrize(("text", "clue"), [bad[1:] for bad in MALFORMED], ids=[bad[0] for bad in MALFORMED])
def test_json_that_could_mean_two_things_or_nothing_is_refused(text: str, clue: str) -> None:
    with pytest.raises(MalformedBody, match=clue):
        literal_json(text)


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert literal_json('{"a": "\\ud83d\\udcf7"}') == {"a": "📷"}


def nested(depth: int) -> str:
    return '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)


def test_a_body_may_be_nested_up_to_the_cap_and_no_deeper() -> None:
    assert literal_json(nested(DEPTH_CAP)) == json.loads(nested(DEPTH_CAP))
    for deep in (nested(DEPTH_CAP + 1), nested(20_000), '{"a":' + "[" * 100_000, '{"a":' + "[" * 99 + "]" * 99 + "}"):
        with pytest.raises(MalformedBody, match="nested more than 32 deep"):
            literal_json(deep)


@pytest.mark.parametrize("character", ["x", "é", "灯", "📷"])
def test_a_body_is_measured_in_bytes(character: str) -> None:
    width = len(character.encode())
    largest = '{"a": "' + character * ((BODY_CAP - 9) // width)
    largest += "x" * (BODY_CAP - 2 - len(largest.encode())) + '"}'
    assert len(largest.encode()) == BODY_CAP
    assert literal_json(largest)
    with pytest.raises(BodyTooLarge, match="256 KB"):
        literal_json(largest + " ")


def found(body: Any) -> list[dict[str, str]]:
    with pytest.raises(InvalidOrder) as caught:
        taken(body)
    return caught.value.faults


def taken(body: Any) -> Order:
    return read(body, MEMBERS)


def test_the_usual_order_is_taken_as_it_is() -> None:
    usual = taken(order(webhook=RECEIVER, webhook_events_filter=["completed"], metadata={"row": 7}))
    assert (usual.input, usual.webhook, usual.metadata) == (order()["input"], RECEIVER, {"row": 7})


def test_an_input_is_the_gateways_affair() -> None:
    model_input = {"image": "https://a.example/b.png", "seed": 2**70, "size": {"width": 1.5}, "tags": [None, True]}
    assert taken({"input": model_input}).input == model_input


def test_what_older_clients_still_send_does_no_harm() -> None:
    older = taken(order(stream=True, webhook_completed="https://a.example/", metadata=None, webhook=None))
    assert (older.metadata, older.webhook) == ({}, None)


@pytest.mark.parametrize("character", ["x", "灯", "📷"])
def test_a_prompt_is_measured_in_bytes(character: str) -> None:
    longest = character * (PROMPT_CAP // len(character.encode()))
    assert taken({"input": {"prompt": longest}}).input["prompt"] == longest
    assert found({"input": {"prompt": longest + character}}) == [
        {"field": "input", "message": "prompt is longer than 32768 bytes"}
    ]


@pytest.mark.parametrize("prompt", ["a\nb\tc\r\n", "e\u0301", "\u200d", "a\u0085b", "{{}}", "</script>"])
def test_a_prompt_may_hold_whatever_can_be_read(prompt: str) -> None:
    assert taken({"input": {"prompt": prompt}}).input["prompt"] == prompt


@pytest.mark.parametrize(
    "prompt", ["", " \n\u3000", 7, None, ["a"], *(f"a{chr(code)}" for code in (0, 8, 11, 27, 127))]
)
def test_a_prompt_that_cannot_be_drawn_is_refused(prompt: Any) -> None:
    (fault,) = found({"input": {"prompt": prompt}})
    assert fault["field"] == "input"
    assert fault["message"].startswith("prompt ")


ADDRESSES = [
    "https://a.example",
    "http://a.example:8080/b?c=d#e",
    "https://[2606:4700::1]/",
    "https://bücher.example/ü",
]
NO_ADDRESSES = [
    *("", "shop", "/hook", "//a.example/", "https:///hook", "https://", "https://:443/", "ftp://a.example/"),
    *("javascript:alert(1)", "https://user@a.example/", "https://user:word@a.example/", "https://a.example:0/"),
    *("https://a.example:65536/", "https://a.example:port/", "https://[", "https://a.example/b c", "https://a\\b/"),
    *("https://a.example/\r\nX: y", "https://a.exa\tmple/", " https://a.example/", "https://a.example/\x00"),
    "https://a.example/" + "b" * 2048,
]


@pytest.mark.parametrize("webhook", ADDRESSES)
def test_a_webhook_is_an_absolute_url(webhook: str) -> None:
    assert taken(order(webhook=webhook)).webhook == webhook


@pytest.mark.parametrize("webhook", NO_ADDRESSES)
def test_a_webhook_that_could_not_be_called_is_refused(webhook: str) -> None:
    assert [fault["field"] for fault in found(order(webhook=webhook))] == ["webhook"]


SECRETS: dict[str, Any] = {
    "input": {"prompt": "secret\x00secret"},
    "webhook": "secret://secret@secret/",
    "webhook_events_filter": ["secret"],
    "metadata": "secret",
    "stream": "secret",
    "webhook_completed": {"secret": 1},
    "color": "secret",
}


@pytest.mark.parametrize("field", SECRETS)
def test_a_fault_names_its_field_and_does_not_repeat_what_was_sent(field: str) -> None:
    (fault,) = found(order(**{field: SECRETS[field]}))
    assert fault["field"].split(".")[0] == field
    assert fault["message"]
    assert "secret" not in json.dumps(fault)


def test_all_faults_are_found_at_once() -> None:
    assert {fault["field"].split(".")[0] for fault in found(SECRETS)} == set(SECRETS)
    assert [fault["field"] for fault in found(None)] == ["body"]


def test_a_number_without_end_is_no_number() -> None:
    with pytest.raises(MalformedBody):
        literal_json('{"seed": 1e999}')


# openapi.json tells of bodies in the words of local/orders.py; what Submit takes must be the same.

PROMPTS = some.sampled_from(["a lighthouse", "", " ", "a\x00b", "\u3000", "灯" * 11_000])
EVENT = some.sampled_from(["start", "output", "logs", "completed", "end"])
BODY = some.fixed_dictionaries(
    {},
    optional={
        "input": OBJECT | some.fixed_dictionaries({"prompt": PROMPTS | JSON}) | JSON,
        "webhook": some.sampled_from([*ADDRESSES, *NO_ADDRESSES]) | JSON,
        "webhook_events_filter": some.lists(EVENT, max_size=3) | some.lists(EVENT | JSON, max_size=3) | JSON,
        "metadata": OBJECT | JSON,
        "stream": some.booleans() | JSON,
        "webhook_completed": some.text() | JSON,
        "version": some.sampled_from(["google/imagen-4-fast", "v" * 257]) | JSON,
        "color": JSON,
        "body": JSON,
        "": JSON,
    },
)


def read_by_hand(body: dict[str, Any], *, versioned: bool) -> tuple[Any, ...]:
    """What an order says, and its digest; or its faults."""
    try:
        found = read(body, VERSIONED if versioned else MEMBERS)
    except InvalidOrder as error:
        return (error.faults,)
    return vars(found), task.digest(found.said)


def read_as_told(body: dict[str, Any], *, versioned: bool) -> tuple[Any, ...]:
    try:
        found = (orders.VersionedOrder if versioned else orders.Order).model_validate(body)
    except pydantic.ValidationError as error:
        return (bodies.faults(error.errors()),)
    said = found.model_dump(exclude_defaults=True, exclude={"version"})
    return {"version": None, **found.model_dump()}, task.digest(said)


@example(body={"input": {}, "version": "v" * 256, "webhook": f"https://a.example/{'b' * 2030}"}, versioned=True)
@example(body={"input": {}, "version": "v" * 257, "webhook": f"https://a.example/{'b' * 2031}"}, versioned=True)
@example(body={"input": {}, "version": None, "stream": 1}, versioned=True)
@given(BODY, some.booleans())
def test_what_openapi_tells_of_a_body_is_what_becomes_of_it(body: dict[str, Any], versioned: bool) -> None:
    assert read_by_hand(body, versioned=versioned) == read_as_told(body, versioned=versioned)


YES_AND_NO = ["true", "TRUE", "True", "t", "Yes", "y", "on", "1", "false", "F", "no", "n", "Off", "0"]


@pytest.mark.parametrize("said", [*YES_AND_NO, "", " true", "2", "ja", "true,false"])
def test_a_dry_run_is_asked_for_as_openapi_tells(said: str) -> None:
    told: tuple[bool, list[Any]]
    try:
        told = pydantic.TypeAdapter(bool).validate_python(said), []
    except pydantic.ValidationError as error:
        told = False, [{"field": "query.dry_run", "message": each["msg"]} for each in error.errors()]
    assert headers.dry_run({"dry_run": said}) == told


KEPT = [file.read_text() for file in sorted((ROOT / "tests" / "kept").glob("*/digests.jsonl"))]
DIGESTS = [json.loads(line) for text in KEPT for line in text.splitlines()]


@pytest.mark.parametrize("kept", DIGESTS, ids=lambda kept: str(kept["body"])[:60])
def test_an_order_that_is_repeated_after_a_deployment_is_known(kept: dict[str, str]) -> None:
    document = literal_json(kept["body"])
    found = read(document, VERSIONED if "version" in document else MEMBERS)
    assert task.digest(kept["model"], found.said) == kept["digest"]

"""Conditions and values as DynamoDB reads them, beside boto3's: both write the same."""

import enum
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr as Theirs
from boto3.dynamodb.conditions import ConditionExpressionBuilder
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from darkroom import items
from darkroom.conditions import Attr

NAMES = st.sampled_from(["status", "nonce", "size", "due_shard"])
SCALARS = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)

#: What can be said of an attribute: by us, and by boto3.
SAID: list[tuple[Callable[[Attr, Any], Any], Callable[[Theirs, Any], Any]]] = [
    (lambda one, value: one.eq(value), lambda one, value: one.eq(value)),
    (lambda one, value: one.lt(value), lambda one, value: one.lt(value)),
    (lambda one, value: one.between(value, 7), lambda one, value: one.between(value, 7)),
    (lambda one, value: one.is_in([value]), lambda one, value: one.is_in([value])),
    (lambda one, value: one.is_in((value, 1, 2)), lambda one, value: one.is_in([value, 1, 2])),
    (lambda one, _: one.exists(), lambda one, _: one.exists()),
    (lambda one, _: one.not_exists(), lambda one, _: one.not_exists()),
    (lambda one, value: one.contains(value), lambda one, value: one.contains(value)),
    (lambda one, value: one.has(value), lambda one, value: one.size().eq(value)),
]


@st.composite
def conditions(draw: st.DrawFn) -> tuple[Any, Any]:
    """The same condition, ours and boto3's."""
    name, value, (ours, theirs) = draw(NAMES), draw(VALUES), draw(st.sampled_from(SAID))
    return ours(Attr(name), value), theirs(Theirs(name), value)


def joined(inner: st.SearchStrategy[tuple[Any, Any]]) -> st.SearchStrategy[tuple[Any, Any]]:
    pairs = st.tuples(inner, inner)
    return (
        pairs.map(lambda pair: (pair[0][0] & pair[1][0], pair[0][1] & pair[1][1]))
        | pairs.map(lambda pair: (pair[0][0] | pair[1][0], pair[0][1] | pair[1][1]))
        | inner.map(lambda one: (~one[0], ~one[1]))
    )


@given(st.recursive(conditions(), joined, max_leaves=6))
def test_a_condition_is_written_as_boto3_writes_it(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    assert tuple(ours.written()) == tuple(ConditionExpressionBuilder().build_expression(theirs))


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_values_are_written_as_boto3_writes_them_and_come_back_as_they_were(values: dict[str, Any]) -> None:
    written = items.serialized(values)
    assert written == {name: TypeSerializer().serialize(value) for name, value in values.items()}
    assert items.deserialized(written) == values
    assert items.deserialized(written) == {
        name: TypeDeserializer().deserialize(value) for name, value in written.items()
    }


def test_a_status_is_written_as_its_word_and_a_tuple_as_a_list() -> None:
    class Word(enum.StrEnum):
        ONE = "one"

    assert items.serialized({"a": Word.ONE, "b": (Word.ONE,)}) == {"a": {"S": "one"}, "b": {"L": [{"S": "one"}]}}
    assert type(items.serialized({"a": Word.ONE})["a"]["S"]) is str


@pytest.mark.parametrize("value", [1.5, b"bytes", {1}, Decimal(1), [1.5], {"in": {"it": 1.5}}])
def test_what_no_item_of_ours_holds_is_not_written(value: Any) -> None:
    with pytest.raises(TypeError):
        items.serialized({"value": value})


def test_what_no_item_of_ours_holds_is_not_read() -> None:
    with pytest.raises(TypeError):
        items.deserialized({"value": {"SS": ["a"]}})

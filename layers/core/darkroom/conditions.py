"""
Conditions as DynamoDB reads them: said of attributes, put together, and written with a placeholder for each name and
each value, so that no name is a reserved word and no value is syntax.

    (Attr("status").eq("running") & Attr("doubt").not_exists()).written()

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple


class Written(NamedTuple):
    """A condition, and what its placeholders stand for. The values are still as they were given."""

    expression: str
    names: dict[str, str]
    values: dict[str, Any]


@dataclass(frozen=True)
class Value:
    value: Any


@dataclass(frozen=True)
class Attr:
    """An attribute of an item, at its top. It is a condition only when something is said of it."""

    name: str

    def eq(self, value: Any) -> "Condition":
        return Condition(self, " = ", Value(value))

    def lt(self, value: Any) -> "Condition":
        return Condition(self, " < ", Value(value))

    def between(self, low: Any, high: Any) -> "Condition":
        """Both are in."""
        return Condition(self, " BETWEEN ", Value(low), " AND ", Value(high))

    def is_in(self, values: Iterable[Any]) -> "Condition":
        first, *more = map(Value, values)
        rest = (part for value in more for part in (", ", value))
        return Condition(self, " IN (", first, *rest, ")")

    def exists(self) -> "Condition":
        return Condition("attribute_exists(", self, ")")

    def not_exists(self) -> "Condition":
        return Condition("attribute_not_exists(", self, ")")

    def contains(self, value: Any) -> "Condition":
        """A list that has this entry."""
        return Condition("contains(", self, ", ", Value(value), ")")

    def has(self, number: int) -> "Condition":
        """A list that has so many entries; one that is not there has no number of them."""
        return Condition("size(", self, ") = ", Value(number))


class Condition:
    def __init__(self, *parts: str | Attr | Value) -> None:
        self._parts = parts

    def __and__(self, other: "Condition") -> "Condition":
        return Condition("(", *self._parts, " AND ", *other._parts, ")")

    def __or__(self, other: "Condition") -> "Condition":
        return Condition("(", *self._parts, " OR ", *other._parts, ")")

    def __invert__(self) -> "Condition":
        return Condition("(NOT ", *self._parts, ")")

    def written(self) -> Written:
        text, names, values = list[str](), dict[str, str](), dict[str, Any]()
        for part in self._parts:
            match part:
                case Attr(name):
                    text.append(f"#n{len(names)}")
                    names[text[-1]] = name
                case Value(value):
                    text.append(f":v{len(values)}")
                    values[text[-1]] = value
                case literal:
                    text.append(literal)
        return Written("".join(text), names, values)

"""
What a caller's input is called on a route, and what of it cannot be said there.

One model has one vocabulary here, whatever a gateway calls things: `num_images` is `num_outputs` on one route,
`sampleCount` on another, and cannot be said on a third, which makes one image in a call. Callers may also use the name
and the values of any one of the model's routes. What no route of the model has a word for is handed on untouched, but
for our own common names: those mean something here, and a gateway that ignored one would be paid for a wrong picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from darkroom.errors import InvalidOrder

#: The one input that a route without a word for it may still be able to do: one image is what every call makes.
COUNT = "num_images"
#: Names that mean the same for all models.
COMMON = frozenset(
    ("aspect_ratio", "num_images", "resolution", "output_format", "safety_filter_level", "seed", "image", "images")
)


@dataclass(frozen=True)
class Word:
    """
    What one input is called on a route.

    values: what each value is called there; None if any value goes, as it is. most: the largest number it takes (the
    smallest is 1). default: what is said, in our words, when the caller says nothing, because the gateway's own default
    is another than elsewhere. required: nothing is made there without it.
    """

    name: str
    values: Mapping[Any, Any] | None = None
    most: int | None = None
    default: Any = None
    required: bool = False

    def complaint(self, value: Any) -> str | None:
        """Why a value cannot be said, as the end of a sentence about the route."""
        if self.values is not None and not any(_same(value, each) for each in self.values):
            return f"takes {', '.join(sorted(map(str, self.values)))}"
        if self.most is not None and not (type(value) is int and 1 <= value <= self.most):
            return f"takes a whole number, 1 to {self.most}, in one call"
        return None


#: A route's words, by our names for the inputs. None: the route takes an input as the caller says it.
Vocabulary = Mapping[str, Word] | None


def canonical(given: Mapping[str, Any], vocabularies: Sequence[Vocabulary]) -> dict[str, Any]:
    """
    An input in our words, from one in the words of any of a model's routes; what is null is not said. Raises
    InvalidOrder where one thing is said twice, and differently.
    """
    ours = _our_names(vocabularies)
    said: dict[str, Any] = {}
    for name, value in given.items():
        our_name = ours.get(name, name)
        if value is None and (our_name in ours or our_name in COMMON):
            continue
        our_value = _our_value(our_name, value, vocabularies)
        if our_name in said and not _same(said[our_name], our_value):
            message = f"is said twice, as {our_name} and in a gateway's own words: say it once"
            raise InvalidOrder([{"field": f"input.{name}", "message": message}])
        said[our_name] = our_value
    return said


def translate(said: Mapping[str, Any], vocabulary: Mapping[str, Word], known: frozenset[str]) -> dict[str, Any]:
    """
    An input in a route's words.

    said: in ours. known: all that the model's routes have words for. Raises Unsayable.
    """
    complaints = {name: "needs it" for name, word in vocabulary.items() if word.required and name not in said}
    native: dict[str, Any] = {}
    defaults = {name: word.default for name, word in vocabulary.items() if word.default is not None}
    for name, value in {**defaults, **said}.items():
        word = vocabulary.get(name)
        if word and (complaint := word.complaint(value)):
            complaints[name] = complaint
        elif word:
            native[word.name] = value if word.values is None else word.values[value]
        elif name == COUNT:
            if not _same(value, 1):
                complaints[name] = "makes 1 image in one call"
        elif name in known or name in COMMON:
            complaints[name] = "does not take it"
        else:
            native[name] = value
    if complaints:
        raise Unsayable(complaints)
    return native


class Unsayable(Exception):
    """`complaints`: by input, why it cannot be said on a route, as the end of a sentence about the route."""

    def __init__(self, complaints: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {complaint}" for name, complaint in complaints.items()))
        self.complaints = MappingProxyType(dict(complaints))


def names(vocabularies: Sequence[Vocabulary]) -> frozenset[str]:
    """All inputs that any of a model's routes has a word for."""
    return frozenset(name for vocabulary in vocabularies if vocabulary for name in vocabulary)


def _our_names(vocabularies: Sequence[Vocabulary]) -> dict[str, str]:
    """Our name by a route's; our own names mean what they say, and of two routes the first is heard."""
    found: dict[str, str] = {}
    for vocabulary in reversed(vocabularies):
        found |= {word.name: name for name, word in (vocabulary or {}).items()}
    return found | {name: name for name in names(vocabularies)}


def _our_value(name: str, value: Any, vocabularies: Sequence[Vocabulary]) -> Any:
    tables = [vocabulary[name].values for vocabulary in vocabularies if vocabulary and name in vocabulary]
    known = [table for table in tables if table is not None]
    if any(_same(value, ours) for table in known for ours in table):
        return value
    return next((ours for table in known for ours, theirs in table.items() if _same(value, theirs)), value)


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON has it, where true is not 1."""
    return type(one) is type(other) and bool(one == other)

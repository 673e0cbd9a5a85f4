"""
Which of a model's routes to take: those that can do what is asked, in order of preference, and whose turn it is.

The next route is tried when the one before has certainly not accepted the request. A route that only refused for now
has its turn again after a while; one that does not have the model, never.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from darkroom import inputs, schedule
from darkroom.errors import InvalidOrder
from darkroom.inputs import Unsayable
from darkroom.route import Model, Route
from darkroom.verdict import Verdict

_NO_ROUTE = "no route of this model does all that is asked"


@dataclass(frozen=True)
class Way:
    """A route that can do what is asked, and what is asked in its own words."""

    route: Route
    native_input: dict[str, Any]


def ways(model: Model, model_input: Mapping[str, Any]) -> tuple[Way, ...]:
    """How to have an input made, best first; never empty. Raises InvalidOrder, with what each can, if none can."""
    vocabularies = [route.vocabulary for route in model.routes]
    known = inputs.names(vocabularies)
    said = inputs.canonical(model_input, vocabularies)
    found, complaints = list[Way](), dict[str, dict[str, list[str]]]()
    for route in model.routes:
        words = route.vocabulary
        try:
            native_input = dict(model_input) if words is None else inputs.translate(said, words, known)
            found.append(Way(route, native_input))
        except Unsayable as error:
            for name, complaint in error.complaints.items():
                complaints.setdefault(name, {}).setdefault(complaint, []).append(route.name)
    if not found:
        told = {
            name: "; ".join(f"{each} ({', '.join(routes)})" for each, routes in by.items())
            for name, by in complaints.items()
        }
        raise InvalidOrder(
            [{"field": f"input.{name}", "message": f"{_NO_ROUTE}: {each}"} for name, each in told.items()]
        )
    return tuple(found)


def asked(model: Model, model_input: Mapping[str, Any], route: str) -> int | None:
    """
    How many images a route (by its name) was asked for; None where it has no word for that, or nobody has said it.

    Raises InvalidOrder where the catalogue has been changed meanwhile.
    """
    words = next((each.vocabulary for each in model.routes if each.name == route), None) or {}
    if (word := words.get(inputs.COUNT)) is None:
        return None
    said = inputs.canonical(model_input, [each.vocabulary for each in model.routes])
    number = said.get(inputs.COUNT, word.default)
    return number if type(number) is int else None


def turn(
    ways: Sequence[Way], attempts: Sequence[Mapping[str, Any]], now: int, *, patient: bool = False
) -> tuple[Way | None, int | None]:
    """
    Whose turn it is now (ms); or nobody's, and in how many seconds somebody's will be; or nobody's, ever (None).

    Each has a first turn at once. From then on there is one turn at a time, after ever longer pauses, for whoever has
    waited longest of those that do not wish to be left alone (`retry_after`).
    """
    last = {attempt["route"]: attempt for attempt in attempts}
    untried = [way for way in ways if way.route.name not in last]
    if untried:
        return untried[0], 0
    willing = [way for way in ways if last[way.route.name]["outcome"] != Verdict.UNAVAILABLE.value]
    if not willing:
        return None, None
    made = [attempt for attempt in attempts if attempt["route"] in {way.route.name for way in ways}]
    pause_over: int = made[-1]["at"] + 1000 * schedule.backoff(len(made) - len(ways) + 1, patient=patient)

    def ready(way: Way) -> int:
        own = last[way.route.name]
        wish: int = own["at"] + 1000 * own.get("retry_after", 0)
        return max(pause_over, wish)

    if found := [way for way in willing if ready(way) <= now]:
        return min(found, key=lambda way: int(last[way.route.name]["at"])), 0
    return None, -(-(min(map(ready, willing)) - now) // 1000)

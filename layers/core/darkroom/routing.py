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

#: What an attempt's outcome is called when its route does not have the model.
UNAVAILABLE = "unavailable"

_NO_ROUTE = "no route of this model does all that is asked"


@dataclass(frozen=True)
class Way:
    """A route that can do what is asked, and what is asked in its own words."""

    route: Route
    native_input: dict[str, Any]


def ways(model: Model, model_input: Mapping[str, Any]) -> tuple[Way, ...]:
    """How to have an input made, best first; never empty. Raises InvalidOrder if no route can: it says what each can."""
    vocabularies = [route.vocabulary for route in model.routes]
    known = inputs.names(vocabularies)
    said = inputs.canonical(model_input, vocabularies)
    found, complaints = list[Way](), dict[str, dict[str, list[str]]]()
    for route in model.routes:
        try:
            found.append(Way(route, inputs.translate(said, route.vocabulary, known)))
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


def turn(ways: Sequence[Way], attempts: Sequence[Mapping[str, Any]], now: int) -> tuple[Way | None, int | None]:
    """
    Whose turn it is now (ms); or nobody's, and in how many seconds somebody's will be; or nobody's, ever (None).
    """
    pauses = list[int]()
    for way in ways:
        pause = _pause(way.route, attempts, now)
        if pause == 0:
            return way, 0
        if pause is not None:
            pauses.append(pause)
    return None, min(pauses, default=None)


def _pause(route: Route, attempts: Sequence[Mapping[str, Any]], now: int) -> int | None:
    """Seconds until a route may be tried (again); None if it need not be."""
    tried = [attempt for attempt in attempts if attempt["route"] == route.name]
    if not tried:
        return 0
    last = tried[-1]
    if last["outcome"] == UNAVAILABLE:
        return None
    again: int = last["at"] + 1000 * max(last.get("retry_after", 0), schedule.backoff(len(tried)))
    return max(0, -(-(again - now) // 1000))

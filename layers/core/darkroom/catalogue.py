"""Gateways, models and routes, as catalogue.toml names them."""

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from darkroom.errors import CatalogueError, UnknownModel


@dataclass(frozen=True)
class Route:
    """One way to have a model made. `base` is the address that the dialect's paths follow upon."""

    gateway: str
    dialect: str
    model: str
    base: str

    @property
    def name(self) -> str:
        """How a task remembers its route: `gateway/dialect/model`."""
        return f"{self.gateway}/{self.dialect}/{self.model}"


@dataclass(frozen=True)
class Model:
    name: str
    seconds: float
    routes: tuple[Route, ...]


class Catalogue:
    """`gateways`: by name, each with its `url` and the path of each of its `dialects`."""

    def __init__(self, text: str) -> None:
        """Raises CatalogueError for a text that is not a catalogue."""
        try:
            document = tomllib.loads(text)
            self.gateways: dict[str, dict[str, Any]] = document["gateways"]
            self._models = {
                name: Model(name, _seconds(entry["seconds"]), tuple(self._route(*route) for route in entry["routes"]))
                for name, entry in document["models"].items()
            }
        except (tomllib.TOMLDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise CatalogueError(f"catalogue.toml cannot be read: {type(error).__name__}: {error}") from error

    def model(self, name: str) -> Model:
        """Raises UnknownModel."""
        try:
            return self._models[name]
        except KeyError:
            raise UnknownModel(f"There is no model {name!r} here. Known: {', '.join(sorted(self._models))}.") from None

    def route(self, name: str) -> Route:
        """The route that a task remembers by `name`. It may be on no model's list any more, but its gateway must be."""
        try:
            return self._route(*name.split("/", 2))
        except (KeyError, TypeError) as error:
            raise CatalogueError(f"catalogue.toml has no gateway and dialect for the route {name!r}") from error

    def _route(self, gateway: str, dialect: str, model: str) -> Route:
        entry = self.gateways[gateway]
        return Route(gateway, dialect, model, entry["url"] + entry["dialects"][dialect])


def _seconds(value: float) -> float:
    if not 0 < value < math.inf:
        raise ValueError(f"{value} seconds")
    return float(value)


@cache
def catalogue() -> Catalogue:
    """The catalogue that lies beside this file."""
    return Catalogue(resources.files("darkroom").joinpath("catalogue.toml").read_text(encoding="utf-8"))

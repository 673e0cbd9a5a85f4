"""Gateways, models, and the routes between them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from darkroom.inputs import Vocabulary


@dataclass(frozen=True)
class Gateway:
    """
    A service that we pay.

    url: scheme and host. auth: the header that carries the key, `Name: value` with {key} in the value. dialects: by
    name, the path that the dialect's own paths follow upon. concurrency: rows of batches that may be under way there at
    once. question: seconds of lag that one question to it is worth; None for the usual.
    """

    name: str
    url: str
    auth: str
    dialects: Mapping[str, str]
    concurrency: int = 10
    question: float | None = None

    def credentials(self, key: str) -> dict[str, str]:
        """The header that says who we are."""
        name, _, value = self.auth.partition(": ")
        return {name.lower(): value.replace("{key}", key)}


@dataclass(frozen=True)
class Route:
    """
    One way to have a model made.

    model: the model's name there. vocabulary: what inputs are called there. price: US dollars for one image, if known.
    """

    gateway: Gateway
    dialect: str
    model: str
    vocabulary: Vocabulary = None
    price: float | None = None

    @property
    def name(self) -> str:
        """How a task remembers its route: `gateway/dialect/model`."""
        return f"{self.gateway.name}/{self.dialect}/{self.model}"

    @property
    def base(self) -> str:
        """The address that the dialect's paths follow upon."""
        return self.gateway.url + self.gateway.dialects[self.dialect]


def gateway_of(name: str) -> str:
    """The name of a route's gateway by the route's name."""
    return name.partition("/")[0]


def dialect_of(name: str) -> str:
    """The dialect of a route by the route's name."""
    return name.split("/")[1]


@dataclass(frozen=True)
class Model:
    """
    What callers ask for.

    seconds: how long it usually takes. output: "one" if callers get a link where there is one image, "list" if they
    get a list even then, None if that is for the gateway to say. routes: in order of preference; never empty. max_lag:
    seconds between two questions at most, once a task may be over, whatever they cost.
    """

    name: str
    seconds: float
    output: Literal["one", "list"] | None
    routes: tuple[Route, ...]
    max_lag: float = math.inf

    def called(self, name: str) -> "Model":
        """This model, if it stands for many of them, as the one of that name: each * among its routes is that name."""
        routes = tuple(replace(route, model=name) if route.model == "*" else route for route in self.routes)
        return replace(self, name=name, routes=routes)

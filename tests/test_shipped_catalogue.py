"""catalogue.toml as it is shipped."""

import re
import tomllib
from importlib import resources
from typing import Any

import httpx
import pytest

from darkroom import dialects
from darkroom.catalogue import DIALECTS, catalogue
from tests import documented_models

SHIPPED = tomllib.loads(resources.files("darkroom").joinpath("catalogue.toml").read_text(encoding="utf-8"))
NAMED = [name for name in SHIPPED["models"] if "*" not in name]


def test_the_catalogue_knows_the_dialects_that_are_spoken_and_no_other() -> None:
    assert set(DIALECTS) == {*dialects.QUEUES, *dialects.SYNCHRONOUS}
    assert {dialect for gateway in catalogue().gateways.values() for dialect in gateway.dialects} == set(DIALECTS)


def test_every_shipped_gateway_speaks_a_dialect_and_is_asked_over_tls() -> None:
    gateways = catalogue().gateways
    assert {"vectornode", "quickrouter", "tokaify"} <= set(gateways)
    for gateway in gateways.values():
        assert gateway.dialects
        assert httpx.URL(gateway.url).scheme == "https"
        (value,) = gateway.credentials("sk-1").values()
        assert "sk-1" in value


def test_every_gateway_and_vocabulary_is_used_by_a_route() -> None:
    routes = [route for model in SHIPPED["models"].values() for route in model["routes"]]
    assert {route.get("inputs") for route in routes} - {None} == set(SHIPPED["inputs"])
    assert {(route["gateway"], route["dialect"]) for route in routes} == {
        (name, dialect) for name, gateway in SHIPPED["gateways"].items() for dialect in gateway["dialects"]
    }


def test_one_thing_has_one_name_over_all_vocabularies() -> None:
    assert {name for vocabulary in SHIPPED["inputs"].values() for name in vocabulary} == {
        "prompt",
        "aspect_ratio",
        "num_images",
        "resolution",
        "output_format",
        "safety_filter_level",
        "person_generation",
        "seed",
        "image",
        "images",
    }


def test_every_vocabulary_has_a_word_for_the_prompt() -> None:
    assert all(vocabulary["prompt"] == "prompt" for vocabulary in SHIPPED["inputs"].values())


@pytest.mark.parametrize("name", SHIPPED["models"])
def test_every_shipped_route_is_spoken_and_found_again_by_its_name(name: str) -> None:
    model = catalogue().models[name]
    assert 1 <= model.seconds <= 60
    for route in model.routes:
        again = catalogue().route(route.name)
        assert (again.name, again.base, again.gateway) == (route.name, route.base, route.gateway)
        assert dialects.of(route.dialect) is {**dialects.QUEUES, **dialects.SYNCHRONOUS}[route.dialect]
        assert route.price is None or 0 < route.price < 1


@pytest.mark.parametrize("name", NAMED)
def test_a_model_that_has_words_on_one_route_has_them_on_all(name: str) -> None:
    assert len({route.vocabulary is None for route in catalogue().model(name).routes}) == 1


IMAGEN = {
    "google/imagen-4-fast": {
        "vectornode/replicate/google/imagen-4-fast",
        "replicate/replicate/google/imagen-4-fast",
        "tokaify/gemini/imagen-4.0-fast-generate-001:predict",
        "tokaify/openai/imagen-4.0-fast-generate-001",
        "fal/fal/fal-ai/imagen4/preview/fast",
    },
    "google/imagen-4": {
        "quickrouter/replicate/google/imagen-4",
        "vectornode/replicate/google/imagen-4",
        "replicate/replicate/google/imagen-4",
        "quickrouter/fal/fal-ai/imagen4/preview",
        "vectornode/fal/fal-ai/imagen4/preview",
        "fal/fal/fal-ai/imagen4/preview",
        "tokaify/gemini/imagen-4.0-generate-001:predict",
        "tokaify/openai/imagen-4.0-generate-001",
    },
    "google/imagen-4-ultra": {
        "vectornode/replicate/google/imagen-4-ultra",
        "replicate/replicate/google/imagen-4-ultra",
        "tokaify/gemini/imagen-4.0-ultra-generate-001:predict",
        "tokaify/openai/imagen-4.0-ultra-generate-001",
        "fal/fal/fal-ai/imagen4/preview/ultra",
    },
}


@pytest.mark.parametrize("name", IMAGEN)
def test_imagen_has_a_route_over_every_gateway_that_offers_it(name: str) -> None:
    model = catalogue().model(name)
    assert {route.name for route in model.routes} >= IMAGEN[name]
    assert model.output == "one"


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        *((name, "replicate") for name in documented_models.REPLICATE),
        *((name, "fal") for name in documented_models.FAL),
    ],
)
def test_every_image_model_that_a_gateway_lists_has_a_route_there(name: str, dialect: str) -> None:
    found = catalogue().model(name)
    (route,) = (route for route in found.routes if (route.gateway.name, route.dialect) == ("vectornode", dialect))
    there, _, version = route.model.partition(":")
    assert (found.name, there) == (name, name)
    assert re.fullmatch(r"([0-9a-f]{64})?", version)


def test_a_model_without_an_entry_passes_under_its_own_name_and_its_input_untouched() -> None:
    expected = {
        "somebody/something": ["vectornode/replicate", "replicate/replicate"],
        "somebody/something:39ed52f2": ["vectornode/replicate", "replicate/replicate"],
        "fal-ai/something/else/again": ["vectornode/fal", "quickrouter/fal", "fal/fal"],
    }
    for name, routes in expected.items():
        found = catalogue().model(name)
        assert [route.name for route in found.routes] == [f"{route}/{name}" for route in routes]
        assert all(route.vocabulary is None for route in found.routes)
        assert found.output is None


def test_the_shipped_catalogue_is_read_once() -> None:
    first: Any = catalogue()
    assert first is catalogue()

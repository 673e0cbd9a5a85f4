"""catalogue.toml as it is shipped, the names that wildcards take, and catalogues with a slip."""

import itertools
import re
import tomllib
from importlib import resources
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from darkroom import dialects
from darkroom.catalogue import DIALECTS, Catalogue, catalogue
from darkroom.errors import CatalogueError, UnknownModel
from darkroom.inputs import Word
from darkroom.route import Gateway, Model, Route
from tests import documented_models

GOOD = """
[gateways.one]
url = "https://one.example"
dialects = { replicate = "/replicate/v1", fal = "" }

[gateways.two] # has everything that a gateway can have
url = "https://two.example:8443"
dialects = { replicate = "/v1", gemini = "/v1beta", openai = "/v1" }
auth = "X-Key: Key {key}"

[inputs.words]
prompt = "prompt"
aspect_ratio = { name = "size", values = { "1:1" = "square", "16:9" = "wide" } }
num_images = { name = "n", most = 4, default = 1 }
output_format = { values = ["jpg", "png"] }
style = { values = [
    "photo",
    "ink",
] }

[models."owner/model"]
seconds = 4
output = "one"
routes = [
    { gateway = "two", dialect = "replicate", model = "owner/name-there", inputs = "words", price = 0.02 },
    { gateway = "one", dialect = "fal", model = "owner/app/fast", price = 1 },
    { gateway = "one", dialect = "replicate", model = "owner/model" }, # the last
]

[models."owner/*"]
seconds = 7.5
routes = [{ gateway = "one", dialect = "replicate", model = "*" }]
"""

ROUTE = '{ gateway = "one", dialect = "fal", model = "owner/app/fast", price = 1 },'
LAST = '{ gateway = "one", dialect = "replicate", model = "owner/model" }, # the last'
WILD = '[{ gateway = "one", dialect = "replicate", model = "*" }]'


# What a catalogue says


def test_a_gateway_has_what_the_file_says_of_it() -> None:
    assert Catalogue(GOOD).gateways == {
        "one": Gateway(
            "one", "https://one.example", "Authorization: Bearer {key}", {"replicate": "/replicate/v1", "fal": ""}
        ),
        "two": Gateway(
            "two",
            "https://two.example:8443",
            "X-Key: Key {key}",
            {"replicate": "/v1", "gemini": "/v1beta", "openai": "/v1"},
        ),
    }


def test_a_model_has_what_the_file_says_of_it_and_its_routes_in_their_order() -> None:
    known = Catalogue(GOOD)
    words = {
        "prompt": Word("prompt"),
        "aspect_ratio": Word("size", {"1:1": "square", "16:9": "wide"}),
        "num_images": Word("n", most=4, default=1),
        "output_format": Word("output_format", {"jpg": "jpg", "png": "png"}),
        "style": Word("style", {"photo": "photo", "ink": "ink"}),
    }
    one, two = known.gateways.values()
    assert known.model("owner/model") == Model(
        "owner/model",
        4.0,
        "one",
        (
            Route(two, "replicate", "owner/name-there", words, 0.02),
            Route(one, "fal", "owner/app/fast", None, 1),
            Route(one, "replicate", "owner/model"),
        ),
    )


def test_a_route_has_a_name_and_an_address() -> None:
    assert [(route.name, route.base) for route in Catalogue(GOOD).model("owner/model").routes] == [
        ("two/replicate/owner/name-there", "https://two.example:8443/v1"),
        ("one/fal/owner/app/fast", "https://one.example"),
        ("one/replicate/owner/model", "https://one.example/replicate/v1"),
    ]


def test_a_gateway_gets_its_key_in_the_header_that_it_wants() -> None:
    one, two = Catalogue(GOOD).gateways.values()
    assert one.credentials("k{key}1") == {"authorization": "Bearer k{key}1"}
    assert two.credentials("k: 2") == {"x-key": "Key k: 2"}
    assert Gateway("g", "", "X-Key: a: {key}", {}).credentials("k") == {"x-key": "a: k"}


def test_how_callers_get_a_single_image_may_be_left_to_the_gateway() -> None:
    assert Catalogue(GOOD).model("owner/other").output is None
    assert Catalogue(GOOD.replace('output = "one"', 'output = "list"')).model("owner/model").output == "list"


def test_a_catalogue_may_have_no_vocabulary() -> None:
    text = GOOD[: GOOD.index("[inputs")] + GOOD[GOOD.index("[models") :].replace('inputs = "words", ', "")
    assert all(route.vocabulary is None for route in Catalogue(text).model("owner/model").routes)


def test_seconds_are_seconds_however_they_are_written() -> None:
    for written in ("4", "4.0", "4e0"):
        seconds = Catalogue(GOOD.replace("seconds = 4\n", f"seconds = {written}\n")).model("owner/model").seconds
        assert (seconds, type(seconds)) == (4.0, float)


def test_values_may_be_numbers_too() -> None:
    (vocabulary, *_) = [
        route.vocabulary
        for route in Catalogue(GOOD.replace('["jpg", "png"]', '["auto", 1, 0.5]')).model("owner/model").routes
    ]
    assert vocabulary
    assert vocabulary["output_format"].values == {"auto": "auto", 1: 1, 0.5: 0.5}


def test_a_default_may_be_a_truth_value_or_in_our_words() -> None:
    found = Catalogue(GOOD.replace('prompt = "prompt"', "safe = { default = false }")).model("owner/model")
    assert found.routes[0].vocabulary is not None
    assert found.routes[0].vocabulary["safe"] == Word("safe", default=False)
    Catalogue(GOOD.replace('"wide" } }', '"wide" }, default = "16:9" }'))


def test_a_route_that_a_task_remembers_may_be_on_no_list_any_more_but_its_gateway_must_be_there() -> None:
    known = Catalogue(GOOD)
    assert known.route("one/replicate/owner/gone:v2") == Route(known.gateways["one"], "replicate", "owner/gone:v2")
    for name in ("three/replicate/owner/model", "one/gemini/owner/model", "one/replicate", "one/replicate/", "one", ""):
        with pytest.raises(CatalogueError, match="no gateway and dialect"):
            known.route(name)


def test_an_unknown_model_is_told_what_there_is() -> None:
    with pytest.raises(UnknownModel, match=r"'nobody/other'.*Known: owner/\*, owner/model\.") as caught:
        Catalogue(GOOD).model("nobody/other")
    assert caught.value.problem()["status"] == 404


# Names that wildcards take


def wild(**routes: str) -> Catalogue:
    """A catalogue of patterns, each with one route to `*` in a dialect."""
    spoken = ", ".join(f'{dialect} = "/v1"' for dialect in DIALECTS)
    gateway = f'[gateways.g]\nurl = "https://g.example"\ndialects = {{ {spoken} }}\n'
    models = (
        f'[models."{pattern}"]\nseconds = 1\nroutes = [{{ gateway = "g", dialect = "{dialect}", model = "*" }}]\n'
        for pattern, dialect in routes.items()
    )
    return Catalogue(gateway + "".join(models))


def pattern_of(known: Catalogue, name: str) -> str | None:
    """The pattern that takes a name, if one does; each has a dialect of its own."""
    try:
        found = known.model(name)
    except UnknownModel:
        return None
    (route,) = found.routes
    assert (found.name, route.model) == (name, name)
    pattern: str = next(each for each, model in known.models.items() if model.routes[0].dialect == route.dialect)
    return pattern


PATTERNS = wild(**{"*/*": "replicate", "fal-ai/**": "fal", "gem-*": "gemini", "**-open": "openai"})


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("owner/name", "*/*"),
        ("Owner-1/name_2.5", "*/*"),
        ("owner/name:5c7d5dc6", "*/*"),
        ("fal-ai/flux", "fal-ai/**"),
        ("fal-ai/flux-1/dev/redux", "fal-ai/**"),
        ("not-fal-ai/flux", "*/*"),
        ("fal-ai", None),
        ("fal-ai/", None),
        ("owner", None),
        ("owner/", None),
        ("/name", None),
        ("owner/name/more", None),
        ("gem-3:predict", "gem-*"),
        ("gem-/3:predict", "*/*"),
        ("gem-:predict", "gem-*"),
        ("a/b/c-open", "**-open"),
        ("c-open", "**-open"),
        ("owner/c-open", "**-open"),
        ("-open", None),
        ("*/*", None),
        ("fal-ai/**", None),
    ],
)
def test_one_star_stands_for_anything_but_a_slash_and_two_for_anything(name: str, pattern: str | None) -> None:
    assert pattern_of(PATTERNS, name) == pattern


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("a/*", ["a/b", "a/b.c-d_e"], ["a/b/c", "a", "ba/b", "xa/b/c"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ba/b", "x/a/b"]),
        ("a.b/*", ["a.b/c"], ["a-b/c", "aXb/c"]),
        ("*-fast", ["a-fast"], ["a-faster", "a/b-fast"]),
        ("a*", ["ab", "a-b"], ["a", "a/b"]),
        ("a**", ["ab", "a/b"], ["a", "ba"]),
        ("a/*/c", ["a/b/c"], ["a/c", "a/b/b/c", "a/b/c/d"]),
        ("a/**/c", ["a/b/c", "a/b/b/c"], ["a/c", "a/b/c/d"]),
    ],
)
def test_a_pattern_fits_a_whole_name(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    known = wild(**{pattern: "openai"})
    assert [pattern_of(known, name) for name in fits] == [pattern] * len(fits)
    assert [pattern_of(known, name) for name in fits_not] == [None] * len(fits_not)


NESTED = {"**": "fal", "google/**": "replicate", "google/nano-*": "openai", "google/gem-**:predict": "gemini"}


@pytest.mark.parametrize("order", list(itertools.permutations(NESTED)), ids=" then ".join)
def test_of_all_patterns_that_fit_the_longest_is_taken_wherever_it_stands(order: tuple[str, ...]) -> None:
    known = wild(**{pattern: NESTED[pattern] for pattern in order})
    for name, pattern in {
        "google/nano-banana": "google/nano-*",
        "google/imagen-4": "google/**",
        "owner/name": "**",
    }.items():
        assert pattern_of(known, name) == pattern
    with pytest.raises(UnknownModel):
        known.model("google/gem-3:predict")  # no name in its dialect; what a shorter pattern makes of it is not meant


def test_a_model_with_an_entry_of_its_own_is_no_matter_for_wildcards() -> None:
    known = Catalogue(GOOD)
    assert (known.model("owner/model").seconds, known.model("owner/models").seconds) == (4.0, 7.5)


def test_a_wildcard_may_also_lead_to_one_model() -> None:
    known = Catalogue(GOOD.replace(WILD, '[{ gateway = "one", dialect = "replicate", model = "owner/all" }]'))
    found = known.model("owner/any")
    assert (found.name, found.routes[0].model) == ("owner/any", "owner/all")


def test_a_wildcard_gives_only_routes_whose_dialect_has_such_names() -> None:
    known = wild(**{"**": "replicate", "fal-ai/**": "fal"})
    assert known.model("owner/name:version").routes[0].model == "owner/name:version"
    for name in ("fal-ai/flux:version", "owner/a/b", "owner"):
        with pytest.raises(UnknownModel):
            known.model(name)
    two = '[{ gateway = "one", dialect = "fal", model = "*" }, { gateway = "one", dialect = "replicate", model = "*" }]'
    assert [route.dialect for route in Catalogue(GOOD.replace(WILD, two)).model("owner/m:1").routes] == ["replicate"]
    assert [route.dialect for route in Catalogue(GOOD.replace(WILD, two)).model("owner/m").routes] == [
        "fal",
        "replicate",
    ]


OUTSIDE = [
    "..",
    "../..",
    "../name",
    "owner/..",
    "owner/.",
    "owner/.hidden",
    "./name",
    "fal-ai/../../admin",
    "fal-ai/./flux",
    "fal-ai//flux",
    "owner//name",
    "/owner/name",
    "//host.example/name",
    "owner/name/",
    "owner/%2e%2e",
    "owner%2fname",
    "owner/name%2f..",
    "owner\\name",
    "owner/name\\..",
    "owner/na me",
    " owner/name",
    "owner/name\n",
    "owner/name\t",
    "owner/name\x00",
    "owner/name?key=1",
    "owner/name#there",
    "owner/name;a=b",
    "owner/name&a",
    "owner/name@host",
    "user:password@host/name",
    "https://host.example/name",
    "owner/name:a:b",
    "owner/name:",
    "owner/:name",
    "owner:version/name",
    "owner/näme",
    "owner/name\u2215more",
    "owner/\u202ename",
    "öwner/name",
    "owner/n\uff0eme",
    "owner/٣",
    "",
]


@pytest.mark.parametrize("name", OUTSIDE, ids=ascii)
def test_a_name_that_could_lead_out_of_an_address_is_no_models(name: str) -> None:
    for known in (catalogue(), wild(**{"**": "fal"}), wild(**{"**": "openai"})):
        with pytest.raises(UnknownModel):
            known.model(name)


@given(st.text("aZ0/.:-_~%2ef\\?#@*\u00e9 ", max_size=12) | st.from_regex(r"[a.]{1,3}(/[a.%]{1,3}){1,3}(:[a.]{1,2})?"))
@example("fal-ai/..")
@example("a/b:..")
def test_no_name_leads_anywhere_but_below_its_routes_address(name: str) -> None:
    try:
        routes = catalogue().model(name).routes
    except UnknownModel:
        return
    for route in routes:
        address = dialects.of(route.dialect).submission(route, {}).url
        assert str(httpx.URL(address)) == address
        assert address.startswith(f"{route.base}/")
        assert not {".", "..", ""} & set(address.removeprefix("https://").split("/")[1:])
        assert not set("?#%\\@") & set(address)


# The catalogue that is shipped


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


# Slips. The line that has to be named is the one with `#!`


SLIPS: dict[str, tuple[str, str, str]] = {
    # The file
    "a table that is not known": ("[inputs.words]", "[input.other] #!\n[inputs.words]", "'input' is not known here"),
    # Gateways
    "a gateway without a url": (
        '[gateways.one]\nurl = "https://one.example"',
        "[gateways.one] #!",
        "url is missing",
    ),
    "a gateway with a member misspelt": (
        'auth = "X-Key: Key {key}"',
        'auht = "X-Key: Key {key}" #!',
        "'auht' is not known here, only url, dialects, auth",
    ),
    "a gateway that is no table": (
        "\n[gateways.one]",
        'gateways.three = "https://three.example" #!\n[gateways.one]',
        "must be a table",
    ),
    "a gateway with a name that keys cannot have": ("[gateways.two]", "[gateways.Two] #!", "a-z, 0-9 and -"),
    "a gateway with a slash in its name": ("[gateways.two]", '[gateways."t/o"] #!', "a-z, 0-9 and -"),
    "a gateway over http": ('"https://one.example"', '"http://one.example" #!', "url must be https://"),
    "a gateway with a path": ('"https://one.example"', '"https://one.example/v1" #!', "without a path"),
    "a gateway with a slash at its end": ('"https://one.example"', '"https://one.example/" #!', "without a path"),
    "a gateway with a user's name": ('"https://one.example"', '"https://me@one.example" #!', "https:// and a host"),
    "a gateway without a host": ('"https://one.example"', '"https://" #!', "https:// and a host"),
    "a gateway with a port of letters": ('"https://one.example"', '"https://one.example:x" #!', "https:// and a host"),
    "a gateway with half a port": ('"https://one.example"', '"https://one.example:" #!', "https:// and a host"),
    "a gateway with a newline": ('"https://one.example"', '"https://one.example\\n" #!', "https:// and a host"),
    "a url that is no string": ('"https://one.example"', "1 #!", "url is of the wrong type"),
    "dialects in a list": ('{ replicate = "/replicate/v1", fal = "" }', '["fal"] #!', "dialects is of the wrong type"),
    "a dialect that nobody speaks": (
        'fal = "" }',
        'fall = "" } #!',
        "'fall' is no dialect; there are replicate, fal, gemini, openai",
    ),
    "a path that is no string": ('fal = "" }', "fal = 1 } #!", "a dialect's path"),
    "a path that ends with a slash": ('fal = "" }', 'fal = "/fal/" } #!', "does not end with it"),
    "a path without a slash": ('fal = "" }', 'fal = "fal" } #!', "starts with /"),
    "a path that leads up": ('fal = "" }', 'fal = "/fal/.." } #!', "a dialect's path"),
    "a path with a question": ('fal = "" }', 'fal = "/fal?a=1" } #!', "a dialect's path"),
    "a path that is not ASCII": ('fal = "" }', 'fal = "/fál" } #!', "a dialect's path"),
    "auth without a key": ('"X-Key: Key {key}"', '"X-Key: Key key" #!', "auth must be a header with {key}"),
    "auth with the key in the name": ('"X-Key: Key {key}"', '"{key}: Key" #!', "auth must be a header with {key}"),
    "auth without a header's name": ('"X-Key: Key {key}"', '"Key {key}" #!', "auth must be a header with {key}"),
    "auth with a newline before the key": ('"X-Key: Key {key}"', '"X-Key: a\\r\\nB: {key}" #!', "auth must be"),
    "auth with a newline behind the key": ('"X-Key: Key {key}"', '"X-Key: {key}\\n" #!', "auth must be"),
    "auth that no header can carry": ('"X-Key: Key {key}"', '"X-Key: Schlüssel {key}" #!', "auth must be"),
    "auth with a name that no header can have": ('"X-Key: Key {key}"', '"X-Schlüssel: {key}" #!', "auth must be"),
    # Vocabularies
    "inputs that are no table": ("[inputs.words]", "[inputs]\nwords = 5 #!\n[inputs.others]", "must be a table"),
    "a word that is no name": ('prompt = "prompt"', "prompt = 5 #!", "must be a table"),
    "a word with a member misspelt": ("most = 4", "msot = 4", "'msot' is not known here"),
    "values that are one": ('values = ["jpg", "png"] }', 'values = "jpg" } #!', "values is of the wrong type"),
    "values that nobody can say": ('values = ["jpg", "png"] }', "values = [[1]] } #!", "must be strings or numbers"),
    "values that are tables": ('values = ["jpg", "png"] }', "values = [{ a = 1 }] } #!", "must be strings or numbers"),
    "values that are days": ('values = ["jpg", "png"] }', "values = [1979-05-27] } #!", "must be strings or numbers"),
    "as many as nobody wants": ("most = 4", "most = 0", "most must be at least 1"),
    "as many as true": ("most = 4", "most = true", "most is of the wrong type"),
    "as many as half": ("most = 4", "most = 0.5", "most is of the wrong type"),
    "a default that is too many": (
        "default = 1",
        "default = 5",
        "default cannot be 5: the input takes a whole number, 1 to 4",
    ),
    "a default that is no value": (
        'values = ["jpg", "png"] }',
        'values = ["jpg", "png"], default = "gif" } #!',
        "default cannot be 'gif': the input takes jpg, png",
    ),
    "a default in a route's words": ('"wide" } }', '"wide" }, default = "wide" } #!', "the input takes 16:9, 1:1"),
    "two inputs of one name": (
        'output_format = { values = ["jpg", "png"] }',
        'output_format = "prompt" #!',
        "two inputs are called 'prompt' there",
    ),
    # Models
    "a model without seconds": (
        '[models."owner/model"]\nseconds = 4',
        '[models."owner/model"] #!',
        "seconds is missing",
    ),
    "seconds that are words": ("seconds = 4", 'seconds = "soon" #!', "seconds is of the wrong type"),
    "seconds that are true": ("seconds = 4", "seconds = true #!", "seconds is of the wrong type"),
    "no seconds at all": ("seconds = 4", "seconds = 0 #!", "seconds must be more than 0"),
    "seconds before": ("seconds = 4", "seconds = -1 #!", "seconds must be more than 0"),
    "seconds without end": ("seconds = 4", "seconds = inf #!", "up to an hour"),
    "seconds that are no number": ("seconds = 4", "seconds = nan #!", "seconds must be more than 0"),
    "seconds that no float can hold": ("seconds = 4", f"seconds = 1{'0' * 400} #!", "up to an hour"),
    "an output that is neither": ('output = "one"', 'output = "both" #!', 'output is "one" or "list"'),
    "an output that is a number": ('output = "one"', "output = 1 #!", "output is of the wrong type"),
    "a model with a member misspelt": ("seconds = 4", "secnds = 4 #!", "'secnds' is not known here"),
    "a model that is no table": ('[models."owner/*"]', '[models]\nx = 5 #!\n[models."owner/*"]', "must be a table"),
    # Routes
    "no routes": (WILD, "[] #!", "a model needs a route"),
    "routes that are a table": (WILD, "{} #!", "routes is of the wrong type"),
    "a route that is a name": (ROUTE, '"one/fal/owner/app/fast", #!', "must be a table"),
    "a route to a gateway that is not there": (ROUTE, ROUTE.replace('"one"', '"three"') + " #!", "no gateway 'three'"),
    "a route without a gateway": (ROUTE, ROUTE.replace('gateway = "one", ', "") + " #!", "gateway is missing"),
    "a route without a model": (ROUTE, '{ gateway = "one", dialect = "fal" }, #!', "model is missing"),
    "a route in a dialect that its gateway does not speak": (
        ROUTE,
        ROUTE.replace('"fal"', '"openai"') + " #!",
        "one does not speak 'openai'",
    ),
    "a route in a dialect that nobody speaks": (
        ROUTE,
        ROUTE.replace('"fal"', '"fall"') + " #!",
        "one does not speak 'fall'",
    ),
    "a route with a member misspelt": (ROUTE, ROUTE.replace("price", "prize") + " #!", "'prize' is not known here"),
    "a route with words that are not there": (
        ROUTE,
        ROUTE.replace("price = 1", 'inputs = "world"') + " #!",
        "there is no [inputs.world]",
    ),
    "a route with words of its own": (ROUTE, ROUTE.replace("price = 1", "inputs = {}") + " #!", "inputs is of the"),
    "a route that costs words": (ROUTE, ROUTE.replace("= 1", '= "1 dollar"') + " #!", "price is of the wrong type"),
    "a route that pays": (ROUTE, ROUTE.replace("= 1", "= -1") + " #!", "price must be a number of dollars"),
    "a route that costs all": (ROUTE, ROUTE.replace("= 1", "= inf") + " #!", "price must be a number of dollars"),
    "a route that costs nan": (ROUTE, ROUTE.replace("= 1", "= nan") + " #!", "price must be a number of dollars"),
    "the last route of a list": (LAST, LAST.replace("owner/model", "model") + " #!", "'model' is no name of a model"),
    "a route that is on the list": (LAST, f"{ROUTE} #!", "this route is on the list already"),
    "any model for a named one": (LAST, LAST.replace("owner/model", "*") + " #!", "only a model with a * in its name"),
    "any model in part": (WILD, WILD.replace("*", "owner/*") + " #!", "no name of a model in replicate"),
}


def slip(old: str, new: str) -> tuple[str, int]:
    """The good catalogue with a slip, and the number of the line that has to be named: the changed one, or `#!`."""
    assert GOOD.count(old) == 1
    text = GOOD.replace(old, new)
    place = text.index("#!") if "#!" in text else text.index(new)
    return text, text.count("\n", 0, place) + 1


@pytest.mark.parametrize(("old", "new", "clue"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_named_with_its_line(old: str, new: str, clue: str) -> None:
    text, line = slip(old, new)
    with pytest.raises(CatalogueError) as caught:
        Catalogue(text)
    assert str(caught.value).startswith(f"catalogue.toml, line {line}: ")
    assert clue in str(caught.value)
    assert caught.value.problem()["code"] == "misconfigured"


@pytest.mark.parametrize(
    ("dialect", "gateway", "good", "bad"),
    [
        (
            "replicate",
            "two",
            ["a/b", "a.b/c_d-e", "a/b:0f"],
            ["a", "a/b/c", "/a/b", "a/b:", "../b", "a/..", "a b/c", ""],
        ),
        ("fal", "one", ["a/b", "a/b/c.2/d"], ["a", "a/b/", "/a/b", "a//b", "a/../b", "a/b:c", "fal-ai/flux?x=1", ""]),
        (
            "gemini",
            "two",
            ["imagen-4.0:predict", "gemini-3:generateContent"],
            ["imagen-4.0", "imagen:", "a/b:predict", "imagen:Predict", "imagen:predictLongRunning", ""],
        ),
        ("openai", "two", ["gpt-image-2", "owner/name"], ["gpt image", "gpt-image:2", "gpt-image-²", ""]),
    ],
)
def test_what_a_model_is_called_in_each_dialect(dialect: str, gateway: str, good: list[str], bad: list[str]) -> None:
    def text(name: str) -> tuple[str, int]:
        return slip(ROUTE, f'{{ gateway = "{gateway}", dialect = "{dialect}", model = "{name}" }}, #!')

    for name in good:
        assert Catalogue(text(name)[0]).model("owner/model").routes[1].model == name
    for name in bad:
        with pytest.raises(CatalogueError, match=f"line {text(name)[1]}: '{re.escape(name)}' is no name of a model"):
            Catalogue(text(name)[0])


def test_a_slip_in_the_last_line_is_named_with_it_even_if_nothing_ends_that_line() -> None:
    text = f'{GOOD}\n[gateways.three]\ndialects = {{}}\nurl = "http://three.example"'
    for ending in ("", "\n", "\n\n# the end"):
        with pytest.raises(CatalogueError, match=rf"^catalogue\.toml, line {text.count(chr(10)) + 1}: url must be"):
            Catalogue(text + ending)


def test_a_list_over_many_lines_is_named_by_its_first() -> None:
    text, line = slip('style = { values = [\n    "photo",\n', "style = { values = [ #!\n    1979-05-27,\n")
    with pytest.raises(CatalogueError, match=rf"line {line}: values in a list"):
        Catalogue(text)


@pytest.mark.parametrize("break_", ["\r\n", "\n"], ids=["of Windows", "of Unix"])
def test_lines_are_counted_as_an_editor_counts_them(break_: str) -> None:
    text, line = slip('"https://two.example:8443"', '"two" #! \u2028 and \x85 end no line')
    text = f"# \u2028 \x85\n{text}".replace("\n", break_)
    with pytest.raises(CatalogueError, match=rf"line {line + 1}: "):
        Catalogue(text)


@pytest.mark.parametrize("text", ["", "# nothing", '[models."a/b"]\nseconds = 1\nroutes = []'], ids=ascii)
def test_a_catalogue_without_gateways_is_none(text: str) -> None:
    with pytest.raises(CatalogueError, match=r"^catalogue\.toml, line 1: gateways is missing"):
        Catalogue(text)


def test_a_catalogue_without_models_is_none() -> None:
    with pytest.raises(CatalogueError, match=r"^catalogue\.toml, line 1: models is missing"):
        Catalogue(GOOD.partition("[models")[0])


@pytest.mark.parametrize("name", ["gateways", "models", "inputs"])
def test_a_list_of_tables_is_no_table(name: str) -> None:
    tables = ["gateways", "inputs", "models"]
    text = "\n".join(f"[[{each}]]" if each == name else f"[{each}]" for each in tables)
    with pytest.raises(CatalogueError, match=rf"line {tables.index(name) + 1}: {name} is of the wrong type"):
        Catalogue(text)


@pytest.mark.parametrize(
    ("old", "new"),
    {
        "a key twice": ('url = "https://one.example"', 'url = "https://one.example"\nurl = "https://uno.example" #!'),
        "a gateway twice": ("[inputs.words]", "[gateways.one] #!\n[inputs.words]"),
        "a model twice": ('[models."owner/*"]', '[models."owner/model"] #!'),
        "a member twice in a line": ("most = 4", "most = 4, most = 5"),
        "a word without quotes": ('output = "one"', "output = one #!"),
        "a line that says nothing": ("seconds = 4", "seconds #!"),
    }.values(),
    ids=["key", "gateway", "model", "member", "word", "line"],
)
def test_what_is_not_toml_is_named_with_its_line_too(old: str, new: str) -> None:
    text, line = slip(old, new)
    with pytest.raises(CatalogueError, match=rf"^catalogue\.toml is not TOML: .*\(at line {line}, column \d+\)$"):
        Catalogue(text)


@pytest.mark.parametrize("text", ["[gateways", f"{GOOD}[models", f"{GOOD}\na = [1,"], ids=["all", "header", "list"])
def test_a_file_that_ends_too_early_says_so(text: str) -> None:
    with pytest.raises(CatalogueError, match=r"is not TOML: .*\((at end of document|at line \d+, column \d+)\)$"):
        Catalogue(text)


LITERALS = ["5", "-1", "0.5", "inf", "nan", "true", '"x"', '""', "[]", "[[1]]", "[{}]", "{}", "{ x = 1 }", "1979-05-27"]
LINES = [number for number, line in enumerate(GOOD.split("\n")) if re.match(r"\w+ = .*[^[]$", line)]


@pytest.mark.parametrize("literal", LITERALS)
def test_whatever_stands_in_a_line_the_catalogue_is_read_or_the_line_is_named(literal: str) -> None:
    named = 0
    for number in LINES:
        lines = GOOD.split("\n")
        lines[number] = f"{lines[number].partition(' = ')[0]} = {literal}"
        try:
            Catalogue("\n".join(lines))
        except CatalogueError as error:
            named += f"line {number + 1}: " in str(error) or "there is no" in str(error) or "not speak" in str(error)
        else:
            named += 1
    assert named == len(LINES)


def test_the_shipped_catalogue_is_read_once() -> None:
    first: Any = catalogue()
    assert first is catalogue()

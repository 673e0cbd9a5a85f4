"""What a catalogue says, and the names that its wildcards take. With a slip in it: test_catalogue_slips.py."""

import itertools

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from darkroom import dialects
from darkroom.catalogue import DIALECTS, Catalogue, catalogue
from darkroom.errors import CatalogueError, UnknownModel
from darkroom.inputs import Word
from darkroom.route import Gateway, Model, Route
from tests.catalogue_text import GOOD, WILD

# What a catalogue says


def test_a_gateway_has_what_the_file_says_of_it() -> None:
    assert Catalogue(GOOD).gateways == {
        "one": Gateway(
            "one", "https://one.example", "Authorization: Bearer {key}", {"replicate": "/replicate/v1", "fal": ""}, 10
        ),
        "two": Gateway(
            "two",
            "https://two.example:8443",
            "X-Key: Key {key}",
            {"replicate": "/v1", "gemini": "/v1beta", "openai": "/v1"},
            3,
            0.5,
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
        5.0,
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

"""catalogue.toml as it is shipped, and catalogues that are none."""

import pytest

from darkroom import dialects
from darkroom.catalogue import Catalogue, Route, catalogue
from darkroom.errors import CatalogueError, UnknownModel

GOOD = """
[gateways.one]
url = "https://one.example"
dialects = { replicate = "/replicate/v1" }

[gateways.two]
url = "https://two.example"
dialects = { replicate = "/v1" }

[models."owner/model"]
seconds = 4
routes = [["two", "replicate", "owner/name-there"], ["one", "replicate", "owner/model"]]
"""


def shipped() -> list[str]:
    """The models that an unknown one is told of."""
    with pytest.raises(UnknownModel) as caught:
        catalogue().model("nobody/nothing")
    return str(caught.value).partition("Known: ")[2].removesuffix(".").split(", ")


def test_the_shipped_catalogue_knows_the_model_of_the_first_example() -> None:
    model = catalogue().model("google/imagen-4-fast")
    assert (model.name, model.seconds > 0) == ("google/imagen-4-fast", True)
    assert model.routes[0] == Route(
        "vectornode", "replicate", "google/imagen-4-fast", "https://vectornode.example/replicate/v1"
    )


def test_every_shipped_gateway_is_asked_over_tls() -> None:
    gateways = catalogue().gateways
    assert len(gateways) >= 3
    for entry in gateways.values():
        assert entry["url"].startswith("https://")
        assert not entry["url"].endswith("/")
        for dialect, path in entry["dialects"].items():
            assert dialect in dialects.DIALECTS
            assert path.startswith("/")


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_route_is_spoken_and_found_again_by_its_name(name: str) -> None:
    model = catalogue().model(name)
    assert model.routes
    assert model.seconds > 0
    for route in model.routes:
        assert dialects.of(route) is dialects.DIALECTS[route.dialect]
        assert catalogue().route(route.name) == route
    assert len({route.gateway for route in model.routes}) == len(model.routes)


def test_an_unknown_model_is_told_what_there_is() -> None:
    with pytest.raises(UnknownModel, match=r"'owner/other'.*Known: owner/model\."):
        Catalogue(GOOD).model("owner/other")


def test_routes_keep_their_order_and_their_names_there() -> None:
    assert [(route.name, route.base) for route in Catalogue(GOOD).model("owner/model").routes] == [
        ("two/replicate/owner/name-there", "https://two.example/v1"),
        ("one/replicate/owner/model", "https://one.example/replicate/v1"),
    ]


def test_a_route_may_be_on_no_list_any_more_but_its_gateway_must_be_there() -> None:
    assert Catalogue(GOOD).route("one/replicate/owner/gone").model == "owner/gone"
    for name in ("three/replicate/owner/model", "one/fal/owner/model", "one/replicate", "one", ""):
        with pytest.raises(CatalogueError, match="no gateway and dialect"):
            Catalogue(GOOD).route(name)


BROKEN = {
    "no TOML": ("[gateways", "TOMLDecodeError"),
    "a key twice": (GOOD + "\n[gateways.one]\n", "one"),
    "no gateways": (GOOD.replace("gateways.", "gateway."), "gateways"),
    "no models": ('[gateways.one]\nurl = "https://one.example"', "models"),
    "no seconds": (GOOD.replace("seconds = 4", ""), "seconds"),
    "seconds that are none": (GOOD.replace("4\n", '"soon"\n'), "str"),
    "no routes": (GOOD.replace("routes =", "roads ="), "routes"),
    "a route to nowhere": (GOOD.replace('["two"', '["three"'), "three"),
    "a dialect that its gateway does not speak": (GOOD.replace('"one", "replicate"', '"one", "fal"'), "fal"),
    "half a route": (GOOD.replace(', "owner/name-there"', ""), "model"),
    "a gateway without a url": (GOOD.replace('url = "https://two.example"', ""), "url"),
    "a path that is no string": (GOOD.replace('"/v1"', "1"), "str"),
    "a model that is no table": ('models."a/b" = 5\n' + GOOD.partition("[models")[0], "int"),
    "seconds without end": (GOOD.replace("4\n", "inf\n"), "inf"),
    "models in a list": (GOOD.partition("[models")[0] + "[[models]]", "AttributeError"),
    "nothing": ("", "gateways"),
}


@pytest.mark.parametrize(("text", "clue"), BROKEN.values(), ids=BROKEN)
def test_a_catalogue_that_is_broken_is_the_operators_to_mend(text: str, clue: str) -> None:
    with pytest.raises(CatalogueError, match=r"^catalogue\.toml cannot be read: ") as caught:
        Catalogue(text)
    assert clue in str(caught.value)

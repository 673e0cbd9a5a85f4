"""Slips in a catalogue: each is an error that names its line."""

import re

import pytest

from darkroom.catalogue import Catalogue
from darkroom.errors import CatalogueError
from tests.catalogue_text import GOOD, LAST, ROUTE, WILD

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
    "a concurrency of nothing": ("concurrency = 3", "concurrency = 0 #!", "concurrency must be 1 to 100"),
    "a concurrency without an end": ("concurrency = 3", "concurrency = 1001 #!", "concurrency must be 1 to 100"),
    "a concurrency of a half": ("concurrency = 3", "concurrency = 2.5 #!", "concurrency is of the wrong type"),
    "a concurrency that is a switch": ("concurrency = 3", "concurrency = true #!", "concurrency is of the wrong type"),
    "questions for nothing": ("question = 0.5", "question = 0 #!", "question must be more than 0"),
    "questions that are never worth it": (
        "question = 0.5",
        "question = 61 #!",
        "question must be more than 0, up to 60",
    ),
    "a question in words": ("question = 0.5", 'question = "0.5" #!', "question is of the wrong type"),
    "a lag that nobody could keep": ("max_lag = 5", "max_lag = 1.9 #!", "max_lag must be 2 s or more"),
    "a lag that is no number": ("max_lag = 5", "max_lag = nan #!", "max_lag must be 2 s or more"),
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

"""
The catalogue: gateways, models and routes, as catalogue.toml names them.

Everything in the file is looked at when it is read, so that a slip of the operator's is an error that names its line,
and not a task that fails a week later.
"""

import math
import pathlib
import re
import tomllib
from dataclasses import replace
from functools import cache
from typing import Any

from darkroom.errors import CatalogueError, UnknownModel
from darkroom.inputs import Vocabulary, Word
from darkroom.route import Gateway, Model, Route

#: What a model's name there has to look like in each dialect.
DIALECTS = {
    "replicate": r"\w[\w.-]*/\w[\w.-]*(:[\w.-]+)?|[0-9a-f]{64}",
    "fal": r"\w[\w.-]*(/\w[\w.-]*)+",
    "gemini": r"[\w.-]+:(predict|generateContent)",
    "openai": r"[\w./-]+",
}
#: What a model may be called: segments that cannot lead out of an address, and perhaps a version.
NAME = r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*(:[\w.-]+)?"
NAME_CAP = 256
#: How a gateway wants its key, unless it says otherwise.
AUTH = "Authorization: Bearer {key}"
#: Rows of batches that may be under way at a gateway at once, unless it says otherwise; and the most that it can say.
CONCURRENCY, MOST_AT_ONCE = 10, 100

Path = tuple[str | int, ...]


class Catalogue:
    """
    What a catalogue says.

    gateways: by name. models: by name; one with a * in its name stands for all that are called so.
    """

    def __init__(self, text: str) -> None:
        """Raises CatalogueError for a text that is not a catalogue."""
        try:
            document = _table(tomllib.loads(text), (), gateways=dict, models=dict, inputs=(dict, {}))
            self.gateways = {name: _gateway(entry, ("gateways", name)) for name, entry in document["gateways"].items()}
            vocabularies = {name: _vocabulary(entry, ("inputs", name)) for name, entry in document["inputs"].items()}
            self.models = {
                name: _model(entry, ("models", name), self.gateways, vocabularies)
                for name, entry in document["models"].items()
            }
        except tomllib.TOMLDecodeError as error:
            raise CatalogueError(f"catalogue.toml is not TOML: {error}") from error
        except _Slip as slip:
            raise CatalogueError(f"catalogue.toml, line {_line(text, slip.path)}: {slip}") from slip

    def model(self, name: str) -> Model:
        """The model of that name, or what the most telling pattern that fits makes of it. Raises UnknownModel."""
        if name in self.models and "*" not in name:
            return self.models[name]
        fitting = [known for known in self.models if "*" in known and re.fullmatch(_expression(known), name)]
        if fitting and len(name) <= NAME_CAP and re.fullmatch(NAME, name, re.ASCII):
            found = self.models[max(fitting, key=lambda pattern: len(pattern.replace("*", "")))].called(name)
            if routes := tuple(each for each in found.routes if re.fullmatch(DIALECTS[each.dialect], each.model)):
                return replace(found, routes=routes)
        raise UnknownModel(f"There is no model {name!r} here. Known: {', '.join(sorted(self.models))}.")

    def route(self, name: str) -> Route:
        """The route that a task remembers by `name`. It may be on no model's list any more, but its gateway must be."""
        gateway, dialect, model = [*name.split("/", 2), "", ""][:3]
        if not model or gateway not in self.gateways or dialect not in self.gateways[gateway].dialects:
            raise CatalogueError(f"catalogue.toml has no gateway and dialect for the route {name!r}")
        return Route(self.gateways[gateway], dialect, model)


def _expression(pattern: str) -> str:
    """* stands for anything but a slash, ** for anything."""
    return re.escape(pattern).replace(r"\*\*", ".+").replace(r"\*", "[^/]+")


@cache
def catalogue() -> Catalogue:
    """The catalogue that lies beside this file."""
    return Catalogue(pathlib.Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


class _Slip(Exception):
    """Something that cannot be meant, and the path to it in the document."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path


def _gateway(entry: Any, path: Path) -> Gateway:
    found = _table(
        entry,
        path,
        url=str,
        dialects=dict,
        auth=(str, AUTH),
        concurrency=(int, CONCURRENCY),
        question=(int | float, None),
    )
    name = str(path[-1])
    _demand(re.fullmatch(r"[a-z0-9][a-z0-9-]*", name), "a gateway's name is of a-z, 0-9 and -", path)
    plain = re.fullmatch(r"https://\w[\w.-]*(:(443|8443))?", found["url"], re.ASCII)
    _demand(plain, "url must be https:// and a host, without a path, at port 443 or 8443", (*path, "url"))
    _demand(
        re.fullmatch(r"[\w-]+: [ -~]*\{key\}[ -~]*", found["auth"], re.ASCII),
        "auth must be a header with {key} in its value, like 'Authorization: Key {key}'",
        (*path, "auth"),
    )
    for dialect, base in found["dialects"].items():
        here = (*path, "dialects", dialect)
        _demand(dialect in DIALECTS, f"{dialect!r} is no dialect; there are {', '.join(DIALECTS)}", here)
        _demand(
            isinstance(base, str) and re.fullmatch(r"(/\w[\w.-]*)*", base, re.ASCII),
            "a dialect's path is empty, or starts with / and does not end with it",
            here,
        )
    concurrency = found["concurrency"]
    _demand(1 <= concurrency <= MOST_AT_ONCE, f"concurrency must be 1 to {MOST_AT_ONCE}", (*path, "concurrency"))
    question = found["question"]
    _demand(question is None or 0 < question <= 60, "question must be more than 0, up to 60 s", (*path, "question"))
    return Gateway(name, found["url"], found["auth"], found["dialects"], concurrency, question)


def _vocabulary(entry: Any, path: Path) -> Vocabulary:
    _demand(isinstance(entry, dict), "must be a table", path)
    words = {name: _word(word, (*path, name)) for name, word in entry.items()}
    called = [word.name for word in words.values()]
    for name, word in reversed(words.items()):
        _demand(called.count(word.name) == 1, f"two inputs are called {word.name!r} there", (*path, name))
    return words


def _word(entry: Any, path: Path) -> Word:
    if isinstance(entry, str):
        return Word(entry)
    anything = {
        "values": (dict | list, None),
        "most": (int, None),
        "default": (object, None),
        "required": (bool, False),
    }
    found = _table(entry, path, name=(str, path[-1]), **anything)
    values = found["values"]
    if isinstance(values, list):
        simple = all(isinstance(value, str | int | float) for value in values)
        _demand(simple, "values in a list must be strings or numbers", (*path, "values"))
        values = {value: value for value in values}
    sayable = all(isinstance(value, str | int | float | dict | list) for value in (values or {}).values())
    _demand(sayable, "what a value is called there must be something that JSON can hold", (*path, "values"))
    _demand(found["name"], "name is empty", (*path, "name"))
    word = Word(found["name"], values, found["most"], found["default"], found["required"])
    _demand(word.most is None or word.most >= 1, "most must be at least 1", (*path, "most"))
    complaint = None if word.default is None else word.complaint(word.default)
    _demand(not complaint, f"default cannot be {word.default!r}: the input {complaint}", (*path, "default"))
    return word


def _model(entry: Any, path: Path, gateways: dict[str, Gateway], vocabularies: dict[str, Vocabulary]) -> Model:
    found = _table(entry, path, seconds=int | float, output=(str, None), max_lag=(int | float, math.inf), routes=list)
    output = found["output"]
    _demand(output in (None, "one", "list"), 'output is "one" or "list"', (*path, "output"))
    _demand(0 < found["seconds"] <= 3600, "seconds must be more than 0, up to an hour", (*path, "seconds"))
    _demand(found["max_lag"] >= 2, "max_lag must be 2 s or more", (*path, "max_lag"))
    _demand(found["routes"], "a model needs a route", (*path, "routes"))
    name, routes = str(path[-1]), list[Route]()
    _demand(re.fullmatch(NAME, name.replace("*", "x"), re.ASCII), f"nobody could ask for a model called {name!r}", path)
    for number, each in enumerate(found["routes"]):
        here = (*path, "routes", number)
        route = _route(each, here, gateways, vocabularies)
        _demand(route.name not in [other.name for other in routes], "this route is on the list already", here)
        _demand(route.model != "*" or "*" in name, "only a model with a * in its name has routes to *", here)
        routes.append(route)
    return Model(name, float(found["seconds"]), output, tuple(routes), float(found["max_lag"]))


def _route(entry: Any, path: Path, gateways: dict[str, Gateway], vocabularies: dict[str, Vocabulary]) -> Route:
    found = _table(entry, path, gateway=str, dialect=str, model=str, inputs=(str, None), price=(int | float, None))
    gateway, dialect, inputs = gateways.get(found["gateway"]), found["dialect"], found["inputs"]
    if gateway is None:
        raise _Slip(f"there is no gateway {found['gateway']!r}", (*path, "gateway"))
    _demand(dialect in gateway.dialects, f"{gateway.name} does not speak {dialect!r}", (*path, "dialect"))
    _demand(
        found["model"] == "*" or re.fullmatch(DIALECTS[dialect], found["model"], re.ASCII),
        f"{found['model']!r} is no name of a model in {dialect}: it has to be *, or match {DIALECTS[dialect]}",
        (*path, "model"),
    )
    _demand(inputs is None or inputs in vocabularies, f"there is no [inputs.{inputs}]", (*path, "inputs"))
    price = found["price"]
    _demand(price is None or 0 <= price < math.inf, "price must be a number of dollars", (*path, "price"))
    return Route(gateway, dialect, found["model"], vocabularies[inputs] if inputs else None, price)


def _table(entry: Any, path: Path, **members: Any) -> dict[str, Any]:
    """
    An entry's members. `members` says of each what it must be: a type, or, for one that may be left out, a type and
    what it is then.
    """
    _demand(isinstance(entry, dict), "must be a table", path)
    for name in entry:
        _demand(name in members, f"{name!r} is not known here, only {', '.join(members)}", (*path, name))
    found = {}
    for name, member in members.items():
        kind, *default = member if isinstance(member, tuple) else (member,)
        _demand(name in entry or default, f"{name} is missing", path)
        found[name] = entry.get(name, default[0] if default else None)
        fits = isinstance(found[name], kind) and (kind in (object, bool) or not isinstance(found[name], bool))
        _demand(name not in entry or fits, f"{name} is of the wrong type", (*path, name))
    return found


def _demand(held: object, message: str, path: Path) -> None:
    if not held:
        raise _Slip(message, path)


def _line(text: str, path: Path) -> int:
    """
    The number of the line that brings what `path` leads to: the first after which the text so far, with what is open
    closed, holds such a thing.
    """
    lines = text.split("\n")
    for number in range(1, len(lines)):
        so_far = "\n".join(lines[:number])
        if any(_holds(f"{so_far}\n{closing}", path) for closing in ("", "]", "]}")):
            return number
    return len(lines)


def _holds(text: str, path: Path) -> bool:
    try:
        found: Any = tomllib.loads(text)
        for step in path:
            found = found[step]
    except (tomllib.TOMLDecodeError, LookupError, TypeError):
        return False
    return True

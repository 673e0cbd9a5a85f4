"""
A model as the Replicate API shows it.

Models have no versions here, but its clients ask for them: `latest_version` is a stub whose id is the model's own name
with ~ for /, which goes where a version goes, into an address and into the body of a request.
"""

from typing import TYPE_CHECKING, Any

from darkroom.inputs import Word
from darkroom.predictions import HIDDEN
from darkroom.route import Model

if TYPE_CHECKING:
    from darkroom.shapes import Model as Shown
    from darkroom.shapes import Models, Version

#: When a stub was created, since it has to say so.
_BEGINNING = "1970-01-01T00:00:00Z"


def named(version: str) -> str:
    """The model that is asked for as a version: by its name, by the id of a stub, or by both."""
    model, _, stub = version.replace("~", "/").partition(":")
    return model if stub in ("", HIDDEN, model) else f"{model}:{stub}"


def version(model: Model, version_id: str) -> "Version":
    """The stub of a version. Its schema says what inputs are called, so far as the catalogue knows."""
    return {"id": version_id, "created_at": _BEGINNING, "cog_version": "", "openapi_schema": _schema(model)}


def show(model: Model, origin: str) -> "Shown":
    """A model. `origin` is our own scheme and host."""
    owner, _, name = model.name.partition("/")
    return {
        "url": f"{origin}/v1/models/{model.name}",
        "owner": owner,
        "name": name or owner,
        "description": f"Takes about {model.seconds:.0f} seconds.",
        "visibility": "public",
        "github_url": None,
        "paper_url": None,
        "license_url": None,
        "run_count": 0,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": version(model, model.name.replace("/", "~")),
        "routes": [route.name for route in model.routes],
    }


def page(models: list[Model], origin: str) -> "Models":
    """All models that have names of their own."""
    return {"previous": None, "next": None, "results": [show(model, origin) for model in models]}


def _schema(model: Model) -> dict[str, Any]:
    words: dict[str, Word] = {}
    for route in reversed(model.routes):
        words |= route.vocabulary or {}
    inputs = {name: _property(word) for name, word in words.items()}
    uri = {"type": "string", "format": "uri"}
    output = uri if model.output == "one" else {"type": "array", "items": uri}
    schemas = {"Input": {"type": "object", "title": "Input", "properties": inputs}, "Output": output}
    return {"openapi": "3.1.0", "info": {"title": model.name, "version": "1"}, "components": {"schemas": schemas}}


def _property(word: Word) -> dict[str, Any]:
    found: dict[str, Any] = {} if word.values is None else {"enum": list(word.values)}
    found |= {} if word.most is None else {"type": "integer", "minimum": 1, "maximum": word.most}
    return found | ({} if word.default is None else {"default": word.default})

"""The models: what they take, how long they run, and what they draw.

Inputs and defaults are those of the gateways' pages and of Replicate's model pages; inputs that are not listed here
are let through, as Replicate does. Any `owner/name` is a model, with one output and few demands, except for the owner
`unknown`, who has none: that is how to ask for a model that does not exist.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from local.simulator.pictures import Format, Sketch
from local.simulator.replicate.problems import Complaint

SIZES = {"1:1": (1024, 1024), "16:9": (1408, 768), "9:16": (768, 1408), "4:3": (1280, 896), "3:4": (896, 1280)}
"""Pixels by aspect ratio: what Google documents for Imagen at 1K. At 2K each side is twice as long."""
RATIOS = (*SIZES, "21:9", "9:21", "3:2", "2:3", "5:4", "4:5")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*", re.IGNORECASE)
FILTERS = ("block_low_and_above", "block_medium_and_above", "block_only_high")


@dataclass(frozen=True)
class Field:
    """What one input may be; `choices` empty and bounds None allow everything of that kind."""

    kind: Literal["string", "integer", "boolean"] = "string"
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None

    def complaint(self, name: str, value: object) -> Complaint | None:
        """What is wrong with the value, if anything is."""
        given = _kind(value)
        where = f"input.{name}"
        if given != self.kind:
            description = f"Invalid type. Expected: {self.kind}, given: {given}"
            return {"type": "invalid_type", "field": where, "description": description}
        if self.choices and value not in self.choices:
            allowed = ", ".join(f'"{choice}"' for choice in self.choices)
            description = f"{where} must be one of the following: {allowed}"
            return {"type": "enum", "field": where, "description": description}
        if self.least is not None and isinstance(value, int) and value < self.least:
            description = f"Must be greater than or equal to {self.least}"
            return {"type": "number_gte", "field": where, "description": description}
        if self.most is not None and isinstance(value, int) and value > self.most:
            description = f"Must be less than or equal to {self.most}"
            return {"type": "number_lte", "field": where, "description": description}
        return None


ANY_FORMAT = Field(choices=("jpg", "png", "webp"))
ANYTHING = {"prompt": Field(), "output_format": ANY_FORMAT}
IMAGEN = {
    "prompt": Field(),
    "aspect_ratio": Field(choices=tuple(SIZES)),
    "output_format": Field(choices=("jpg", "png")),
    "safety_filter_level": Field(choices=FILTERS),
}
IMAGEN_2K = IMAGEN | {"image_size": Field(choices=("1K", "2K"))}
FLUX = {
    "prompt": Field(),
    "aspect_ratio": Field(choices=RATIOS),
    "num_outputs": Field("integer", least=1, most=4),
    "output_format": ANY_FORMAT,
    "output_quality": Field("integer", least=0, most=100),
    "seed": Field("integer"),
    "go_fast": Field("boolean"),
}


@dataclass(frozen=True)
class Model:
    """A model; `many` says that its output is a list, however many there are."""

    name: str
    median_seconds: float = 8.0
    required: tuple[str, ...] = ()
    fields: Mapping[str, Field] = field(default_factory=ANYTHING.copy)
    format: Format = "png"
    many: bool = False

    def complaints(self, inputs: Mapping[str, Any]) -> list[Complaint]:
        """Everything that is wrong with the inputs."""
        missing: list[Complaint] = [
            {"type": "required", "field": "input", "description": f"{name} is required"}
            for name in self.required
            if name not in inputs
        ]
        wrong = (known.complaint(name, inputs[name]) for name, known in self.fields.items() if name in inputs)
        return missing + [complaint for complaint in wrong if complaint]

    def sketches(self, inputs: Mapping[str, Any]) -> tuple[Sketch, ...]:
        """The pictures that valid inputs ask for."""
        width, height = _size(inputs.get("aspect_ratio"))
        scale = 2 if inputs.get("image_size") == "2K" and "image_size" in self.fields else 1
        count = inputs.get("num_outputs", 1) if self.many else 1
        prompt, kind = inputs.get("prompt", self.name), inputs.get("output_format", self.format)
        return tuple(Sketch(prompt, width * scale, height * scale, kind, number) for number in range(count))


def find(name: str) -> Model | None:
    """The model of that `owner/name`, or None where there is none."""
    if NAME.fullmatch(name) and not name.startswith("unknown/"):
        return KNOWN.get(name) or Model(name)
    return None


def _kind(value: object) -> str:
    """The JSON type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _size(ratio: object) -> tuple[int, int]:
    """Width and height in pixels: Imagen's, or about a megapixel for other ratios; a square for what is no ratio."""
    shape = re.fullmatch(r"([1-9]\d?):([1-9]\d?)", ratio) if isinstance(ratio, str) else None
    if not shape:
        return SIZES["1:1"]
    across = (int(shape[1]) / int(shape[2])) ** 0.5
    return SIZES.get(shape[0]) or (round(1024 * across / 32) * 32, round(1024 / across / 32) * 32)


KNOWN = {
    model.name: model
    for model in (
        Model("google/imagen-4-fast", 3.0, ("prompt",), IMAGEN, "jpg"),
        Model("google/imagen-4", 6.0, ("prompt",), IMAGEN_2K, "jpg"),
        Model("google/imagen-4-ultra", 8.0, ("prompt",), IMAGEN_2K, "jpg"),
        Model("black-forest-labs/flux-schnell", 8.0, ("prompt",), FLUX, "webp", many=True),
    )
}

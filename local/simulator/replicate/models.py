"""The models: what they take, how long they run, and what they draw.

The image models that the gateways list, with the inputs and defaults of the gateways' pages and of Replicate's model
pages; inputs that are not listed here are let through, as Replicate does. Whether an output is a string or a list is
verified, by schema pages or recorded replies, for Imagen, FLUX schnell and Kontext pro and dev, Recraft V3, Stable
Diffusion and SDXL; for the others it is that of their nearest relatives. Formats that are not documented are PNG,
`recraft-v3-svg` included, whose SVG is not simulated. Bounds of `width` and `height`, and of Seedream's `max_images`,
are this simulator's own. Sizes other than by aspect ratio, by width and height, and Imagen's two are not drawn.

Any other `owner/name` is a model as well, with one output and few demands, except for the owners `unknown` and
`retired`, who have none: that is how to ask for a model that does not exist, or not any more.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.simulator.pictures import Format, Sketch
from local.simulator.replicate.fields import Field
from local.simulator.replicate.problems import Complaint

SIZES = {"1:1": (1024, 1024), "16:9": (1408, 768), "9:16": (768, 1408), "4:3": (1280, 896), "3:4": (896, 1280)}
"""Pixels by aspect ratio: what Google documents for Imagen at 1K. At 2K each side is twice as long."""
RATIOS = (*SIZES, "21:9", "9:21", "3:2", "2:3", "5:4", "4:5")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*", re.IGNORECASE)
FILTERS = ("block_low_and_above", "block_medium_and_above", "block_only_high")
EMPTY_HANDED = ("unknown/", "retired/")

SIDE = Field("integer", least=64, most=2048)
ANYTHING = {"prompt": Field(), "output_format": Field(choices=("jpg", "png", "webp"))}
IMAGE = ANYTHING | {"image": Field()}
TOLERANT = ANYTHING | {"safety_tolerance": Field("integer", least=1, most=6), "seed": Field("integer")}
SEVERAL = {"num_outputs": Field("integer", least=1, most=4), "seed": Field("integer")}
IMAGEN = {
    "prompt": Field(),
    "aspect_ratio": Field(choices=tuple(SIZES)),
    "output_format": Field(choices=("jpg", "png")),
    "safety_filter_level": Field(choices=FILTERS),
}
IMAGEN_2K = IMAGEN | {"image_size": Field(choices=("1K", "2K"))}
FLUX = ANYTHING | SEVERAL | {"output_quality": Field("integer", least=0, most=100)}
FLUX_SCHNELL = FLUX | {"aspect_ratio": Field(choices=RATIOS), "go_fast": Field("boolean")}
KONTEXT_DEV = ANYTHING | {"input_image": Field(), "go_fast": Field("boolean"), "seed": Field("integer")}
TWO_IMAGES = ANYTHING | {
    "input_image_1": Field(),
    "input_image_2": Field(),
    "safety_tolerance": Field("integer", least=0, most=2),
    "seed": Field("integer"),
}
SEEDREAM = ANYTHING | {
    "image_input": Field("array"),
    "sequential_image_generation": Field(choices=("disabled", "auto")),
    "max_images": Field("integer", least=1, most=15),
}
DIFFUSION = ANYTHING | SEVERAL | {"width": SIDE, "height": SIDE, "image": Field(), "mask": Field()}


@dataclass(frozen=True)
class Model:
    """A model; `many` says that its output is a list, however many there are.

    `version` is how the version begins under which the gateways sell a model that has no name of its own there.
    """

    name: str
    median_seconds: float = 8.0
    required: tuple[str, ...] = ()
    fields: Mapping[str, Field] = field(default_factory=ANYTHING.copy)
    format: Format = "png"
    many: bool = False
    version: str = ""

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
        if "width" in self.fields:
            width, height = inputs.get("width", width), inputs.get("height", height)
        scale = 2 if inputs.get("image_size") == "2K" and "image_size" in self.fields else 1
        prompt, kind = inputs.get("prompt", self.name), inputs.get("output_format", self.format)
        return tuple(
            Sketch(prompt, width * scale, height * scale, kind, number) for number in range(self._count(inputs))
        )

    def _count(self, inputs: Mapping[str, Any]) -> int:
        """How many pictures valid inputs ask for. Seedream, which may make fewer than it is allowed to, makes all."""
        if "max_images" in self.fields and inputs.get("sequential_image_generation") == "auto":
            return int(inputs.get("max_images", 1))
        return int(inputs.get("num_outputs", 1)) if "num_outputs" in self.fields else 1


def find(name: str) -> Model | None:
    """The model of that `owner/name`, or None where there is none."""
    if NAME.fullmatch(name) and not name.startswith(EMPTY_HANDED):
        return KNOWN.get(name) or Model(name)
    return None


def of_version(digits: str) -> Model | None:
    """The model that the gateways sell under that version, or None where none of their pages names it."""
    return next((model for model in KNOWN.values() if model.version and digits.startswith(model.version)), None)


def _size(ratio: object) -> tuple[int, int]:
    """Width and height in pixels: Imagen's, or about a megapixel for other ratios; a square for what is no ratio."""
    shape = re.fullmatch(r"([1-9]\d?):([1-9]\d?)", ratio) if isinstance(ratio, str) else None
    if not shape:
        return SIZES["1:1"]
    across = (int(shape[1]) / int(shape[2])) ** 0.5
    return SIZES.get(shape[0]) or (round(1024 * across / 32) * 32, round(1024 / across / 32) * 32)


IMAGES = ("prompt", "input_image_1", "input_image_2")
KNOWN = {
    model.name: model
    for model in (
        Model("google/imagen-4-fast", 3.0, ("prompt",), IMAGEN, "jpg"),
        Model("google/imagen-4", 6.0, ("prompt",), IMAGEN_2K, "jpg"),
        Model("google/imagen-4-ultra", 8.0, ("prompt",), IMAGEN_2K, "jpg"),
        Model("black-forest-labs/flux-schnell", 8.0, ("prompt",), FLUX_SCHNELL, "webp", many=True),
        Model("black-forest-labs/flux-1.1-pro-ultra", 8.0, ("prompt",), TOLERANT, "jpg"),
        Model("black-forest-labs/flux-kontext-pro", 8.0, ("prompt",), TOLERANT),
        Model("black-forest-labs/flux-kontext-max", 8.0, ("prompt",), TOLERANT),
        Model("black-forest-labs/flux-kontext-dev", 8.0, ("prompt", "input_image"), KONTEXT_DEV, "webp"),
        Model("black-forest-labs/flux-fill-dev", 8.0, ("prompt", "image"), FLUX | IMAGE, "webp", many=True),
        Model("black-forest-labs/flux-fill-pro", 8.0, ("prompt", "image"), TOLERANT | IMAGE, "jpg"),
        Model("flux-kontext-apps/multi-image-kontext-pro", 8.0, IMAGES, TWO_IMAGES),
        Model("flux-kontext-apps/multi-image-kontext-max", 8.0, IMAGES, TWO_IMAGES),
        Model("bytedance/seedream-4", 8.0, ("prompt",), SEEDREAM, many=True),
        Model("recraft-ai/recraft-v3", 8.0, ("prompt",)),
        Model("recraft-ai/recraft-v3-svg", 8.0, ("prompt",)),
        Model("ideogram-ai/ideogram-v2-turbo", 8.0, ("prompt",), ANYTHING | {"seed": Field("integer")}),
        # The gateways sell these by version; none of their pages says which inputs have to be there.
        Model("stability-ai/stable-diffusion", fields=DIFFUSION, many=True, version="ac732df8"),
        Model("stability-ai/sdxl", fields=DIFFUSION, many=True, version="7762fd07"),
        Model("stability-ai/stable-diffusion-inpainting", fields=DIFFUSION, many=True, version="95b72231"),
        Model("stability-ai/stable-diffusion-img2img", fields=DIFFUSION, many=True, version="15a3689e"),
        Model("lucataco/flux-schnell-lora", fields=FLUX, many=True, version="2a6b576a"),
        Model("lucataco/flux-dev-lora", fields=FLUX, many=True, version="09149576"),
        Model("sujaykhandekar/object-removal", version="153b0087"),
        Model("cjwbw/rembg", fields=IMAGE, version="fb8af171"),
        Model("lucataco/remove-bg", fields=IMAGE, version="95fcc2a2"),
    )
}

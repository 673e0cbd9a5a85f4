"""A model: what it takes, how long it runs, what it draws, and what its result tells of that.

Pixels for the names of sizes are fal's; for aspect ratios it documents none, and they come to about a megapixel.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local.simulator.fal.failures import Complaint
from local.simulator.fal.fields import PRESETS, Field, Size, missing
from local.simulator.pictures import Format, Sketch

Inputs = Mapping[str, Field | Size]
Member = Literal["timings", "seed", "has_nsfw_concepts", "prompt", "description"]
Fact = Literal["url", "width", "height", "content_type", "file_name", "file_size"]

FORMATS: dict[str, Format] = {"jpeg": "jpg", "png": "png", "webp": "webp"}
"""Our names of the formats by fal's."""


@dataclass(frozen=True)
class Model:
    """An endpoint.

    Its result has the pictures, or under `image` the `single` one, and then the `members`; of a picture it tells what
    is `described`, and shows null for what is `unsaid`.
    """

    endpoint: str
    fields: Inputs
    required: tuple[str, ...] = ()
    median_seconds: float = 6.0
    format: Format = "jpg"
    size: str = "square_hd"
    members: tuple[Member, ...] = ("timings", "seed", "has_nsfw_concepts", "prompt")
    described: tuple[Fact, ...] = ("url", "width", "height", "content_type")
    unsaid: tuple[Fact, ...] = ()
    single: bool = False

    def complaints(self, inputs: Mapping[str, Any]) -> list[Complaint]:
        """Everything that is wrong with the inputs; null is as good as nothing where nothing would do."""
        found = [missing([name], inputs) for name in self.required if name not in inputs]
        for name, known in self.fields.items():
            if name in inputs and (inputs[name] is not None or name in self.required):
                found += known.complaints([name], inputs[name])
        return found

    def sketches(self, inputs: Mapping[str, Any]) -> tuple[Sketch, ...]:
        """The pictures that valid inputs ask for."""
        width, height = self._size(inputs)
        scale = 2 if inputs.get("resolution") == "2K" and "resolution" in self.fields else 1
        prompt = inputs.get("prompt") or self.endpoint
        wish = inputs.get("image_format") or inputs.get("output_format")
        kind = FORMATS[wish] if wish else self.format
        count = 1 if self.single else inputs.get("num_images") or 1
        return tuple(Sketch(prompt, width * scale, height * scale, kind, number) for number in range(count))

    def _size(self, inputs: Mapping[str, Any]) -> tuple[int, int]:
        """Width and height in pixels. Pictures that are sent along as URLs are never looked at."""
        wish = inputs.get("image_size")
        if isinstance(wish, dict):
            return wish["width"], wish["height"]
        ratio = inputs.get("aspect_ratio")
        shape = re.fullmatch(r"([1-9]\d?):([1-9]\d?)", ratio) if isinstance(ratio, str) else None
        if wish or not shape:
            return PRESETS[wish or self.size]
        across = (int(shape[1]) / int(shape[2])) ** 0.5
        return round(1024 * across / 32) * 32, round(1024 / across / 32) * 32

"""What a request for pictures may say: the parameters of the route for GPT image models.

`null` is as good as nothing, since the reference declares most parameters nullable. `response_format` and `style` are
of retired models, and unknown to those of today. What needs access to a preview (GIF, SVG, and their parameters) is
not here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from local.simulator.openai import problems
from local.simulator.openai.models import Model
from local.simulator.openai.parameters import Check, no_stream, one_of, text, whole
from local.simulator.pictures import Format, Sketch

Maker = Literal["gpt", "dall-e", "flux", "imagen", "qwen"]
"""Whose manner the reply has."""
FORMATS: dict[str, Format] = {"png": "png", "jpeg": "jpg", "webp": "webp"}
PARAMETERS: dict[str, Check] = {
    "model": text(),
    "prompt": text(longest=32_000),
    "n": whole(1, 10),
    "size": text(),
    "quality": text(),
    "background": one_of("transparent", "opaque", "auto"),
    "output_format": one_of(*FORMATS),
    "output_compression": whole(0, 100),
    "moderation": one_of("low", "auto"),
    "complexity": one_of("low", "medium", "high"),
    "partial_images": whole(0, 3),
    "stream": no_stream,
    "user": text(),
    "safety_identifier": text(),
}


@dataclass(frozen=True)
class Order:
    """Pictures that can be made. `links` offers them at addresses, `inline` puts them into the reply.

    `terms` are the members of a GPT image reply that repeat what was settled: size, quality, background, format.
    """

    maker: Maker
    model: str
    median_seconds: float
    inputs: Mapping[str, Any]
    sketches: tuple[Sketch, ...]
    links: bool = False
    inline: bool = True
    terms: Mapping[str, str] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """The prompt that all pictures have."""
        prompt: str = self.inputs["prompt"]
        return prompt


def parse(body: bytes) -> dict[str, Any] | None:
    """The parameters in a body, without those that are null; None where it is no JSON object."""
    try:
        document = json.loads(body)
        # Half of a surrogate pair can be written in JSON, and is no text for anybody behind it.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return (
        {name: value for name, value in document.items() if value is not None} if isinstance(document, dict) else None
    )


def read(inputs: Mapping[str, Any], model: Model) -> Order:
    """The order for a GPT image model. Raises Problem with the first thing that is wrong."""
    for name, value in inputs.items():
        if name not in PARAMETERS:
            raise problems.unknown_parameter(name)
        PARAMETERS[name](name, value)
    if not inputs.get("prompt"):
        raise problems.missing_parameter("prompt")
    quality = inputs.get("quality", "auto")
    one_of(*model.qualities)("quality", quality)
    width, height = model.size(inputs.get("size", "auto"))
    file_format = inputs.get("output_format", "png")
    if file_format == "jpeg" and inputs.get("background") == "transparent":
        raise problems.does_not_fit("Transparent background is not supported for JPEG output format", "background")
    if file_format == "png" and inputs.get("output_compression", 100) < 100:
        raise problems.png_compression()
    return Order(
        maker="gpt",
        model=model.name,
        median_seconds=model.median_seconds,
        inputs=inputs,
        sketches=sketches(inputs["prompt"], width, height, inputs.get("n", 1), FORMATS[file_format]),
        terms={
            "background": "transparent" if inputs.get("background") == "transparent" else "opaque",
            "output_format": file_format,
            "quality": "high" if quality == "auto" else quality,
            "size": f"{width}x{height}",
        },
    )


def sketches(prompt: str, width: int, height: int, count: int, file_format: Format = "png") -> tuple[Sketch, ...]:
    """So many pictures of a prompt."""
    return tuple(Sketch(prompt, width, height, file_format, number) for number in range(count))

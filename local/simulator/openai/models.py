"""OpenAI's image models: which sizes and qualities each takes, and which are gone.

From the reference in the official client: the three standard sizes and low, medium and high are common to all; what
follows for some models is arbitrary sizes (sides divisible by 16, at most 3840x2160, between 1:3 and 3:1) and two more
qualities. The bounds on the number of pixels are those that clients quote from OpenAI's guide. Of `gpt-image-2.6-*` and
`chatgpt-image-latest` the reference says no more than their names. How long a model takes is a rough guess.
"""

import re
from dataclasses import dataclass

from local.simulator.openai import problems

STANDARD = ("1024x1024", "1024x1536", "1536x1024", "auto")
QUALITIES = ("low", "medium", "high", "auto")
MORE_QUALITIES = ("low", "medium", "high", "xhigh", "max", "auto")
LONGEST_SIDE = 3840
SLIMMEST = 3
FEWEST_PIXELS, MOST_PIXELS = 655_360, 8_294_400


@dataclass(frozen=True)
class Model:
    """A model; `flexible` is one that takes any size within bounds."""

    name: str
    median_seconds: float = 15.0
    flexible: bool = False
    qualities: tuple[str, ...] = QUALITIES

    def size(self, wish: str) -> tuple[int, int]:
        """Width and height in pixels. Raises Problem for a size that the model does not make."""
        if wish == "auto":
            return 1024, 1024
        sides = re.fullmatch(r"([1-9]\d{1,4})x([1-9]\d{1,4})", wish)
        if not sides or not (self.flexible or wish in STANDARD):
            raise problems.invalid_value("size", wish, STANDARD)
        width, height = int(sides[1]), int(sides[2])
        shorter, longer = sorted((width, height))
        if (
            width % 16
            or height % 16
            or longer > LONGEST_SIDE
            or longer > SLIMMEST * shorter
            or not FEWEST_PIXELS <= width * height <= MOST_PIXELS
        ):
            raise problems.does_not_fit(f"Invalid size '{wish}' for model {self.name}.", "size")
        return width, height


CURRENT = {
    model.name: model
    for model in (
        Model("gpt-image-1-mini", 8.0),
        Model("gpt-image-1.5"),
        Model("chatgpt-image-latest"),
        *(Model(name, flexible=True) for name in ("gpt-image-2", "gpt-image-2-2026-04-21")),
        *(
            Model(f"gpt-image-2.5-{name}{snapshot}", flexible=True, qualities=MORE_QUALITIES)
            for name in ("sunburst", "flare")
            for snapshot in ("", "-2026-09-08")
        ),
        Model("gpt-image-2.6-sunburst"),
        Model("gpt-image-2.6-flare"),
    )
}


def find(name: str) -> Model:
    """The model of that name. Raises Problem where there is none, or not any more."""
    match name:
        case "dall-e-2" | "dall-e-3":
            raise problems.gone(name)
        case "gpt-image-1":
            raise problems.not_found(name)
        case _ if name in CURRENT:
            return CURRENT[name]
        case _:
            raise problems.invalid_value("model", name, tuple(CURRENT))

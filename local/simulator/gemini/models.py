"""The models: what they can do, how long they run, and how large their pictures are.

Pixels, ratios, sizes and tokens are those of Google's pages; what a model does with a size that it does not offer is
as users have recorded it, and so are the durations of the Gemini models and that gemini-2.5-flash-image makes PNG.
Not recorded: how long gemini-nano-banana-2.1 takes and how many tokens its pictures count for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from local.simulator.pictures import Format

Method = Literal["predict", "generateContent"]
Pixels = Mapping[str, tuple[int, int]]
"""Width and height at 1K by aspect ratio."""

SUCCESSOR = "gemini-nano-banana-2.1"
"""The model that Google recommends instead of those that it has shut down."""
SCALE = MappingProxyType({"512": 0.5, "1K": 1.0, "2K": 2.0, "4K": 4.0})
"""How much longer each side is than at 1K."""

IMAGEN: Pixels = {"1:1": (1024, 1024), "3:4": (896, 1280), "4:3": (1280, 896), "9:16": (768, 1408), "16:9": (1408, 768)}
GEMINI_2: Pixels = {
    "1:1": (1024, 1024),
    "2:3": (832, 1248),
    "3:2": (1248, 832),
    "3:4": (864, 1184),
    "4:3": (1184, 864),
    "4:5": (896, 1152),
    "5:4": (1152, 896),
    "9:16": (768, 1344),
    "16:9": (1344, 768),
    "21:9": (1536, 672),
}
GEMINI_3: Pixels = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
}
BANNERS: Pixels = {"1:4": (512, 2048), "4:1": (2048, 512), "1:8": (384, 3072), "8:1": (3072, 384)}
EVERY_RATIO = tuple(sorted({**GEMINI_3, **BANNERS}, key=lambda ratio: [int(side) for side in ratio.split(":")]))


@dataclass(frozen=True)
class Model:
    """A model. `tokens` has the sizes that it offers, and what a picture of each counts for."""

    name: str
    title: str
    median_seconds: float
    pixels: Pixels
    tokens: Mapping[str, int]
    format: Format = "jpg"
    method: Method = "generateContent"
    ignores_size: bool = False

    def area(self, ratio: str, size: str) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = self.pixels[ratio]
        return round(width * SCALE[size]), round(height * SCALE[size])

    def show(self) -> dict[str, Any]:
        """The model in a list; `version` and the limits are not the real ones."""
        return {
            "name": f"models/{self.name}",
            "version": "001",
            "displayName": self.title,
            "inputTokenLimit": 480 if self.method == "predict" else 32768,
            "outputTokenLimit": 8192 if self.method == "predict" else 32768,
            "supportedGenerationMethods": [self.method],
        }


def _imagen(name: str, title: str, median_seconds: float, *sizes: str) -> Model:
    """A model that is asked with `:predict`; its pictures count for no tokens."""
    return Model(name, title, median_seconds, IMAGEN, dict.fromkeys(sizes, 0), "png", "predict")


GEMINI_MODELS = {
    model.name: model
    for model in (
        Model(SUCCESSOR, "Nano Banana 2.1", 10.0, GEMINI_3, {"1K": 1120, "2K": 1680, "4K": 2520}),
        Model(
            "gemini-3.1-flash-image",
            "Nano Banana 2",
            11.8,
            {**GEMINI_3, **BANNERS},
            {"512": 747, "1K": 1120, "2K": 1680, "4K": 2520},
        ),
        Model("gemini-3-pro-image", "Nano Banana Pro", 19.4, GEMINI_3, {"1K": 1120, "2K": 1120, "4K": 2000}),
        Model("gemini-3.1-flash-lite-image", "Nano Banana 2 Lite", 4.2, GEMINI_3, {"1K": 1120}),
        Model("gemini-2.5-flash-image", "Nano Banana", 7.8, GEMINI_2, {"1K": 1290}, "png", ignores_size=True),
    )
}
IMAGEN_MODELS = {
    model.name: model
    for model in (
        _imagen("imagen-4.0-generate-001", "Imagen 4", 6.0, "1K", "2K"),
        _imagen("imagen-4.0-ultra-generate-001", "Imagen 4 Ultra", 8.0, "1K", "2K"),
        _imagen("imagen-4.0-fast-generate-001", "Imagen 4 Fast", 3.0, "1K"),
    )
}

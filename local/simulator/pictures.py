"""Pictures: an abstract landscape on photographic paper, seeded by the prompt, with the prompt written below it.

They are made the way a darkroom makes a print: first an exposure in tones of grey (sky, a moon, ridges in the haze,
the grain of the film), then a toning bath that gives it a colour, then the white border of the paper, which carries
the prompt. The same sketch always gives the same picture; another prompt, or another number in the same job, gives
another one. Two words in a prompt, in any case, as whole words, ask for less work:

    blank     plain paper of one colour: a small file, in no time
    grainy    nothing but the grain of the film: a file as large as its pixels
"""

import asyncio
import hashlib
import io
import math
import random
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from local.simulator.lettering import fitted

Format = Literal["jpg", "png", "webp"]
CONTENT_TYPES: dict[Format, str] = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}

PAPER = (245, 241, 232)
INK = (52, 46, 42)
TONERS = (
    ((26, 20, 28), (134, 116, 124), (240, 234, 230)),  # selenium
    ((40, 24, 14), (158, 116, 78), (248, 236, 214)),  # sepia
    ((12, 28, 56), (72, 122, 164), (234, 242, 246)),  # cyanotype
    ((24, 30, 44), (126, 128, 140), (246, 236, 222)),  # gold
    ((48, 16, 16), (182, 92, 70), (250, 226, 208)),  # copper
    ((14, 36, 34), (88, 138, 126), (236, 242, 228)),  # verdigris
)
"""Shadow, middle and light of each toning bath."""
TINTS = 16
"""How many colours plain paper comes in."""


@dataclass(frozen=True)
class Sketch:
    """What a picture is to be: `width` and `height` in pixels, `number` among the pictures of its job."""

    prompt: str
    width: int
    height: int
    format: Format
    number: int = 0


@lru_cache(maxsize=64)
def draw(sketch: Sketch) -> bytes:
    """The file. It takes a fraction of a second of CPU, unless it is blank: keep it off the event loop."""
    chance = random.Random(hashlib.sha256(f"{sketch.number} {sketch.prompt}".encode()).digest())
    words = _words(sketch)
    if "blank" in words:
        return _paper(sketch.width, sketch.height, sketch.format, chance.randrange(TINTS))
    if "grainy" in words:
        size = (sketch.width, sketch.height)
        return _file(Image.frombytes("L", size, chance.randbytes(sketch.width * sketch.height)), sketch.format)
    side = min(sketch.width, sketch.height)
    border = side // 20
    caption = fitted(sketch.prompt, sketch.width - 2 * border, sketch.height * 3 // 10, side // 28)

    paper = Image.new("RGB", (sketch.width, sketch.height), PAPER)
    below = caption.height + border * 2 // 3 if caption.lines else 0
    exposure = _exposed(chance, sketch.width - 2 * border, sketch.height - 2 * border - below)
    shadow, middle, light = chance.choice(TONERS)
    paper.paste(ImageOps.colorize(exposure, shadow, light, middle), (border, border))
    pen = ImageDraw.Draw(paper)
    for number, line in enumerate(caption.lines):
        place = (border, border + exposure.height + border * 2 // 3 + number * caption.leading)
        pen.text(place, line, fill=INK, font=caption.font)
    return _file(paper, sketch.format)


async def drawn(sketch: Sketch) -> bytes:
    """The same, off the event loop where it takes long."""
    return draw(sketch) if "blank" in _words(sketch) else await asyncio.to_thread(draw, sketch)


def _words(sketch: Sketch) -> set[str]:
    return set(re.findall(r"\w+", sketch.prompt.lower()))


@lru_cache(maxsize=256)
def _paper(width: int, height: int, kind: Format, tint: int) -> bytes:
    return _file(Image.new("L", (width, height), 255 - 3 * tint), kind)


def _file(picture: Image.Image, kind: Format) -> bytes:
    """The picture in one of the formats; where size and time pull apart, time wins."""
    file = io.BytesIO()
    match kind:
        case "jpg":
            picture.save(file, "JPEG", quality=88)
        case "png":
            picture.save(file, "PNG", compress_level=1)
        case "webp":
            picture.save(file, "WEBP", quality=82, method=1)
    return file.getvalue()


def _exposed(chance: random.Random, width: int, height: int) -> Image.Image:
    """The exposure, in tones of grey."""
    side = min(width, height)
    scene = _sky(chance, width, height)
    _moon(chance, scene, side)
    haze = _fading(Image.linear_gradient("L"), 150).resize((width, height))
    ridges = chance.randint(4, 6)
    horizon = chance.uniform(0.42, 0.6)
    for number in range(ridges):
        nearness = (number + 1) / ridges
        crest = height * (horizon + (0.97 - horizon) * (number / ridges) ** 0.9)
        ridge = _ridge(chance, width, height, crest, side * (0.03 + 0.07 * nearness))
        tone = round(168 - 150 * nearness + chance.uniform(-8, 8))
        scene.paste(tone, mask=_soft(ridge, side / 1000 * (1 + 2 * abs(nearness - 0.6))))
        # Haze lies in the valley that the next ridge will rise from.
        scene.paste(min(220, tone + 70), mask=ImageChops.multiply(haze, ridge))
    scene.paste(8, mask=_fading(Image.radial_gradient("L"), 120).resize((width, height)))
    return Image.blend(scene, _grain(chance, width, height), 0.06)


def _soft(mask: Image.Image, radius: float) -> Image.Image:
    return mask.filter(ImageFilter.GaussianBlur(radius))


def _fading(gradient: Image.Image, start: int) -> Image.Image:
    """A gradient that is nothing up to the level `start`, and then grows half as fast as it did."""
    return gradient.point([max(0, level - start) // 2 for level in range(256)])


def _sky(chance: random.Random, width: int, height: int) -> Image.Image:
    """A gradient from the dark zenith to the light horizon, with a few bands of cloud."""
    zenith, glow = chance.randint(40, 110), chance.randint(196, 246)
    tones = [zenith + (glow - zenith) * min(level * 2, 255) // 255 for level in range(256)]
    sky = Image.linear_gradient("L").point(tones).resize((width, height))
    clouds = Image.new("L", (128, 128))
    pen = ImageDraw.Draw(clouds)
    for _ in range(chance.randint(3, 9)):
        x, y, reach = chance.uniform(-20, 128), chance.uniform(4, 66), chance.uniform(20, 80)
        pen.ellipse((x, y, x + reach, y + chance.uniform(1, 5)), fill=chance.randint(40, 130))
    sky.paste(250, mask=_soft(clouds, 2).resize((width, height), Image.Resampling.BICUBIC))
    return sky


def _moon(chance: random.Random, scene: Image.Image, side: int) -> None:
    """A disc in the upper half, in a halo."""
    radius = side * chance.uniform(0.05, 0.13)
    x, y = scene.width * chance.uniform(0.18, 0.82), scene.height * chance.uniform(0.14, 0.38)
    for reach, strength, softness in ((radius * 1.5, 110, radius / 1.5), (radius, 255, side / 900)):
        # Blurred on its own square rather than on the whole scene, which would cost many times as much.
        half = round(reach + 3 * softness)
        disc = Image.new("L", (2 * half, 2 * half))
        ImageDraw.Draw(disc).ellipse((half - reach, half - reach, half + reach, half + reach), fill=strength)
        corner = (round(x) - half, round(y) - half)
        scene.paste(250, (*corner, corner[0] + disc.width, corner[1] + disc.height), _soft(disc, softness))


def _ridge(chance: random.Random, width: int, height: int, crest: float, swing: float) -> Image.Image:
    """A mask of everything below a line of hills around `crest` that goes up and down by about `swing` pixels."""
    waves = [(chance.uniform(0.6, 1.4) * 2**octave, chance.uniform(0, math.tau), 0.55**octave) for octave in range(6)]

    def line(x: float) -> float:
        return crest - swing * sum(size * math.sin(math.tau * pace * x / width + shift) for pace, shift, size in waves)

    ridge = Image.new("L", (width, height))
    step = max(2, width // 400)
    tops = [(x, line(x)) for x in range(0, width + step, step)]
    ImageDraw.Draw(ridge).polygon([(0, height), *tops, (width + step, height)], fill=255)
    return ridge


def _grain(chance: random.Random, width: int, height: int) -> Image.Image:
    """The grain of the film: noise, coarser than a pixel."""
    grain = Image.frombytes("L", (width // 2, height // 2), chance.randbytes((width // 2) * (height // 2)))
    return grain.resize((width, height), Image.Resampling.BILINEAR)

"""Lettering: a text of any length, set in lines that fit a box.

The font is the first of a few that are common on development machines; Pillow's own, which is always there, knows no
accents, so they are taken off for it. Signs that the font does not know show as boxes.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "Helvetica.ttc")
SMALLEST = 13
"""Pixels. A text that is too long even for these ends in an ellipsis."""
LEADING = 1.35
"""From one line to the next, in font sizes."""
LONGEST = 4000
"""Characters that are looked at: more never fit."""


@dataclass(frozen=True)
class Lettering:
    """Lines of text in one font, `leading` pixels apart."""

    lines: list[str]
    font: Font
    leading: int

    @property
    def height(self) -> int:
        """Of all lines, in pixels."""
        return len(self.lines) * self.leading


def fitted(text: str, width: int, height: int, largest: int) -> Lettering:
    """The text in the largest letters, up to `largest`, that fit a box of `width` x `height`; all in pixels."""
    size = max(largest, SMALLEST)
    while True:
        font, plain = _font(size)
        leading = round(size * LEADING)
        words = (_without_accents(text) if plain else text)[:LONGEST].split()
        lines = _lines(words, font, width, most_letters=max(1, width // size))
        room = max(1, height // leading)
        if len(lines) <= room:
            return Lettering(lines, font, leading)
        if size <= SMALLEST:
            return Lettering([*lines[: room - 1], lines[room - 1][:-1] + "\N{HORIZONTAL ELLIPSIS}"], font, leading)
        size = max(SMALLEST, size * 9 // 10)


def _lines(words: list[str], font: Font, width: int, most_letters: int) -> list[str]:
    """Words into lines no wider than `width`; a word of more than `most_letters`, which always fit, is cut up."""
    lines: list[str] = []
    for word in words:
        for start in range(0, len(word), most_letters):
            piece = word[start : start + most_letters]
            joined = f"{lines[-1]} {piece}" if lines and start == 0 else piece
            if lines and start == 0 and font.getlength(joined) <= width:
                lines[-1] = joined
            else:
                lines.append(piece)
    return lines


def _without_accents(text: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))


@lru_cache(maxsize=64)
def _font(size: int) -> tuple[Font, bool]:
    """The first of `FONTS` that this machine has, else Pillow's own; and whether it is plain, without accents."""
    for name in FONTS:
        try:
            return ImageFont.truetype(name, size), False
        except OSError:
            continue
    return ImageFont.load_default(size), True

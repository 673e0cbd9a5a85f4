"""
The picture of docs/performance.md: lag against questions, both on logarithmic scales, a field for each kind of tasks.

It is an SVG of plain shapes in colors that can be read on white and on black, and the same figures give the same bytes.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from benchmarks.detection.learning import Row
from benchmarks.detection.optimum import Outcome

#: A field, and what is left free around it for its words.
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 340, 250, 52, 34, 18, 44
COLUMNS = 3
#: What the axes reach over: mean lag, s, and questions of a task.
LAGS, QUESTIONS = (0.04, 25.0), (0.9, 300.0)
GREY, PEER = "#808890", "#d2691e"
#: Ours, with how their points are drawn.
OURS = {
    "Darkroom after 100": ("#2f9e8f", 'r="6" fill="none" stroke="#2f9e8f" stroke-width="2"'),
    "Darkroom after 1,000": ("#3b82f6", 'r="3.5" fill="#3b82f6"'),
}
#: Of the others, what is written beside their points.
SHORT = {"back-off 0.5 s x 1.5, at most 10 s": "x 1.5", "back-off 1 s x 2, at most 60 s": "x 2"}


def drawn(rows: Sequence[Row], fronts: Mapping[str, Sequence[Outcome]]) -> str:
    """The picture. rows: kind, policy, questions and lag (s) of each policy. fronts: the best outcomes, by kind."""
    lines = math.ceil((len(fronts) + 1) / COLUMNS)
    size = COLUMNS * (LEFT + WIDTH + RIGHT), lines * (TOP + HEIGHT + BOTTOM)
    shapes: list[str] = []
    for number, (kind, front) in enumerate(fronts.items()):
        shapes += _placed(number, _field(kind, front, [row for row in rows if row["kind"] == kind]))
    shapes += _placed(len(fronts), _key())
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" role="img" '
            'font-family="system-ui, sans-serif" font-size="12">',
            "<title>Mean lag against questions per task: the optimum, Darkroom, fixed waits and back-off</title>",
            *shapes,
            "</svg>\n",
        ]
    )


def _placed(number: int, shapes: Iterator[str]) -> Iterator[str]:
    row, column = divmod(number, COLUMNS)
    x, y = column * (LEFT + WIDTH + RIGHT) + LEFT, row * (TOP + HEIGHT + BOTTOM) + TOP
    yield f'<g transform="translate({x} {y})">'
    yield from shapes
    yield "</g>"


def _field(kind: str, front: Sequence[Outcome], rows: Sequence[Row]) -> Iterator[str]:
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="{GREY}" stroke-opacity="0.6"/>'
    yield _text(0, -10, kind, size=14, weight="bold")
    for lag in (0.1, 0.3, 1, 3, 10):
        x = _x(lag)
        yield f'<path d="M{x} 0V{HEIGHT}" stroke="{GREY}" stroke-opacity="0.2"/>'
        yield _text(x, HEIGHT + 16, f"{lag:g}", anchor="middle")
    for questions in (1, 3, 10, 30, 100):
        y = _y(questions)
        yield f'<path d="M0 {y}H{WIDTH}" stroke="{GREY}" stroke-opacity="0.2"/>'
        yield _text(-6, y + 4, f"{questions:g}", anchor="end")
    yield _text(WIDTH, HEIGHT + 32, "mean lag, s", anchor="end")
    yield f'<text transform="translate(-36 0) rotate(-90)" text-anchor="end" fill="{GREY}">questions per task</text>'
    seen = [each for each in front if LAGS[0] <= each.lag <= LAGS[1] and each.questions <= QUESTIONS[1]]
    points = " ".join(f"{_x(each.lag)},{_y(each.questions)}" for each in seen)
    yield f'<polyline points="{points}" fill="none" stroke="{GREY}" stroke-width="2"/>'
    for row in rows:
        x, y = _x(row["lag"]), _y(row["questions"])
        ours = row["policy"].partition(", price")[0]
        if ours in OURS:
            yield f'<circle cx="{x}" cy="{y}" {OURS[ours][1]}/>'
        elif not ours.startswith("the optimum"):
            yield f'<path d="M{x} {y - 5}l5 5l-5 5l-5 -5z" fill="{PEER}"/>'
            yield _text(x + 8, y - 4, SHORT.get(ours, ours.removeprefix("every ")), color=PEER)


def _key() -> Iterator[str]:
    yield f'<path d="M0 20H24" stroke="{GREY}" stroke-width="2"/>'
    yield _text(34, 24, "the fewest questions at a mean lag")
    for number, (name, (color, style)) in enumerate(OURS.items()):
        yield f'<circle cx="12" cy="{50 + 30 * number}" {style}/>'
        yield _text(34, 54 + 30 * number, f"{name} tasks, prices 0.1, 0.25, 1", color=color)
    yield f'<path d="M12 105l5 5l-5 5l-5 -5z" fill="{PEER}"/>'
    yield _text(34, 114, "every 0.1 to 15 s; back-off: 0.5 s x 1.5 up to 10 s,", color=PEER)
    yield _text(34, 130, "1 s x 2 up to 60 s", color=PEER)


def _x(lag: float) -> float:
    return round(WIDTH * math.log(lag / LAGS[0]) / math.log(LAGS[1] / LAGS[0]), 1)


def _y(questions: float) -> float:
    return round(HEIGHT * (1 - math.log(questions / QUESTIONS[0]) / math.log(QUESTIONS[1] / QUESTIONS[0])), 1)


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, weight: str = "normal", color: str = GREY
) -> str:
    style = f'text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" fill="{color}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(words)}</text>'

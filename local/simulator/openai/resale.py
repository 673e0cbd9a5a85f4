"""What a relay sells on OpenAI's route, and what it lets through.

From the source of new-api: a model is required; a size is written with an x; DALL-E 3 has three sizes; `n` is 1 where
it is not given or 0; parameters that OpenAI does not know stay at the relay, or mean something to another maker
(`aspect_ratio`, `image`, `watermark`). A model that nobody sells is 503. How `n` is bounded is not recorded: OpenAI's
bound is taken. Sizes and ratios that a maker would refuse become a square here, and no side is longer than 4096.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from local.simulator import relay
from local.simulator.openai import models, order, problems
from local.simulator.openai.order import Maker, Order

LISTED = (
    *models.CURRENT,
    "gpt-image-2-all",
    "dall-e-3",
    "flux-kontext-pro",
    "flux-kontext-max",
    "imagen-4.0-generate-001",
    "imagen-4.0-fast-generate-001",
    "imagen-4.0-ultra-generate-001",
    "qwen-image-max",
    "qwen-image-edit-2509",
)
"""The models by which a relay advertises itself. It sells whatever `MAKERS` recognises."""
MAKERS: tuple[tuple[str, Maker, float], ...] = (
    (r"gpt-image-.+", "gpt", 15.0),
    (r"dall-e-3", "dall-e", 10.0),
    (r"(black-forest-labs/)?flux-.+", "flux", 8.0),
    (r"imagen-4\.0-.+", "imagen", 6.0),
    (r"qwen-image-.+", "qwen", 10.0),
)
"""Names, whose they are, and how many seconds they typically take."""
DALL_E_SIZES = ("1024x1024", "1024x1792", "1792x1024")
MOST_PICTURES = 10
LONGEST_SIDE = 4096


def read(body: bytes, sold: Collection[str] = ()) -> Order:
    """The order in a body. Raises Problem where the relay, or the maker behind it, would not have it."""
    inputs = order.parse(body)
    if inputs is None:
        raise _invalid("invalid JSON request body")
    name = inputs.get("model")
    if not isinstance(name, str) or not name:
        raise _invalid("model is required")
    if reply := relay.bad_day(name):
        raise problems.Problem(reply)
    for pattern, maker, seconds in MAKERS:
        if re.fullmatch(pattern, name):
            return _openai(inputs, name) if maker == "gpt" else _others(inputs, name, maker, seconds)
    if name in sold or "*" in sold:
        return _others(inputs, name, "qwen", 10.0)
    raise problems.Problem(relay.no_channel(name))


def _openai(inputs: Mapping[str, Any], name: str) -> Order:
    """OpenAI's business, as soon as everything that is not for OpenAI is taken away."""
    known = {parameter: value for parameter, value in inputs.items() if parameter in order.PARAMETERS}
    if not known.get("n"):
        known["n"] = 1
    return order.read(known, models.CURRENT.get(name) or models.Model(name))


def _others(inputs: Mapping[str, Any], name: str, maker: Maker, seconds: float) -> Order:
    prompt, size, count = inputs.get("prompt"), inputs.get("size", ""), inputs.get("n") or 1
    if not isinstance(size, str) or "\N{MULTIPLICATION SIGN}" in size:
        raise _invalid("size an unexpected error occurred in the parameter, please use 'x' instead")
    if maker == "dall-e" and size not in ("", *DALL_E_SIZES):
        raise _invalid("size must be one of 1024x1024, 1024x1792 or 1792x1024 for dall-e-3")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_PICTURES:
        raise _invalid(f"n must be a whole number from 1 to {MOST_PICTURES}")
    if not isinstance(prompt, str) or not prompt:
        raise problems.missing_parameter("prompt")
    asked_for_text = inputs.get("response_format") == "b64_json"
    links = maker == "qwen" or (maker == "dall-e" and not asked_for_text)
    return Order(
        maker=maker,
        model=name,
        median_seconds=seconds,
        inputs=inputs,
        sketches=order.sketches(prompt, *_shape(size, inputs.get("aspect_ratio")), count),
        links=links,
        inline=asked_for_text or not links,
    )


def _shape(size: str, ratio: object) -> tuple[int, int]:
    """Width and height in pixels: of a size, else about a megapixel of a ratio, else a square."""
    if sides := re.fullmatch(r"([1-9]\d{2,4})x([1-9]\d{2,4})", size):
        return min(int(sides[1]), LONGEST_SIDE), min(int(sides[2]), LONGEST_SIDE)
    for wish in (ratio, size):
        if isinstance(wish, str) and (parts := re.fullmatch(r"([1-9]\d?):([1-9]\d?)", wish)):
            across = (int(parts[1]) / int(parts[2])) ** 0.5
            return round(1024 * across / 32) * 32, round(1024 / across / 32) * 32
    return 1024, 1024


def _invalid(message: str) -> problems.Problem:
    return problems.Problem(relay.invalid_request(message))

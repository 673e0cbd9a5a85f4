"""`:predict`: what a request may say, and its reply.

`imageSize` is the name in Google's and Tokaify's pages, `sampleImageSize` the one that google-genai sends, whose enums
come in capitals; both names and any case are taken. Parameters that are not listed here are let through and change
nothing. Not recorded: what becomes of several instances, which are refused here, and of a size for the fast model,
which Google's page offers for the other two only.

Google's page says that reasons are left out unless `includeRaiReason` is true; here they are left out where it is
false, so that a word in the prompt is enough for a demonstration.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.simulator.exchange import Reply
from local.simulator.gemini import body, problems, verdicts
from local.simulator.gemini.models import Model
from local.simulator.pictures import CONTENT_TYPES, Format, Sketch

MOST_PICTURES = 4
PEOPLE = ("dont_allow", "allow_adult", "allow_all")
FILTERS = ("block_low_and_above", "block_medium_and_above", "block_only_high", "block_none")
FORMATS: dict[str, Format] = {"image/png": "png", "image/jpeg": "jpg"}
SCORES = {"categories": ["Porn", "Violence"], "scores": [0.1, 0.2]}
"""Safety attributes, as in the example of Google's page."""


@dataclass(frozen=True)
class Order:
    """A request that can be done. `explains` says whether reasons are wanted, and `scores` whether attributes are."""

    model: Model
    prompt: str
    inputs: Mapping[str, Any]
    sketches: tuple[Sketch, ...]
    explains: bool
    scores: bool

    def blocked(self) -> Reply:
        """The reply to a prompt that is not let in."""
        return problems.invalid(verdicts.BLOCKED_PROMPT).reply

    def shown(self) -> tuple[Sketch, ...]:
        """The pictures that pass the filters."""
        match verdicts.verdict(self.prompt):
            case "nsfw" | "quiet":
                return ()
            case "risky":
                return self.sketches[: len(self.sketches) - len(self.sketches) // 2]
            case _:
                return self.sketches

    def show(self, files: Sequence[bytes], _response_id: str) -> dict[str, Any]:
        """The reply with the files of `shown`: pictures first, then one reason for all the others, then the scores."""
        attributes = {"safetyAttributes": SCORES} if self.scores else {}
        predictions: list[dict[str, Any]] = [
            {
                "mimeType": CONTENT_TYPES[sketch.format],
                "bytesBase64Encoded": base64.b64encode(file).decode(),
                **attributes,
            }
            for sketch, file in zip(self.shown(), files, strict=True)
        ]
        if self.explains and (reason := self._reason(len(self.sketches) - len(files))):
            predictions.append({"raiFilteredReason": reason})
        if self.scores and predictions:
            predictions.append({"contentType": "Positive Prompt", **attributes})
        return {"predictions": predictions} if predictions else {}

    def _reason(self, filtered: int) -> str | None:
        """Why so many pictures are missing."""
        match verdicts.verdict(self.prompt):
            case "nsfw":
                return verdicts.ALL_FILTERED
            case "risky" if filtered:
                return verdicts.SOME_FILTERED.format(count=filtered)
            case _:
                return None


def read(request: bytes, model: Model) -> Order:
    """The order in a body. Raises Problem for the first thing that is wrong."""
    document = body.message(body.document(request), "", ("instances", "parameters"))
    wish = document.get("parameters", {})
    if not isinstance(wish, dict):
        raise problems.invalid("parameters must be an object.")
    prompt = _prompt(document.get("instances"))
    count = wish.get("sampleCount", MOST_PICTURES)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_PICTURES:
        raise problems.invalid(f"sampleCount must be a whole number from 1 to {MOST_PICTURES}.")
    ratio = body.choice(wish, "aspectRatio", tuple(model.pixels), "1:1")
    size_name = "imageSize" if "imageSize" in wish else "sampleImageSize"
    width, height = model.area(ratio, body.choice(wish, size_name, tuple(model.tokens), "1K"))
    body.choice(wish, "personGeneration", PEOPLE, "allow_adult")
    body.choice(wish, "safetySetting", FILTERS, "block_low_and_above")
    options = wish.get("outputOptions", {})
    if not isinstance(options, dict):
        raise problems.invalid("outputOptions must be an object.")
    kind = FORMATS[body.choice(options, "mimeType", tuple(FORMATS), "image/png")]
    sketches = tuple(Sketch(prompt, width, height, kind, number) for number in range(count))
    explains, scores = _flag(wish, "includeRaiReason", True), _flag(wish, "includeSafetyAttributes", False)
    return Order(model, prompt, document, sketches, explains, scores)


def _prompt(instances: object) -> str:
    if not isinstance(instances, list) or len(instances) != 1 or not isinstance(instances[0], dict):
        raise problems.invalid("instances must be a list with one object.")
    prompt = instances[0].get("prompt")
    if not isinstance(prompt, str) or not prompt:
        raise problems.invalid("instances[0].prompt must be a text.")
    return prompt


def _flag(wish: Mapping[str, Any], name: str, default: bool) -> bool:
    value = wish.get(name, default)
    if not isinstance(value, bool):
        raise problems.invalid(f"{name} must be true or false.")
    return value

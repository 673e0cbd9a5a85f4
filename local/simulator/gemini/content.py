"""`:generateContent`: what a request may say, and its reply, as far as pictures are concerned.

One picture per call. Without `responseModalities`, and with TEXT among them, a text part comes before it (recorded for
gemini-2.5-flash-image). Names that the API does not have are refused, `negativePrompt` among them. Pictures in the
request are counted and otherwise ignored. Where no ratio is asked for, the real models choose one that goes with the
prompt or with those pictures; here it is a square. The real count of tokens is a tokenizer's; here a word is one.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.simulator.exchange import Reply, as_json
from local.simulator.gemini import body, problems, turns, verdicts
from local.simulator.gemini.models import EVERY_RATIO, Model
from local.simulator.pictures import CONTENT_TYPES, Sketch

PICTURE_TOKENS = 258
"""What a picture in a request counts for, if it is not larger than 1024 by 1024."""
SIZES = ("1K", "2K", "4K", "512", "512P", "512PX")
MODALITIES = ("TEXT", "IMAGE")
REQUEST = (
    "model",
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
    "cachedContent",
    "serviceTier",
    "store",
)
GENERATION = (
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "candidateCount",
    "maxOutputTokens",
    "temperature",
    "topP",
    "topK",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "speechConfig",
    "thinkingConfig",
    "imageConfig",
    "mediaResolution",
    "responseFormat",
)


@dataclass(frozen=True)
class Order:
    """A request that can be done; `talks` says whether text may come with the picture."""

    model: Model
    prompt: str
    inputs: Mapping[str, Any]
    sketches: tuple[Sketch, ...]
    size: str
    pictures: int
    talks: bool

    def blocked(self) -> Reply:
        """The reply to a prompt that is not let in: a success without candidates."""
        document = {
            "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
            "usageMetadata": self._usage(0),
            "modelVersion": self.model.name,
        }
        return as_json(200, document, content_type=problems.JSON)

    def shown(self) -> tuple[Sketch, ...]:
        """The picture, if there is to be one. Who asks for nothing gets none (recorded)."""
        asked = self.prompt or self.pictures
        return self.sketches if asked and verdicts.verdict(self.prompt) is None else ()

    def show(self, files: Sequence[bytes], response_id: str) -> dict[str, Any]:
        """The reply with the file of `shown`."""
        return {
            "candidates": [self._candidate(files)],
            "usageMetadata": self._usage(len(files)),
            "modelVersion": self.model.name,
            "responseId": response_id,
        }

    def _candidate(self, files: Sequence[bytes]) -> dict[str, Any]:
        parts = [
            {"inlineData": {"mimeType": CONTENT_TYPES[sketch.format], "data": base64.b64encode(file).decode()}}
            for sketch, file in zip(self.shown(), files, strict=True)
        ]
        if parts:
            words = [{"text": "Here is your image: "}] if self.talks else []
            return {"content": {"parts": [*words, *parts], "role": "model"}, "finishReason": "STOP", "index": 0}
        match verdicts.verdict(self.prompt):
            case "nsfw":
                reason = {"finishReason": "IMAGE_SAFETY", "finishMessage": verdicts.FILTERED_CONTENT}
                return {"content": {}, **reason, "index": 0}
            case "risky" if self.talks:
                words = [{"text": verdicts.REFUSAL}]
                return {"content": {"parts": words, "role": "model"}, "finishReason": "STOP", "index": 0}
            case None if not self.sketches:
                return {"content": {"parts": [], "role": "model"}, "finishReason": "STOP", "index": 0}
            case _:
                return {"content": {}, "finishReason": "NO_IMAGE", "index": 0}

    def _usage(self, made: int) -> dict[str, Any]:
        """Tokens of the prompt and of so many pictures; without pictures nothing is said of candidates."""
        words = len(self.prompt.split())
        details = [{"modality": "TEXT", "tokenCount": words}] if words else []
        if self.pictures:
            details.append({"modality": "IMAGE", "tokenCount": self.pictures * PICTURE_TOKENS})
        asked, answered = words + self.pictures * PICTURE_TOKENS, made * self.model.tokens[self.size]
        usage: dict[str, Any] = {"promptTokenCount": asked, "totalTokenCount": asked + answered}
        if details:
            usage["promptTokensDetails"] = details
        if made:
            usage["candidatesTokenCount"] = answered
            usage["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": answered}]
        return usage


def read(request: bytes, model: Model) -> Order:
    """The order in a body. Raises Problem for the first thing that is wrong."""
    document = body.message(body.document(request), "", REQUEST)
    config = body.message(document.get("generationConfig", {}), "generation_config", GENERATION)
    image = body.message(config.get("imageConfig", {}), "generation_config.image_config", ("aspectRatio", "imageSize"))
    talks = _talks(config.get("responseModalities", []))
    if config.get("candidateCount", 1) != 1:
        raise problems.invalid("Multiple candidates is not enabled for this model")
    prompt, pictures = turns.read(document.get("contents"))
    ratio, size = _ratio(image.get("aspectRatio", "1:1"), model), _size(image.get("imageSize", "1K"), model)
    sketch = Sketch(prompt, *model.area(ratio, size), model.format)
    return Order(model, prompt, document, (sketch,), size, pictures, talks)


def _talks(modalities: object) -> bool:
    """Whether text may come; only a list of nothing but IMAGE forbids it."""
    wish = [str(modality).upper() for modality in (modalities if isinstance(modalities, list) else [modalities])]
    for number, modality in enumerate(wish):
        if modality not in MODALITIES:
            kind = "type.googleapis.com/google.ai.generativelanguage.v1beta.GenerationConfig.Modality"
            where = f"generation_config.response_modalities[{number}]"
            raise problems.invalid(f"Invalid value at '{where}' ({kind}), {json.dumps(modality)}")
    return not wish or "TEXT" in wish


def _ratio(value: object, model: Model) -> str:
    """Two layers look at it: the schema, then the model."""
    if not isinstance(value, str) or value not in EVERY_RATIO:
        *most, last = (f"'{ratio}'" for ratio in EVERY_RATIO)
        where = "GenerateContentRequest.generation_config.image_config.aspect_ratio"
        raise problems.invalid(f"* {where}: aspect_ratio must be one of {', '.join(most)}, or {last}.\n")
    if value not in model.pixels:
        raise problems.invalid(f"Aspect ratio {value} is not supported for this model")
    return value


def _size(value: object, model: Model) -> str:
    """The size that a picture is made in; capitals count."""
    if model.ignores_size:
        return "1K"
    if not isinstance(value, str) or value not in SIZES:
        raise problems.invalid(f"Unsupported image_size '{value}'. Supported values are: {', '.join(SIZES)}.")
    size = "512" if value.startswith("512") else value
    if size not in model.tokens:
        raise problems.invalid(f"Image size {value} is not supported for this model")
    return size

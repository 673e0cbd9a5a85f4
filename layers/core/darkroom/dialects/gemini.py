"""
Google's Gemini API, as Google and the gateways that relay it speak it: synchronous, pictures inline in base64.

A route's model names the method, too. `:predict` is Imagen's: prompt in `instances`, all else in `parameters`; several
pictures a call. `:generateContent` is that of the models that came after it: text and pictures are `parts`; one picture
a call. Google has shut Imagen down there (August 2026); gateways may still map it.

Facts from Google's documents and Tokaify's page. Pictures that a filter held back are told of in one element for all of
them, without bytes; if all were held back there may be no elements, or an empty object. Google's support codes name the
filter.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from darkroom import complaints
from darkroom.answer import Answer, Failed, Finished
from darkroom.errors import NoReply, Reason
from darkroom.route import Route
from darkroom.wire import Reply, Request, data_uri, json_request, objects

#: Of Google's support codes, those that tell why a prompt or a picture was held back (Vertex AI, responsible AI).
_FILTERS = re.compile(
    r"\b(58061214|17301594|29310472|15236754|62263041|57734940|22137204|42876398|29578790|74803281|39322892|92201652"
    r"|89371032|49114662|72817394|90789179|63429089|43188360|78610348|61493863|56562880)\b"
)
#: Why generateContent stops without a picture, where a filter has stopped it.
_HELD_BACK = re.compile(r"SAFETY|PROHIBITED|BLOCKLIST|SPII|RECITATION")
#: What only replies of a method hold, be there pictures or not.
_PREDICTED = {"predictions", "deployedModelId"}
_GENERATED = {"candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId"}
#: What of an input belongs to `imageConfig`, and what stands beside the contents; prompt and pictures are parts of the
#: contents, and the rest is configuration.
_IMAGE_CONFIG = ("aspectRatio", "imageSize")
_BESIDE = ("safetySettings", "systemInstruction", "tools")
_TYPES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp"}


def submission(route: Route, native_input: dict[str, Any]) -> Request:
    document = _predict(native_input) if route.model.endswith(":predict") else _generate_content(native_input)
    return json_request("POST", f"{route.base}/models/{route.model}", document)


def complaint(reply: Reply) -> Failed:
    found = complaints.read(reply)
    if _FILTERS.search(found.message):
        return replace(found, reason=Reason.FILTERED)
    if found.reason is Reason.INVALID_INPUT and "invalid_request" in complaints.codes(reply):
        # A relay that does not know this method has looked for the members of another, and handed nothing on.
        return replace(found, reason=Reason.MODEL_UNAVAILABLE)
    return found


def answer(reply: Reply) -> Answer:
    document = reply.document()
    if _PREDICTED & document.keys() or not document:
        return _predicted(objects(document.get("predictions")))
    if _GENERATED & document.keys():
        return _generated(document)
    raise NoReply(f"status {reply.status} without pictures: {complaints.words(reply)}")


def _predict(native_input: dict[str, Any]) -> dict[str, Any]:
    parameters = {name: value for name, value in native_input.items() if name != "prompt"}
    return {"instances": [{"prompt": native_input.get("prompt", "")}], "parameters": parameters}


def _generate_content(native_input: dict[str, Any]) -> dict[str, Any]:
    rest = dict(native_input)
    prompt, pictures = rest.pop("prompt", ""), rest.pop("images", [])
    image_config = {name: rest.pop(name) for name in _IMAGE_CONFIG if name in rest}
    beside = {name: rest.pop(name) for name in _BESIDE if name in rest}
    config = {**rest, "responseModalities": ["IMAGE"], **({"imageConfig": image_config} if image_config else {})}
    parts = [{"text": prompt}, *map(_part, pictures if isinstance(pictures, list) else [pictures])]
    return {"contents": [{"role": "user", "parts": parts}], "generationConfig": config, **beside}


def _part(picture: Any) -> dict[str, Any]:
    """A picture that goes in: its bytes if it is a data URI, else where it is."""
    if found := re.fullmatch(r"data:([\w/+.-]+);base64,(.*)", str(picture), re.DOTALL):
        return {"inlineData": {"mimeType": found[1], "data": found[2]}}
    ending = re.match(r"[^?#]*\.(\w+)(?:[?#]|$)", str(picture))
    kind = _TYPES.get(ending[1].lower()) if ending else None
    return {"fileData": {"fileUri": picture, **({"mimeType": kind} if kind else {})}}


def _predicted(predictions: list[dict[str, Any]]) -> Answer:
    pictures = _strings(each.get("bytesBase64Encoded") for each in predictions)
    reasons = tuple(_strings(each.get("raiFilteredReason") for each in predictions))
    if not pictures and _strings(each.get("gcsUri") for each in predictions):
        return Failed(Reason.OUTPUT_LOST, "The gateway has put the pictures where only its own account can read them.")
    if not pictures:
        return Failed(Reason.FILTERED, "; ".join(reasons) or "The gateway gives no picture and no reason.")
    return Finished(_outputs(pictures), several=len(pictures) > 1, missing=reasons)


def _generated(document: dict[str, Any]) -> Answer:
    candidates = objects(document.get("candidates"))
    parts = [part for each in candidates for part in objects(_object(each.get("content")).get("parts"))]
    # A model that thinks may show drafts, as parts that are thoughts.
    kept = [part for part in parts if not part.get("thought")]
    inline = _strings(_object(part.get("inlineData") or part.get("inline_data")).get("data") for part in kept)
    links = _strings(_object(part.get("fileData") or part.get("file_data")).get("fileUri") for part in kept)
    if outputs := (*_outputs(inline), *(link for link in links if link.startswith("https://"))):
        return Finished(outputs, several=len(outputs) > 1)
    feedback = _object(document.get("promptFeedback"))
    reasons = _strings([feedback.get("blockReason"), *(each.get("finishReason") for each in candidates)])
    words = _strings([feedback.get("blockReasonMessage"), *(each.get("finishMessage") for each in candidates)])
    told = "; ".join([*reasons, *words, *_strings(part.get("text") for part in kept)])
    if feedback.get("blockReason") or any(map(_HELD_BACK.search, reasons)) or _FILTERS.search(told):
        return Failed(Reason.FILTERED, told or "The gateway gives no reason.")
    reason = Reason.INVALID_INPUT if "LANGUAGE" in reasons else Reason.GATEWAY_FAILED
    return Failed(reason, told or "The gateway gives no reason.")


def _strings(values: Iterable[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str) and value]


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _outputs(pictures: list[str]) -> tuple[str, ...]:
    return tuple(map(data_uri, pictures))

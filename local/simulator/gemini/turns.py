"""`contents`: the turns of a conversation, which are made of parts.

A part is a text, a picture as base64 in `inlineData`, or one at Google in `fileData`, which nobody here fetches. The
messages are recorded ones, apart from that for parts that are no list.
"""

import base64
import json

from local.simulator.gemini import body, problems

PART = ("text", "inlineData", "fileData", "thought", "thoughtSignature", "partMetadata", "mediaResolution")


def read(contents: object) -> tuple[str, int]:
    """The text of the last turn, and how many pictures there are in all of them. Raises Problem for what is wrong."""
    if not isinstance(contents, list) or not contents:
        raise problems.invalid("* GenerateContentRequest.contents: contents is not specified\n")
    prompt, pictures, count = "", 0, 0
    for number, value in enumerate(contents):
        where = f"contents[{number}]"
        content = body.message(value, where, ("role", "parts"))
        if content.get("role", "user") not in ("user", "model"):
            raise problems.invalid("Please use a valid role: user, model.")
        parts = content.get("parts", [])
        if not isinstance(parts, list):
            raise problems.invalid(f"Invalid value at '{where}.parts' (TYPE_MESSAGE), {json.dumps(parts)}")
        texts = [_text(part, f"{where}.parts[{place}]") for place, part in enumerate(parts)]
        prompt = " ".join(text for text in texts if text)
        pictures += texts.count(None)
        count += len(texts)
    if not count:
        raise problems.invalid("Request has empty input.")
    return prompt, pictures


def _text(value: object, where: str) -> str | None:
    """The text of a part, or None where it is a picture."""
    part = body.message(value, where, PART)
    if isinstance(part.get("text"), str):
        text: str = part["text"]
        return text
    if "inlineData" in part:
        blob = body.message(part["inlineData"], f"{where}.inline_data", ("mimeType", "data", "displayName"))
        _check_base64(blob.get("data"), f"{where}.inline_data.data")
        return None
    if "fileData" in part:
        body.message(part["fileData"], f"{where}.file_data", ("mimeType", "fileUri", "displayName"))
        return None
    reason = "required oneof field 'data' must have one initialized field"
    raise problems.invalid(f"* GenerateContentRequest.{where}.data: {reason}\n")


def _check_base64(data: object, where: str) -> None:
    """Both alphabets are taken."""
    try:
        base64.b64decode(str(data).translate(str.maketrans("-_", "+/")), validate=True)
    except ValueError as error:
        reason = f"(TYPE_BYTES), Base64 decoding failed for {json.dumps(data)}"
        raise problems.invalid(f"Invalid value at '{where}' {reason}") from error

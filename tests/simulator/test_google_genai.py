"""The official google-genai at work: 3.4 for `:generateContent`, and 2.19, the last one that asks for `:predict`.

Two versions do not fit into one process, so the older one runs in another, from the folder that it was installed into.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from PIL import Image

GOOGLE = "/generativelanguage.googleapis.com"
GATEWAY = ""
MODEL = "gemini-3.1-flash-image"
IMAGEN = "imagen-4.0-generate-001"
OLDER = Path(sys.prefix) / "google-genai-2.19"
GENERATE_IMAGES = """
import hashlib, json, sys
from google import genai
from google.genai import errors

wish = json.loads(sys.argv[1])
with genai.Client(api_key=wish["key"], http_options={"base_url": wish["base"]}) as client:
    try:
        reply = client.models.generate_images(model=wish["model"], prompt=wish["prompt"], config=wish["config"])
    except errors.APIError as error:
        print(json.dumps({"error": [error.code, error.status, error.message]}))
    else:
        images = reply.generated_images
        if images is not None:
            images = [
                [each.image.mime_type, len(each.image.image_bytes or b""), each.rai_filtered_reason] for each in images
            ]
        attributes = reply.positive_prompt_safety_attributes
        print(json.dumps({"version": genai.__version__, "images": images, "attributes": attributes is not None}))
"""


@contextmanager
def client(url: str, at: str = GOOGLE, key: str = "simulator-key", **options: Any) -> Iterator[genai.Client]:
    with genai.Client(api_key=key, http_options=types.HttpOptions(base_url=f"{url}{at}", **options)) as official:
        yield official


def content(official: genai.Client, prompt: Any = "a boat", model: str = MODEL, **config: Any) -> types.Candidate:
    """The one candidate of a reply."""
    reply = official.models.generate_content(
        model=model, contents=prompt, config=types.GenerateContentConfig(**config) if config else None
    )
    assert reply.candidates
    [candidate] = reply.candidates
    return candidate


def pictures(candidate: types.Candidate) -> list[Image.Image]:
    assert candidate.content
    parts = candidate.content.parts or []
    return [
        Image.open(io.BytesIO(part.inline_data.data)) for part in parts if part.inline_data and part.inline_data.data
    ]


@pytest.mark.parametrize(
    ("at", "options"), [(GOOGLE, {}), (GOOGLE, {"api_version": "v1beta"}), (GATEWAY, {"api_version": "v1beta"})]
)
def test_it_makes_a_picture(url: str, at: str, options: dict[str, str]) -> None:
    with client(url, at, **options) as official:
        candidate = content(
            official,
            response_modalities=["IMAGE"],
            image_config=types.ImageConfig(aspect_ratio="16:9", image_size="1K"),
        )
    assert candidate.finish_reason == types.FinishReason.STOP
    [picture] = pictures(candidate)
    assert (picture.format, picture.size) == ("JPEG", (1376, 768))


def test_it_sends_a_picture_along_and_gets_text_with_its_own(url: str) -> None:
    picture = types.Part.from_bytes(data=b"a picture", mime_type="image/png")
    with client(url) as official:
        reply = official.models.generate_content(
            model="gemini-2.5-flash-image", contents=types.Content(parts=[picture, types.Part(text="make it a boat")])
        )
    assert reply.text == "Here is your image: "
    assert reply.candidates
    assert [picture.format for picture in pictures(reply.candidates[0])] == ["PNG"]
    assert reply.usage_metadata
    assert (reply.usage_metadata.prompt_token_count, reply.usage_metadata.candidates_token_count) == (262, 1290)


@pytest.mark.parametrize(
    ("prompt", "reason"), [("nsfw", types.FinishReason.IMAGE_SAFETY), ("quiet", types.FinishReason.NO_IMAGE)]
)
def test_it_reads_why_there_is_no_picture(url: str, prompt: str, reason: types.FinishReason) -> None:
    with client(url) as official:
        candidate = content(official, prompt)
    assert (candidate.finish_reason, pictures(candidate)) == (reason, [])


def test_it_reads_why_a_prompt_was_blocked(url: str) -> None:
    with client(url) as official:
        reply = official.models.generate_content(model=MODEL, contents="forbidden")
    assert reply.candidates is None
    assert reply.prompt_feedback
    assert reply.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT


@pytest.mark.parametrize(
    ("at", "key", "model", "code", "status"),
    [
        (GOOGLE, "wrong", MODEL, 400, "INVALID_ARGUMENT"),
        (GOOGLE, "simulator-key", "gemini-9", 404, "NOT_FOUND"),
        (GOOGLE, "simulator-key", IMAGEN, 404, "NOT_FOUND"),
        (GATEWAY, "wrong", MODEL, 401, None),
        (GATEWAY, "simulator-key", "gemini-9", 503, None),
    ],
)
def test_it_shows_what_is_wrong(url: str, at: str, key: str, model: str, code: int, status: str | None) -> None:
    with client(url, at, key, api_version="v1beta") as official, pytest.raises(errors.APIError) as failure:
        content(official, model=model)
    assert (failure.value.code, failure.value.status) == (code, status)


def test_it_survives_an_overload_if_it_is_told_to_try_again(url: str, faults: Callable[..., None]) -> None:
    busy = {"error": {"code": 503, "message": "The service is currently unavailable.", "status": "UNAVAILABLE"}}
    faults(match={"method": "POST", "path": "/v1/models/"}, times=2, answer={"status": 503, "body": busy})
    with client(url, retry_options=types.HttpRetryOptions(attempts=3, initial_delay=0.01, jitter=0.01)) as official:
        assert pictures(content(official))


def test_it_looks_at_models(url: str) -> None:
    with client(url) as official:
        assert MODEL in {str(model.name).removeprefix("models/") for model in official.models.list()}
        assert official.models.get(model=IMAGEN).supported_actions == ["predict"]
    with client(url, GATEWAY, api_version="v1beta") as official:
        assert IMAGEN in {str(model.name).removeprefix("models/") for model in official.models.list()}


def images(url: str, at: str = GATEWAY, prompt: str = "a boat", key: str = "simulator-key", **config: Any) -> Any:
    """What `generate_images` of the older version makes of a prompt."""
    wish = {"base": f"{url}{at}", "key": key, "model": IMAGEN, "prompt": prompt, "config": config}
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", GENERATE_IMAGES, json.dumps(wish)],
        env=os.environ | {"PYTHONPATH": str(OLDER)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_older_one_makes_pictures_at_a_gateway(url: str) -> None:
    made = images(
        url,
        number_of_images=2,
        aspect_ratio="16:9",
        image_size="1K",
        person_generation="ALLOW_ADULT",
        safety_filter_level="BLOCK_LOW_AND_ABOVE",
        output_mime_type="image/jpeg",
        include_rai_reason=True,
        include_safety_attributes=True,
    )
    assert made["version"] == "2.19.0"
    assert [kind for kind, _, _ in made["images"]] == ["image/jpeg"] * 2
    assert all(size > 10_000 and reason is None for _, size, reason in made["images"])
    assert made["attributes"]


def test_the_older_one_reads_the_reason_of_the_filter(url: str) -> None:
    *pictures_, (kind, size, reason) = images(url, prompt="risky", number_of_images=2)["images"]
    assert len(pictures_) == 1
    assert (kind, size) == (None, 0)
    assert "filtered out 1 generated images" in reason
    assert images(url, prompt="quiet", number_of_images=1)["images"] is None


def test_the_older_one_is_told_that_imagen_is_shut_down_at_google(url: str) -> None:
    code, status, message = images(url, GOOGLE)["error"]
    assert (code, status) == (404, "NOT_FOUND")
    assert "no longer available" in message

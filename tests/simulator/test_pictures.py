"""The pictures that prompts become."""

import io

import httpx
import pytest
from PIL import Image

from tests.simulator.conftest import FAST, FLUX, Json, create, ended, fetched


def picture(url: str, http: httpx.Client, model: str = FAST, **inputs: object) -> Image.Image:
    """What a prompt becomes."""
    output = ended(http, create(http, model, **inputs))["output"]
    reply = fetched(url, output if isinstance(output, str) else output[0])
    assert int(reply.headers["Content-Length"]) == len(reply.content)
    image = Image.open(io.BytesIO(reply.content))
    image.load()
    assert image.format
    assert reply.headers["Content-Type"] == f"image/{image.format.lower()}"
    return image


@pytest.mark.parametrize(
    ("model", "inputs", "kind", "size"),
    [
        (FAST, {"aspect_ratio": "16:9", "output_format": "png"}, "PNG", (1408, 768)),
        (FAST, {"aspect_ratio": "9:16"}, "JPEG", (768, 1408)),
        ("google/imagen-4", {"aspect_ratio": "4:3", "image_size": "1K"}, "JPEG", (1280, 896)),
        ("google/imagen-4-ultra", {"aspect_ratio": "3:4", "image_size": "2K"}, "JPEG", (1792, 2560)),
        (FLUX, {}, "WEBP", (1024, 1024)),
        (FLUX, {"aspect_ratio": "21:9", "output_format": "jpg"}, "JPEG", (1568, 672)),
        ("some/model", {"aspect_ratio": "match_input_image"}, "PNG", (1024, 1024)),
    ],
)
def test_a_picture_has_the_size_and_format_that_were_asked_for(
    url: str, http: httpx.Client, model: str, inputs: Json, kind: str, size: tuple[int, int]
) -> None:
    image = picture(url, http, model, **inputs)
    assert (image.format, image.size) == (kind, size)


def test_another_prompt_is_another_picture_and_the_same_prompt_the_same(url: str, http: httpx.Client) -> None:
    above_the_words = (0, 0, 1024, 800)
    boat, again, train = (
        picture(url, http, prompt=prompt).crop(above_the_words).tobytes() for prompt in ("a boat", "a boat", "a train")
    )
    assert boat == again != train


def test_the_pictures_of_one_job_differ(url: str, http: httpx.Client) -> None:
    addresses = ended(http, create(http, FLUX, num_outputs=4))["output"]
    assert len({fetched(url, address).content for address in addresses}) == 4


@pytest.mark.parametrize(
    "prompt",
    ["", "\u6c34" * 900, "word " * 3000, "x" * 3000, "two\nlines \x00 \U0001f600"],
    ids=["none", "no spaces", "no end", "no words", "signs"],
)
def test_any_prompt_can_be_drawn_and_leaves_the_border_white(url: str, http: httpx.Client, prompt: str) -> None:
    image = picture(url, http, prompt=prompt).convert("L")
    assert image.size == (1024, 1024)
    for border in ((0, 0, 40, 1024), (984, 0, 1024, 1024), (0, 0, 1024, 40), (0, 984, 1024, 1024)):
        assert not sum(image.crop(border).histogram()[:200])


def test_the_prompt_is_written_on_the_paper(url: str, http: httpx.Client) -> None:
    def ink(prompt: str) -> int:
        last_line = picture(url, http, prompt=prompt).convert("L").crop((51, 926, 973, 972))
        return sum(last_line.histogram()[:100])

    assert ink("a boat on a lake in the rain") > 5 * ink("a") > 0

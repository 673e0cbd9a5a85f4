"""The official OpenAI client at work, unmodified."""

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from openai import AuthenticationError, BadRequestError, InternalServerError, NotFoundError, OpenAI, RateLimitError
from PIL import Image

from tests.simulator.conftest import ledger

Clients = Callable[..., OpenAI]
BOTH = pytest.mark.parametrize("mount", ["/api.openai.com/v1", "/v1"])


@pytest.fixture
def official(url: str) -> Iterator[Clients]:
    """The client, at a mount of the simulator."""
    with ExitStack() as open_clients:

        def client(mount: str = "/v1", key: str = "simulator-key") -> OpenAI:
            return open_clients.enter_context(OpenAI(api_key=key, base_url=f"{url}{mount}"))

        yield client


@BOTH
def test_it_generates_pictures_and_lists_models(official: Clients, mount: str) -> None:
    client = official(mount)
    response = client.images.generate(
        model="gpt-image-2", prompt="a boat", n=2, size="1536x1024", quality="low", output_format="jpeg"
    )
    assert (response.size, response.quality, response.output_format) == ("1536x1024", "low", "jpeg")
    assert response.created
    assert response.usage
    assert response.usage.input_tokens_details.text_tokens == response.usage.input_tokens
    assert response.data
    assert len(response.data) == 2
    for made in response.data:
        assert made.b64_json
        image = Image.open(io.BytesIO(base64.b64decode(made.b64_json)))
        assert (image.format, image.size) == ("JPEG", (1536, 1024))
    assert "gpt-image-2" in [model.id for model in client.models.list()]


def test_it_shows_what_openai_refuses(official: Clients) -> None:
    images = official("/api.openai.com/v1").images
    with pytest.raises(BadRequestError) as refused:
        images.generate(model="gpt-image-2", prompt="nsfw")
    assert (refused.value.type, refused.value.code) == ("image_generation_user_error", "moderation_blocked")
    with pytest.raises(BadRequestError) as unknown:
        images.generate(model="gpt-image-2", prompt="a boat", response_format="b64_json")
    assert (unknown.value.param, unknown.value.code) == ("response_format", "unknown_parameter")
    with pytest.raises(NotFoundError) as gone:
        images.generate(model="gpt-image-1", prompt="a boat")
    assert gone.value.code == "model_not_found"
    with pytest.raises(AuthenticationError) as stranger:
        official("/api.openai.com/v1", key="wrong").images.generate(model="gpt-image-2", prompt="a boat")
    assert stranger.value.code == "invalid_api_key"


def test_it_takes_a_reply_of_a_relay_that_leaves_members_out(official: Clients) -> None:
    response = official().images.generate(model="flux-schnell", prompt="a boat", extra_body={"aspect_ratio": "16:9"})
    assert response.data
    assert response.data[0].b64_json
    assert response.data[0].b64_json.startswith("data:image/png;base64,")
    assert response.usage is None


def test_it_shows_the_errors_of_a_relay(official: Clients) -> None:
    client = official().with_options(max_retries=0)
    with pytest.raises(InternalServerError) as unsold:
        client.images.generate(model="unheard-of", prompt="a boat")
    assert (unsold.value.status_code, unsold.value.code) == (503, "model_not_found")
    with pytest.raises(RateLimitError):
        client.images.generate(model="limited/model", prompt="a boat")


def test_it_tries_again_after_a_lost_reply_and_pays_twice(
    official: Clients, http: httpx.Client, faults: Callable[..., None]
) -> None:
    before = len(ledger(http)["charges"])
    faults(match={"method": "POST", "path": "/v1/images"}, before=False, answer={"status": 502})
    assert official().images.generate(model="gpt-image-1-mini", prompt="a boat").data
    assert len(ledger(http)["charges"]) == before + 2

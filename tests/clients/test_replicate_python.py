"""replicate 1.0.7, unmodified."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError
from replicate.helpers import FileOutput
from replicate.pagination import paginate
from replicate.prediction import Prediction
from replicate.webhook import Webhooks

from darkroom import gallery
from local.receiver import Receiver
from tests.clients.conftest import KONTEXT, LARGE, LARGE_INPUT, MODEL, Darkroom, is_picture

pytestmark = pytest.mark.slow
INPUT = {"prompt": "a lighthouse in a storm"}


@pytest.fixture
def client(darkroom: Darkroom) -> Iterator[Client]:
    client = Client(api_token=darkroom.key, base_url=darkroom.url)
    yield client
    client._client.close()


def test_run_gives_the_picture(client: Client) -> None:
    output = client.run(MODEL, input=INPUT)
    assert isinstance(output, FileOutput)
    assert output.url.startswith("https://")
    assert is_picture(output.read())


def test_run_asks_again_and_again_where_it_is_not_to_wait(client: Client) -> None:
    output = client.run(MODEL, input=INPUT, wait=False)
    assert isinstance(output, FileOutput)
    assert is_picture(b"".join(output))


def test_a_wait_that_was_too_short_leaves_the_prediction_starting(client: Client) -> None:
    prediction = client.models.predictions.create(MODEL, input={"prompt": "a slow sea"}, wait=5)
    assert prediction.status == "starting"
    prediction.cancel()


def test_a_large_picture_is_read_by_a_client_that_may_follow_redirects(darkroom: Darkroom) -> None:
    client = Client(api_token=darkroom.key, base_url=darkroom.url, follow_redirects=True)
    output: Any = client.run(LARGE, input=LARGE_INPUT)
    content = (output[0] if isinstance(output, list) else output).read()
    assert len(content) > gallery.INLINE_CAP
    assert is_picture(content)
    client._client.close()


def test_one_client_for_one_order_may_be_run_again(darkroom: Darkroom) -> None:
    client = Client(api_token=darkroom.key, base_url=darkroom.url, headers={"Idempotency-Key": "order-4711"})
    first, second = (client.run(MODEL, input=INPUT, use_file_output=False) for _ in range(2))
    assert first == second
    client._client.close()


def test_async_run_gives_the_picture(client: Client) -> None:
    async def made() -> bytes:
        output = await client.async_run(MODEL, input=INPUT)
        assert isinstance(output, FileOutput)
        content: bytes = await output.aread()
        await client._async_client.aclose()
        return content

    assert is_picture(asyncio.run(made()))


def test_several_pictures_come_as_a_list(client: Client) -> None:
    outputs: Any = client.run("black-forest-labs/flux-schnell", input={**INPUT, "num_outputs": 2})
    assert [type(output) for output in outputs] == [FileOutput, FileOutput]


def test_a_prediction_is_made_followed_and_read_again(client: Client) -> None:
    prediction = client.models.predictions.create(MODEL, input=INPUT)
    assert prediction.completed_at is None
    prediction.wait()
    assert prediction.status == "succeeded"
    assert client.predictions.get(prediction.id).output == prediction.output
    prediction.reload()
    assert prediction.completed_at is not None


def test_a_prediction_is_made_by_a_version(client: Client) -> None:
    version = client.models.get(MODEL).latest_version
    assert version is not None
    prediction = client.predictions.create(version=version, input=INPUT)
    prediction.wait()
    assert (prediction.model, prediction.status) == (MODEL, "succeeded")
    assert isinstance(client.run(f"{MODEL}:{version.id}", input=INPUT), FileOutput)


def test_predictions_are_listed_page_by_page(client: Client) -> None:
    made = [client.predictions.create(model=MODEL, input=INPUT).id for _ in range(3)]
    page = client.predictions.list()
    assert [prediction.id for prediction in page.results[:3]] == made[::-1]
    seen = [prediction.id for each in paginate(client.predictions.list) for prediction in each]
    assert len(seen) == len(set(seen)) >= 3


def test_pages_follow_each_other(client: Client) -> None:
    made = {client.predictions.create(model="x/y", input={}).id for _ in range(101)}
    first = client.predictions.list()
    assert (len(first.results), first.next is not None) == (100, True)
    second = client.predictions.list(first.next or ...)
    ids = [prediction.id for page in (first, second) for prediction in page.results]
    assert made <= set(ids)
    assert len(ids) == len(set(ids))


def test_a_prediction_is_canceled(client: Client) -> None:
    prediction = client.predictions.create(model=MODEL, input={"prompt": "a slow sea"})
    prediction.cancel()
    prediction.wait()
    assert prediction.status == "canceled"


def test_a_picture_goes_in_as_a_file(client: Client, picture: Path) -> None:
    with picture.open("rb") as file:
        output = client.run(KONTEXT, input={**INPUT, "input_image": file})
    assert isinstance(output, FileOutput)
    assert is_picture(output.read())


def test_a_file_is_uploaded_and_looked_at(client: Client, picture: Path) -> None:
    uploaded = client.files.create(picture)
    assert client.files.get(uploaded.id) == uploaded
    assert (uploaded.content_type, uploaded.size) == ("image/png", picture.stat().st_size)


def test_a_failure_is_an_error_with_the_gateways_words(client: Client) -> None:
    with pytest.raises(ModelError) as caught:
        client.run(MODEL, input={"prompt": "something nsfw"})
    assert caught.value.prediction.error


def test_a_fault_of_the_caller_is_an_error_that_names_it(client: Client) -> None:
    with pytest.raises(ReplicateError) as caught:
        client.run(MODEL, input={"prompt": ""})
    assert (caught.value.status, caught.value.title) == (422, "Input validation failed")
    assert "prompt is empty" in (caught.value.detail or "")


def test_whoever_has_no_key_of_ours_is_refused(darkroom: Darkroom) -> None:
    stranger = Client(api_token="r8_abc", base_url=darkroom.url)
    with pytest.raises(ReplicateError) as caught:
        stranger.run(MODEL, input=INPUT)
    assert caught.value.status == 403
    stranger._client.close()


def test_models_and_account_are_there(client: Client) -> None:
    assert MODEL in [model.id for model in client.models.list()]
    assert client.accounts.current().username == "default"


def test_a_webhook_is_validated_with_the_secret_that_the_client_asks_for(client: Client, receiver: Receiver) -> None:
    prediction = client.predictions.create(
        model=MODEL, input=INPUT, webhook=receiver.url, webhook_events_filter=["completed"]
    )
    delivery = receiver.next()
    request = httpx.Request("POST", receiver.url, headers=delivery.headers, content=delivery.body)
    Webhooks.validate(request=request, secret=client.webhooks.default.secret(), tolerance=300)
    assert Prediction(**json.loads(delivery.body)).id == prediction.id

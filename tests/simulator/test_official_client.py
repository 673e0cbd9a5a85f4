"""The official Replicate client at work."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from replicate.exceptions import ModelError, ReplicateError
from replicate.pagination import paginate

from tests.simulator.conftest import FAST, FLUX, NSFW, VERSION, Official


@pytest.mark.parametrize("mount", ["/api.replicate.com", "/replicate"])
def test_it_runs_a_model_and_reads_its_picture(official: Official, mount: str) -> None:
    output: Any = official(mount).run(FAST, {"prompt": "a boat"})
    assert output.url.startswith("https://replicate.delivery/")
    assert Image.open(io.BytesIO(output.read())).format == "JPEG"


def test_it_gets_a_list_from_a_model_with_several_outputs(official: Official) -> None:
    outputs = official().run(FLUX, {"prompt": "a boat", "num_outputs": 3})
    assert len({output.url for output in outputs}) == 3


def test_it_runs_a_version(official: Official) -> None:
    client = official()
    [picture] = client.run(f"stability-ai/sdxl:{VERSION}", {"prompt": "a boat"})
    assert str(picture).endswith(".png")
    prediction = client.predictions.create(version=f"{FLUX}:{VERSION}", input={"prompt": "a boat"}, wait=True)
    prediction.wait()
    assert prediction.output
    [output] = prediction.output
    assert output.endswith(".webp")


def test_it_creates_reloads_and_waits_and_another_key_sees_the_same(official: Official) -> None:
    prediction = official().models.predictions.create(FAST, {"prompt": "a boat"}, webhook="https://example.com")
    assert (prediction.status, prediction.output) == ("starting", None)
    prediction.wait()
    seen_by_another = official("/api.replicate.com", "second-key").predictions.get(prediction.id)
    assert seen_by_another == prediction
    assert seen_by_another.status == "succeeded"
    assert seen_by_another.output


def test_it_pages_through_all_predictions(url: str, official: Official) -> None:
    client = official()
    created = [client.models.predictions.create(FAST, {"prompt": "a boat"}).id for _ in range(101)]
    first = client.predictions.list()
    assert len(first.results) == 100
    assert first.next
    assert first.next.startswith(f"{url}/replicate/v1/predictions?cursor=")
    listed = [prediction.id for page in paginate(client.predictions.list) for prediction in page.results]
    assert listed[:101] == created[::-1]
    assert len(listed) == len(set(listed))


def test_it_shows_what_is_wrong(official: Official) -> None:
    with pytest.raises(ModelError) as failure:
        official().run(FAST, {"prompt": "nsfw"})
    assert (failure.value.prediction.status, failure.value.prediction.error) == ("failed", NSFW)
    with pytest.raises(ReplicateError) as invalid:
        official().run(FAST, {"aspect_ratio": "1:1"})
    assert (invalid.value.status, invalid.value.detail) == (422, "- input: prompt is required\n")
    with pytest.raises(ReplicateError) as stranger:
        official(key="wrong").predictions.list()
    assert stranger.value.status == 401


def test_it_survives_a_503_while_it_polls(official: Official, faults: Callable[..., None]) -> None:
    faults(match={"method": "GET", "path": "/replicate/v1/predictions/"}, times=2, answer={"status": 503})
    assert official().run(FAST, {"prompt": "a boat"})

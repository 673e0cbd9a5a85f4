"""What can be made, as Replicate's clients ask for it: functions/models.py."""

import json
from urllib.parse import urlsplit

import httpx
import pytest
from replicate.model import Model
from replicate.version import Version

from darkroom import catalogue
from tests.conftest import GATEWAY, ORIGIN, Account, Event, Wire, call, document, event

pytestmark = pytest.mark.usefixtures("account", "time")


def ask(url: str) -> Event:
    sent = event("models", rawPath=urlsplit(url).path)
    sent["requestContext"]["http"]["path"] = urlsplit(url).path
    answer: Event = call("models", sent)
    return answer


def test_the_models_that_have_names_are_listed_as_replicates_client_reads_them() -> None:
    page = document(ask("/v1/models"))
    assert (page["previous"], page["next"]) == (None, None)
    models = [Model(**each) for each in page["results"]]
    named = {name for name in catalogue.catalogue().models if "*" not in name}
    assert {f"{model.owner}/{model.name}" for model in models} == named
    assert {"google/imagen-4-fast", "black-forest-labs/flux-schnell"} <= named


def test_a_model_says_how_it_is_made_and_what_its_inputs_are_called() -> None:
    shown = document(ask("/v1/models/google/imagen-4-fast"))
    assert (shown["owner"], shown["name"]) == ("google", "imagen-4-fast")
    assert shown["url"] == f"{ORIGIN}/v1/models/google/imagen-4-fast"
    assert shown["routes"][0] == "vectornode/replicate/google/imagen-4-fast"
    schemas = shown["latest_version"]["openapi_schema"]["components"]["schemas"]
    assert "4:3" in schemas["Input"]["properties"]["aspect_ratio"]["enum"]
    assert schemas["Output"] == {"type": "string", "format": "uri"}


def test_a_model_that_only_passes_through_is_shown_too() -> None:
    shown = document(ask("/v1/models/somebody/something"))
    assert Model(**shown).owner == "somebody"
    assert shown["routes"] == ["vectornode/replicate/somebody/something", "replicate/replicate/somebody/something"]


def test_a_name_that_cannot_be_a_models_is_unknown() -> None:
    answer = ask("/v1/models/some body/$")
    assert (answer["statusCode"], document(answer)["code"]) == (404, "unknown_model")


def test_any_version_that_a_client_asks_for_is_there() -> None:
    found = document(ask("/v1/models/google/imagen-4-fast/versions/hidden"))
    assert Version(**found).id == "hidden"
    assert "Input" in found["openapi_schema"]["components"]["schemas"]


def versioned(version: str) -> Event:
    sent = event("submit", rawPath="/v1/predictions", routeKey="POST /v1/predictions")
    sent["requestContext"]["http"]["path"] = "/v1/predictions"
    sent["body"] = json.dumps({"version": version, "input": {"prompt": "A lighthouse"}})
    answer: Event = call("submit", sent)
    return answer


@pytest.mark.parametrize("model", ["google/imagen-4-fast", "black-forest-labs/flux-schnell"])
def test_the_latest_version_of_a_model_makes_that_model(account: Account, wire: Wire, model: str) -> None:
    wanted = next(each for each in document(ask("/v1/models"))["results"] if f"{each['owner']}/{each['name']}" == model)
    version = wanted["latest_version"]["id"]
    assert "/" not in version
    answer = versioned(version)
    assert (answer["statusCode"], account.task().model) == (201, model)


def test_a_version_of_replicates_is_made_by_its_id_alone(account: Account, wire: Wire) -> None:
    version = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"
    url = f"{GATEWAY}/predictions"
    wire.on("POST", url, httpx.Response(201, json={"id": "p1", "status": "starting"}))
    shown = document(versioned(version))
    (posted,) = wire.sent("POST", url)
    assert json.loads(posted.content)["version"] == version
    assert (shown["model"], shown["version"]) == (version, version)


@pytest.mark.parametrize("version", ["google~imagen-4-fast", "hidden"])
def test_a_models_own_version_after_its_name_is_that_model(account: Account, wire: Wire, version: str) -> None:
    answer = versioned(f"google/imagen-4-fast:{version}")
    assert (answer["statusCode"], account.task().model) == (201, "google/imagen-4-fast")


@pytest.mark.parametrize("version", ["hidden", "5c7d5dc6", "Z" * 64, "", "~", "google~nothing here"])
def test_a_version_that_nobody_knows_is_unknown(account: Account, version: str) -> None:
    answer = versioned(version)
    assert (answer["statusCode"], document(answer)["code"]) == (404, "unknown_model")
    assert account.tasks() == []


def test_health_needs_nobody() -> None:
    answer = ask("/health")
    assert (answer["statusCode"], document(answer)) == (200, {"status": "ok"})

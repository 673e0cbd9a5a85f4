"""replicate 1.4.0 from npm, unmodified: scenarios.cjs, in Node."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from darkroom import gallery
from local.receiver import Receiver
from tests.clients.conftest import LARGE, LARGE_INPUT, MODEL, Darkroom

SCENARIOS = Path(__file__).parent / "scenarios.cjs"
INSTALLED = Path(sys.prefix) / "javascript" / "node_modules"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("node") or not (INSTALLED / "replicate").is_dir(), reason="there is no Node, or was no npm"
    ),
]


def play(darkroom: Darkroom, scenario: str, argument: object = "") -> dict[str, Any]:
    """What comes of a scenario: its result, or {"error", "status"}."""
    told = {"REPLICATE_API_TOKEN": darkroom.key, "BASE_URL": f"{darkroom.url}/v1", "NODE_PATH": str(INSTALLED)}
    command = ["node", str(SCENARIOS), scenario, str(argument)]
    done = subprocess.run(command, env={**os.environ, **told}, capture_output=True, text=True, check=True, timeout=50)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("scenario", ["run", "poll", "shortWait", "version"])
def test_run_gives_the_picture(darkroom: Darkroom, scenario: str) -> None:
    assert play(darkroom, scenario)["bytes"] > 1000


def test_a_large_picture_is_read_by_a_redirect(darkroom: Darkroom) -> None:
    assert play(darkroom, "large", json.dumps([LARGE, LARGE_INPUT]))["bytes"] > gallery.INLINE_CAP


def test_polling_sees_the_prediction_move(darkroom: Darkroom) -> None:
    seen = play(darkroom, "poll")["seen"]
    assert (seen[0] in ("starting", "processing"), seen[-1]) == (True, "succeeded")


def test_a_prediction_is_made_followed_and_read_again(darkroom: Darkroom) -> None:
    assert play(darkroom, "create") == {"created": "processing", "ended": "succeeded", "same": True}


def test_a_prediction_is_canceled(darkroom: Darkroom) -> None:
    assert play(darkroom, "cancel") == {"status": "canceled"}


def test_predictions_are_listed_page_by_page(darkroom: Darkroom) -> None:
    listed = play(darkroom, "list")
    assert listed["seen"][:3] == listed["made"][::-1]
    assert len(listed["seen"]) == len(set(listed["seen"]))


def test_a_picture_goes_in_as_a_file(darkroom: Darkroom, picture: Path) -> None:
    assert play(darkroom, "file", picture)["bytes"] > 1000


def test_a_failure_is_an_error_with_the_gateways_words(darkroom: Darkroom) -> None:
    assert play(darkroom, "fails")["error"].startswith("Prediction failed: ")


def test_a_fault_of_the_caller_is_an_error_that_names_it(darkroom: Darkroom) -> None:
    refused = play(darkroom, "refused")
    assert refused["status"] == 422
    assert "prompt is empty" in refused["error"]


def test_the_account_is_the_tenants(darkroom: Darkroom) -> None:
    assert play(darkroom, "account")["username"] == "default"


def test_a_webhook_is_validated_with_the_secret_that_the_client_asks_for(
    darkroom: Darkroom, receiver: Receiver, tmp_path: Path
) -> None:
    order = {"input": {"prompt": "a lighthouse"}, "webhook": receiver.url}
    httpx.post(
        f"{darkroom.url}/v1/models/{MODEL}/predictions", json=order, headers={"authorization": f"Bearer {darkroom.key}"}
    ).raise_for_status()
    delivery = receiver.next()
    kept = tmp_path / "delivery.json"
    kept.write_text(json.dumps({"headers": delivery.headers, "body": delivery.body.decode()}))
    assert play(darkroom, "validate", kept) == {"genuine": True, "forged": False}

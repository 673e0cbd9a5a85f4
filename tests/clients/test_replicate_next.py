"""replicate 2.0.0b1, the next client for Python, unmodified: scenarios.py, in a process that has it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from darkroom import gallery
from tests.clients.conftest import LARGE, LARGE_INPUT, Darkroom

SCENARIOS = Path(__file__).parent / "scenarios.py"
INSTALLED = Path(sys.prefix) / "replicate-2.0"

pytestmark = pytest.mark.slow


def play(darkroom: Darkroom, scenario: str, argument: object = "") -> dict[str, Any]:
    """What comes of a scenario: its result, or {"error", "status"}."""
    told = {
        "REPLICATE_API_TOKEN": darkroom.key,
        "REPLICATE_BASE_URL": f"{darkroom.url}/v1",
        "PYTHONPATH": str(INSTALLED),
    }
    command = [sys.executable, str(SCENARIOS), scenario, str(argument)]
    done = subprocess.run(command, env={**os.environ, **told}, capture_output=True, text=True, check=True, timeout=50)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("scenario", ["run", "poll", "version"])
def test_run_gives_the_picture(darkroom: Darkroom, scenario: str) -> None:
    assert play(darkroom, scenario)["bytes"] > 1000


def test_a_large_picture_is_read_by_a_redirect(darkroom: Darkroom) -> None:
    assert play(darkroom, "large", json.dumps([LARGE, LARGE_INPUT]))["bytes"] > gallery.INLINE_CAP


def test_a_prediction_is_made_and_followed(darkroom: Darkroom) -> None:
    assert play(darkroom, "create") == {"created": "processing", "ended": "succeeded"}


def test_a_prediction_is_canceled(darkroom: Darkroom) -> None:
    assert play(darkroom, "cancel") == {"status": "canceled"}


def test_predictions_are_listed_page_by_page(darkroom: Darkroom) -> None:
    shown = play(darkroom, "listed")
    assert shown["seen"][:3] == shown["made"][::-1]


def test_a_picture_goes_in_as_a_file(darkroom: Darkroom, picture: Path) -> None:
    assert play(darkroom, "file", picture)["bytes"] > 1000


def test_a_failure_is_an_error(darkroom: Darkroom) -> None:
    assert play(darkroom, "fails")["error"]


def test_a_fault_of_the_caller_is_an_error_that_names_it(darkroom: Darkroom) -> None:
    shown = play(darkroom, "refused")
    assert shown["status"] == 422
    assert "prompt is empty" in shown["error"]


def test_the_account_and_its_webhook_secret_are_there(darkroom: Darkroom) -> None:
    assert play(darkroom, "account") == {"username": "default"}
    assert play(darkroom, "secret") == {"key": darkroom.installation.webhook_secret}

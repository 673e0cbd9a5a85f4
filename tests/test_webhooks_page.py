"""docs/webhooks.md: its receivers run as they are printed, and its numbers are those of the code."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from darkroom import clock, delivery, redelivery, rotation, webhooks
from darkroom.wire import Request
from tests.conftest import ROOT, WEBHOOK_SECRET
from tests.test_webhooks import ANOTHER_SECRET, ended

PAGE = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
RUN = {"python": [sys.executable, "{}"], "javascript": [shutil.which("node") or "", "{}"]}


def snippet(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    text: str = found
    return text


def listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=RUN)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a printed receiver listens."""
    command = RUN[request.param]
    if not command[0]:
        pytest.skip("there is no node here")
    file = tmp_path / "receiver.cjs"
    file.write_text(snippet(request.param), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PORT": str(port), "DARKROOM_WEBHOOK_SECRET": WEBHOOK_SECRET}
    command = [word.format(file) for word in command]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 20
            while not listens(port):
                assert time.monotonic() < deadline, "it does not listen"
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/webhooks"
        finally:
            process.kill()


def told(url: str, request: Request) -> int:
    return httpx.post(url, headers=dict(request.headers), content=request.body).status_code


@pytest.mark.slow
def test_a_printed_receiver_believes_what_is_genuine_and_nothing_else(url: str) -> None:
    now = clock.now()
    genuine = webhooks.request(ended(), (WEBHOOK_SECRET,), now)
    assert told(url, genuine) == 204
    assert told(url, webhooks.request(ended(), (ANOTHER_SECRET, WEBHOOK_SECRET), now)) == 204
    assert told(url, webhooks.request(ended(), (ANOTHER_SECRET,), now)) == 401
    assert told(url, webhooks.request(ended(), (WEBHOOK_SECRET,), now - 600_000)) == 401
    assert told(url, replace(genuine, body=genuine.body.replace(b"canceled", b"succeeded"))) == 401
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        assert told(url, replace(genuine, headers={**genuine.headers, name: ""})) == 401


def test_its_numbers_are_those_of_the_code() -> None:
    words = {
        5: "5 seconds",
        300: "5 minutes",
        1800: "30 minutes",
        7200: "2 hours",
        18_000: "5 hours",
        36_000: "10 hours",
    }
    *others, last = (words[pause] for pause in delivery.PAUSES_S)
    prose = " ".join(PAGE.split())
    assert f"up to seven more attempts: after {', '.join(others)} and {last}" in prose
    assert len(delivery.PAUSES_S) == 7
    assert "up to a tenth longer" in prose
    assert delivery.JITTER == 0.1
    assert f"none within {delivery.ATTEMPT_S} seconds" in prose
    assert f"one with {redelivery.CAP} attempts on record" in prose
    assert f"from {['no', 'one', 'two'][rotation.READ_MS // 60_000]} minutes after the rotation on" in prose

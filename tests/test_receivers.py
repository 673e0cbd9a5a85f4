"""
Receivers that misbehave, over real sockets: they are given up on in time, on record in honest words, and hold up
nobody else.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from darkroom.delivery import ATTEMPT_S
from local.installation import Installation
from local.receiver import Manners, Receiver

pytestmark = pytest.mark.slow

MODEL = "google/imagen-4-fast"
LATE = f"The receiver did not answer within {ATTEMPT_S} seconds."
BROKEN = "The receiver broke off, or does not speak HTTP."
#: What stands on record of a receiver that does so, beside when and how long.
RECORDS: dict[Manners, dict[str, Any]] = {
    "hangs": {"error": LATE},
    "drips": {"error": LATE},
    "resets": {"error": BROKEN},
    "redirects": {"status": 307},
    "never ends": {"status": 200},
    "speaks no HTTP": {"error": BROKEN},
}
#: Seconds that an attempt may take on a busy machine beyond those that it is given.
SLACK_S = 3


@pytest.fixture(scope="module")
def darkroom() -> Iterator[Installation]:
    with Installation(speed=10) as darkroom:
        yield darkroom


@pytest.fixture
def client(darkroom: Installation) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {darkroom.api_key}"}
    with httpx.Client(base_url=darkroom.api_url, headers=headers, timeout=35) as client:
        yield client


def order(client: httpx.Client, webhook: str) -> str:
    body = {"version": MODEL, "input": {"prompt": "a lighthouse"}, "webhook": webhook}
    task_id: str = client.post("/v1/predictions", json=body).raise_for_status().json()["id"]
    return task_id


def deliveries(client: httpx.Client, task_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = client.get(f"/v1/predictions/{task_id}/deliveries").raise_for_status().json()
    return shown


def attempted(client: httpx.Client, task_id: str) -> dict[str, Any]:
    """The first attempt on record."""
    deadline = time.monotonic() + ATTEMPT_S + SLACK_S + 10
    while not (attempts := deliveries(client, task_id)["attempts"]):
        assert time.monotonic() < deadline, "nothing is on record"
        time.sleep(0.2)
    first: dict[str, Any] = attempts[0]
    return first


def test_a_good_receiver_is_told_promptly_while_bad_ones_are_tried(
    darkroom: Installation, client: httpx.Client
) -> None:
    with ExitStack() as listening:
        forbidden = listening.enter_context(Receiver())
        bad = {m: listening.enter_context(Receiver(manners=m, location=forbidden.url)) for m in RECORDS}
        good = listening.enter_context(Receiver())
        tasks = {manners: order(client, receiver.url) for manners, receiver in bad.items()}
        for receiver in bad.values():
            receiver.next()
        began = time.monotonic()
        task_id = order(client, good.url)
        news = good.next(timeout=ATTEMPT_S - 5)
        took = time.monotonic() - began
        still = [manners for manners, tried in tasks.items() if not deliveries(client, tried)["attempts"]]
        assert {"hangs", "drips"} <= set(still), f"they were over before the good one was told, after {took:.1f} s"
        assert Webhook(darkroom.webhook_secret).verify(news.body, news.headers)["id"] == task_id
        assert attempted(client, task_id)["status"] == 200
        for manners, record in RECORDS.items():
            attempt = attempted(client, tasks[manners])
            assert attempt["ms"] <= (ATTEMPT_S + SLACK_S) * 1000, manners
            assert {name: attempt[name] for name in attempt if name not in ("at", "ms")} == record
        assert deliveries(client, tasks["never ends"])["status"] == "delivered"
        assert deliveries(client, tasks["hangs"])["status"] == "pending"
        assert not forbidden.came()

"""The main job, shown: one task from POST to picture to webhook."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from standardwebhooks import Webhook

from local.cloud.errors import CloudError
from local.cloud.machines.events import Event
from local.cloud.machines.execution import Execution
from local.installation import Installation
from local.receiver import Receiver

MODEL = "google/imagen-4-fast"
INPUT = {
    "prompt": (
        "A photograph in the red light of a darkroom: an old lighthouse in a storm comes up on a sheet of paper "
        "in the developer tray, half there, half still white, while two hands rock the tray"
    ),
    "aspect_ratio": "4:3",
    "output_format": "jpg",
    "safety_filter_level": "block_only_high",
}
TERMINAL = ("succeeded", "failed", "canceled")
#: What AWS charges for a state transition of a Standard workflow, $ (us-east-1, 2026).
TRANSITION = 25e-6

Say = Callable[[str, str], None]


def show(darkroom: Installation, folder: Path) -> None:
    """Run the job against an installation, and put the picture into `folder`. Raises CloudError if it goes wrong."""
    headers = {"authorization": f"Bearer {darkroom.api_key}"}
    started = time.monotonic()

    def say(who: str, what: str) -> None:
        print(f"  {time.monotonic() - started:5.1f} s   {who:<14}{what}", flush=True)

    with Receiver() as receiver, httpx.Client(base_url=darkroom.api_url, headers=headers, timeout=30) as client:
        print(f"\nPOST {darkroom.api_url}/v1/models/{MODEL}/predictions\n")
        task = _expect(
            client.post(f"/v1/models/{MODEL}/predictions", json={"input": INPUT, "webhook": receiver.url}), 201
        )
        say("API", f"201: task {task['id']} is {task['status']}")
        task = _follow(darkroom, client, task, say)
        if task["status"] != "succeeded":
            raise CloudError(f"The task has {task['status']}: {task['error']}")

        announced = _announced(darkroom, task["id"])
        where = announced.detail["prediction"]["output"]
        say("EventBridge", f"{announced.detail_type}, from {announced.source}: {where}")

        delivery = receiver.next()
        news = Webhook(darkroom.webhook_secret).verify(delivery.body.decode(), delivery.headers)
        say("webhook", f"{delivery.headers['webhook-id']}: {news['status']}; its signature is genuine")
        if news["output"] != task["output"]:
            raise CloudError("The webhook tells of another output than the API.")

        picture = _fetch(task["output"], folder, task["id"])
        image = task["images"][0]
        size = f"{image['width']} x {image['height']}, {image['bytes']:,} bytes"
        say("link", f"the picture, fetched without a key: {image['content_type']}, {size}")

    _account(darkroom, task)
    print(f"\nThe picture: {picture}\nIts link ended with this demo; `make up` keeps a cloud running.\n")


def _follow(darkroom: Installation, client: httpx.Client, task: dict[str, Any], say: Say) -> dict[str, Any]:
    """The task at its end, with each step on the way said: the driver's states, and what callers see."""
    deadline = time.monotonic() + 120
    seen = 0
    while task["status"] not in TERMINAL or _driver(darkroom, task["id"]).status == "RUNNING":
        if time.monotonic() > deadline:
            raise CloudError(f"The task is still {task['status']} after two minutes.")
        time.sleep(0.1)
        states = _states(darkroom, task["id"])
        for state in states[seen:]:
            say("state machine", state)
        seen = len(states)
        before, task = task["status"], _expect(client.get(f"/v1/predictions/{task['id']}"), 200)
        if task["status"] != before:
            say("API", f"the task is {task['status']}")
    return task


def _driver(darkroom: Installation, task_id: str) -> Execution:
    return next(one for one in darkroom.cloud.executions("Generation") if one.name == task_id)


def _states(darkroom: Installation, task_id: str) -> list[str]:
    """The states that the task's driver has entered so far."""
    events = darkroom.cloud.history(_driver(darkroom, task_id).arn)
    return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


def _announced(darkroom: Installation, task_id: str) -> Event:
    """The event that has announced the task's end."""
    return next(event for event in darkroom.cloud.events() if event.detail["prediction"]["id"] == task_id)


def _fetch(link: str, folder: Path, name: str) -> Path:
    reply = httpx.get(link, follow_redirects=True)
    reply.raise_for_status()
    folder.mkdir(exist_ok=True)
    picture = folder / f"{name}{Path(httpx.URL(link).path).suffix}"
    picture.write_bytes(reply.content)
    return picture.resolve()


def _account(darkroom: Installation, task: dict[str, Any]) -> None:
    """What the gateway saw of it, and what the driver cost."""
    ledger = httpx.get(f"{darkroom.simulator_url}/_simulator/ledger").json()
    print("\nWhat the gateway saw")
    for request in ledger["requests"]:
        print(f"  {request['status']}  {request['method']} {request['path']}")
    transitions = len(_states(darkroom, task["id"]))
    print(f"\nCharged by the gateway: {len(ledger['charges'])} time. ", end="")
    print(f"State transitions: {transitions}, which are ${transitions * TRANSITION:.5f} on AWS.")


def _expect(reply: httpx.Response, status: int) -> dict[str, Any]:
    if reply.status_code != status:
        raise CloudError(f"{reply.request.method} {reply.request.url} answered {reply.status_code}: {reply.text}")
    document: dict[str, Any] = reply.json()
    return document

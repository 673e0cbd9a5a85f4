"""The main job, shown: one task from POST to picture to webhook."""

import time
from pathlib import Path
from typing import Any

import httpx
from standardwebhooks import Webhook

from local.errors import CloudError
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


def show(darkroom: Installation, folder: Path) -> None:
    """Run the job against an installation, and put the picture into `folder`. Raises CloudError if it goes wrong."""
    with (
        Receiver() as receiver,
        httpx.Client(
            base_url=darkroom.api_url, headers={"authorization": f"Bearer {darkroom.api_key}"}, timeout=30
        ) as client,
    ):
        started = time.monotonic()

        def say(text: str) -> None:
            print(f"  {time.monotonic() - started:6.2f} s  {text}", flush=True)

        print(f"\nPOST {darkroom.api_url}/v1/models/{MODEL}/predictions")
        reply = client.post(f"/v1/models/{MODEL}/predictions", json={"input": INPUT, "webhook": receiver.url})
        task = _expect(reply, 201)
        say(f"task {task['id']} is {task['status']}")
        task = _follow(client, task, say)
        if task["status"] != "succeeded":
            raise CloudError(f"The task has {task['status']}: {task['error']}")

        delivery = receiver.next()
        news = Webhook(darkroom.webhook_secret).verify(delivery.body, delivery.headers)
        say(f"webhook {delivery.headers['webhook-id']} received; its signature is genuine")
        if news["output"] != task["output"]:
            raise CloudError("The webhook tells of another output than the API.")

        image = task["images"][0]
        picture = _fetch(task["output"], folder, task["id"])
        size = f"{image['width']} x {image['height']}"
        say(f"picture fetched through its link: {image['content_type']}, {size}, {image['bytes']:,} bytes")

    _tell(darkroom, task)
    print(f"\nThe picture: {picture}\nIts link:    {task['output']}\n")


def _follow(client: httpx.Client, task: dict[str, Any], say: Any) -> dict[str, Any]:
    """The task at its end, with each change of status said on the way."""
    deadline = time.monotonic() + 120
    while task["status"] not in TERMINAL:
        if time.monotonic() > deadline:
            raise CloudError(f"The task is still {task['status']} after two minutes.")
        time.sleep(0.1)
        before, task = task["status"], _expect(client.get(f"/v1/predictions/{task['id']}"), 200)
        if task["status"] != before:
            say(f"task is {task['status']}")
    return task


def _fetch(link: str, folder: Path, name: str) -> Path:
    reply = httpx.get(link, follow_redirects=True)
    reply.raise_for_status()
    folder.mkdir(exist_ok=True)
    picture = folder / f"{name}.{link.partition('?')[0].rpartition('.')[2]}"
    picture.write_bytes(reply.content)
    return picture.resolve()


def _tell(darkroom: Installation, task: dict[str, Any]) -> None:
    """What happened when, as the state machine saw it, and what was asked of the gateway."""
    execution = next(one for one in darkroom.cloud.executions("Generation") if one.name == task["id"])
    events = darkroom.cloud.history(execution.arn)
    begun = events[0]["timestamp"]
    print("\nWhat its state machine did:")
    for event in events:
        if name := event.get("stateEnteredEventDetails", {}).get("name"):
            print(f"  {event['timestamp'] - begun:6.2f} s  {name}")
    ledger = httpx.get(f"{darkroom.simulator_url}/_simulator/ledger").json()
    asked = [f"{each['method']} {each['path']}" for each in ledger["requests"] if task["attempts"][0]["route"] and each]
    print("\nWhat the gateway saw:")
    for line in asked:
        print(f"  {line}")
    print(f"  charges: {len(ledger['charges'])}")


def _expect(reply: httpx.Response, status: int) -> dict[str, Any]:
    if reply.status_code != status:
        raise CloudError(f"{reply.request.method} {reply.request.url} answered {reply.status_code}: {reply.text}")
    document: dict[str, Any] = reply.json()
    return document

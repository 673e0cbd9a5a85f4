"""Imagen 4, which has routes over several gateways and dialects: how tests ask for it, and look at what came of it."""

import base64
import json
from typing import Any

import httpx

from darkroom.task import Task
from tests import conftest
from tests.conftest import GATEWAY, Context, Event, call, event, picture, step, submit

#: The routes of Imagen 4 that have to do with these tests: where each is posted to.
IMAGEN = "google/imagen-4"
QUICKROUTER = "https://api.quickrouter.ai/replicate/v1/models/google/imagen-4/predictions"
VECTORNODE = f"{GATEWAY}/models/google/imagen-4/predictions"
TOKAIFY = "https://api.tokaify.com/v1beta/models/imagen-4.0-generate-001:predict"
TOKAIFY_OPENAI = "https://api.tokaify.com/v1/images/generations"
FAL = "https://api.quickrouter.ai/fal-ai/imagen4/preview"
VECTORNODE_FAL = f"{conftest.VECTORNODE}/fal-ai/imagen4/preview"
KONTEXT = "black-forest-labs/flux-kontext-pro"
KONTEXT_URL = f"{GATEWAY}/models/{KONTEXT}/predictions"

BUSY = httpx.Response(429, json={"detail": "slow down"})
GONE = httpx.Response(404, json={"error": {"message": "retired", "status": "NOT_FOUND"}})
PICTURE = picture()
DRAWN = httpx.Response(
    200, json={"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": base64.b64encode(PICTURE).decode()}]}
)


def poll(task: Task, turn: int = 0, remaining: int = 200_000) -> tuple[str, int]:
    answer: Event = call("poll", step(task, turn), Context(remaining=remaining))
    return answer["next"], answer["wait"]


def outcomes(task: Task) -> list[tuple[str, str]]:
    """Gateway and outcome of each attempt."""
    return [(attempt["route"].partition("/")[0], attempt["outcome"]) for attempt in task.attempts]


def ask(**model_input: Any) -> dict[str, Any]:
    return submit({"input": {"prompt": "a cormorant", **model_input}}, model=IMAGEN)


def by_version(model: str) -> Event:
    body = json.dumps({"version": model, "input": {"prompt": "a cormorant"}})
    return event("submit", routeKey="POST /v1/predictions", rawPath="/v1/predictions", body=body)

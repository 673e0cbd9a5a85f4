"""
The endpoints that the gateways' own documents describe, row by row (docs/gateways.md has the table): the documented
request leaves, and the documented replies lead to a picture.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.conftest import GATEWAY, Account, Clock, Context, Wire, call, document, event, picture, step

PROMPT = "A lighthouse keeper mends a net"
PICTURE = picture()
IN_BASE64 = base64.b64encode(PICTURE).decode()
OUTPUT = "https://replicate.delivery/xezq/tmp.jpg"
FAL_OUTPUT = "https://v3b.fal.media/files/b/0a8eefee/out.png"

IMAGEN_FAST_INPUT = {
    "prompt": PROMPT, "aspect_ratio": "4:3", "output_format": "jpg", "safety_filter_level": "block_only_high",
}  # fmt: skip
IMAGEN_INPUT = {
    "prompt": PROMPT, "aspect_ratio": "16:9", "output_format": "jpg", "safety_filter_level": "block_medium_and_above",
}  # fmt: skip
FAL_INPUT = {"prompt": PROMPT, "aspect_ratio": "1:1", "num_images": 1, "resolution": "1K"}

#: A prediction as VectorNode's page and the schema show it. Its addresses lead past the gateway.
CREATED = {
    "id": "20z778rke5rm80crb5982z0m1g",
    "model": "google/imagen-4-fast",
    "version": "hidden",
    "input": IMAGEN_FAST_INPUT,
    "logs": "",
    "output": None,
    "data_removed": False,
    "error": None,
    "status": "starting",
    "created_at": "2025-07-30T03:13:27.921Z",
    "urls": {
        "cancel": "https://api.replicate.com/v1/predictions/20z778rke5rm80crb5982z0m1g/cancel",
        "get": "https://api.replicate.com/v1/predictions/20z778rke5rm80crb5982z0m1g",
        "stream": "https://stream.replicate.com/v1/files/bcwr-blsi6mnoqvfndurpci2t2i77xl2s3k3xb5r5hru3xwyrev6v7uca",
        "web": "https://replicate.com/p/20z778rke5rm80crb5982z0m1g",
    },
}
QUEUED: dict[str, Any] = {
    "status": "IN_QUEUE",
    "request_id": "484ccb37-5477-44fe-8e75-6d6f6e9160b3",
    "response_url": "https://queue.fal.run/fal-ai/imagen4/requests/484ccb37-5477-44fe-8e75-6d6f6e9160b3",
    "status_url": "https://queue.fal.run/fal-ai/imagen4/requests/484ccb37-5477-44fe-8e75-6d6f6e9160b3/status",
    "cancel_url": "https://queue.fal.run/fal-ai/imagen4/requests/484ccb37-5477-44fe-8e75-6d6f6e9160b3/cancel",
    "logs": None,
    "metrics": {},
    "queue_position": 0,
}


@dataclass(frozen=True)
class Row:
    """
    said: the model and the input, as a caller says them. url, body: what has to leave. reply: the document's example.
    question: where the gateway says that one asks. later: what it answers then, in turn; the last word last.
    """

    gateway: str
    said: tuple[str, dict[str, Any]]
    url: str
    body: dict[str, Any]
    reply: dict[str, Any]
    question: str | None = None
    later: tuple[dict[str, Any], ...] = ()


ROWS = {
    "VectorNode, Replicate, imagen-4-fast": Row(
        gateway="vectornode",
        said=("google/imagen-4-fast", IMAGEN_FAST_INPUT),
        url=f"{GATEWAY}/models/google/imagen-4-fast/predictions",
        body={"input": IMAGEN_FAST_INPUT},
        reply=CREATED,
        question=f"{GATEWAY}/predictions/20z778rke5rm80crb5982z0m1g",
        later=(CREATED | {"status": "processing"}, CREATED | {"status": "succeeded", "output": OUTPUT}),
    ),
    "the schema of imagen-4-fast": Row(
        gateway="vectornode",
        said=("google/imagen-4-fast", {"prompt": PROMPT}),
        url=f"{GATEWAY}/models/google/imagen-4-fast/predictions",
        body={"input": {"prompt": PROMPT}},  # the only member that it requires
        reply=CREATED,
        question=f"{GATEWAY}/predictions/20z778rke5rm80crb5982z0m1g",
        later=(CREATED | {"status": "succeeded", "output": [OUTPUT]},),
    ),
    "QuickRouter, Replicate, imagen-4": Row(
        gateway="quickrouter",
        said=("google/imagen-4", IMAGEN_INPUT),
        url="https://api.quickrouter.ai/replicate/v1/models/google/imagen-4/predictions",
        body={"input": IMAGEN_INPUT},
        reply={"id": "26t3agjpx9rme0crb4es5cbxx4", "status": "starting"},
        question="https://api.quickrouter.ai/replicate/v1/predictions/26t3agjpx9rme0crb4es5cbxx4",
        later=(
            {"id": "26t3agjpx9rme0crb4es5cbxx4", "status": "processing"},
            {"id": "26t3agjpx9rme0crb4es5cbxx4", "status": "succeeded", "output": OUTPUT},
        ),
    ),
    "QuickRouter, fal, imagen4/preview": Row(
        gateway="quickrouter",
        said=("fal-ai/imagen4/preview", FAL_INPUT),
        url="https://api.quickrouter.ai/fal-ai/imagen4/preview",
        body=FAL_INPUT,
        reply=QUEUED,
        question="https://api.quickrouter.ai/fal-ai/imagen4/requests/484ccb37-5477-44fe-8e75-6d6f6e9160b3",
        later=(
            {"status": "IN_QUEUE", "request_id": QUEUED["request_id"], "queue_position": 0},
            {"status": "IN_PROGRESS", "request_id": QUEUED["request_id"], "logs": None},
            {
                "images": [{"url": FAL_OUTPUT, "content_type": "image/png", "file_name": "out.png", "file_size": 7}],
                "seed": 16510644661374190000,
                "request": FAL_INPUT,
                "timings": {},
            },
        ),
    ),
    "Tokaify, Gemini, imagen-4.0-generate-001:predict": Row(
        gateway="tokaify",
        said=(
            "google/imagen-4",
            {
                "prompt": PROMPT,
                "num_images": 1,
                "aspect_ratio": "16:9",
                "resolution": "2K",
                "person_generation": "dont_allow",
            },
        ),
        url="https://api.tokaify.com/v1beta/models/imagen-4.0-generate-001:predict",
        body={
            "instances": [{"prompt": PROMPT}],
            "parameters": {
                "sampleCount": 1,
                "aspectRatio": "16:9",
                "imageSize": "2K",
                "personGeneration": "dont_allow",
            },
        },
        reply={"predictions": [{"bytesBase64Encoded": IN_BASE64, "mimeType": "image/png"}]},
    ),
    "Tokaify, in the gateway's own words": Row(
        gateway="tokaify",
        said=("google/imagen-4", {"prompt": PROMPT, "sampleCount": 2, "aspectRatio": "3:4", "imageSize": "1K"}),
        url="https://api.tokaify.com/v1beta/models/imagen-4.0-generate-001:predict",
        body={
            "instances": [{"prompt": PROMPT}],
            "parameters": {"sampleCount": 2, "aspectRatio": "3:4", "imageSize": "1K"},
        },
        reply={"predictions": [{"bytesBase64Encoded": IN_BASE64, "mimeType": "image/png"}] * 2},
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_documented_request_leaves_and_the_documented_replies_lead_to_a_picture(
    account: Account, wire: Wire, time: Clock, row: Row
) -> None:
    account.delete("gateways/vectornode")
    account.put(f"gateways/{row.gateway}", "YOUR_API_KEY")
    wire.on("POST", row.url, httpx.Response(200, json=row.reply))
    for output in (OUTPUT, FAL_OUTPUT):
        wire.on("GET", output, httpx.Response(200, content=PICTURE))
    if row.question:
        wire.on("GET", row.question, *(httpx.Response(200, json=reply) for reply in row.later))

    model, model_input = row.said
    body = json.dumps({"version": model, "input": model_input})
    answer = call("submit", event("submit", routeKey="POST /v1/predictions", rawPath="/v1/predictions", body=body))
    assert answer["statusCode"] == 201
    turns = 0
    while (found := call("poll", step(account.task(), turns), Context(remaining=200_000)))["next"] == "wait":
        time.forward(found["wait"])
        turns += 1
    call("finalize", step(account.task()))

    (posted,) = wire.sent("POST")
    assert (str(posted.url), json.loads(posted.content)) == (row.url, row.body)
    assert posted.headers["authorization"] == "Bearer YOUR_API_KEY"
    assert posted.headers["content-type"] == "application/json"
    shown = document(call("tasks", event("tasks", rawPath=f"/v1/predictions/{account.task().task_id}")))
    assert (shown["status"], shown["error"]) == ("succeeded", None)
    assert all(image["width"] == 64 for image in shown["images"])
    questions = [one for one in wire.sent("GET") if str(one.url) not in (OUTPUT, FAL_OUTPUT)]
    assert [str(one.url) for one in questions] == ([row.question] * len(row.later) if row.question else [])
    assert not any("authorization" in one.headers for one in wire.sent("GET", OUTPUT) + wire.sent("GET", FAL_OUTPUT))

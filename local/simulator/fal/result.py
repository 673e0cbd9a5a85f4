"""A job's pictures, as its model hands them over.

Facts from recorded replies and the official clients' types: pictures lie at v3b.fal.media for seven days at least, or
are data URIs where the caller asked for `sync_mode`; which members stand beside them, and what is said of a picture,
differs from endpoint to endpoint (`endpoints.py`). A seed may be larger than a signed integer of 64 bits: one was
recorded, and here they all are.
"""

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from local.simulator.chance import Chance
from local.simulator.fal import endpoints
from local.simulator.fal.models import Model
from local.simulator.jobs import Job, Output
from local.simulator.pictures import CONTENT_TYPES, Sketch, drawn

KEPT_SECONDS = 7 * 86400.0


def output(sketch: Sketch, chance: Chance) -> Output:
    """Where fal will offer this picture."""
    return Output(f"https://v3b.fal.media/files/b/{chance.hex(4)}/{chance.base64(15)}.{sketch.format}", sketch)


async def show(job: Job, outputs: Sequence[Output]) -> dict[str, Any]:
    """The result of a job that has succeeded, with these `outputs`."""
    model = endpoints.offered(job.model)
    as_data = job.inputs.get("sync_mode") is True
    pictures = await asyncio.gather(*(_picture(output, model, as_data=as_data) for output in outputs))
    shown: dict[str, Any] = {"image": next(iter(pictures), None)} if model.single else {"images": list(pictures)}
    members: dict[str, Any] = {
        "timings": {"inference": round(job.ended - job.started, 9)},
        "seed": job.inputs["seed"] if job.inputs.get("seed") is not None else _seed(job),
        "has_nsfw_concepts": [False] * len(pictures),
        "prompt": job.inputs.get("prompt", ""),
        "description": "",
    }
    return shown | {name: members[name] for name in model.members}


async def _picture(output: Output, model: Model, *, as_data: bool) -> dict[str, Any]:
    """What is said of a picture; it is drawn only where that takes more than its sketch."""
    sketch = output.sketch
    content_type = CONTENT_TYPES[sketch.format]
    file = await drawn(sketch) if as_data or "file_size" in model.described else b""
    said: dict[str, Any] = {
        "url": f"data:{content_type};base64,{base64.b64encode(file).decode()}" if as_data else output.url,
        "content_type": content_type,
        "file_name": output.url.rpartition("/")[2],
        "file_size": len(file),
        "width": sketch.width,
        "height": sketch.height,
    }
    return {name: said[name] for name in model.described} | dict.fromkeys(model.unsaid)


def _seed(job: Job) -> int:
    """Always the same for the same job, and from 2**63 on."""
    return int.from_bytes(hashlib.sha256(job.id.encode()).digest()[:8]) | 1 << 63

"""A job as Replicate shows it: the prediction.

Members and their order follow the gateways' example and the recorded replies of the official clients: `started_at`
appears with the start, `completed_at` and `metrics` with the end, `logs` turn null when a prediction is canceled,
`version` is "hidden" for an official model. The addresses under `urls` are Replicate's own wherever the prediction is
asked for, because the gateways hand them on as they are: a caller who follows them carries its key to another house.
"""

import base64
import hashlib
import math
import re
import string
from collections.abc import Sequence
from typing import Any

from local.simulator.chance import Chance
from local.simulator.clock import Clock
from local.simulator.exchange import Lens
from local.simulator.jobs import Job, Output, Phase
from local.simulator.pictures import Sketch

STATUS: dict[Phase, str] = {
    "queued": "starting",
    "running": "processing",
    "succeeded": "succeeded",
    "refused": "failed",
    "crashed": "failed",
    "canceled": "canceled",
    "aborted": "aborted",
}
ERRORS: dict[Phase, str] = {
    "refused": "NSFW content detected. Try running it again, or try a different prompt.",
    "crashed": "Prediction interrupted; please retry (code: PA)",
}
ALPHABET = string.ascii_lowercase + string.digits
ID = re.compile(r"[a-z0-9]{26}")
"""Jobs with other ids were made through other protocols, and are none of Replicate's."""


def new_id(chance: Chance) -> str:
    """An id for a new job."""
    return chance.letters(26, ALPHABET)


def output(sketch: Sketch, chance: Chance) -> Output:
    """Where Replicate will offer this picture."""
    return Output(f"https://replicate.delivery/xezq/{chance.base64(36)}/tmp{chance.hex(4)}.{sketch.format}", sketch)


def show(job: Job, clock: Clock, now: float, many: bool, lens: Lens) -> dict[str, Any]:
    """The prediction at an instant; `many` says that the model's output is a list."""
    phase, removed = job.phase(now), job.removed(now)
    model, _, version = job.model.partition(":")
    prediction: dict[str, Any] = {
        "id": job.id,
        "model": model,
        "version": version or "hidden",
        "input": {} if removed else job.inputs,
        "logs": None if phase in ("canceled", "aborted") else "" if removed else _logs(job, phase),
        "output": _output(lens.outputs(job), many) if phase == "succeeded" and not removed else None,
        "data_removed": removed,
        "error": ERRORS.get(phase),
        "status": STATUS[phase],
        "created_at": clock.rfc3339(job.created),
        "urls": _urls(job.id),
    }
    if job.deadline < math.inf:
        prediction["deadline"] = clock.rfc3339(job.deadline)
    if now >= job.started and job.ended >= job.started:
        prediction["started_at"] = clock.rfc3339(job.started, fewest_digits=6)
    if now >= job.ended:
        prediction["completed_at"] = clock.rfc3339(job.ended, fewest_digits=6)
        prediction["metrics"] = _metrics(job, phase)
    return prediction


def show_delivered(job: Job, clock: Clock, now: float, many: bool, lens: Lens) -> dict[str, Any]:
    """The prediction as the reply to a caller who waited: the output is there before the record is finished.

    Recorded so: `processing` with a complete output, and neither `completed_at` nor `metrics`.
    """
    prediction = show(job, clock, now, many, lens)
    if prediction["status"] == "succeeded":
        del prediction["completed_at"], prediction["metrics"]
        prediction["status"] = "processing"
    return prediction


def _output(outputs: Sequence[Output], many: bool) -> str | list[str] | None:
    """One address, or a list of them; more than one are always a list."""
    addresses = [output.url for output in outputs]
    return addresses if many or len(addresses) > 1 else next(iter(addresses), None)


def _logs(job: Job, phase: Phase) -> str:
    """A few lines of a model that reports what it does."""
    lines = []
    if phase != "queued":
        lines += [f"exposing {len(job.outputs)} x {job.outputs[0].sketch.width}x{job.outputs[0].sketch.height}"]
    if phase == "succeeded":
        lines += ["fixed and washed"]
    return "".join(f"{line}\n" for line in lines)


def _metrics(job: Job, phase: Phase) -> dict[str, Any]:
    """Seconds of the run and of everything, and how many pictures there are, as far as each came to be."""
    metrics: dict[str, Any] = {"total_time": round(job.ended - job.created, 9)}
    if job.ended >= job.started:
        metrics["predict_time"] = round(job.ended - job.started, 9)
    if phase == "succeeded":
        metrics["image_count"] = len(job.outputs)
    return metrics


def _urls(job_id: str) -> dict[str, str]:
    """Replicate's own addresses of a prediction."""
    address = f"https://api.replicate.com/v1/predictions/{job_id}"
    stream = base64.b32encode(hashlib.sha256(job_id.encode()).digest()).decode().rstrip("=").lower()
    return {
        "cancel": f"{address}/cancel",
        "get": address,
        "stream": f"https://stream.replicate.com/v1/files/bcwr-{stream}",
        "web": f"https://replicate.com/p/{job_id}",
    }

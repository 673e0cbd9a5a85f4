"""A job as the queue shows it, when it has been submitted and whenever its status is asked for.

Members as recorded and as the official clients need them: `queue_position` as long as a job is queued, `logs` from
then on (null unless they are asked for), `metrics` at the end. fal has three statuses only: a job that has failed is
COMPLETED, with `error` and `error_type`.
"""

from typing import Any

from local.simulator.clock import Clock
from local.simulator.fal import endpoints, failures, order
from local.simulator.jobs import Job, Phase


def submitted(job: Job, base: str) -> dict[str, Any]:
    """The job as the reply to its submission shows it; `base` is where the addresses in it lead."""
    return {"status": "IN_QUEUE", **_addresses(job, base), "logs": None, "metrics": {}, "queue_position": 0}


def show(job: Job, clock: Clock, now: float, base: str, *, with_logs: bool) -> dict[str, Any]:
    """The job at an instant."""
    phase = job.phase(now)
    if phase == "queued":
        return {"status": "IN_QUEUE", **_addresses(job, base), "queue_position": 0}
    logs = _logs(job, clock, phase) if with_logs else None
    if phase == "running":
        return {"status": "IN_PROGRESS", **_addresses(job, base), "logs": logs}
    metrics = {"inference_time": round(job.ended - job.started, 9)} if job.ended >= job.started else {}
    shown = {"status": "COMPLETED", **_addresses(job, base), "logs": logs, "metrics": metrics}
    if failure := failed(job):
        shown |= {"error": failure.error, "error_type": failure.error_type}
    return shown


def failed(job: Job) -> failures.Failure | None:
    """How a job that has ended has failed, if it has."""
    match job.phase(job.ended):
        case "refused":
            complaints = endpoints.offered(job.model).complaints(job.inputs)
            return failures.invalid(complaints) if complaints else failures.flagged(job.inputs.get("prompt"))
        case "crashed":
            return failures.unavailable(job.inputs)
        case "canceled":
            return failures.canceled()
        case _:
            return None


def _addresses(job: Job, base: str) -> dict[str, str]:
    """Its id, and where it is to be found: below the application, without the rest of the endpoint's name."""
    application, _ = order.split(job.model)
    address = f"{base}/{application}/requests/{job.id}"
    return {
        "request_id": job.id,
        "response_url": address,
        "status_url": f"{address}/status",
        "cancel_url": f"{address}/cancel",
    }


def _logs(job: Job, clock: Clock, phase: Phase) -> list[dict[str, Any]]:
    """A line for the start, and one for the end of a job that has succeeded."""
    lines = [(job.started, f"exposing {len(job.outputs)}")] if job.ended >= job.started else []
    if phase == "succeeded":
        lines.append((job.ended, "fixed and washed"))
    application, _ = order.split(job.model)
    labels = {"app": application, "fal_request_id": job.id, "level": "INFO", "source": "gateway"}
    return [
        # Recorded without a time zone, and with six digits.
        {"timestamp": clock.rfc3339(instant, fewest_digits=9)[:26], "message": message, "labels": labels}
        for instant, message in lines
    ]

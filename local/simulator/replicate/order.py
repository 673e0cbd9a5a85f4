"""What a request for a prediction may say: its body, the version it names, its headers.

Facts from Replicate's OpenAPI document: a body has no members but the ones below; `version` is the 64 hexadecimal
digits of a version, `owner/name:version`, or `owner/name` of an official model; `Prefer: wait` waits for 60 seconds
and `wait=n` for n of at most 60; `Cancel-After` is a sum of hours, minutes and seconds, or a bare number of seconds,
and at least 5 s. The webhook is taken and never called: whether the gateways forward one is not documented.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.simulator.replicate import models, problems
from local.simulator.replicate.problems import Complaint

MEMBERS = {"input", "webhook", "webhook_completed", "webhook_events_filter", "stream"}
"""`webhook_completed` is not in the document any more; the official Python client 1.0.7 still sends it."""
UNNAMED = "simulator/unnamed"
"""The model of a version that is named by its digits alone, and that no gateway sells."""
VERSION = re.compile(r"(?:(?P<model>[^:]+):)?(?P<digits>[0-9a-f]{64})|(?P<official>[^:]+)")
LONGEST_WAIT = 60
SHORTEST_DEADLINE = 5
DURATION = re.compile(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?|(\d{1,9})")


@dataclass(frozen=True)
class Order:
    """A prediction that can be made: `reference` is `owner/name`, and `:version` where one was asked for."""

    model: models.Model
    reference: str
    inputs: Mapping[str, Any]


def read(body: bytes, model_name: str | None) -> Order:
    """The order in a body, for the model that the path names, or for the version in the body where it names none.

    Raises Problem with everything that is wrong.
    """
    try:
        document = json.loads(body)
        # Half of a surrogate pair can be written in JSON, and is no text for anybody behind it.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise problems.bad_request("The body is not JSON.") from error
    if not isinstance(document, dict):
        raise problems.invalid_input([_complaint("invalid_type", "The body must be an object")])
    model, reference = _model(document, model_name)
    known = MEMBERS if model_name else MEMBERS | {"version"}
    complaints = [
        _complaint("additional_property_not_allowed", f"Additional property {name} is not allowed")
        for name in document
        if name not in known
    ]
    inputs = document.get("input")
    if "input" not in document:
        complaints.append(_complaint("required", "input is required"))
    elif not isinstance(inputs, dict):
        complaints.append({"type": "invalid_type", "field": "input", "description": "Invalid type. Expected: object"})
    else:
        complaints += model.complaints(inputs)
    if complaints or not isinstance(inputs, dict):
        raise problems.invalid_input(complaints)
    return Order(model, reference, inputs)


def _model(document: Mapping[str, Any], model_name: str | None) -> tuple[models.Model, str]:
    """The model, and how a prediction refers to it. Raises Problem where there is none of that name or version."""
    if model_name:
        if model := models.find(model_name):
            return model, model_name
        raise problems.not_found(f"The model {model_name}")
    if "version" not in document:
        raise problems.invalid_input([_complaint("required", "version is required")])
    version = document["version"]
    named = VERSION.fullmatch(version) if isinstance(version, str) else None
    if not named:
        raise problems.invalid_version()
    name = named["official"] or named["model"]
    model = models.find(name) if name else models.of_version(named["digits"]) or models.find(UNNAMED)
    if not model:
        raise problems.invalid_version()
    return model, f"{model.name}:{named['digits']}" if named["digits"] else model.name


def _complaint(kind: str, description: str) -> Complaint:
    """A complaint about the body as a whole."""
    return {"type": kind, "field": "(root)", "description": description}


def wait(prefer: str) -> int:
    """For how many seconds a caller with this `Prefer` wants to be held; 0 for not at all, or for nonsense."""
    wish = re.fullmatch(r"wait(?:=([1-9][0-9]?))?", prefer)
    return min(int(wish[1] or LONGEST_WAIT), LONGEST_WAIT) if wish else 0


def cancel_after(header: str) -> int:
    """The deadline in seconds. Raises Problem for what is no duration, or too short a one."""
    duration = DURATION.fullmatch(header)
    hours, minutes, seconds, bare = (int(part or 0) for part in duration.groups()) if duration else (0, 0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds + bare
    if total < SHORTEST_DEADLINE:
        raise problems.bad_request(f"Cancel-After must be a duration such as 1h30m, at least {SHORTEST_DEADLINE}s.")
    return total

"""What a submitted request asks for, and of whom: the path to an application, and the body.

Facts from fal's documentation and the source of its Python client: an application is `owner/alias`, with the segment
`workflows` or `comfy` in front of it in those two namespaces; whatever follows belongs to the endpoint, and only to
it: status, result and cancellation are asked for below the application. The inputs are the whole body. They are
looked at by the model, when the job's turn has come, not by the queue: the webhooks that fal documents report missing
inputs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.simulator.fal import endpoints, failures
from local.simulator.fal.models import Model

NAMESPACES = {"workflows", "comfy"}


@dataclass(frozen=True)
class Order:
    """Work that can be queued: `inputs` are an object, and nothing more is known of them."""

    model: Model
    inputs: Mapping[str, Any]

    @property
    def prompt(self) -> str:
        """The prompt, as far as there is one."""
        prompt = self.inputs.get("prompt")
        return prompt if isinstance(prompt, str) else ""


def split(path: str) -> tuple[str, list[str]]:
    """The application that a path or an endpoint's name leads to ("" for none), and the segments behind it."""
    segments = path.strip("/").split("/")
    length = 3 if segments[0] in NAMESPACES else 2
    if len(segments) < length or not all(segments):
        return "", []
    return "/".join(segments[:length]), segments[length:]


def read(body: bytes, endpoint: str) -> Order:
    """The order in a body. Raises Failure where there is no such endpoint, or where the body is no JSON object."""
    model = endpoints.find(endpoint)
    if not model:
        raise failures.no_application(split(endpoint)[0])
    try:
        inputs = json.loads(body)
        # Half of a surrogate pair is no text for anybody behind it, and NaN, which Python reads, is no JSON.
        json.dumps(inputs, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise failures.bad_request("The body is not JSON") from error
    if not isinstance(inputs, dict):
        raise failures.bad_request("The body must be an object")
    return Order(model, inputs)

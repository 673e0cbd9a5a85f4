"""The reply to an order: its pictures, or the refusal of a safety filter, in the manner of each maker.

From OpenAI's reference and from the source of the relays, which is where each manner comes from:

    gpt      OpenAI's reply with all its members; the relays hand it on as it is
    dall-e   addresses, or base64 on request, with the prompt as the model is said to have understood it
    flux     one-api over Replicate: always base64, and that as a data URI; a failure of the job is 500. That this reply
             has no `created` is what clients tell of other gateways: one-api sends it
    imagen   new-api over Google's :predict: always base64, the other members empty strings; a filtered picture is
             left out, without a word
    qwen     new-api over Alibaba: an address, and base64 as well on request. Alibaba's refusal is not recorded

The tokens of `usage` are those that OpenAI's guide gave for a megapixel of each quality of `gpt-image-1`; a
transparent background is said, not drawn.
"""

import base64
from collections.abc import Sequence
from typing import Any

from local.simulator import relay
from local.simulator.chance import Chance
from local.simulator.exchange import Reply, as_json
from local.simulator.jobs import Job, Output
from local.simulator.openai import problems
from local.simulator.openai.order import Maker, Order
from local.simulator.pictures import Sketch

TOKENS = {"low": 272, "medium": 1056}
MOST_TOKENS = 4160
CHARACTERS_PER_TOKEN = 4


def output(sketch: Sketch, chance: Chance) -> Output:
    """Where OpenAI's file host will offer this picture; without the signature, which the host does not look at here."""
    account, picture = chance.hex(12), chance.hex(12)
    host = "oaidalleapiprodscus.blob.core.windows.net"
    return Output(f"https://{host}/private/org-{account}/img-{picture}.{sketch.format}", sketch)


def link(made: Output, chance: Chance) -> str:
    """The address of a picture with the signature."""
    return f"{made.url}?sp=r&sr=b&sig={chance.base64(32).rstrip('=')}"


def show(order: Order, created: int, files: Sequence[bytes], links: Sequence[str]) -> dict[str, Any]:
    """The reply to a job that succeeded at `created`, with its pictures as `files`, or where the `links` lead."""
    texts = [base64.b64encode(file).decode() for file in files]
    match order.maker:
        case "gpt":
            data = [{"b64_json": text} for text in texts]
            return {"created": created, "data": data, **order.terms, "usage": _usage(order)}
        case "dall-e":
            found = [{"b64_json": text} for text in texts] or [{"url": link} for link in links]
            return {"created": created, "data": [{"revised_prompt": order.prompt, **picture} for picture in found]}
        case "flux":
            return {"data": [{"b64_json": f"data:image/png;base64,{text}"} for text in texts]}
        case "imagen" | "qwen":
            empty = [""] * len(order.sketches)
            data = [
                {"url": link, "b64_json": text, "revised_prompt": ""}
                for link, text in zip(links or empty, texts or empty, strict=True)
            ]
            return {"data": data, "created": created}


def refusal(maker: Maker, job: Job, created: int) -> Reply:
    """The reply to a job that a safety filter has refused at `created`."""
    match maker:
        case "gpt":
            return problems.moderation_blocked(job.id).reply
        case "dall-e":
            return problems.content_policy_violation().reply
        case "flux":
            message = "task failed, [failed]NSFW content detected. Try running it again, or try a different prompt."
            error = {"message": message, "type": "one_api_error", "param": "", "code": "image_task_failed"}
            return as_json(500, {"error": error})
        case "imagen":
            return as_json(200, {"data": [], "created": created})
        case "qwen":
            return relay.upstream_failed(400)


def _usage(order: Order) -> dict[str, Any]:
    megapixel = 1024 * 1024
    pixels = sum(sketch.width * sketch.height for sketch in order.sketches)
    made = TOKENS.get(order.terms["quality"], MOST_TOKENS) * pixels // megapixel
    read = len(order.prompt) // CHARACTERS_PER_TOKEN + 1
    return {
        "input_tokens": read,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": read},
        "output_tokens": made,
        "output_tokens_details": {"image_tokens": made, "text_tokens": 0},
        "total_tokens": read + made,
    }

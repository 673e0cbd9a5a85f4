"""OpenAI's images, `POST /v1/images/generations`, as OpenAI makes them and as the gateways resell them.

    upstream     the routes: a caller is held until the job has ended
    gateway      the same route at a relay of the new-api family, for many makers' models
    order        what a request for pictures may say, and the order that it becomes
    resale       the same at a relay: which models it sells, and what it lets through
    models       OpenAI's models, those that are gone included
    parameters   what a value may be, and OpenAI's words where it may not
    delivery     the reply: pictures, or the refusal of a safety filter, in the manner of each maker
    problems     OpenAI's errors

Written from OpenAI's reference as its Python client 3.52 carries it, from errors that users of the API have quoted in
public, and from the source of the open relays (new-api, one-api). Streaming, edits and variations are not simulated.
"""

from local.simulator.openai.gateway import Gateway
from local.simulator.openai.upstream import Upstream

__all__ = ["Gateway", "Upstream"]

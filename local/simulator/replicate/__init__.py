"""Replicate's protocol, as Replicate speaks it (`upstream.py`) and as the gateways resell it (`gateway.py`).

    upstream     the routes, and what each of them does
    gateway      the same work behind a gateway's door: what differs there
    order        what a request for a prediction may say: its body, its version, its headers
    models       the models: what they take, how long they run, what they draw
    fields       what one input may be
    prediction   a job as Replicate shows it
    problems     its errors

Written from Replicate's OpenAPI document, the recorded replies in the tests of its official clients, and the
gateways' own pages.
"""

from local.simulator.replicate.gateway import Gateway
from local.simulator.replicate.upstream import Upstream

__all__ = ["Gateway", "Upstream"]

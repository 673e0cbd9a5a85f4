"""`?dry_run=true`: what an order would lead to, and what it would cost. Nothing is recorded, sent or spent."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from darkroom import catalogue, dialects, inputs, posting, routing, submission
from darkroom.order import Order
from darkroom.predictions import timestamp
from darkroom.route import Model
from darkroom.routing import Way

if TYPE_CHECKING:
    from darkroom.shapes import Price, Rehearsal
    from darkroom.shapes import Way as Shown


def rehearse(order: Order, name: str, tenant: str, key: str | None, deadline: int) -> "Rehearsal":
    """
    Every way in which an order can be made, and the one that is tried first.

    key: the caller's idempotency key, if any. deadline: when the task would be given up, ms.
    Raises UnknownModel, InvalidOrder, and KeyReused where the key is another order's.
    """
    if key:
        submission.known(order, name, tenant, key)
    model = catalogue.catalogue().model(name)
    possible = submission.examined(order, model, tenant)
    payable = {way.route.name for way in posting.payable(possible)}
    ways = [_shown(way, model, order.input, ready=way.route.name in payable) for way in possible]
    first = next((way for way in ways if way["ready"]), None)
    return {
        "dry_run": True,
        "model": model.name,
        "input": inputs.canonical(order.input, [route.vocabulary for route in model.routes]),
        "metadata": order.metadata,
        "webhook": order.webhook if order.wants_the_end else None,
        "deadline": timestamp(deadline),
        "route": first["route"] if first else None,
        "price": first["price"] if first else None,
        "ways": ways,
    }


def _shown(way: Way, model: Model, model_input: Mapping[str, Any], *, ready: bool) -> "Shown":
    request = dialects.of(way.route.dialect).submission(way.route, way.native_input)
    return {
        "route": way.route.name,
        "ready": ready,
        "request": {"method": request.method, "url": request.url, "body": json.loads(request.body)},
        "price": price_of(way, model, model_input),
    }


def price_of(way: Way, model: Model, model_input: Mapping[str, Any]) -> "Price | None":
    """What an input costs on one of its ways; None where nobody knows what an image costs there."""
    if (image := way.route.price) is None:
        return None
    words = way.route.vocabulary
    # A route whose words are known, and that has none for how many, makes one in a call.
    alone = words is not None and inputs.COUNT not in words
    images = 1 if alone else routing.asked(model, model_input, way.route.name)
    total = None if images is None else round(image * images, 6)
    return {"currency": "USD", "image": image, "images": images, "total": total}

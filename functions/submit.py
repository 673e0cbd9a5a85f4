"""A caller wants images: record a task, start its driver, post it to a gateway once."""

from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import api, clock, submission
from darkroom.order import Order, VersionedOrder, idempotency_key

logger = Logger()
app = api.resolver()


@app.post("/v1/models/<owner>/<name>/predictions")
def create_by_model(owner: str, name: str, order: Annotated[Order, Body()]) -> Response[str]:
    return create(f"{owner}/{name}", order)


@app.post("/v1/predictions")
def create_by_version(order: Annotated[VersionedOrder, Body()]) -> Response[str]:
    return create(order.version, order)


def create(model: str, order: Order) -> Response[str]:
    event = app.current_event
    key = idempotency_key(event.headers.get("idempotency-key"))
    until = clock.now() + app.lambda_context.get_remaining_time_in_millis()
    task, replayed = submission.submit(order, model, api.tenant(event), key, origin=api.origin(event), until=until)
    prediction = api.prediction(task, event)
    if replayed:
        return api.shown(200, prediction, **{"idempotent-replayed": "true"})
    return api.shown(201, prediction, location=prediction["urls"]["get"])


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return api.answer(app, event, context)

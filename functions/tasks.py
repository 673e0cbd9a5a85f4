"""A caller asks about tasks, cancels one, or sees to its webhook."""

from typing import Annotated, Any, Literal

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import api, cancellation, listing, redelivery, resolver, store
from darkroom.errors import NotEnded, NotFound, NoWebhook, ToldTooOften
from darkroom.shapes import Deliveries, Prediction, Predictions
from darkroom.task import Task

Moment = Annotated[str, Query(json_schema_extra={"format": "date-time"})]

logger = Logger()
app = resolver.app()


@app.get("/v1/predictions")
@resolver.replies({200: Predictions}, NotFound)
def list_predictions(
    cursor: str | None = None,
    created_after: Moment | None = None,
    created_before: Moment | None = None,
    source: Literal["web"] | None = None,
) -> Response[str]:
    """One's own predictions, the newest first, a hundred on a page; `next` leads to the next page."""
    event = app.current_event
    wanted = listing.Wanted.read(cursor, created_after, created_before, source)
    shown, after = listing.page(api.tenant(event), wanted, lambda task: api.prediction(task, event))
    following = f"{api.origin(event)}/v1/predictions?{after}" if after else None
    return resolver.shown(200, {"previous": None, "next": following, "results": shown})


@app.get("/v1/predictions/<task_id>")
@resolver.replies({200: Prediction}, NotFound)
def show(task_id: str) -> Response[str]:
    """One prediction as it is now."""
    return _shown(_own(task_id))


@app.post("/v1/predictions/<task_id>/cancel")
@resolver.replies({200: Prediction}, NotFound)
def cancel(task_id: str) -> Response[str]:
    """Ask to cancel it. What the gateway says last decides; what has ended stays as it is."""
    return _shown(cancellation.begin(_own(task_id)))


@app.get("/v1/predictions/<task_id>/deliveries")
@resolver.replies({200: Deliveries}, NotFound)
def deliveries(task_id: str) -> Response[str]:
    """How its webhook stands, and every attempt at it."""
    return resolver.shown(200, redelivery.show(_own(task_id)))


@app.post("/v1/predictions/<task_id>/redeliver")
@resolver.replies({202: Deliveries}, NotFound, NotEnded, NoWebhook, ToldTooOften)
def redeliver(task_id: str) -> Response[str]:
    """Have its webhook sent again: the same body under the same id, now, and by the usual schedule if that fails."""
    return resolver.shown(202, redelivery.show(redelivery.begin(_own(task_id))))


def _own(task_id: str) -> Task:
    """The caller's own task; what is another tenant's is not there."""
    tenant, task = api.tenant(app.current_event), store.read(task_id)
    if task.tenant != tenant:
        raise NotFound("There is no such task.")
    return task


def _shown(task: Task) -> Response[str]:
    return resolver.shown(200, api.prediction(task, app.current_event))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return resolver.answer(app, event, context)

"""A caller wants images: record a task, start its driver, post it to a gateway once."""

from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import api, clock, headers, keys, models, rehearsal, schedule, submission, waiting
from darkroom.errors import KeyReused, Rejected, UnknownModel
from darkroom.order import Order, VersionedOrder
from darkroom.shapes import Prediction, Rehearsal

CREATED = {201: Prediction, 200: Prediction | Rehearsal}

logger = Logger()
app = api.resolver()


@app.post("/v1/models/<owner>/<name>/predictions")
@api.replies(CREATED, UnknownModel, KeyReused, Rejected)
def create_prediction(owner: str, name: str, order: Annotated[Order, Body()], dry_run: bool = False) -> Response[str]:
    """
    Make images. 200 for a request that is known under its header Idempotency-Key, and for dry_run, which says what
    would be sent and what it would cost.
    """
    return _create(f"{owner}/{name}", order, dry_run)


@app.post("/v1/predictions")
@api.replies(CREATED, UnknownModel, KeyReused, Rejected)
def create_versioned_prediction(order: Annotated[VersionedOrder, Body()], dry_run: bool = False) -> Response[str]:
    """The same, with the model in the body: its name, owner/name:version, or the id of a version."""
    return _create(models.named(order.version), order, dry_run)


def _create(model: str, order: Order, dry_run: bool) -> Response[str]:
    event, now = app.current_event, clock.now()
    tenant, said = api.tenant(event), event.headers.get
    key, wait = headers.idempotency_key(said("idempotency-key")), headers.wait(said("prefer"))
    cancel_after = headers.cancel_after(said("cancel-after"))
    if dry_run:
        deadline = now + 1000 * (cancel_after or schedule.DEADLINE_S)
        return api.shown(200, rehearsal.rehearse(order, model, tenant, key, deadline))
    # Before anything is spent: whoever waits may get links to images, and must be told of the task whatever happens.
    link_key = keys.link() if wait else None
    task, replayed = submission.submit(
        order,
        model,
        tenant,
        key,
        origin=api.origin(event),
        until=now + app.lambda_context.get_remaining_time_in_millis(),
        cancel_after=cancel_after,
    )
    if wait:
        # From when the request came: a cold start is waited for as well, by clients that give up half a second later.
        task = waiting.end(task, event.request_context.time_epoch + wait * 1000)
    prediction = api.prediction(task, event, link_key, waited=bool(wait))
    more = {"preference-applied": f"wait={wait}"} if wait else {}
    if replayed:
        return api.shown(200, prediction, **more, **{"idempotent-replayed": "true"})
    return api.shown(201, prediction, **more, location=prediction["urls"]["get"])


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return api.answer(app, event, context)

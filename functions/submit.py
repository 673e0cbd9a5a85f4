"""A caller wants images: record a task, start its driver, post it to a gateway once."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import api, clock, headers, keys, models, order, rehearsal, schedule, submission, waiting
from darkroom.errors import NotFound

#: What a body may say, by the route that HTTP API has found. local/orders.py tells callers of them.
ROUTES = {
    "POST /v1/models/{owner}/{name}/predictions": order.MEMBERS,
    "POST /v1/predictions": order.VERSIONED,
}

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return api.answered(lambda: _create(event, context))


def _create(event: dict[str, Any], context: LambdaContext) -> api.Answer:
    if (members := ROUTES.get(event.get("routeKey", ""))) is None:
        raise NotFound("There is nothing at this path.")
    document, (dry_run, unclear) = api.document(event), headers.dry_run(event.get("queryStringParameters", {}))
    asked = order.read(document, members, unclear)
    model = _in_address(event) if asked.version is None else models.named(asked.version)
    now, said = clock.now(), event["headers"].get
    tenant, key = api.tenant(event), headers.idempotency_key(said("idempotency-key"))
    wait, cancel_after = headers.wait(said("prefer")), headers.cancel_after(said("cancel-after"))
    if dry_run:
        deadline = now + 1000 * (cancel_after or schedule.DEADLINE_S)
        return api.shown(200, rehearsal.rehearse(asked, model, tenant, key, deadline))
    # Before anything is spent: whoever waits may get links to images, and must be told of the task whatever happens.
    link_key = keys.link() if wait else None
    task, replayed = submission.submit(
        asked,
        model,
        tenant,
        key,
        origin=api.origin(event),
        until=now + context.get_remaining_time_in_millis(),
        cancel_after=cancel_after,
    )
    if wait:
        # From when the request came: a cold start is waited for as well, by clients that give up half a second later.
        task = waiting.end(task, event["requestContext"]["timeEpoch"] + wait * 1000)
    prediction = api.prediction(task, event, link_key, waited=bool(wait))
    more = {"preference-applied": f"wait={wait}"} if wait else {}
    if replayed:
        return api.shown(200, prediction, **more, **{"idempotent-replayed": "true"})
    return api.shown(201, prediction, **more, location=prediction["urls"]["get"])


def _in_address(event: dict[str, Any]) -> str:
    """The model that the address names, which HTTP API has decoded."""
    return "{owner}/{name}".format_map(event["pathParameters"])

"""Who a caller is, and what the webhooks of such a caller are verified with."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import api, keys, resolver
from darkroom.shapes import Account, WebhookSecret

logger = Logger()
app = resolver.app()


@app.get("/v1/account")
@resolver.replies({200: Account})
def account() -> Response[str]:
    """Whose API key this is."""
    tenant = api.tenant(app.current_event)
    return resolver.shown(200, {"type": "organization", "username": tenant, "name": tenant, "github_url": None})


@app.get("/v1/webhooks/default/secret")
@resolver.replies({200: WebhookSecret})
def webhook_secret() -> Response[str]:
    """What one's webhooks are verified with. After a rotation it is the new one as soon as all webhooks carry it."""
    return resolver.shown(200, {"key": keys.webhook_secret(api.tenant(app.current_event))})


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return resolver.answer(app, event, context)

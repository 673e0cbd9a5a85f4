"""Whose API key is this?"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import tenants


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """
    A simple response for HTTP API's authorizer. Looks at the Authorization header alone: the answer is kept for a
    minute under that header, whatever else is asked with it.
    """
    scheme, _, key = event.get("headers", {}).get("authorization", "").partition(" ")
    tenant = tenants.whose(key.strip()) if scheme.lower() in ("bearer", "token") else None
    if tenant is None:
        return {"isAuthorized": False}
    return {"isAuthorized": True, "context": {"tenant": tenant}}

"""The Lambda authorizer in front of an HTTP API, payload 2.0 with simple responses.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from local.cloud.functions.worker import Result
from local.cloud.http.payload import Response, message
from local.cloud.http.routes import AuthorizerRule


class Authorizer:
    """Asks the authorizer's function and remembers its answers, yes or no, by what identified the caller."""

    def __init__(self, invoke: Callable[[str, bytes], Awaitable[Result]], clock: Callable[[], float]) -> None:
        self._invoke = invoke
        self._clock = clock
        self._answers: dict[tuple[str, ...], tuple[float, dict[str, Any]]] = {}

    async def admit(self, rule: AuthorizerRule, event: dict[str, Any], route_arn: str) -> dict[str, Any] | Response:
        """The context that the function gives, or the response of a refusal."""
        identity = [_identity(event, kind, name) for kind, name in rule.sources]
        if not all(identity):
            return message(401, "Unauthorized")
        key = (rule.function, *identity)
        until, answer = self._answers.get(key, (0.0, {}))
        if until <= self._clock():
            asked = {name: value for name, value in event.items() if name not in ("body", "isBase64Encoded")}
            asked |= {"type": "REQUEST", "routeArn": route_arn, "identitySource": identity}
            # An error's report is not an answer either.
            answer = json.loads((await self._invoke(rule.function, json.dumps(asked).encode())).payload)
            if not isinstance(answer, dict) or not isinstance(answer.get("isAuthorized"), bool):
                return message(500, "Internal Server Error")
            self._answers[key] = self._clock() + rule.ttl, answer
        if not answer["isAuthorized"]:
            return message(403, "Forbidden")
        context: dict[str, Any] = answer.get("context") or {}
        return context


def _identity(event: dict[str, Any], kind: str, name: str) -> str:
    if kind == "header":
        return str(event["headers"].get(name.lower(), ""))
    return str(event.get("queryStringParameters", {}).get(name, ""))

"""Which function answers a request: the routes of the OpenAPI document that SAM makes of a template.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html#http-api-develop-routes.evaluation
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from local.cloud.errors import CloudError

ANY = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"
AUTHORIZER = "x-amazon-apigateway-authorizer"
CORS = "x-amazon-apigateway-cors"
BODY = {"openapi", "info", "paths", "components", "tags", CORS}
OPERATION = {INTEGRATION, "security", "parameters", "responses"}
INTEGRATION_FIELDS = {"httpMethod", "type", "uri", "payloadFormatVersion"}
AUTHORIZER_FIELDS = {
    "type", "authorizerUri", "authorizerResultTtlInSeconds", "identitySource", "authorizerPayloadFormatVersion",
    "enableSimpleResponses",
}  # fmt: skip
FUNCTION = re.compile(r"/functions/(arn:[^/]+)/invocations$")
SOURCE = re.compile(r"\$request\.(header|querystring)\.([^.\s]+)")


@dataclass(frozen=True)
class AuthorizerRule:
    function: str  # ARN
    ttl: int  # seconds for which an answer is kept, 0 for not at all
    sources: tuple[tuple[str, str], ...]  # ("header" or "querystring", name)


@dataclass(frozen=True)
class Route:
    method: str  # or ANY
    path: str  # as the template writes it, or $default
    function: str  # ARN
    authorizer: AuthorizerRule | None

    @property
    def key(self) -> str:
        return "$default" if self.path == "$default" else f"{self.method} {self.path}"

    @property
    def rank(self) -> tuple[bool, list[int], bool]:
        """Sorts a template's routes so that the first that matches is the right one."""
        segments = [2 if part.endswith("+}") else 1 if part.startswith("{") else 0 for part in self.path.split("/")]
        return self.path == "$default", segments, self.method == "ANY"

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The path parameters, decoded, if this route is for that request."""
        if self.path == "$default":
            return {}
        if self.method not in ("ANY", method):
            return None
        pattern = "".join(self._pattern(part) for part in re.split(r"(\{[^}]+\})", self.path))
        found = re.fullmatch(pattern, path)
        names = [name.rstrip("+") for name in re.findall(r"\{([^}]+)\}", self.path)]
        return dict(zip(names, map(unquote, found.groups()), strict=True)) if found else None

    def _pattern(self, part: str) -> str:
        if not part.startswith("{"):
            return re.escape(part)
        return "(.+)" if part.endswith("+}") else "([^/]+)"


def read(body: Mapping[str, Any]) -> list[Route]:
    """The routes of a resolved OpenAPI document, the most particular first."""
    _known(body, BODY, "The API")
    schemes = body.get("components", {}).get("securitySchemes", {})
    rules = {name: _authorizer(name, scheme[AUTHORIZER]) for name, scheme in schemes.items()}
    routes = []
    for path, operations in body.get("paths", {}).items():
        for method, operation in operations.items():
            where = f"The route {method} {path}"
            _known(operation, OPERATION, where)
            integration = operation[INTEGRATION]
            _known(integration, INTEGRATION_FIELDS, where)
            if integration["type"] != "aws_proxy" or integration["payloadFormatVersion"] != "2.0":
                raise CloudError(f"{where} is not a Lambda proxy integration of payload format 2.0.")
            # SAM writes Authorizer: NONE as a scheme of that name, which it does not declare.
            names = [name for scheme in operation.get("security", []) for name in scheme if name != "NONE"]
            authorizer = rules[names[0]] if names else None
            name = "ANY" if method == ANY else method.upper()
            routes.append(
                Route(
                    name,
                    path.removeprefix("/") if path == "/$default" else path,
                    _function(integration["uri"]),
                    authorizer,
                )
            )
    return sorted(routes, key=lambda route: route.rank)


def _authorizer(name: str, fields: Mapping[str, Any]) -> AuthorizerRule:
    where = f"The authorizer {name}"
    _known(fields, AUTHORIZER_FIELDS, where)
    if fields["authorizerPayloadFormatVersion"] != "2.0" or not fields.get("enableSimpleResponses"):
        raise CloudError(f"{where} does not give simple responses in payload format 2.0, the only form known here.")
    sources = [SOURCE.fullmatch(source) for source in fields["identitySource"]]
    found = tuple((source[1], source[2]) for source in sources if source)
    if len(found) < len(sources):
        raise CloudError(f"{where} has an identity source that is not known here: {fields['identitySource']}.")
    return AuthorizerRule(
        _function(fields["authorizerUri"]), int(fields.get("authorizerResultTtlInSeconds", 300)), found
    )


def _function(uri: str) -> str:
    if found := FUNCTION.search(uri):
        return found[1]
    raise CloudError(f"{uri} is not the address of a function.")


def _known(fields: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := fields.keys() - known:
        raise CloudError(f"{where} has something that is not known here: {', '.join(sorted(unknown))}.")

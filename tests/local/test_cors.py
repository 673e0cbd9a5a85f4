import asyncio
import json
import socket
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from local.cloud.errors import CloudError
from local.cloud.functions.worker import Result
from local.cloud.http import cors, routes
from local.cloud.http.server import HttpApi
from tests.local.test_routes import URI, operation

PAGE = "https://studio.example.com"
CORS = {
    "allowOrigins": [PAGE, "http://localhost:5173"],
    "allowMethods": ["GET", "POST"],
    "allowHeaders": ["authorization", "content-type"],
    "exposeHeaders": ["retry-after"],
    "maxAge": 600,
}
SCHEME = {
    routes.AUTHORIZER: {
        "type": "request",
        "authorizerUri": URI.format("authorize"),
        "identitySource": ["$request.header.Authorization"],
        "authorizerPayloadFormatVersion": "2.0",
        "enableSimpleResponses": True,
    }
}
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


class Api:
    """An HTTP API with one closed and one open path, whose functions count how often they are asked."""

    def __init__(self, configured: dict[str, Any] | None, **more: Any) -> None:
        paths = {
            "/closed": {"post": operation("f", security=[{"Key": []}])},
            "/open": {"get": operation("f")},
            **more,
        }
        body: dict[str, Any] = {"paths": paths, "components": {"securitySchemes": {"Key": SCHEME}}}
        if configured is not None:
            body[routes.CORS] = configured
        self._body = body
        self.invoked: list[str] = []

    async def _invoke(self, name: str, _: bytes) -> Result:
        self.invoked.append(name)
        if name.endswith("authorize"):
            return Result(b'{"isAuthorized": false}')
        headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true", "x-own": "1"}
        return Result(json.dumps({"statusCode": 404, "headers": headers, "body": "{}"}).encode())

    def ask(self, method: str, path: str, headers: Mapping[str, str]) -> httpx.Response:
        async def told() -> httpx.Response:
            served = routes.read(self._body)
            allows = cors.read(self._body, served)
            api = HttpApi(socket.create_server(("127.0.0.1", 0)), "1", self._invoke)
            api.serve("a", served, allows)
            await api.start()
            try:
                async with httpx.AsyncClient(base_url=f"http://{api.domain}") as client:
                    return await client.request(method, path, headers=dict(headers))
            finally:
                await api.stop()

        return asyncio.run(told())


def allowed(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize("path", ["/closed", "/open", "/nowhere"])
def test_a_preflight_is_answered_by_the_api_and_nobody_is_asked(path: str) -> None:
    api = Api(CORS)
    answer = api.ask("OPTIONS", path, PREFLIGHT)
    assert (answer.status_code, answer.content, api.invoked) == (204, b"", [])
    assert allowed(answer) == {
        "access-control-allow-origin": PAGE,
        "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "authorization,content-type",
        "access-control-max-age": "600",
    }


def test_what_a_function_answers_may_be_read_by_an_allowed_page_as_the_api_says_and_not_the_function() -> None:
    answer = Api(CORS).ask("GET", "/open", {"Origin": PAGE})
    assert (answer.status_code, answer.headers["x-own"]) == (404, "1")
    assert allowed(answer) == {"access-control-allow-origin": PAGE, "access-control-expose-headers": "retry-after"}


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", f"{PAGE}.evil.example.com", "http://studio.example.com", "null", None]
)
def test_another_page_is_allowed_nothing(origin: str | None) -> None:
    sent = {} if origin is None else {"Origin": origin}
    answer = Api(CORS).ask("GET", "/open", sent)
    assert (answer.status_code, allowed(answer)) == (404, {})
    if origin:
        answer = Api(CORS).ask("OPTIONS", "/closed", PREFLIGHT | sent)
        assert (answer.status_code, allowed(answer)) == (204, {})


@pytest.mark.parametrize(
    ("configured", "origin", "said"),
    [
        (["*"], "http://anywhere", "*"),
        (["https://*"], "https://anywhere", "https://anywhere"),
        (["https://*"], "http://anywhere", None),
    ],
)
def test_an_origin_may_be_any(configured: list[str], origin: str, said: str | None) -> None:
    answer = Api({"allowOrigins": configured}).ask("GET", "/open", {"Origin": origin})
    assert answer.headers.get("access-control-allow-origin") == said


def test_what_the_api_refuses_itself_says_nothing_to_pages() -> None:
    api = Api(CORS)
    for path, key, status in (("/closed", "", 401), ("/closed", "wrong", 403), ("/nowhere", "", 404)):
        answer = api.ask("POST", path, {"Origin": PAGE, "Authorization": key})
        assert (answer.status_code, allowed(answer)) == (status, {})


def test_without_cors_nothing_is_different() -> None:
    api = Api(None)
    assert api.ask("OPTIONS", "/closed", PREFLIGHT).status_code == 404
    answer = api.ask("GET", "/open", {"Origin": PAGE})
    assert allowed(answer) == {"access-control-allow-origin": "*", "access-control-allow-credentials": "true"}


def test_an_options_request_that_is_no_preflight_is_like_any_other() -> None:
    assert Api(CORS).ask("OPTIONS", "/open", {"Origin": PAGE}).status_code == 404


@pytest.mark.parametrize(
    ("configured", "more", "sentence"),
    [
        ({"allowOrigins": ["*"], "allowCredentials": True}, {}, "not known here: allowCredentials"),
        (CORS, {"/any": {routes.ANY: operation("f")}}, "route ANY /any: who answers preflights"),
        (CORS, {"/$default": {routes.ANY: operation("f")}}, "route $default: who answers preflights"),
        (CORS, {"/own": {"options": operation("f")}}, "route OPTIONS /own: who answers preflights"),
    ],
)
def test_what_is_not_known_here_is_refused(configured: dict[str, Any], more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CloudError) as error:
        Api(configured, **more).ask("GET", "/open", {})
    assert sentence in str(error.value)

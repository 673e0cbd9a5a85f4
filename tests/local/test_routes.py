from typing import Any

import pytest

from local.cloud.errors import CloudError
from local.cloud.http.routes import ANY, AUTHORIZER, INTEGRATION, Route, read

URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:1:function:{}/invocations"


def operation(function: str, **more: Any) -> dict[str, Any]:
    integration = {
        "type": "aws_proxy",
        "httpMethod": "POST",
        "uri": URI.format(function),
        "payloadFormatVersion": "2.0",
    }
    return {INTEGRATION: integration, "responses": {}, **more}


def api(paths: dict[str, Any], **more: Any) -> list[Route]:
    return read({"openapi": "3.0.1", "info": {}, "paths": paths, **more})


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        ("GET", "/pets/dog", "GET /pets/dog", {}),
        ("POST", "/pets/dog", "ANY /pets/dog", {}),
        ("GET", "/pets/cat", "GET /pets/{name}", {"name": "cat"}),
        ("GET", "/pets/a%2Fb%20c", "GET /pets/{name}", {"name": "a/b c"}),
        ("GET", "/pets/cat/tail", "ANY /pets/{rest+}", {"rest": "cat/tail"}),
        ("DELETE", "/pets/cat", "ANY /pets/{rest+}", {"rest": "cat"}),
        ("GET", "/pets/", "$default", {}),
        ("GET", "/elsewhere", "$default", {}),
    ],
)
def test_the_most_particular_route_answers(method: str, path: str, key: str, parameters: dict[str, str]) -> None:
    routes = api(
        {
            "/$default": {ANY: operation("f")},
            "/pets/{rest+}": {ANY: operation("f")},
            "/pets/{name}": {"get": operation("f")},
            "/pets/dog": {ANY: operation("f"), "get": operation("f")},
        }
    )
    found = next((route, got) for route in routes if (got := route.match(method, path)) is not None)
    assert (found[0].key, found[1]) == (key, parameters)


def test_nothing_matches_where_nothing_is() -> None:
    (route,) = api({"/a.b": {"get": operation("f")}})
    assert route.function == "arn:aws:lambda:us-east-1:1:function:f"
    assert route.match("GET", "/a.b") == {}
    for method, path in (("POST", "/a.b"), ("GET", "/aXb"), ("GET", "/a.b/"), ("GET", "/")):
        assert route.match(method, path) is None


def test_a_route_knows_its_authorizer_and_none_means_none() -> None:
    scheme = {
        AUTHORIZER: {
            "type": "request",
            "authorizerUri": URI.format("who"),
            "authorizerResultTtlInSeconds": 60,
            "identitySource": ["$request.header.Authorization", "$request.querystring.key"],
            "authorizerPayloadFormatVersion": "2.0",
            "enableSimpleResponses": True,
        }
    }
    routes = api(
        {"/a": {"get": operation("f", security=[{"Key": []}])}, "/b": {"get": operation("f", security=[{"NONE": []}])}},
        components={"securitySchemes": {"Key": scheme}},
    )
    rule = routes[0].authorizer
    assert rule is not None
    assert (rule.function, rule.ttl) == ("arn:aws:lambda:us-east-1:1:function:who", 60)
    assert rule.sources == (("header", "Authorization"), ("querystring", "key"))
    assert routes[1].authorizer is None


@pytest.mark.parametrize(
    ("document", "word"),
    [
        ({"x-amazon-apigateway-policy": {}}, "policy"),
        ({"paths": {"/a": {"get": operation("f", requestBody={})}}}, "requestBody"),
        (
            {
                "paths": {
                    "/a": {"get": {INTEGRATION: {"type": "http_proxy", "uri": "x", "payloadFormatVersion": "1.0"}}}
                }
            },
            "2.0",
        ),
        (
            {"paths": {"/a": {"get": {INTEGRATION: {"type": "aws_proxy", "uri": "x", "payloadFormatVersion": "2.0"}}}}},
            "address",
        ),
    ],
)
def test_what_is_not_known_is_refused(document: Any, word: str) -> None:
    with pytest.raises(CloudError, match=word):
        read(document)

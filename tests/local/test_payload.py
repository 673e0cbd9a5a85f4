import base64
import json
from typing import Any

import pytest

from local.cloud.http.payload import Malformed, Request, event, response


def request(**changes: Any) -> Request:
    made: dict[str, Any] = {
        "method": "GET",
        "target": "/v1/a%20b?x=1&y=%C3%A9&x=2&empty=",
        "headers": [("Host", "127.0.0.1:8000"), ("User-Agent", "curl/8"), ("X-Many", "1"), ("x-many", "2")],
        "body": b"",
        "source_ip": "127.0.0.1",
        "domain": "127.0.0.1:8000",
        "scheme": "http",
        "protocol": "HTTP/1.1",
    }
    return Request(**made | changes)


def made(incoming: Request) -> dict[str, Any]:
    return event(incoming, "GET /v1/{name}", {"name": "a b"}, "api", 1_700_000_000.5)


def test_the_event_is_the_one_of_payload_2() -> None:
    whole = made(request())
    trace = whole["headers"].pop("x-amzn-trace-id")
    request_id = whole["requestContext"].pop("requestId")
    assert trace.startswith("Root=1-6553f100-")
    assert request_id
    assert whole == {
        "version": "2.0",
        "routeKey": "GET /v1/{name}",
        "rawPath": "/v1/a b",
        "rawQueryString": "x=1&y=%C3%A9&x=2&empty=",
        "headers": {
            "host": "127.0.0.1:8000",
            "user-agent": "curl/8",
            "x-many": "1,2",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "8000",
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": {"x": "1,2", "y": "é", "empty": ""},
        "pathParameters": {"name": "a b"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "api",
            "domainName": "127.0.0.1:8000",
            "domainPrefix": "127",
            "http": {
                "method": "GET",
                "path": "/v1/a b",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "curl/8",
            },
            "routeKey": "GET /v1/{name}",
            "stage": "$default",
            "time": "14/Nov/2023:22:13:20 +0000",
            "timeEpoch": 1_700_000_000_500,
        },
        "isBase64Encoded": False,
    }


def test_cookies_leave_the_headers() -> None:
    whole = made(request(headers=[("Cookie", "a=1; b=2"), ("Cookie", "c=3")]))
    assert whole["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in whole["headers"]


def test_a_callers_word_on_where_it_comes_from_is_not_taken() -> None:
    sent = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https"), ("Connection", "close")]
    headers = made(request(headers=sent))["headers"]
    assert headers["x-forwarded-for"] == "1.2.3.4,127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert "connection" not in headers


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("text/csv", True),
        ("application/xml", True),
        ("application/javascript", True),
        ("application/problem+json", False),
        ("application/x-www-form-urlencoded", False),
        ("image/png", False),
        (None, False),
    ],
)
def test_only_what_aws_takes_for_text_comes_as_text(content_type: str | None, text: bool) -> None:
    headers = [("Content-Type", content_type)] if content_type else []
    whole = made(request(headers=headers, body=b'{"a": 1}'))
    assert whole["isBase64Encoded"] is not text
    assert whole["body"] == ('{"a": 1}' if text else base64.b64encode(b'{"a": 1}').decode())


def test_what_has_no_status_is_the_body() -> None:
    answer = response(b'{"a": 1}')
    assert (answer.status, list(answer.headers), json.loads(answer.body)) == (
        200,
        [("content-type", "application/json")],
        {"a": 1},
    )
    assert response(b'"text"').body == b"text"


def test_a_response_is_taken_as_it_is() -> None:
    answer = response(
        json.dumps(
            {"statusCode": 302, "headers": {"Location": "/x", "X-Flag": True}, "cookies": ["a=1", "b=2"]}
        ).encode()
    )
    assert answer.status == 302
    assert list(answer.headers) == [
        ("location", "/x"),
        ("x-flag", "true"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ]
    assert answer.body == b""


def test_a_body_without_a_type_is_text() -> None:
    assert list(response(b'{"statusCode": 200, "body": "hi"}').headers) == [
        ("content-type", "text/plain;charset=UTF-8")
    ]


def test_bytes_come_back_as_bytes() -> None:
    encoded = base64.b64encode(b"\x89PNG").decode()
    assert (
        response(json.dumps({"statusCode": 200, "body": encoded, "isBase64Encoded": True}).encode()).body == b"\x89PNG"
    )


@pytest.mark.parametrize(
    "returned",
    [
        {"statusCode": "many"},
        {"statusCode": True},
        {"statusCode": 99},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "body": "not base64!", "isBase64Encoded": True},
    ],
)
def test_what_is_no_response_is_malformed(returned: Any) -> None:
    with pytest.raises(Malformed):
        response(json.dumps(returned).encode())

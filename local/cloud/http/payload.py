"""An HTTP request becomes a payload 2.0 event, and what a function returns becomes an HTTP response. Pure formatting.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
What that page leaves open was seen in captures of real events: which bodies count as text
(https://github.com/ministackorg/ministack/pull/766) and that rawPath comes decoded, rawQueryString as it was sent
(https://github.com/honojs/hono/issues/2156).
"""

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

TEXT_TYPES = {"application/json", "application/javascript", "application/xml"}
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}


@dataclass(frozen=True)
class Request:
    method: str
    target: str  # path and query as they were sent
    headers: Sequence[tuple[str, str]]
    body: bytes
    source_ip: str
    domain: str  # host:port of the local API
    scheme: str  # https on AWS
    protocol: str  # HTTP/1.1

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass(frozen=True)
class Response:
    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


class Malformed(Exception):
    """What a function returned is no response; the HTTP API answers 500."""


def message(status: int, text: str) -> Response:
    """A response that the HTTP API itself gives."""
    return Response(status, [("content-type", "application/json")], json.dumps({"message": text}).encode())


def event(request: Request, route_key: str, parameters: Mapping[str, str], api_id: str, now: float) -> dict[str, Any]:
    """The event of a request; `now` is seconds since the epoch. Absent parts are absent, not null."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    port = request.domain.rpartition(":")[2]
    added = [
        ("x-amzn-trace-id", f"Root=1-{int(now):08x}-{uuid.uuid4().hex[:24]}"),
        ("x-forwarded-for", request.source_ip),
        ("x-forwarded-port", port),
        ("x-forwarded-proto", request.scheme),
    ]
    # x-forwarded-for is added to; a caller's word on the port and the protocol does not count.
    received = [entry for entry in request.headers if entry[0].lower() not in ("x-forwarded-port", "x-forwarded-proto")]
    for name, value in [*received, *added]:
        name = name.lower()
        if name == "cookie":
            cookies += [cookie.strip() for cookie in value.split(";")]
        elif name not in HOP_BY_HOP:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    path = unquote(request.path)
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": api_id,
            "domainName": request.domain,
            "domainPrefix": request.domain.partition(".")[0],
            "http": {
                "method": request.method,
                "path": path,
                "protocol": request.protocol,
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": uuid.uuid4().hex[:16],
            "routeKey": route_key,
            "stage": "$default",
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        made["cookies"] = cookies
    if query := _query(request.query):
        made["queryStringParameters"] = query
    if parameters:
        made["pathParameters"] = dict(parameters)
    if request.body:
        made["body"], made["isBase64Encoded"] = _body(request.body, headers.get("content-type", ""))
    return made


def _query(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        values[name] = f"{values[name]},{value}" if name in values else value
    return values


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind in TEXT_TYPES:
        return body.decode(errors="replace"), False
    return base64.b64encode(body).decode(), True


def response(payload: bytes) -> Response:
    """What a function returned, as a response: with a statusCode it is one, anything else is the JSON body of a 200."""
    returned = json.loads(payload)
    if not isinstance(returned, dict) or "statusCode" not in returned:
        body = returned if isinstance(returned, str) else json.dumps(returned)
        return Response(200, [("content-type", "application/json")], body.encode())
    status, body, given = returned["statusCode"], returned.get("body", ""), returned.get("headers") or {}
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise Malformed(f"statusCode is {status!r}")
    if not isinstance(body, str | None) or not isinstance(given, dict):
        raise Malformed("body is no text, or headers is no object")
    headers = [
        (name.lower(), str(value).lower() if isinstance(value, bool) else str(value)) for name, value in given.items()
    ]
    headers += [("set-cookie", cookie) for cookie in returned.get("cookies") or []]
    if body and "content-type" not in dict(headers):
        headers.append(("content-type", "text/plain;charset=UTF-8"))
    if not returned.get("isBase64Encoded"):
        return Response(status, headers, (body or "").encode())
    try:
        return Response(status, headers, base64.b64decode(body or "", validate=True))
    except ValueError as error:
        raise Malformed("body is not base64") from error

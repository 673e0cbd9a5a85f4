"""The HTTP API of a laptop: a request comes in, a function answers, and the API's own refusals read as on AWS.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
"""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from local.cloud.errors import ApiError
from local.cloud.functions.worker import Result
from local.cloud.http.authorizer import Authorizer
from local.cloud.http.cors import Cors
from local.cloud.http.payload import Malformed, Request, Response, event, message, response
from local.cloud.http.routes import Route
from local.cloud.template import REGION

MAX_BODY = 10 * 1024 * 1024
INTEGRATION_SECONDS = 30


class HttpApi:
    """One API with its `$default` stage. It listens from the beginning; `serve` gives it routes."""

    def __init__(
        self,
        listener: socket.socket,
        account: str,
        invoke: Callable[[str, bytes], Awaitable[Result]],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.listener = listener
        self.account = account
        self.domain = f"127.0.0.1:{listener.getsockname()[1]}"
        self.origin = f"{'https' if tls else 'http'}://{self.domain}"
        self._tls = tls
        self.api_id = ""
        self.routes: list[Route] = []
        self._cors: Cors | None = None
        self._invoke = invoke
        self._authorizer = Authorizer(invoke, time.monotonic)
        self._runner: web.ServerRunner | None = None

    def serve(self, api_id: str, routes: list[Route], cors: Cors | None) -> None:
        self.api_id, self.routes, self._cors = api_id, routes, cors

    async def start(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0)
        await self._runner.setup()
        await web.SockSite(self._runner, self.listener, ssl_context=self._tls).start()

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _handle(self, incoming: web.BaseRequest) -> web.Response:
        body = bytearray()
        while len(body) <= MAX_BODY and not incoming.content.at_eof():
            body += await incoming.content.read(MAX_BODY)
        request = Request(
            method=incoming.method,
            target=incoming.raw_path,
            headers=[(name.decode(), value.decode(errors="replace")) for name, value in incoming.raw_headers],
            body=bytes(body),
            source_ip=incoming.remote or "",
            domain=self.domain,
            scheme="https" if self._tls else "http",
            protocol=f"HTTP/{incoming.version.major}.{incoming.version.minor}",
        )
        answer = message(413, "Request Entity Too Large") if len(body) > MAX_BODY else await self._answer(request)
        outgoing = web.Response(status=answer.status, body=answer.body)
        for name, value in answer.headers:
            if name not in ("content-length", "transfer-encoding", "connection"):
                outgoing.headers.add(name, value)
        return outgoing

    async def _answer(self, request: Request) -> Response:
        if self._cors and (preflight := self._cors.preflight(request)):
            return preflight
        for route in self.routes:
            parameters = route.match(request.method, request.path)
            if parameters is not None:
                try:
                    return await asyncio.wait_for(self._through(route, parameters, request), INTEGRATION_SECONDS)
                except TimeoutError:
                    return message(503, "Service Unavailable")
        return message(404, "Not Found")

    async def _through(self, route: Route, parameters: dict[str, str], request: Request) -> Response:
        made = event(request, route.key, parameters, self.api_id, time.time())
        made["requestContext"]["accountId"] = self.account
        if route.authorizer:
            stage = f"arn:aws:execute-api:{REGION}:{self.account}:{self.api_id}/$default"
            admitted = await self._authorizer.admit(
                route.authorizer, made, f"{stage}/{request.method}{made['rawPath']}"
            )
            if isinstance(admitted, Response):
                return admitted
            made["requestContext"]["authorizer"] = {"lambda": admitted}
        try:
            result = await self._invoke(route.function, json.dumps(made).encode())
            if result.error:
                return message(500, "Internal Server Error")
            answer = response(result.payload)
            return self._cors.shared(request, answer) if self._cors else answer
        except Malformed:
            return message(500, "Internal Server Error")
        except ApiError as refusal:
            too_large = refusal.status == 413
            return message(413, "Request Entity Too Large") if too_large else message(500, "Internal Server Error")

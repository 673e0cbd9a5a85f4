"""One URL for all AWS services: state machines and functions are ours, everything else is moto's.

moto keeps its state for the whole process. Each cloud is an account of its own there, so that two do not meet.
"""

import io
import json
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from moto.backends import get_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import ThreadedWSGIServer

from local.cloud.buckets import Notifications
from local.cloud.errors import ApiError
from local.cloud.permissions import Act, Permissions
from local.cloud.queues import hidden

STATES = "AWSStepFunctions."
HIDE_MESSAGE = "AmazonSQS.ChangeMessageVisibility"
SEND_MESSAGE = "AmazonSQS.SendMessage"  # or SendMessageBatch
FUNCTIONS = "/2015-03-31/functions/"

Answer = tuple[int, dict[str, str], bytes]
States = Callable[[str, dict[str, Any]], dict[str, Any]]  # operation, parameters -> result; raises ApiError
Invoke = Callable[[str, bytes], tuple[bytes, str | None]]  # function, payload -> payload, function error


class Dispatcher:
    """
    The WSGI application in front of moto.

    sent: hears when a message may have come into a queue. time_scale: of the time for which messages are hidden.
    """

    def __init__(
        self,
        account: str,
        permissions: Permissions,
        notifications: Notifications,
        states: States,
        invoke: Invoke,
        sent: Callable[[], None],
        time_scale: float,
    ) -> None:
        self.account = account
        self.permissions = permissions
        self.notifications = notifications
        self.states = states
        self.invoke = invoke
        self.sent = sent
        self.time_scale = time_scale
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        target, path = environ.get("HTTP_X_AMZ_TARGET", ""), environ["PATH_INFO"]
        if forbidden := self.permissions.refuse(environ):
            answer = _denied(forbidden)
        elif target.startswith(STATES):
            answer = self._states(target.removeprefix(STATES), _body(environ))
        elif path.startswith(FUNCTIONS) and path.endswith("/invocations"):
            answer = self._function(unquote(path.removeprefix(FUNCTIONS).removesuffix("/invocations")), environ)
        elif authorized_twice(environ):
            answer = _refused_twice(environ["HTTP_AUTHORIZATION"])
        else:
            environ["HTTP_X_MOTO_ACCOUNT_ID"] = self.account
            if target:
                return self._moto(target, environ, start_response)
            return self.notifications.watch(self.moto, environ, start_response)
        status, headers, body = answer
        start_response(f"{status} {HTTPStatus(status).phrase}", [*headers.items(), ("Content-Length", str(len(body)))])
        return [body]

    def _moto(self, target: str, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if target == HIDE_MESSAGE:
            asked = json.loads(_body(environ))
            body = json.dumps(
                asked | {"VisibilityTimeout": hidden(asked["VisibilityTimeout"], self.time_scale)}
            ).encode()
            environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        answer: Iterable[bytes] = self.moto(environ, start_response)
        if target.startswith(SEND_MESSAGE):
            self.sent()
        return answer

    def _states(self, operation: str, body: bytes) -> Answer:
        headers = {"Content-Type": "application/x-amz-json-1.0"}
        try:
            return 200, headers, json.dumps(self.states(operation, json.loads(body))).encode()
        except ApiError as error:
            return error.status, headers, json.dumps({"__type": error.code, "message": str(error)}).encode()

    def _function(self, name: str, environ: dict[str, Any]) -> Answer:
        headers = {"Content-Type": "application/json"}
        if environ.get("HTTP_X_AMZ_INVOCATION_TYPE", "RequestResponse") != "RequestResponse":
            error = ApiError("InvalidParameterValueException", "Only RequestResponse is known to the local cloud.")
            return (
                error.status,
                headers | {"X-Amzn-ErrorType": error.code},
                json.dumps({"Message": str(error)}).encode(),
            )
        try:
            payload, function_error = self.invoke(name, _body(environ))
        except ApiError as error:
            return (
                error.status,
                headers | {"X-Amzn-ErrorType": error.code},
                json.dumps({"Message": str(error)}).encode(),
            )
        headers["X-Amz-Executed-Version"] = "$LATEST"
        return 200, headers | ({"X-Amz-Function-Error": function_error} if function_error else {}), payload


def _denied(act: Act) -> Answer:
    """As the service says it: S3 in XML, the others in JSON."""
    message = f"User {act.who} is not authorized to perform {act.action} on {act.resource}"
    if act.resource.startswith("s3:"):
        error = f"<Error><Code>AccessDenied</Code><Message>{escape(message)}</Message></Error>"
        return 403, {"Content-Type": "application/xml"}, error.encode()
    error = json.dumps({"__type": "AccessDeniedException", "message": message})
    return 400, {"Content-Type": "application/x-amz-json-1.0"}, error.encode()


def _body(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return body


def authorized_twice(environ: dict[str, Any]) -> bool:
    """Whether a presigned address comes with an Authorization header too: S3 refuses that, moto does not."""
    query = parse_qs(environ.get("QUERY_STRING", ""))
    return "HTTP_AUTHORIZATION" in environ and ("X-Amz-Signature" in query or "Signature" in query)


def _refused_twice(authorization: str) -> Answer:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed; only the X-Amz-Algorithm query "
        "parameter, Signature query string parameter or the Authorization header should be specified</Message>"
        f"<ArgumentName>Authorization</ArgumentName><ArgumentValue>{escape(authorization)}</ArgumentValue></Error>"
    )
    return 400, {"Content-Type": "application/xml"}, body.encode()


class Handler(MotoRequestHandler):
    disable_nagle_algorithm = True  # headers and body go out separately; waiting for the first's receipt costs 40 ms
    timeout = 5  # seconds of silence, so that a caller who never asks holds up nobody

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's names
        pass


class Endpoint(ThreadedWSGIServer):
    """The server. Stopping it waits for the requests under way, and forgets all that the cloud kept."""

    daemon_threads = False

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__("127.0.0.1", 0, dispatcher, handler=Handler)
        self.dispatcher = dispatcher
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="aws-endpoint", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        for service in self.dispatcher.moto.app_instances:
            backends: Any = get_backend(service)  # type: ignore[call-overload]
            for backend in backends.pop(self.dispatcher.account, {}).values():
                backend.reset()

"""A stand-in for AWS's runtime client where that has no wheels: the same conversation, the same payloads.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import http.client
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

API = "/2018-06-01/runtime"
Handler = Callable[[Any, "Context"], Any]


class Context:
    """What a handler is given beside its event."""

    def __init__(self, request_id: str, function_arn: str, deadline_ms: int) -> None:
        self.aws_request_id = request_id
        self.invoked_function_arn = function_arn
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline_ms = deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline_ms - int(time.time() * 1000))


class Conversation:
    """One connection to the Runtime API, kept for as long as the process lives."""

    def __init__(self, address: str) -> None:
        self.connection = http.client.HTTPConnection(address)

    def next(self) -> tuple[Any, Context]:
        self.connection.request("GET", f"{API}/invocation/next")
        response = self.connection.getresponse()
        event = json.loads(response.read())
        return event, Context(
            response.headers["Lambda-Runtime-Aws-Request-Id"],
            response.headers["Lambda-Runtime-Invoked-Function-Arn"],
            int(response.headers["Lambda-Runtime-Deadline-Ms"]),
        )

    def post(self, path: str, document: str) -> None:
        self.connection.request("POST", API + path, document.encode(), {"Content-Type": "application/json"})
        self.connection.getresponse().read()


class Fault(Exception):
    """What Lambda has a name of its own for, instead of the exception's class name."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def find(name: str) -> Handler:
    module, _, function = name.rpartition(".")
    try:
        found: Handler = getattr(importlib.import_module(module), function)
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}") from error
    except SyntaxError as error:
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}") from error
    except AttributeError as error:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module}'") from error
    return found


def answer(handler: Handler, event: Any, context: Context) -> str:
    result = handler(event, context)
    try:
        return json.dumps(result, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def report(error: BaseException, request_id: str = "") -> str:
    """An exception as Lambda reports it: without the frames of this file, and logged."""
    fault = isinstance(error, Fault)
    frames = (
        [] if fault else [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    )
    kind = error.kind if isinstance(error, Fault) else type(error).__name__
    stack = traceback.format_list(frames)
    print(f"[ERROR] {kind}: {error}", "Traceback (most recent call last):", *stack, sep="\r", flush=True)
    return json.dumps({"errorMessage": str(error), "errorType": kind, "requestId": request_id, "stackTrace": stack})


def main(arguments: Sequence[str]) -> None:
    conversation = Conversation(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = find(arguments[1])
    except Exception as error:
        conversation.post("/init/error", report(error))
        sys.exit(1)
    while True:
        event, context = conversation.next()
        path = f"/invocation/{context.aws_request_id}"
        try:
            result = answer(handler, event, context)
        except Exception as error:
            conversation.post(f"{path}/error", report(error, context.aws_request_id))
        else:
            conversation.post(f"{path}/response", result)

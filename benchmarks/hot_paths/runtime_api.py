"""
The Runtime API that a function's process asks for its events, for one process and one event: when it has asked for it,
and when it has answered.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class RuntimeApi(ThreadingHTTPServer):
    """`asked` and `over` are set when the process has come that far; `ready` and `answered` are the
    moments of it, `worked` the seconds of the processor until it was ready; 0 where that is not told."""

    daemon_threads = True

    def __init__(self, event: Mapping[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.event = json.dumps(event).encode()
        self.ready = self.answered = self.worked = 0.0
        self.process_id = 0
        self.answer, self.failed = b"", False
        self.asked, self.over = threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, *_: object) -> None:
        """A process that has been killed says no farewell."""


class Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RuntimeApi

    def do_GET(self) -> None:
        if self.server.asked.is_set():
            self.server.over.wait()
            return
        self.server.ready = time.perf_counter()
        with suppress(OSError):
            # Linux's name for the clock of another process; see clock_getcpuclockid(3).
            self.server.worked = time.clock_gettime((~self.server.process_id << 3) | 2)
        self.server.asked.set()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "bench")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 29) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:bench")
        self.send_header("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
        self.send_header("Content-Type", "application/json")  # without one the client dies
        self.send_header("Content-Length", str(len(self.server.event)))
        self.end_headers()
        self.wfile.write(self.server.event)

    def do_POST(self) -> None:
        self.server.answer = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answered = time.perf_counter()
        self.server.failed = not self.path.endswith("/response")
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.asked.set()
        self.server.over.set()

    def log_message(self, *_: object) -> None:
        """It would tell of every request."""

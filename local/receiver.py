"""Somebody who is told by webhook: a server that keeps what is posted to it."""

import queue
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Delivery:
    """`headers` are lower-cased."""

    headers: dict[str, str]
    body: bytes


class Receiver:
    """Listens between `with` and its end. `answers` are the statuses of its first replies; after them all are 200."""

    def __init__(self, answers: tuple[int, ...] = ()) -> None:
        self._deliveries: queue.Queue[Delivery] = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._deliveries, list(answers)))
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def next(self, timeout: float = 30) -> Delivery:
        """The next delivery, in the order of their coming. Raises queue.Empty after `timeout` seconds without one."""
        return self._deliveries.get(timeout=timeout)


def _handler(deliveries: queue.Queue[Delivery], answers: list[int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()
            deliveries.put(Delivery({name.lower(): value for name, value in self.headers.items()}, body))

        def log_message(self, *_: Any) -> None:
            """Quiet: who started this tells what comes."""

    return Handler

"""Somebody who is told by webhook: a server that keeps what is posted to it, or one that misbehaves."""

import queue
import socket
import struct
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

#: What a receiver may do in place of an answer.
Manners = Literal["hangs", "drips", "resets", "redirects", "never ends", "speaks no HTTP"]


@dataclass(frozen=True)
class Delivery:
    """`headers` are lower-cased."""

    headers: dict[str, str]
    body: bytes


class Receiver:
    """
    Listens between `with` and its end. `answers` are the statuses of its first replies; after them all are 200.

    manners: how it misbehaves instead, each time. location: where to, if it redirects.
    """

    def __init__(self, answers: tuple[int, ...] = (), manners: Manners | None = None, location: str = "") -> None:
        self._deliveries: queue.Queue[Delivery] = queue.Queue()
        self._over = threading.Event()
        handler = _handler(self._deliveries, list(answers))
        if manners:
            handler = _rude(self._deliveries, self._over, manners, location)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def next(self, timeout: float = 30) -> Delivery:
        """The next delivery, in the order of their coming. Raises queue.Empty after `timeout` seconds without one."""
        return self._deliveries.get(timeout=timeout)

    def came(self) -> bool:
        """Whether there is a delivery that `next` would give at once."""
        return not self._deliveries.empty()


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


def _rude(
    deliveries: queue.Queue[Delivery], over: threading.Event, manners: Manners, location: str
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            deliveries.put(Delivery({name.lower(): value for name, value in self.headers.items()}, body))
            self.close_connection = True
            try:
                self._misbehave()
            except OSError:
                """Who has called is tired of it."""

        def _misbehave(self) -> None:
            match manners:
                case "hangs":
                    over.wait()
                case "drips":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Patience: ")
                    while not over.wait(0.2):
                        self.wfile.write(b".")
                case "resets":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                case "redirects":
                    self.wfile.write(f"HTTP/1.1 307 Go there\r\nLocation: {location}\r\n\r\n".encode())
                case "never ends":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    while not over.is_set():
                        self.wfile.write(bytes(10_000))
                case "speaks no HTTP":
                    self.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")

        def log_message(self, *_: Any) -> None:
            """Quiet: who started this tells what comes."""

    return Handler

"""A server at the far end of a socket that does what a test has written down, one exchange after the other."""

import json
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from enum import Enum, auto
from typing import Any, Self


class Mishap(Enum):
    """What becomes of a connection instead of a reply."""

    RESET_EARLY = auto()  # when the request has begun to come
    RESET = auto()  # after that
    DELAY = auto()  # of the reply after this, by some tenths of a second
    SILENCE = auto()  # until the client goes away
    HANG_UP = auto()  # between two exchanges: the reply before this was the connection's last
    REFUSED = auto()  # by the client, who does not like the certificate


def reply(status: int, document: Any, *, length: int | None = None, headers: dict[str, str] | None = None) -> bytes:
    """A whole reply: JSON, or a text as it is. length: what it says of its own length, if not the truth."""
    body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
    head = {
        "Content-Length": str(len(body) if length is None else length),
        "Content-Type": "application/x-amz-json-1.0",
    }
    lines = [f"HTTP/1.1 {status} Said so", *(f"{name}: {value}" for name, value in {**head, **(headers or {})}.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class ScriptedServer:
    """
    Serves one connection at a time, within `with`. script: a reply or a mishap for each exchange.

    requests: each that came, with the number of its connection, its headers and its body.
    """

    def __init__(self, *script: bytes | Mishap, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[int, dict[str, str], bytes]] = []
        self._script, self._tls = list(script), tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    @property
    def left(self) -> int:
        """How much of the script has not happened."""
        return len(self._script)

    def _serve(self) -> None:
        with suppress(OSError):
            while self._script:
                connection = self._accepted()
                with connection:
                    self._talk(connection)

    def _accepted(self) -> socket.socket:
        connection, _ = self._listener.accept()
        self._connections += 1
        connection.settimeout(5)
        if not self._tls:
            return connection
        try:
            return self._tls.wrap_socket(connection, server_side=True)
        except ssl.SSLError:
            assert self._script.pop(0) is Mishap.REFUSED
            return connection

    def _talk(self, connection: socket.socket) -> None:
        while self._script:
            match self._script[0]:
                case bytes() as said:
                    if not self._read(connection):
                        return
                    self._script.pop(0)
                    connection.sendall(said)
                case Mishap.SILENCE:
                    self._read(connection)
                    self._script.pop(0)
                    connection.recv(1)
                    return
                case Mishap.DELAY:
                    self._script.pop(0)
                    time.sleep(0.3)
                case Mishap.HANG_UP:
                    connection.close()
                    self._script.pop(0)
                    return
                case Mishap.RESET | Mishap.RESET_EARLY as when:
                    if when is Mishap.RESET:
                        self._read(connection)
                    else:
                        connection.recv(1)
                    self._script.pop(0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                case Mishap.REFUSED:
                    return

    def _read(self, connection: socket.socket) -> bool:
        """Whether a request came."""
        with connection.makefile("rb") as stream:
            if not stream.readline():
                return False
            lines = iter(stream.readline, b"\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.decode().partition(":") for line in lines)
            }
            self.requests.append((self._connections, headers, stream.read(int(headers["content-length"]))))
        return True

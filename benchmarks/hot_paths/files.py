"""
Where files come from and go to, as bare as can be: `python -m benchmarks.hot_paths.files SEED`. The first line that it
prints is its port.

GET /…/<n> gives n bytes of no meaning. Whatever is PUT or POSTed is read and forgotten, as S3 would answer it, parts of
an upload included.
"""

import random
import re
import socket
import sys
import threading

PIECE = 1 << 20
STARTED = b"<InitiateMultipartUploadResult><UploadId>bench</UploadId></InitiateMultipartUploadResult>"
COMPLETED = b"<CompleteMultipartUploadResult><ETag>bench</ETag></CompleteMultipartUploadResult>"


class Talk:
    """One connection, for as long as its peer wants."""

    def __init__(self, connection: socket.socket, content: bytes) -> None:
        self.connection = connection
        self.content = memoryview(content)
        self.heard = bytearray()
        self.room = bytearray(PIECE)

    def run(self) -> None:
        while head := self.line(b"\r\n\r\n"):
            lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            method, path, _ = lines[0].split(" ", 2)
            if headers.get("expect") == "100-continue":
                self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            if headers.get("transfer-encoding") == "chunked":
                while size := int(self.line(b"\r\n"), 16):
                    self.skip(size + 2)
                self.skip(2)
            self.skip(int(headers.get("content-length", 0)))
            if method == "GET":
                self.give(int(re.findall(r"\d+", path)[-1]))
            else:
                self.say(STARTED if path.endswith("?uploads") else COMPLETED if method == "POST" else b"")

    def line(self, end: bytes) -> bytes:
        """What is heard up to `end`; nothing if the peer has gone."""
        while (found := self.heard.find(end)) < 0:
            if not (heard := self.connection.recv(PIECE)):
                return b""
            self.heard += heard
        line = bytes(self.heard[:found])
        del self.heard[: found + len(end)]
        return line

    def skip(self, size: int) -> None:
        there = min(size, len(self.heard))
        del self.heard[:there]
        size -= there
        while size > 0 and (number := self.connection.recv_into(self.room, min(size, PIECE))):
            size -= number

    def give(self, size: int) -> None:
        self.connection.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode())
        while size > 0:
            self.connection.sendall(self.content[:size])
            size -= PIECE

    def say(self, body: bytes) -> None:
        head = f'HTTP/1.1 200 OK\r\netag: "bench"\r\ncontent-length: {len(body)}\r\n\r\n'
        self.connection.sendall(head.encode() + body)


def main(seed: str) -> None:
    content = random.Random(int(seed)).randbytes(PIECE)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=Talk(connection, content).run, daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])

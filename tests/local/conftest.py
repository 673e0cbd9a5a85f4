"""One cloud for all tests of a process, made of a small template whose functions do what they are told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from local.cloud.cloud import Cloud

FIXTURES = Path(__file__).parent / "fixtures"


class Mirror(BaseHTTPRequestHandler):
    """Stands for the simulator: says what reached it, or that nothing was to reach it."""

    def do_GET(self) -> None:
        body = json.dumps({"host": self.headers["Host"], "path": self.path}).encode()
        _, asked, how = self.path.partition("/network/")
        self.send_response(599 if asked else 200)
        if asked:
            self.send_header("x-simulator-network", how)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def simulator() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def cloud(simulator: str) -> "Iterator[Cloud]":
    from local.cloud.cloud import (
        Cloud,  # here, or each of the processes that only hand out tests would import it as well
    )

    with Cloud(FIXTURES / "template.yaml", "fixture", simulator_url=simulator, time_scale=0.01) as cloud:
        yield cloud


def eventually(holds: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.01)

"""
One way to have a gateway asked for a picture, again and again in one process, as a warm function does:
`python -m benchmarks.hot_paths.submitters WAY CALLS`. The last line that it prints tells the milliseconds.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.batches.doors import CONTEXT
from benchmarks.hot_paths.beyond import ROOT

ADDRESS = os.environ.get("GATEWAY", "")
EVENT: dict[str, Any] = json.loads((ROOT / "events" / "submit.json").read_text())
URL = f"{ADDRESS}{EVENT['rawPath']}"
ORDER = json.loads(EVENT["body"])

Way = Callable[[int], None]


def kept() -> Way:
    """One POST, and nothing else, by a client that keeps its connection."""
    import httpx

    client = httpx.Client()
    return lambda _: _checked(client.post(URL, json=ORDER).status_code)


def fresh() -> Way:
    """One POST, and nothing else, as scripts do it."""
    import httpx

    return lambda _: _checked(httpx.post(URL, json=ORDER).status_code)


def typical() -> Way:
    """handlers/typical.py."""
    from benchmarks.hot_paths.handlers import typical as function

    return lambda _: _checked(function.handler(_event(), CONTEXT)["statusCode"])


class Requests:
    """Seconds of the processor that went into requests to AWS and to the gateway, by whoever was told apart."""

    seconds = 0.0

    def told_apart(self, room: Any, name: str) -> None:
        """Count what a function of a room takes."""
        ask = getattr(room, name)

        def counted(*asked: Any, **more: Any) -> Any:
            began = time.process_time()
            try:
                return ask(*asked, **more)
            finally:
                self.seconds += time.process_time() - began

        setattr(room, name, counted)


REQUESTS = Requests()


def ours() -> Way:
    """Submit's handler, for an order without a key."""
    from benchmarks.hot_paths.handlers import ours as function
    from darkroom import calls, http

    REQUESTS.told_apart(calls, "ask")
    REQUESTS.told_apart(http, "send")
    return lambda _: _checked(function.handler(_event(), CONTEXT)["statusCode"])


def keyed() -> Way:
    """Submit's handler, for an order with an Idempotency-Key that is new."""
    from benchmarks.hot_paths.handlers import ours as function
    from darkroom import calls, http

    REQUESTS.told_apart(calls, "ask")
    REQUESTS.told_apart(http, "send")
    prefix = os.getpid()
    return lambda number: _checked(function.handler(_event(f"{prefix}-{number}"), CONTEXT)["statusCode"])


def _event(key: str | None = None) -> dict[str, Any]:
    headers = {name: value for name, value in EVENT["headers"].items() if name != "idempotency-key"}
    return {**EVENT, "headers": headers | ({"idempotency-key": key} if key else {})}


def _checked(status: int) -> None:
    if status not in (200, 201):
        raise SystemExit(f"answered {status}")


WAYS: dict[str, Callable[[], Way]] = {way.__name__: way for way in (kept, fresh, typical, ours, keyed)}


def main(name: str, calls: str) -> None:
    way = WAYS[name]()
    taken, began = [], time.perf_counter()
    way(0)
    first = time.perf_counter() - began
    worked, asking = time.process_time(), 0.0
    if name in ("ours", "keyed"):
        asking = -REQUESTS.seconds
    for number in range(1, int(calls) + 1):
        began = time.perf_counter()
        way(number)
        taken.append(1000 * (time.perf_counter() - began))
    worked, asking = time.process_time() - worked, asking + REQUESTS.seconds
    found = {
        "first_ms": 1000 * first,
        "p50_ms": statistics.median(taken),
        "p99_ms": statistics.quantiles(taken, n=100)[98],
        "cpu_ms": 1000 * worked / int(calls),
        "own_ms": 1000 * (worked - asking) / int(calls),
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The command: `python -m local.simulator --port 0 [--seed 7] [--speed 1.0] [--key simulator-key …]
[--catalogue FILE] [--leash]`.

When it is ready it prints one line of JSON, `{"url": "http://127.0.0.1:PORT"}`, and it serves until SIGTERM or
SIGINT; on a leash, also until its standard input ends, as it does when who started it is no more. It exits with 0, or
with 1 and a sentence on stderr where it cannot listen at that port.
"""

import argparse
import asyncio
import errno
import json
import math
import signal
import sys
from pathlib import Path

from aiohttp import web

from local.simulator.server import application
from local.simulator.simulator import DEFAULT_KEY, DEFAULT_SEED

HOST = "127.0.0.1"
LAST_PORT = 65535


def main() -> int:
    """Serve; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.simulator", description="Image gateways, simulated.")
    parser.add_argument("--port", type=_port, default=0, help="where to listen on 127.0.0.1; 0 takes any free port")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="decides how long jobs take")
    parser.add_argument("--speed", type=_speed, default=1.0, help="10 makes everything ten times faster")
    parser.add_argument("--key", action="append", help=f"a key to accept, may be repeated; {DEFAULT_KEY} by default")
    parser.add_argument("--catalogue", type=Path, help="a catalogue.toml, whose gateways stand at their hosts")
    parser.add_argument("--leash", action="store_true", help="end when standard input ends")
    wish = parser.parse_args()
    app = application(seed=wish.seed, speed=wish.speed, keys=wish.key or [DEFAULT_KEY], catalogue=wish.catalogue)
    return asyncio.run(_serve(app, wish.port, leash=wish.leash))


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= LAST_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {LAST_PORT}")
    return port


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed < math.inf:
        raise argparse.ArgumentTypeError("the speed must be a number above 0")
    return speed


async def _serve(app: web.Application, port: int, *, leash: bool) -> int:
    """Listen, say so, and serve until it is to end; the exit status."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if leash:
        asyncio.get_running_loop().add_reader(sys.stdin, stop.set)  # nobody writes to it, so this is its end
    # Held requests are not worth waiting for: whoever stops a simulator wants it gone.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
    except OSError as error:
        reason = "the port is taken" if error.errno == errno.EADDRINUSE else error.strerror
        print(f"The simulator cannot listen on {HOST}:{port}: {reason}.", file=sys.stderr)
        return 1
    else:
        _, bound, *_ = runner.addresses[0]
        print(json.dumps({"url": f"http://{HOST}:{bound}"}), flush=True)
        await stop.wait()
        return 0
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())

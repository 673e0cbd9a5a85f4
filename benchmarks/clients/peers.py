"""The official clients, each in a process of its own, all at once, each at a gateway of its own."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.clients.gateways import FAL, INPUTS, KEY, PICTURE, REPLICATE

ROOT = Path(__file__).parents[2]
MODULES = Path(sys.prefix) / "javascript" / "node_modules"


@dataclass(frozen=True)
class Peer:
    """An official client: its package, what its driver calls it, and the protocol that it speaks."""

    name: str
    package: str
    client: str
    javascript: bool

    @property
    def upstream(self) -> str:
        return {"replicate": REPLICATE, "fal": FAL}[self.client]

    @property
    def version(self) -> str:
        if not self.javascript:
            return version(self.package)
        return str(json.loads((MODULES / self.package / "package.json").read_text())["version"])


PEERS = (
    Peer("replicate", "replicate", "replicate", javascript=False),
    Peer("replicate-js", "replicate", "replicate", javascript=True),
    Peer("fal-client", "fal-client", "fal", javascript=False),
    Peer("fal-js", "@fal-ai/client", "fal", javascript=True),
)


def run(address: str, tasks: int, pause: float) -> dict[str, dict[str, Any]]:
    """
    Each with so many tasks, one every `pause` seconds.

    By the peer's name {"known": when each job was known to have ended, s since 1970, "cpu_ms": of its process, a task}.
    """

    def one(peer: Peer) -> dict[str, Any]:
        words = [peer.client, f"{address}/{peer.name}", str(tasks), str(pause)]
        driver = ["node", str(Path(__file__).parent / "callers.cjs")]
        command = driver if peer.javascript else [sys.executable, "-m", "benchmarks.clients.callers"]
        told = {"KEY": KEY, "MODEL": PICTURE, "INPUT": json.dumps(INPUTS[peer.upstream]), "NODE_PATH": str(MODULES)}
        done = subprocess.run(
            command + words, env={**os.environ, **told}, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{peer.name} has failed:\n{done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    if not shutil.which("node") or not MODULES.is_dir():
        raise SystemExit("There is no Node, or was no npm when .venv was made: two of the clients are JavaScript.")
    with ThreadPoolExecutor(len(PEERS)) as together:
        return dict(zip([peer.name for peer in PEERS], together.map(one, PEERS), strict=True))

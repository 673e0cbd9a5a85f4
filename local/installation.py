"""A whole Darkroom on this machine: the gateways' simulator, the local cloud, and what an operator puts in place."""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from local.cloud.cloud import Cloud
from local.cloud.errors import CloudError

ROOT = Path(__file__).parent.parent
CATALOGUE = "layers/core/darkroom/catalogue.toml"
STACK = "darkroom-local"
#: The key of every gateway here. It is good for the simulator only.
GATEWAY_KEY = "simulator-key"


class Installation:
    """
    Runs between `with` and its end. Raises CloudError, one sentence, when it cannot.

    speed: of the simulated gateways and of all waits; 1 is life. seed: of what the simulator draws by lot.
    built, interpreter, image: run what `sam build` made; deaths: have functions die; tls: speak https (see Cloud).
    """

    def __init__(
        self,
        *,
        api_port: int = 0,
        speed: float = 1.0,
        seed: int = 7,
        built: Path | None = None,
        interpreter: str = sys.executable,
        image: Path | None = None,
        deaths: Path | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._port, self._speed, self._seed = api_port, speed, seed
        self._built, self._interpreter, self._image, self._deaths = built, interpreter, image, deaths
        self._tls = tls
        self._started = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            self.simulator_url = self._start_simulator(started)
            self.cloud = started.enter_context(
                Cloud(
                    ROOT / "template.yaml",
                    STACK,
                    simulator_url=self.simulator_url,
                    api_port=self._port,
                    time_scale=1 / self._speed,
                    built=self._built,
                    interpreter=self._interpreter,
                    image=self._image,
                    deaths=self._deaths,
                    tls=self._tls,
                )
            )
            self.api_url = self.cloud.api_url
            gateways = tomllib.loads((ROOT / CATALOGUE).read_text(encoding="utf-8"))["gateways"]
            with ThreadPoolExecutor() as together:
                list(together.map(lambda name: self.operate("gateway-key", name, stdin=GATEWAY_KEY), gateways))
            made = self.operate("tenant", "default")
            self.webhook_secret, self.api_key = re.findall(r": +(\S+)", made)
            self._started = started.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._started.close()

    def operate(self, *words: str, stdin: str = "") -> str:
        """What the operator's command prints, run against this cloud as it is run against AWS."""
        done = subprocess.run(
            [sys.executable, ROOT / "operate.py", *words, "--stack", STACK],
            input=stdin,
            capture_output=True,
            text=True,
            env={**os.environ, **self.cloud.environment},
            check=False,
        )
        if done.returncode:
            raise CloudError(done.stderr.strip())
        return done.stdout

    def _start_simulator(self, started: ExitStack) -> str:
        command = [sys.executable, "-m", "local.simulator", "--port", "0"]
        command += ["--seed", str(self._seed), "--speed", str(self._speed), "--key", GATEWAY_KEY, "--leash"]
        command += ["--catalogue", str(ROOT / CATALOGUE)]
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.callback(_stop, process)
        if process.stdout is None or not (line := process.stdout.readline()):
            raise CloudError("The gateways' simulator did not start; what it said stands above.")
        return str(json.loads(line)["url"])


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=10)
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()

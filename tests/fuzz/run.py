"""
Schemathesis against the local cloud.

    python -m tests.fuzz.run --examples 500     `make fuzz`

All checks are on. Left out by name is what HTTP API itself answers, and no function sees:
unsupported_method (404, not 405, for a method that no route has).
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from local.installation import Installation

NOT_OURS = ["unsupported_method"]
ROOT = Path(__file__).parent.parent.parent
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"


def fuzz(darkroom: Installation, examples: int, seed: int = 0) -> subprocess.CompletedProcess[str]:
    """What schemathesis says; its return code is 0 if it found nothing."""
    command = [str(SCHEMATHESIS), "run", f"{darkroom.api_url}/openapi.json", "--no-color", "--workers", "2"]
    command += ["--header", f"Authorization: Bearer {darkroom.api_key}"]
    command += ["--checks", "all", "--exclude-checks", ",".join(NOT_OURS)]
    command += ["--max-examples", str(examples), "--seed", str(seed), "--request-timeout", "40"]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", "PYTHONPATH": str(ROOT)},
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description="Fuzz the HTTP API.")
    parser.add_argument("--examples", type=int, default=500, help="of each operation (default: 500)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with Installation(speed=20) as darkroom:
        done = fuzz(darkroom, arguments.examples, arguments.seed)
    print(done.stdout, done.stderr, sep="\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())

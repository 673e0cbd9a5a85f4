"""All of them, one after the other, each in a process of its own; fails at the end if one of them has."""

import argparse
import subprocess
import sys

BENCHMARKS = (
    "hot_paths.cold_start", "hot_paths.submitting", "hot_paths.copying", "clients", "detection", "bill", "batches",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What is fast, measured.")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("only", nargs="*", default=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    arguments = parser.parse_args()
    failed = []
    for name in arguments.only:
        print(f"\n# {name}\n", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", "--seed", str(arguments.seed)]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"What is claimed of them does not hold here and now: {', '.join(failed)}")


if __name__ == "__main__":
    main()

"""
How long a function takes to start, and to give its first answer.

    make bench

Each start is a process that runs AWS's own runtime client against a Runtime API of ours: the time from its spawn until
it asks for its first event, and until it has answered it. All that a function speaks to is a sink that answers at once
(sink.py). The interpreter sees what `sam build` made and what Lambda has in its image, nothing that is installed on
this machine, and keeps no bytecode. The rows take turns; what counts is the ratio to the empty handler.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.hot_paths import beyond
from benchmarks.hot_paths.beyond import ROOT
from benchmarks.hot_paths.runtime_api import RuntimeApi

HANDLERS = Path(__file__).parent / "handlers"
#: Of the empty handler's start: what the doors on the way of every task may take.
MOST = 5.0
EMPTY = "an empty handler"


@dataclass(frozen=True)
class Start:
    """A function: the module of its handler, the folders that it sees, and its event."""

    module: str
    folders: Sequence[Path] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    event: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Found:
    """Milliseconds until the first event is asked for, until it is answered, of the processor until the first; MB."""

    ready: float
    answered: float
    worked: float
    memory: float
    answer: Any


def measure(interpreter: str, start: Start, environment: Mapping[str, str]) -> Found:
    """One start and one answer, in a process of its own."""
    api = RuntimeApi(start.event)
    folders = [*start.folders, ROOT / ".aws-sam" / "image"]
    variables = {
        **environment,
        **start.environment,
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_address[1]}",
        "LAMBDA_TASK_ROOT": str(folders[0]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": ":".join(map(str, folders)),
    }
    with tempfile.TemporaryFile("w+") as log:
        # Not this machine's own packages (-S), as there would be none on Lambda.
        command = [interpreter, "-S", "-m", "awslambdaric", f"{start.module}.handler"]
        began = time.perf_counter()
        process = subprocess.Popen(command, env=variables, cwd=folders[0], stdout=log, stderr=log)
        api.process_id = process.pid
        try:
            ended = api.asked.wait(60) and api.over.wait(60)
            memory = _peak(process.pid)
        finally:
            api.over.set()
            process.kill()
            process.wait()
            api.shutdown()
            api.server_close()
        log.seek(0)
        if not ended or api.failed or not api.ready:
            raise SystemExit(f"{start.module} has failed: {api.answer.decode()}\n{log.read()}")
    answer = json.loads(api.answer)
    if "statusCode" in answer and answer["statusCode"] >= 300:
        raise SystemExit(f"{start.module} has answered {answer}")
    return Found(1000 * (api.ready - began), 1000 * (api.answered - began), 1000 * api.worked, memory, answer)


def _peak(process_id: int) -> float:
    """The most memory that a process has had so far, MB; 0 where /proc does not tell."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{process_id}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return 0.0


@contextmanager
def starts(built: Path, libraries: Path, ask: Any) -> Iterator[dict[str, Start]]:
    """What is measured, by its name in the table. ask: gives a door's answer, for what another door is asked."""
    with tempfile.TemporaryDirectory() as folder:
        handlers, bare = Path(folder, "handlers"), Path(folder, "bare")
        shutil.copytree(HANDLERS, handlers, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("CoreLayer", "DependenciesLayer", "Submit", "Poll"):
            # A link for each file, as bytecode is looked for beside the link.
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(built / name, bare / name, ignore=ignored, copy_function=_link)
        order = json.loads((ROOT / "events" / "submit.json").read_text())
        order["headers"].pop("idempotency-key")

        def door(name: str, made: Path, event: Mapping[str, Any]) -> Start:
            folders = [handlers, made / name, *_layers(made), ROOT]
            return Start("ours", folders, {"DOOR": name.lower()}, event)

        task = json.loads(ask(door("Submit", built, order))["body"])["id"]
        step = {"v": 1, "task_id": task, "generation": 1, "wait": 4, "turn": 0}
        yield {
            EMPTY: Start("empty", [handlers]),
            "Poll": door("Poll", built, step),
            "Submit": door("Submit", built, order),
            "Poll, without bytecode": door("Poll", bare, step),
            "Submit, without bytecode": door("Submit", bare, order),
            "boto3, httpx, Powertools, pydantic": Start("typical", [handlers, *_layers(built)], {}, order),
            "the same, without bytecode": Start("typical", [handlers, *_layers(bare)], {}, order),
            "import replicate": Start("library", [handlers, libraries], {"LIBRARY": "replicate"}),
            "import litellm": Start("library", [handlers, libraries], {"LIBRARY": "litellm"}),
        }


def _layers(made: Path) -> list[Path]:
    return [made / name / "python" for name in ("CoreLayer", "DependenciesLayer")]


def _link(source: str, target: str) -> None:
    Path(target).symlink_to(Path(source).resolve())


def figures(found: Mapping[str, Sequence[Found]]) -> dict[str, dict[str, float]]:
    """Medians by row, and their ratios to the empty handler's."""
    empty = statistics.median(each.ready for each in found[EMPTY])
    least = statistics.median(each.worked for each in found[EMPTY])
    rows = {}
    for name, each in found.items():
        ready = statistics.median(one.ready for one in each)
        worked = statistics.median(one.worked for one in each)
        rows[name] = {
            "ready_ms": round(ready, 1),
            "times_empty": round(ready / empty, 2),
            "cpu_ms": round(worked, 1),
            "cpu_times_empty": round(worked / least, 2) if least else 0.0,
            "answered_ms": round(statistics.median(one.answered for one in each), 1),
            "peak_mb": round(statistics.median(one.memory for one in each), 1),
        }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.hot_paths.cold_start", description="Cold starts, measured.")
    parser.add_argument(
        "--built", type=Path, default=ROOT / ".aws-sam" / "host", help="what sam build made for this machine"
    )
    parser.add_argument("--libraries", type=Path, default=ROOT / ".venv" / "libraries", help="libraries.txt, installed")
    parser.add_argument("--times", type=int, default=11)
    parser.add_argument("--seed", type=int, default=7, help="taken, and of no use: nothing here is drawn by lot")
    arguments = parser.parse_args()
    interpreter = subprocess.check_output([ROOT / "local" / "find-python", "3.13"], text=True).strip()
    with beyond.sink() as address:
        environment = beyond.environment(address)

        def ask(start: Start) -> Any:
            return measure(interpreter, start, environment).answer

        with starts(arguments.built.resolve(), arguments.libraries.resolve(), ask) as rows:
            found: dict[str, list[Found]] = {name: [] for name in rows}
            for turn in range(arguments.times):
                for name in list(rows)[:: -1 if turn % 2 else 1]:
                    found[name].append(measure(interpreter, rows[name], environment))
    measured = figures(found)
    versions = {
        each.name: each.version
        for folder in (
            arguments.libraries,
            arguments.built / "DependenciesLayer" / "python",
            ROOT / ".aws-sam" / "image",
        )
        for each in distributions(path=[str(folder)])
        if each.name in ("awslambdaric", "aws-lambda-powertools", "boto3", "httpx", "litellm", "pydantic", "replicate")
    }
    report.write("cold_start", {"rows": measured}, seed=arguments.seed, times=arguments.times, **versions)
    head = [
        "a function",
        "ms until it asks for its first event",
        "times the empty one",
        "of these, of the processor",
        "times the empty one's",
        "ms until it has answered it",
        "peak MB",
    ]
    print(report.table(head, [[name, *row.values()] for name, row in measured.items()]))
    if slow := [name for name in ("Poll", "Submit") if measured[name]["times_empty"] > MOST]:
        sys.exit(f"More than {MOST} times the empty handler: {', '.join(slow)}")


if __name__ == "__main__":
    main()

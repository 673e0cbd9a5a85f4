"""
How a benchmark says what it has found: a file in benchmarks/results/, and tables for docs/performance.md.

Its rule: a result says where, when and with what it was measured, so that it can be measured again.
"""

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def write(name: str, figures: Mapping[str, Any], *, seed: int, times: int = 1, **versions: str) -> None:
    """
    Put figures into results/`name`.json.

    times: how often each measurement was repeated. versions: of what is measured beside ours, by name.
    """
    circumstances = {
        "when": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": versions,
        "seed": seed,
        "times": times,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({**circumstances, **figures}, indent=2) + "\n")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in markdown; a row has as many cells as the head."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)

"""
The command `python -m local.lint_bytecode FOLDER…`: whether each module of a built layer has its bytecode.

Lambda's Python takes that bytecode as it is: what another source gave would run, and what another version of Python
made is passed over without a word. Runs in the SAM CLI's environment, whose Python is Lambda's.
"""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

#: https://peps.python.org/pep-0552/: a pyc's flags say that it holds its source's hash, which nobody is to check.
UNCHECKED = (0b01).to_bytes(4, "little")


def main(folders: list[str]) -> int:
    """The exit status: 1 if there is anything to complain of."""
    complaints = [complaint for folder in folders for complaint in lint(Path(folder))]
    print(*complaints, sep="\n", end="\n" if complaints else "")
    return bool(complaints)


def lint(folder: Path) -> Iterator[str]:
    sources = sorted(folder.rglob("*.py"))
    if not sources:
        yield f"{folder}: there is no module"
    compiled = {Path(importlib.util.cache_from_source(str(source))): source for source in sources}
    for bytecode, source in compiled.items():
        if not bytecode.is_file():
            yield f"{source}: has no bytecode"
        elif bytecode.read_bytes()[:16] != _head(source):
            yield f"{bytecode}: is not of this source, this Python, or unchecked"
    yield from (f"{stray}: has no source" for stray in sorted(folder.rglob("*.pyc")) if stray not in compiled)


def _head(source: Path) -> bytes:
    """The first 16 bytes of a module's bytecode: version, flags, and hash of its source."""
    return importlib.util.MAGIC_NUMBER + UNCHECKED + importlib.util.source_hash(source.read_bytes())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

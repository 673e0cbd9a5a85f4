"""The rooms and which may import which, as docs/architecture.md says it."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

HOUSE = ROOT / "layers" / "core" / "darkroom"
DOORS = ROOT / "functions"
#: What pure rooms may use of the standard library and of what is installed.
PURE = {
    "base64", "bisect", "codecs", "collections", "csv", "dataclasses", "datetime", "email", "enum", "functools",
    "hashlib", "hmac", "ipaddress", "itertools", "json", "math", "pathlib", "re", "tomllib", "types", "typing",
    "typing_extensions", "urllib", "zlib", "pydantic", "standardwebhooks",
}  # fmt: skip


def rooms() -> tuple[list[str], list[str]]:
    """The rooms that touch the world, and those that touch nothing, in the order of the page."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    (listing,) = re.findall(r"```rooms\n(.*?)```", page, re.DOTALL)
    world, pure = listing.split("-- rooms that touch nothing --")
    return re.findall(r"^(\w+) ", world, re.MULTILINE), re.findall(r"^(\w+) ", pure, re.MULTILINE)


def sources(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*.py") if file.name != "__init__.py" or file.parent.name == "dialects"]


def imports(file: Path) -> set[str]:
    """Modules that a file imports, in full; `from darkroom import store` is darkroom.store."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(module: str) -> str:
    """`darkroom.store.read` is in the room store."""
    return module.split(".")[1]


def packages(file: Path) -> set[str]:
    return {module.split(".")[0] for module in imports(file)}


def test_every_room_is_on_the_page_and_every_room_on_the_page_exists() -> None:
    world, pure = rooms()
    there = {file.relative_to(HOUSE).parts[0].removesuffix(".py") for file in sources(HOUSE)}
    assert there == {*world, *pure}


@pytest.mark.parametrize("file", sources(HOUSE), ids=lambda file: str(file.relative_to(HOUSE)))
def test_imports_point_down_the_list_of_rooms(file: Path) -> None:
    order = [*rooms()[0], *rooms()[1]]
    here = file.relative_to(HOUSE).parts[0].removesuffix(".py")
    others = {room(module) for module in imports(file) if module.startswith("darkroom.")} - {here}
    upward = {other for other in others if order.index(other) < order.index(here)}
    assert not upward, f"{here} imports {', '.join(upward)}, which is above it"


@pytest.mark.parametrize("file", sources(HOUSE), ids=lambda file: str(file.relative_to(HOUSE)))
def test_pure_rooms_touch_nothing(file: Path) -> None:
    if file.relative_to(HOUSE).parts[0].removesuffix(".py") in rooms()[1]:
        assert packages(file) <= PURE | {"darkroom"}


def test_the_socket_and_boto3_have_one_room_each() -> None:
    houses = {file.name: packages(file) for file in [*sources(HOUSE), *sources(DOORS)]}
    assert {name for name, used in houses.items() if used & {"httpx", "h11", "socket", "ssl", "urllib3"}} == {
        "http.py",
        "connection.py",
        "calls.py",
        "keepalive.py",
        "tls.py",
    }
    assert {name for name, used in houses.items() if "boto3" in used} == {"aws.py"}
    sdk = {module for file in [*sources(HOUSE), *sources(DOORS)] for module in imports(file) if "botocore" in module}
    assert {module.split(".")[1] for module in sdk} == {"exceptions", "config"}


@pytest.mark.parametrize("door", ["submit", "poll"])
def test_who_is_waited_for_loads_no_more_than_it_needs(door: str) -> None:
    heavy = {"boto3", "botocore.client", "botocore.session", "pydantic", "aws_lambda_powertools.event_handler", "PIL"}
    program = f"import json, sys, {door}; print(json.dumps(sorted(sys.modules)))"
    path = os.pathsep.join(map(str, (HOUSE.parent, DOORS)))
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=True
    )
    assert set(json.loads(done.stdout)) & heavy == set()


def test_only_settings_read_the_environment() -> None:
    assert {file.name for file in [*sources(HOUSE), *sources(DOORS)] if "os" in packages(file)} == {"settings.py"}


def test_only_the_clock_knows_time_and_chance() -> None:
    chance = {file.name for file in sources(HOUSE) if packages(file) & {"time", "random", "secrets", "uuid"}}
    assert chance == {"clock.py", "tenants.py"}, "keys are secrets of their own; all else asks the clock"


@pytest.mark.parametrize("file", sources(HOUSE), ids=lambda file: str(file.relative_to(HOUSE)))
def test_secrets_are_compared_in_constant_time(file: Path) -> None:
    """`==`, `!=` and `in` take longer the more of a guess is right; hmac.compare_digest does not."""
    secret = re.compile(r"secret|signature|sha256|checksum|fingerprint|api_key")
    compared = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Compare) and not any(isinstance(side, ast.Constant) for side in node.comparators)
    ]
    assert [text for text in compared if secret.search(text)] == []


def test_nobody_imports_a_door_or_the_local_cloud() -> None:
    doors = {file.stem for file in sources(DOORS)}
    for file in [*sources(HOUSE), *sources(DOORS)]:
        assert not packages(file) & {*doors, "local", "tests", "moto"}


def test_the_simulator_shares_no_code_with_the_dialects() -> None:
    for file in (ROOT / "local" / "simulator").rglob("*.py"):
        assert "darkroom" not in packages(file)


@pytest.mark.parametrize("file", sources(DOORS), ids=lambda file: file.name)
def test_a_door_is_small(file: Path) -> None:
    said = (line for line in file.read_text().splitlines() if line.strip())
    lines = [line for line in said if not line.startswith(("import", "from", "@"))]
    assert len(lines) <= 45

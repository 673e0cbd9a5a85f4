"""The local cloud's command, as somebody at a terminal meets it: python -m local."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from local.installation import ROOT

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "local"]


@pytest.fixture
def up() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([*COMMAND, "up"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def said(process: subprocess.Popen[str], until: str) -> str:
    """What it has printed, up to a line that begins so."""
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(until):
            break
    return "".join(lines)


def descendants(pid: int) -> set[int]:
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listing.splitlines())}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pids: set[int]) -> set[int]:
    listing = subprocess.run(["ps", "-eo", "pid="], capture_output=True, text=True, check=True).stdout
    return pids & {int(line) for line in listing.split()}


def test_the_curl_line_works_when_pasted_and_ctrl_c_leaves_nothing_behind(up: subprocess.Popen[str]) -> None:
    welcome = said(up, "Ctrl-C")
    curl = re.search(r"^curl -X POST .*?(?=\n\n)", welcome, re.MULTILINE | re.DOTALL)
    assert curl
    pasted = subprocess.run(["bash", "-c", f"{curl[0]} -s"], capture_output=True, text=True, check=True).stdout
    assert '"status": "processing"' in pasted
    children = descendants(up.pid)
    assert len(children) >= 2, "the simulator and at least one function"
    up.send_signal(signal.SIGINT)
    up.send_signal(signal.SIGINT)  # nobody presses it once
    out, err = up.communicate(timeout=20)
    assert (up.returncode, out.strip(), err) == (0, "", "")
    assert not alive(children)


def test_the_export_lines_make_a_terminal_a_callers(up: subprocess.Popen[str]) -> None:
    exports = re.findall(r"^export (?:DARKROOM|REPLICATE)_.*", said(up, "Ctrl-C"), re.MULTILINE)
    asked = 'curl -s "$DARKROOM_URL/v1/webhooks/default/secret" -H "Authorization: Bearer $DARKROOM_API_KEY"'
    client = f"{sys.executable} -c 'import replicate; print(replicate.models.get(\"google/imagen-4-fast\").name)'"
    script = "\n".join([*exports, asked, "echo", 'echo "$DARKROOM_WEBHOOK_SECRET"', client])
    told, secret, model = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert json.loads(told) == {"key": secret}
    assert model == "imagen-4-fast"


def test_a_cloud_that_is_killed_takes_all_its_processes_with_it(up: subprocess.Popen[str]) -> None:
    said(up, "Ctrl-C")
    children = descendants(up.pid)
    up.kill()
    deadline = time.monotonic() + 10
    while alive(children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(children)


def test_a_port_that_is_taken_is_one_clear_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [*COMMAND, "up", "--port", str(port)]
        tried = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert tried.returncode == 1
    assert tried.stderr.splitlines() == [
        f"Port {port} of this machine is taken. Choose another: make up PORT={port + 1}"
    ]


def test_a_wrong_python_is_one_clear_sentence(tmp_path: object) -> None:
    nowhere = f"PATH={shlex.quote(str(tmp_path))} {ROOT}/local/find-python"
    for asked, told in (("", "Darkroom needs Python 3.11"), (" 3.13", "sam build needs Python 3.13 with pip")):
        tried = subprocess.run(["/bin/sh", "-c", nowhere + asked], capture_output=True, text=True, check=False)
        assert (tried.returncode, tried.stdout) == (1, "")
        assert tried.stderr.startswith(told)
        assert len(tried.stderr.splitlines()) == 1

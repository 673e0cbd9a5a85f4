"""The simulator's command: python -m local.simulator."""

import json
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from local.simulator import __main__ as command
from tests.simulator.conftest import BOAT, FAST, ready, started


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_stops_at_once_even_while_somebody_waits(stop: signal.Signals) -> None:
    with started("--speed", "0.01") as process:
        url = ready(process)
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as held:
            body = json.dumps(BOAT)
            held.sendall(
                f"POST /v1/models/{FAST}/predictions HTTP/1.1\r\nHost: api.replicate.com\r\n"
                f"Authorization: Bearer simulator-key\r\nPrefer: wait\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            while not httpx.get(f"{url}/_simulator/ledger", verify=False).json()["charges"]:
                time.sleep(0.01)
            told = time.monotonic()
            process.send_signal(stop)
            assert process.communicate(timeout=5) == ("", "")
            assert process.returncode == 0
            assert time.monotonic() - told < 1


def test_on_a_leash_it_ends_when_its_standard_input_ends() -> None:
    with started("--leash", stdin=subprocess.PIPE) as process:
        assert httpx.get(f"{ready(process)}/health").status_code == 200
        assert process.poll() is None
        assert process.communicate(timeout=5) == ("", "")  # which closes its standard input
        assert process.returncode == 0


def test_a_taken_port_is_one_sentence_and_exit_status_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started("--port", str(port)) as process:
            output, complaint = process.communicate(timeout=5)
    assert (process.returncode, output) == (1, "")
    assert complaint == f"The simulator cannot listen on 127.0.0.1:{port}: the port is taken.\n"


@pytest.mark.parametrize("wrong", [["--speed", "0"], ["--speed", "nan"], ["--port", "70000"], ["--port", "x"]])
def test_a_wrong_option_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["simulator", *wrong])
    with pytest.raises(SystemExit) as refusal:
        command.main()
    assert refusal.value.code == 2
    assert wrong[0] in capsys.readouterr().err

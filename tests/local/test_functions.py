"""Functions as processes: every test runs against AWS's own runtime client and against the stand-in."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local.cloud.cloud import Cloud
from local.cloud.errors import ApiError, FunctionFailed
from local.cloud.functions.host import MAX_REQUEST, MAX_WORKERS
from local.cloud.functions.worker import MAX_RESPONSE
from tests.local.conftest import FIXTURES, eventually

reads_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(scope="module", params=["awslambdaric", "the stand-in"])
def host(request: pytest.FixtureRequest, simulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    image = tmp_path_factory.mktemp("image")
    if request.param == "the stand-in":
        (image / "awslambdaric.py").write_text("raise ImportError('no wheels for this machine')")
    else:
        pytest.importorskip("awslambdaric")
    with Cloud(FIXTURES / "template.yaml", "functions", simulator_url=simulator, image=image) as cloud:
        yield cloud


def fails(cloud: Cloud, event: Any, function: str = "Echo") -> dict[str, Any]:
    with pytest.raises(FunctionFailed) as failure:
        cloud.invoke(function, event)
    return failure.value.payload


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked about yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_value_comes_back_as_it_was_returned(host: Cloud) -> None:
    value = {"a": [1, 2.5, None, "é"], "b": {}}
    assert host.invoke("Echo", {"do": "return", "value": value}) == value
    assert host.invoke("Echo", {"do": "return", "value": None}) is None


def test_one_process_takes_one_event_after_the_other(host: Cloud) -> None:
    assert host.invoke("Echo", {"do": "process"}) == host.invoke("Echo", {"do": "process"}) != os.getpid()


def test_the_context_is_the_functions_own(host: Cloud) -> None:
    context = host.invoke("Echo", {"do": "context"})
    assert context["function_name"] == host.resources["Echo"]
    assert context["invoked_function_arn"].endswith(f":function:{host.resources['Echo']}")
    assert context["memory_limit_in_mb"] == "256"
    assert 1000 < context["remaining"] <= 2000
    assert len(context["aws_request_id"]) == 36


def test_the_environment_is_lambdas_and_the_templates(host: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_API_TOKEN", "of the developer")
    with ThreadPoolExecutor(2) as callers:  # the second of them needs a process that has not been started yet
        slow = callers.submit(host.invoke, "Echo", {"do": "sleep", "seconds": 0.5})
        environment = host.invoke("Echo", {"do": "environment"})
        slow.result()
    assert environment["TABLE"] == host.resources["Table"]
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == host.resources["Echo"]
    assert environment["AWS_ENDPOINT_URL"] == host.aws_endpoint
    assert environment["_HANDLER"] == "echo.handler"
    assert environment["LAMBDA_TASK_ROOT"] == str(FIXTURES / "functions")
    assert "REPLICATE_API_TOKEN" not in environment
    assert "HOME" not in environment


def test_an_exception_is_reported_as_lambda_does(host: Cloud) -> None:
    report = fails(host, {"do": "raise", "message": "no such thing"})
    assert (report["errorType"], report["errorMessage"]) == ("Refused", "no such thing")
    stack: Any = report["stackTrace"]
    assert len(stack) == 1
    assert "raise Refused" in stack[0]
    assert any("[ERROR] Refused: no such thing" in line for line in host.log_lines("Echo"))


def test_a_module_that_cannot_be_imported_is_named(host: Cloud) -> None:
    report = fails(host, {}, "Unimportable")
    assert report["errorType"] == "Runtime.ImportModuleError"
    assert "there_is_no_such_module" in str(report["errorMessage"])


def test_what_is_no_json_cannot_be_returned(host: Cloud) -> None:
    assert fails(host, {"do": "unserializable"})["errorType"] == "Runtime.MarshalError"


def test_a_process_that_dies_is_replaced(host: Cloud) -> None:
    report = fails(host, {"do": "exit", "status": 3})
    assert report["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in str(report["errorMessage"])
    assert host.invoke("Echo", {"do": "return", "value": 1}) == 1


@reads_proc
def test_a_function_that_takes_too_long_is_killed_with_all_it_started(host: Cloud) -> None:
    before = time.monotonic()
    report = fails(host, {"do": "fork"})
    assert 1.9 < time.monotonic() - before < 8
    assert report["errorType"] == "Sandbox.Timedout"
    assert str(report["errorMessage"]).endswith("Error: Task timed out after 2.00 seconds")
    assert any("Task timed out after 2.00 seconds" in line for line in host.log_lines("Echo"))
    assert not [process for process in Path("/proc").glob("[0-9]*") if orphaned(int(process.name), host)]


def orphaned(pid: int, cloud: Cloud) -> bool:
    """Whether a process was started for this cloud's functions (its address is in the environment) by one that died."""
    try:
        ours = cloud.aws_endpoint.encode() in Path(f"/proc/{pid}/environ").read_bytes()
        return ours and alive(pid) and os.getsid(pid) != pid
    except OSError:
        return False


def test_six_megabytes_are_the_limit_both_ways(host: Cloud) -> None:
    with pytest.raises(ApiError) as refusal:
        host.invoke("Echo", {"do": "return", "value": "x" * MAX_REQUEST})
    assert (refusal.value.code, refusal.value.status) == ("RequestEntityTooLargeException", 413)
    assert len(host.invoke("Echo", {"do": "much", "bytes": MAX_RESPONSE - 2})) == MAX_RESPONSE - 2
    assert fails(host, {"do": "much", "bytes": MAX_RESPONSE})["errorType"] == "Function.ResponseSizeTooLarge"


def test_invocations_run_beside_each_other_up_to_a_limit(host: Cloud) -> None:
    with ThreadPoolExecutor(MAX_WORKERS + 4) as callers:
        rests = [callers.submit(host.invoke, "Echo", {"do": "sleep", "seconds": 0.7}) for _ in range(MAX_WORKERS + 4)]
    assert 1 < len({rest.result() for rest in rests}) <= MAX_WORKERS


def test_what_a_function_prints_is_in_its_log(host: Cloud) -> None:
    host.invoke("Echo", {"do": "print", "text": "a line of its own"})
    assert "a line of its own" in list(host.log_lines("Echo"))
    assert "a line of its own" not in list(host.log_lines("Authorize"))


@reads_proc
def test_nothing_is_left_when_the_cloud_goes(simulator: str) -> None:
    before = threading.active_count()
    with Cloud(FIXTURES / "template.yaml", "short", simulator_url=simulator) as cloud:
        process = cloud.invoke("Echo", {"do": "process"})
        assert alive(process)
        logs = cloud.logs
        cloud.client("dynamodb").put_item(TableName=cloud.resources["Table"], Item={"id": {"S": "x"}})
    assert not alive(process)
    assert not logs.exists()
    assert threading.active_count() == before


@reads_proc
def test_a_killed_cloud_leaves_no_process(simulator: str, tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from local.cloud.cloud import Cloud
template, logs = Path({str(FIXTURES / "template.yaml")!r}), Path({str(tmp_path)!r})
with Cloud(template, "killed", simulator_url={simulator!r}, logs=logs) as cloud:
    print(cloud.invoke("Echo", {{"do": "process"}}), flush=True)
    time.sleep(60)
"""
    import subprocess

    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=FIXTURES.parents[2]) as parent:
        assert parent.stdout is not None
        process = int(parent.stdout.readline())
        assert alive(process)
        parent.kill()
    eventually(lambda: not alive(process))

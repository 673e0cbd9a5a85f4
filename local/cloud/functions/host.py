"""The Lambda of a laptop: functions run as real processes, a pool for each, through AWS's Runtime API.

A process is started when an invocation finds none idle, up to a limit, and takes one invocation at a time, the last
used first. The HTTP conversation tells processes apart by the port that each was given: clients allow no path prefix.
"""

import asyncio
import os
import secrets
import socket
import stat
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from local.cloud.errors import ApiError, CloudError
from local.cloud.functions.worker import Result, Worker

MAX_REQUEST = 6_291_456  # bytes, 6 MB
MAX_WORKERS = 10  # for each function; more invocations than that wait their turn
PROJECT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Function:
    """What a template says of a function."""

    logical_id: str
    name: str
    arn: str
    handler: str
    timeout: int  # seconds
    memory: int  # MB, told but not enforced
    environment: Mapping[str, str]
    code: Path
    layers: Sequence[Path]
    log_group: str


@dataclass(frozen=True)
class Python:
    """
    What the functions run on: an interpreter, perhaps a folder with what Lambda's own image holds, and the cloud.

    deaths: where a test has functions die (deaths.py). built: the functions are what sam build made, not sources.
    """

    interpreter: str
    image: Path | None
    simulator_url: str
    environment: Mapping[str, str]  # the AWS_* variables
    deaths: Path | None = None
    built: bool = False


class Functions:
    """All functions of one cloud. Its coroutines belong to the event loop's thread."""

    def __init__(self, python: Python, logs: Path) -> None:
        self.python = python
        self.logs = logs
        self.pools: dict[str, Pool] = {}
        self._workers: dict[int, Worker] = {}  # by the port of its Runtime API
        self._sites: dict[Worker, web.SockSite] = {}
        self._running: set[asyncio.Task[Result]] = set()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        # A response may exceed what Lambda takes, and must be read to be refused.
        app = web.Application(client_max_size=2**27)
        runtime = "/2018-06-01/runtime"
        app.router.add_get(f"{runtime}/invocation/next", self._next)
        app.router.add_post(f"{runtime}/invocation/{{request_id}}/response", self._response)
        app.router.add_post(f"{runtime}/invocation/{{request_id}}/error", self._error)
        app.router.add_post(f"{runtime}/init/error", self._error)
        # A process that dies takes its waiting `next` with it.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        await self._runner.setup()

    async def stop(self) -> None:
        for running in self._running:
            running.cancel()
        await asyncio.gather(
            *(worker.kill() for worker in self._workers.values()), *self._running, return_exceptions=True
        )
        if self._runner:
            await self._runner.cleanup()

    def add(self, function: Function) -> None:
        (self.logs / function.logical_id).mkdir(parents=True, exist_ok=True)
        self.pools[function.name] = Pool(function, self)

    def find(self, name: str) -> "Pool":
        """By name or ARN, as Lambda's API takes both."""
        pool = self.pools.get(name.rsplit(":", 1)[-1])
        if pool is None:
            raise ApiError("ResourceNotFoundException", f"Function not found: {name}", 404)
        return pool

    async def invoke(self, name: str, payload: bytes) -> Result:
        if len(payload) > MAX_REQUEST:
            message = f"Request must be smaller than {MAX_REQUEST} bytes for the InvokeFunction operation"
            raise ApiError("RequestEntityTooLargeException", message, 413)
        # Whoever stops waiting (a Task's TimeoutSeconds, the API's 30 s) does not stop the function, on AWS neither.
        running = asyncio.create_task(self.find(name).invoke(payload))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await asyncio.shield(running)

    async def spawn(self, function: Function) -> tuple[Worker, Result | None]:
        """A new process, and why it could not start if it could not."""
        stream = f"{time.time_ns()}-{secrets.token_hex(4)}.log"
        worker = Worker(function.arn, function.timeout, self.logs / function.logical_id / stream)
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        self._workers[port] = worker
        assert self._runner is not None
        self._sites[worker] = web.SockSite(self._runner, listener)
        await self._sites[worker].start()
        command = [
            self.python.interpreter,
            "-u",
            "-m",
            "local.cloud.functions.bootstrap",
            function.handler,
            self.python.simulator_url,
            *([str(self.python.deaths), function.logical_id] if self.python.deaths else []),
        ]
        failed = await worker.start(command, environment(function, self.python, port, stream), function.code)
        return worker, failed

    async def bury(self, worker: Worker) -> None:
        """Let go of a process that has ended."""
        await self._sites.pop(worker).stop()
        self._workers = {port: other for port, other in self._workers.items() if other is not worker}

    def _of(self, request: web.Request) -> Worker:
        assert request.transport is not None
        return self._workers[request.transport.get_extra_info("sockname")[1]]

    async def _next(self, request: web.Request) -> web.Response:
        invocation = await self._of(request).on_next()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{secrets.token_hex(4)}-{secrets.token_hex(12)};Sampled=0",
        }
        return web.Response(body=invocation.payload, content_type="application/json", headers=headers)

    async def _response(self, request: web.Request) -> web.Response:
        self._of(request).on_response(await request.read())
        return web.json_response({"status": "OK"}, status=202)

    async def _error(self, request: web.Request) -> web.Response:
        self._of(request).on_error(await request.read())
        return web.json_response({"status": "OK"}, status=202)


class Pool:
    """The processes of one function. They start one at a time: a queue is often through before another could help."""

    def __init__(self, function: Function, functions: Functions) -> None:
        self.function = function
        self._functions = functions
        self._idle: list[Worker] = []
        self._number = 0
        self._starting = False
        self._change = asyncio.Condition()

    async def invoke(self, payload: bytes) -> Result:
        async with self._change:
            await self._change.wait_for(lambda: self._idle or (self._number < MAX_WORKERS and not self._starting))
            worker = self._idle.pop() if self._idle else None
            self._starting = self._starting or worker is None
            self._number += worker is None
        try:
            if worker is None:
                worker, failed = await self._start()
                if failed:
                    return failed
            return await worker.invoke(payload)
        finally:
            if worker and worker.alive:
                self._idle.append(worker)
            else:
                self._number -= 1
            if worker and not worker.alive:
                await self._functions.bury(worker)
            await self._tell()

    async def _start(self) -> tuple[Worker, Result | None]:
        try:
            return await self._functions.spawn(self.function)
        finally:
            self._starting = False
            await self._tell()

    async def _tell(self) -> None:
        """Those who wait look again."""
        async with self._change:
            self._change.notify_all()


def environment(function: Function, python: Python, port: int, stream: str) -> dict[str, str]:
    """What Lambda sets, what the template sets, and nothing of the parent's but where programs are.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    image = [python.image] if python.image else []
    path = [function.code, *function.layers, *image, PROJECT]
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONPATH": os.pathsep.join(str(folder) for folder in path),
        # What sam build made brings its bytecode, and Lambda writes none; sources get theirs on the way.
        **({"PYTHONDONTWRITEBYTECODE": "1"} if python.built else {"PYTHONPYCACHEPREFIX": str(pycache())}),
        **python.environment,
        "AWS_ACCESS_KEY_ID": function.logical_id,  # whose requests these are: see permissions.py
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "LAMBDA_TASK_ROOT": str(function.code),
        "_HANDLER": function.handler,
        **function.environment,
    }


def pycache() -> Path:
    """Where workers keep their bytecode: outside the sources, and kept, or every cloud would compile boto3 again."""
    folder = Path(tempfile.gettempdir()) / f"darkroom-pycache-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise CloudError(f"{folder} belongs to somebody else, so code could be put there.")
    return folder

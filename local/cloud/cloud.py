"""The cloud on a laptop, told in order: from a template to an address, and back to nothing.

    with Cloud(Path("template.yaml"), "darkroom-local", simulator_url="http://127.0.0.1:9000") as cloud:
        httpx.get(f"{cloud.api_url}/health")

Functions, state machines, the HTTP API and schedules live in one event loop, in a thread; the other AWS services are
moto's, in threads of its server; each function's invocations are processes.
"""

import asyncio
import json
import random
import shutil
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from os import devnull
from pathlib import Path
from typing import Any, Self, TypeVar

import boto3

from local.cloud.buckets import Notifications, Objects
from local.cloud.deploy import Deployment
from local.cloud.endpoint import Dispatcher, Endpoint
from local.cloud.errors import CloudError, FunctionFailed
from local.cloud.functions.host import Functions, Python
from local.cloud.http.server import HttpApi
from local.cloud.machines.api import StepFunctions
from local.cloud.machines.engine import Engine
from local.cloud.machines.events import Event
from local.cloud.machines.execution import Execution
from local.cloud.permissions import Permissions
from local.cloud.queues import Queues
from local.cloud.rules import Rules
from local.cloud.schedules import Schedules
from local.cloud.template import REGION, read, translate

T = TypeVar("T")


class Cloud:
    """A deployed stack that runs between `with` and its end. Raises CloudError, one sentence, when it cannot.

    `built` is the folder of `sam build`: the functions then see what is in there, the `interpreter`'s own libraries and
    `image`, the folder that stands for what Lambda's image holds (boto3, awslambdaric).
    `time_scale` shortens the waits of state machines and schedules; 0.01 makes a minute of 0.6 s.
    `logs` is where log streams go, a file each under the function's name; without one they go when the cloud goes.
    `tls` is what the HTTP API speaks https with, as it does on AWS; without it, http.
    `deaths` is a folder by which a test has functions die (functions/deaths.py).
    """

    def __init__(
        self,
        template: Path,
        stack: str,
        *,
        simulator_url: str,
        api_port: int = 0,
        parameters: Mapping[str, str] | None = None,
        time_scale: float = 1.0,
        built: Path | None = None,
        interpreter: str = sys.executable,
        image: Path | None = None,
        logs: Path | None = None,
        deaths: Path | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.stack = stack
        self.outputs: dict[str, str] = {}
        self.resources: dict[str, str] = {}  # logical id to what Ref gives
        self.permissions = Permissions()
        self._template = built / "template.yaml" if built else template
        self._built = built is not None
        self._parameters = dict(parameters or {})
        self._api_port = api_port
        self._time_scale = time_scale
        self._given_logs = logs
        self._interpreter, self._image, self._simulator_url, self._deaths = interpreter, image, simulator_url, deaths
        self._tls = tls
        self._account = f"{random.randrange(10**12):012d}"
        self._started = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as started:  # what has started stops again if the rest does not
            self._start(started)
            self._started = started.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._started.close()

    def _start(self, started: ExitStack) -> None:
        template = translate(read(self._template), self._parameters)
        self.logs = self._given_logs or Path(tempfile.mkdtemp(prefix="darkroom-logs-"))
        if not self._given_logs:
            started.callback(shutil.rmtree, self.logs, ignore_errors=True)
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, name="local-cloud", daemon=True)
        thread.start()
        started.callback(self._end_loop, thread)

        queues = Queues(lambda: self.client("sqs"), lambda *call: self.functions.invoke(*call))
        rules = Rules(self._account, queues.send)
        started.callback(lambda: self._wait(rules.stop()))
        self.engine = Engine(
            self._invoke_for_task,
            time.time,
            self._sleep,
            objects=Objects(lambda machine: self.client("s3", self.permissions.machine(machine))),
            permit=self.permissions.permits,
        )
        self.engine.bus.listeners.append(rules.offer)
        states = StepFunctions(self.engine)
        notifications = Notifications(self._account, self._tell_of_object)
        endpoint = Endpoint(
            Dispatcher(
                self._account,
                self.permissions,
                notifications,
                lambda *call: self._wait(states.call(*call)),
                lambda *call: self._wait(self._invoke_for_task(*call)),
                lambda: self._tell_loop(queues.wake),
                self._time_scale,
            )
        )
        started.callback(endpoint.stop)
        endpoint.start()
        self.aws_endpoint = endpoint.url

        python = Python(
            self._interpreter, self._image, self._simulator_url, self.environment, self._deaths, self._built
        )
        self.functions = Functions(python, self.logs)
        self._wait(self.functions.start())
        started.callback(lambda: self._wait(self.functions.stop()))

        api = HttpApi(_listen(self._api_port), self._account, self.functions.invoke, self._tls)
        self.api_url = api.origin
        self._wait(api.start())
        started.callback(lambda: self._wait(api.stop()))

        schedules = Schedules(self._account, self.functions.invoke, self._sleep)
        deployment = Deployment(
            stack=self.stack,
            account=self._account,
            folder=self._template.parent,
            session=self.session(),
            endpoint=self.aws_endpoint,
            functions=self.functions,
            engine=self.engine,
            api=api,
            schedules=schedules,
            rules=rules,
            queues=queues,
            notifications=notifications,
            permissions=self.permissions,
            time_scale=self._time_scale,
            resources=self.resources,
            outputs=self.outputs,
        )
        deployment.run(template, self._parameters)
        self._wait(schedules.start())
        started.callback(lambda: self._wait(schedules.stop()))
        self._wait(queues.start())
        started.callback(lambda: self._wait(queues.stop()))
        started.callback(lambda: self._wait(self.engine.close()))

    # ---- What one can ask of it ----

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment so that its boto3 talks to this cloud and to no other."""
        return {
            "AWS_ENDPOINT_URL": self.aws_endpoint,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_SESSION_TOKEN": "local",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": devnull,
            "AWS_SHARED_CREDENTIALS_FILE": devnull,
        }

    def session(self, who: str = "local") -> boto3.Session:
        return boto3.Session(who, "local", "local", REGION)

    def client(self, service: str, who: str = "local") -> Any:
        """A boto3 client of this cloud; `who` is whose it is (permissions.py)."""
        return self.session(who).client(service, endpoint_url=self.aws_endpoint)  # type: ignore[call-overload]

    def invoke(self, logical_id: str, event: Any) -> Any:
        """What a function makes of an event; raises FunctionFailed."""
        result = self._wait(self.functions.invoke(self.resources[logical_id], json.dumps(event).encode()))
        answer = json.loads(result.payload)
        if result.error:
            raise FunctionFailed(logical_id, answer)
        return answer

    def executions(self, logical_id: str | None = None, label: str | None = None) -> list[Execution]:
        """
        The executions of one state machine or of all, the oldest first; they are live, look and do not touch.

        With the label of a Map of the machine they are those of its items, which are not among the machine's own.
        """
        machine = self.resources[logical_id] + (f"/{label}" if label else "") if logical_id else None
        return [one for one in list(self.engine.executions.values()) if machine in (None, one.machine_arn)]

    def history(self, execution_arn: str) -> list[dict[str, Any]]:
        """The events of an execution so far, as GetExecutionHistory has them, times in seconds since the epoch."""
        return list(self.engine.find(execution_arn).events)

    def events(self) -> list[Event]:
        """What was put on EventBridge's default bus, but by AWS's own services, the oldest first."""
        return [event for event in list(self.engine.bus.events) if not event.source.startswith("aws.")]

    def log_lines(self, logical_id: str | None = None) -> Iterator[str]:
        """The log lines of one function or of all, process by process."""
        for stream in sorted(self.logs.glob(f"{logical_id or '*'}/*.log")):
            yield from stream.read_text(errors="replace").splitlines()

    # ---- How it works inside ----

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._time_scale)

    async def _invoke_for_task(self, name: str, payload: bytes) -> tuple[bytes, str | None]:
        result = await self.functions.invoke(name, payload)
        return result.payload, result.error

    def _tell_of_object(self, bucket: str, detail: dict[str, Any]) -> None:
        """An object was made; called in the thread that serves whoever made it."""
        taken = ("aws.s3", "Object Created", detail, (f"arn:aws:s3:::{bucket}",))
        self._tell_loop(lambda: self.engine.bus.take(*taken))

    def _tell_loop(self, word: Callable[[], object]) -> None:
        """Have something done in the event loop's thread, soon."""
        self._loop.call_soon_threadsafe(word)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the event loop do something, from another thread."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()

    def _end_loop(self, thread: threading.Thread) -> None:
        self._wait(self._loop.shutdown_asyncgens())
        self._wait(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join()
        self._loop.close()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise CloudError(f"Port {port} of this machine is taken. Choose another: make up PORT={port + 1}") from error

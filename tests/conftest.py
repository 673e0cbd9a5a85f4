"""
What tests stand on: an AWS account that moto holds, a wire that they script, and a clock that they turn.

Tests go through the doors: they hand a function's handler the event from events/ that it would get, changed where the
test says so, and look at what it answers, what the table holds and what went over the wire.
"""

import copy
import functools
import importlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import certifi
import httpx
import pytest
import trustme
from moto import mock_aws
from PIL import Image

from darkroom import aws, catalogue, clock, http, keys, store, tls
from darkroom.connection import Place
from darkroom.task import Task
from local.cloud.template import read, translate

ROOT = Path(__file__).parent.parent
ORIGIN = "https://darkroom.example.com"
MODEL = "google/imagen-4-fast"
#: Where the operator says that VectorNode is, whose documents name no host.
VECTORNODE = catalogue.catalogue().gateways["vectornode"].url
GATEWAY = f"{VECTORNODE}/replicate/v1"
OUTPUT = "https://replicate.delivery/xezq/out.png"
LINK_KEY = "the key that links are signed with"
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RECEIVER = "https://shop.example.com/webhooks"

Event = dict[str, Any]
Answer = httpx.Response | type[Exception] | Callable[[httpx.Request], httpx.Response]


@functools.cache
def template() -> dict[str, Any]:
    """template.yaml as plain CloudFormation."""
    return translate(read(ROOT / "template.yaml"), {})


@dataclass(frozen=True)
class Account:
    """What a test can look up in a stack, and change as its operator could."""

    stack: str

    def build(self) -> dict[str, str]:
        """Make the stack; returns the environment that template.yaml would give to functions."""
        resources = template()["Resources"]
        for name in ("TasksTable", "TenantsTable", "TimingsTable", "BatchesTable"):
            wanted = ("BillingMode", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")
            properties = resources[name]["Properties"]
            chosen = {key: properties[key] for key in wanted if key in properties}
            aws.dynamodb().create_table(TableName=f"{self.stack}-{name}", **chosen)
        aws.s3().create_bucket(Bucket=self.bucket)
        aws.s3().create_bucket(Bucket=self.inbox)
        aws.s3().put_bucket_versioning(Bucket=self.inbox, VersioningConfiguration={"Status": "Enabled"})
        self.put("gateways/vectornode", "vectornode-key")
        self.put("link-key", LINK_KEY)
        self.put("tenants/default/webhook-secret", WEBHOOK_SECRET)
        self.put("api-url", ORIGIN, "String")
        self.put("tenants-table", f"{self.stack}-TenantsTable", "String")
        return {
            "STACK": self.stack,
            "TASKS_TABLE": f"{self.stack}-TasksTable",
            "TENANTS_TABLE": f"{self.stack}-TenantsTable",
            "TIMINGS_TABLE": f"{self.stack}-TimingsTable",
            "BATCHES_TABLE": f"{self.stack}-BatchesTable",
            "IMAGES_BUCKET": self.bucket,
            "INBOX_BUCKET": self.inbox,
            "GENERATION_MACHINE": self._machine("generation"),
            "DELIVERY_MACHINE": self._machine("delivery"),
            "BATCH_MACHINE": self._machine("batch"),
            "INTAKE_QUEUE": f"https://sqs.us-east-1.amazonaws.com/123456789012/{self.stack}-IntakeQueue",
            "TASK_RETENTION_DAYS": "90",
        }

    @property
    def bucket(self) -> str:
        return f"{self.stack}-images"

    @property
    def inbox(self) -> str:
        return f"{self.stack}-inbox"

    def put(self, parameter: str, value: str, kind: Literal["String", "SecureString"] = "SecureString") -> None:
        aws.ssm().put_parameter(Name=f"/{self.stack}/{parameter}", Value=value, Type=kind, Overwrite=True)
        keys.forget()

    def delete(self, parameter: str) -> None:
        aws.ssm().delete_parameter(Name=f"/{self.stack}/{parameter}")
        keys.forget()

    def tasks(self) -> list[Task]:
        items = aws.dynamodb().scan(TableName=f"{self.stack}-TasksTable")["Items"]
        return [store.read(item["task_id"]["S"]) for item in items]

    def task(self) -> Task:
        """The only one that there is."""
        (task,) = self.tasks()
        return task

    def executions(self, machine: str = "generation") -> dict[str, Event]:
        """The input of each execution that was started, by its name."""
        client = aws.stepfunctions()
        arn = f"arn:aws:states:us-east-1:123456789012:stateMachine:{self.stack}-{machine}"
        found = client.list_executions(stateMachineArn=arn)["executions"]
        return {
            one["name"]: json.loads(client.describe_execution(executionArn=one["executionArn"])["input"])
            for one in found
        }

    def files(self) -> dict[str, bytes]:
        """What lies in the bucket, by key."""
        found = aws.s3().list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {one["Key"]: aws.s3().get_object(Bucket=self.bucket, Key=one["Key"])["Body"].read() for one in found}

    def _machine(self, name: str) -> str:
        # moto keeps their executions and runs none: tests play the driver themselves.
        definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
        role = "arn:aws:iam::123456789012:role/machine"
        return aws.stepfunctions().create_state_machine(
            name=f"{self.stack}-{name}", definition=definition, roleArn=role
        )["stateMachineArn"]


@dataclass
class Context:
    """What Lambda hands to a handler beside the event."""

    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id: str = "e4b7b1e8-0001"
    remaining: int = 28_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining


@dataclass
class Clock:
    """Stands still until a test turns it."""

    now: int = 1_795_176_000_000

    def forward(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


@dataclass
class Wire:
    """
    The network, as tests script it. `on` says what a request is answered with; `requests` is all that was sent.

    A script's answers come in turn, the last one again and again. What was not scripted fails the test.
    """

    requests: list[httpx.Request] = field(default_factory=list)
    _scripts: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)

    def on(self, method: str, url: str, *answers: Answer) -> None:
        self._scripts[method, url] = list(answers)

    def sent(self, method: str, url: str = "") -> list[httpx.Request]:
        return [one for one in self.requests if one.method == method and str(one.url).startswith(url)]

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answers = self._scripts[request.method, str(request.url)]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, type):
            raise answer("scripted")
        return answer if isinstance(answer, httpx.Response) else answer(request)


class ScriptedTransport(http.Public):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._wire.answer(request)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content))

    def pin(self, url: httpx.URL, _: float) -> Place:
        return Place(url.host, 443, url.host)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire()
    monkeypatch.setattr(http, "transport", lambda: ScriptedTransport(wire))
    return wire


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    hands = Clock()
    monkeypatch.setattr(clock, "now", lambda: hands.now)
    monkeypatch.setattr(clock, "sleep", hands.forward)
    return hands


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[trustme.CA]:
    """The only one whose certificates we and AWS's SDK believe."""
    authority = trustme.CA()
    file = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setattr(certifi, "where", lambda: str(file))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(file))
    tls.context.cache_clear()
    yield authority
    tls.context.cache_clear()


@pytest.fixture(scope="session")
def _moto() -> Iterator[None]:
    """Everything that boto3 is asked is answered in this process. Once for all tests: making clients takes long."""
    nobody = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), "testing")
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in {**nobody, "AWS_DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(name, value)
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.setattr(aws, "connect", aws.sdk)  # tests/aws has what is sent without it
        yield


@pytest.fixture
def account(_moto: None, monkeypatch: pytest.MonkeyPatch) -> Account:
    """A fresh stack: the template's tables and bucket, what an operator puts there, and machines that run nothing."""
    stack = f"darkroom-{clock.nonce()[:12]}"
    keys.forget()
    account = Account(stack)
    for name, value in account.build().items():
        monkeypatch.setenv(name, value)
    return account


def event(name: str, **changes: Any) -> Event:
    """The event of a door, from events/, with some of its members changed."""
    document: Event = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return copy.deepcopy(document) | changes


def call(door: str, event: Event, context: Context | None = None) -> Any:
    """What a function answers."""
    return importlib.import_module(door).handler(event, context or Context())


def submit(
    body: Any = None, *, model: str = MODEL, key: str | None = "order-1", tenant: str = "default", **headers: str
) -> dict[str, Any]:
    """What POST answers: the usual order, or `body`."""
    owner, _, name = model.partition("/")
    sent = event("submit", rawPath=f"/v1/models/{model}/predictions", pathParameters={"owner": owner, "name": name})
    sent["headers"] |= headers
    sent["headers"].pop("idempotency-key", None)
    if key is not None:
        sent["headers"]["idempotency-key"] = key
    sent["requestContext"]["authorizer"]["lambda"]["tenant"] = tenant
    if body is not None:
        sent["body"] = body if isinstance(body, str) else json.dumps(body)
    answer: dict[str, Any] = call("submit", sent)
    return answer


def order(**members: Any) -> dict[str, Any]:
    """The body of the usual order, and more."""
    return {**json.loads(event("submit")["body"]), **members}


def document(answer: dict[str, Any]) -> dict[str, Any]:
    """The JSON in a function's answer to HTTP."""
    found: dict[str, Any] = json.loads(answer["body"])
    return found


def step(task: Task, turn: int = 0, **changes: Any) -> Event:
    """What a driver hands to its functions."""
    told = {"v": 1, "task_id": task.task_id, "generation": task.generation, "wait": 4, "turn": turn}
    return told | {"at": 0, "asked": 0} | changes


def conclude(task: Task, turn: int = 1) -> Event:
    """What a driver gets after a task's last word: Finalize ends it, and once it is announced Deliver answers."""
    assert call("finalize", step(task, turn))["next"] == "deliver"
    answer: Event = call("deliver", step(task, turn))
    return answer


def prediction(status: str = "starting", **members: Any) -> httpx.Response:
    """A gateway's reply."""
    return httpx.Response(200, json={"id": "gm72dcl0hqzg9dyozwvntt2wj0", "status": status, **members})


def picture(width: int = 64, height: int = 48, kind: str = "PNG", color: str = "navy") -> bytes:
    """A real picture."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), color).save(file, kind)
    return file.getvalue()


CREATE = f"{GATEWAY}/models/{MODEL}/predictions"
QUESTION = f"{GATEWAY}/predictions/gm72dcl0hqzg9dyozwvntt2wj0"


@pytest.fixture
def running(account: Account, wire: Wire, time: Clock) -> Task:
    """A task that the gateway has accepted; its caller wants to be told by webhook."""
    wire.on("POST", CREATE, prediction())
    submit(order(webhook=RECEIVER))
    return account.task()


@pytest.fixture
def collecting(running: Task, account: Account, wire: Wire, time: Clock) -> Task:
    """A task whose gateway says that there is one output."""
    wire.on("GET", QUESTION, prediction("succeeded", output=OUTPUT))
    time.forward(4)
    call("poll", step(running))
    return account.task()


@pytest.fixture
def cat(account: Account) -> str:
    """A picture of the tenant `default` in the inbox."""
    aws.s3().put_object(Bucket=account.inbox, Key="default/cat.png", Body=picture())
    return f"s3://{account.inbox}/default/cat.png"

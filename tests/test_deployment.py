"""
A deployment over tasks under way: the functions of this version go on with what the versions before have left, in the
table, in steps, and in the state machines of executions that are running (tests/kept/README.md).
"""

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from darkroom import aws, driver, settings, store
from darkroom.task import Delivery, Status
from tests.conftest import (
    CREATE,
    OUTPUT,
    QUESTION,
    RECEIVER,
    Account,
    Clock,
    Event,
    Wire,
    call,
    document,
    event,
    picture,
    prediction,
    submit,
)
from tests.imagen import FAL
from tests.kept import KEPT, Kept
from tests.kept.machines import MACHINES, begun, now, run
from tests.test_files import ask as fetch

FAL_QUESTION = f"{FAL.removesuffix('/preview')}/requests/484ccb37-5477-44fe-8e75-6d6f6e9160b3"
#: What a version after this one may add to whatever it writes.
LATER = {"later": {"S": "what this version knows nothing of"}}


@dataclass(frozen=True)
class End:
    """How a task has to end. posts: how many paid POSTs the new version may and must make."""

    status: Status
    images: int = 0
    code: str | None = None
    posts: int = 0


DRAWN = End(Status.SUCCEEDED, images=1)
CANCELED = End(Status.CANCELED, code="canceled")
LOST = End(Status.FAILED, code="submission_unknown")
ENDS = {
    "accepted_undriven": replace(DRAWN, posts=1),
    "accepted_refused": replace(DRAWN, posts=1),
    "submitting": LOST,
    "submitting_unknown": LOST,
    "submitting_staged": DRAWN,
    "running_replicate": DRAWN,
    "running_fal": DRAWN,
    "running_synchronous": DRAWN,
    "running_canceling": CANCELED,
    "collecting_outputs": DRAWN,
    "collecting_staged": DRAWN,
    "collecting_failure": End(Status.FAILED, code="gateway_failed"),
    "succeeded_untold": End(Status.SUCCEEDED, images=2),
    "succeeded_settled": DRAWN,
    "failed_untold": End(Status.FAILED, code="output_lost"),
    "canceled_settled": CANCELED,
}
#: Those that a caller who cancels now is still in time for.
IN_TIME = ("accepted_undriven", "accepted_refused", "running_replicate", "running_fal", "running_canceling")

STANDS = [
    pytest.param(kept, stand, id=f"{kept}, at {stand['state']}, {stand['step'].get('next', 'new')}")
    for kept in KEPT
    for stand in kept.stands
]
#: The machine and the input of each execution, once.
STARTS = {
    f"{kept}, {stand['machine']}": (kept, stand["machine"], stand["input"]) for kept in KEPT for stand in kept.stands
}
every_task = pytest.mark.parametrize("kept", KEPT, ids=str)
every_stand = pytest.mark.parametrize(("kept", "stand"), STANDS)


@pytest.fixture(autouse=True)
def _gateways(account: Account, wire: Wire, time: Clock) -> None:
    """They have drawn what they were asked for, unless they were asked to stop; and the receiver listens."""

    def stopped() -> bool:
        return any(str(request.url).endswith("/cancel") for request in wire.requests)

    account.put("gateways/quickrouter", "quickrouter-key")
    wire.on("POST", CREATE, prediction())
    wire.on("GET", QUESTION, lambda _: prediction("canceled") if stopped() else prediction("succeeded", output=OUTPUT))
    wire.on("POST", f"{QUESTION}/cancel", prediction("processing"))
    done = {"images": [{"url": OUTPUT}]}
    wire.on("GET", FAL_QUESTION, lambda _: httpx.Response(200, json={"status": "CANCELED"} if stopped() else done))
    wire.on("PUT", f"{FAL_QUESTION}/cancel", httpx.Response(202, json={}))
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    wire.on("POST", RECEIVER, httpx.Response(204))


def carry(kept: Kept, account: Account, time: Clock, **more: Any) -> None:
    """Let its execution bring the task to its end, or the sweeper's, if it has none. more: what else is in its step."""
    if kept.stands:
        stand = kept.stands[0]
        execution = run(time, begun(kept, stand), stand["step"] | more)
        assert (execution.status, execution.cause) == ("SUCCEEDED", None)
    else:
        rescue(kept, account, time)


def rescue(kept: Kept, account: Account, time: Clock) -> None:
    """Let the sweeper find the task, and the execution that it starts bring it to its end."""
    time.now = max(time.now, store.read(kept.task_id).due or 0) + 1
    assert call("sweep", event("sweep"))["rescued"] == 1
    ((machine, started),) = [(machine, step) for machine in MACHINES for step in account.executions(machine).values()]
    execution = run(time, now(machine), started)
    assert (execution.status, execution.cause) == ("SUCCEEDED", None)


def item(kept: Kept) -> dict[str, Any]:
    found = aws.dynamodb().get_item(TableName=settings.tasks_table(), Key={"task_id": {"S": kept.task_id}})
    return found["Item"]


def assert_ended(kept: Kept, account: Account, wire: Wire, end: End) -> None:
    """The task has ended as it has to, nothing was paid twice, its images are there, and its caller knows."""
    task = store.read(kept.task_id)
    assert (task.status, len(task.images), task.failure and task.failure.code) == (end.status, end.images, end.code)
    posts = [str(request.url) for request in wire.sent("POST") if not str(request.url).endswith("/cancel")]
    assert len(posts) - posts.count(RECEIVER) == end.posts
    files = account.files()
    assert [hashlib.sha256(files[image.key]).hexdigest() for image in task.images] == [
        image.sha256 for image in task.images
    ]
    assert {"due", "due_shard"}.isdisjoint(item(kept))
    assert "expires" in item(kept)
    told = wire.sent("POST", RECEIVER)
    if kept.settled:
        assert told == []
        return
    assert task.delivery is Delivery.DELIVERED
    assert {request.headers["webhook-id"] for request in told} == {f"msg_{kept.task_id}"}
    (body,) = {request.content for request in told}
    news = json.loads(body)
    frozen = json.loads(kept.item["news"]["S"]) if "news" in kept.item else {"status": end.status}
    ordered = {"metadata": {}} | kept.order["body"]
    assert news == news | frozen | {"input": ordered["input"], "metadata": ordered["metadata"]}


def ask(url: str, method: str = "GET") -> Event:
    """What the API answers its caller; `url` is a path, or a link of ours."""
    parts = urlsplit(url)
    sent = event("tasks", rawPath=parts.path, rawQueryString=parts.query)
    sent["queryStringParameters"] = dict(parse_qsl(parts.query))
    sent["requestContext"]["http"] |= {"method": method, "path": parts.path}
    sent["requestContext"]["authorizer"] = {"lambda": {"tenant": "default"}}
    answer: Event = call("tasks", sent)
    return answer


def with_more(value: dict[str, Any]) -> dict[str, Any]:
    """A list of documents, or one, each with a member of a later version."""
    if "L" in value:
        return {"L": [with_more(each) for each in value["L"]]}
    return {"M": value["M"] | LATER}


@every_stand
def test_an_execution_goes_on_with_the_definition_that_it_began_with(
    kept: Kept, stand: dict[str, Any], account: Account, wire: Wire, time: Clock
) -> None:
    kept.leave(account, time)
    execution = run(time, begun(kept, stand), stand["step"])
    assert (execution.status, execution.cause) == ("SUCCEEDED", None)
    assert_ended(kept, account, wire, ENDS[kept.name])


@pytest.mark.parametrize(("kept", "machine", "step"), STARTS.values(), ids=STARTS)
def test_an_execution_that_the_version_before_starts_may_begin_with_the_new_definition(
    kept: Kept, machine: str, step: Event, account: Account, wire: Wire, time: Clock
) -> None:
    kept.leave(account, time)
    execution = run(time, now(machine), step)
    assert (execution.status, execution.cause) == ("SUCCEEDED", None)
    assert_ended(kept, account, wire, ENDS[kept.name])


@every_task
def test_the_sweeper_rescues_what_the_version_before_has_lost(
    kept: Kept, account: Account, wire: Wire, time: Clock
) -> None:
    kept.leave(account, time)
    if kept.settled:
        time.forward(86_400)
        assert call("sweep", event("sweep"))["rescued"] == 0
    else:
        rescue(kept, account, time)
    assert_ended(kept, account, wire, ENDS[kept.name])


def holds(now: Any, then: Any) -> bool:
    """Whether all that was said then is said now; there may be more."""
    match then:
        case dict():
            return all(name in now and holds(now[name], value) for name, value in then.items())
        case list():
            return len(now) == len(then) and all(map(holds, now, then))
        case _:
            return bool(now == then)


@every_task
def test_callers_see_their_tasks_as_before_and_their_links_still_open(
    kept: Kept, account: Account, time: Clock
) -> None:
    kept.leave(account, time)
    answer = ask(f"/v1/predictions/{kept.task_id}")
    shown = document(answer)
    known = {"accepted": "starting", "submitting": "starting", "running": "processing", "collecting": "processing"}
    assert (answer["statusCode"], shown["id"]) == (200, kept.task_id)
    assert shown["status"] == known.get(kept.status, kept.status)
    assert shown["input"] == kept.order["body"]["input"]
    assert shown["metadata"] == kept.order["body"].get("metadata", {})
    assert shown.get("error_code") == (ENDS[kept.name].code if kept.status.terminal else None)
    assert len(shown.get("images", ())) == (ENDS[kept.name].images if kept.status.terminal else 0)
    told = json.loads(kept.item["news"]["S"]) if "news" in kept.item else {}
    assert holds(shown, told)
    for image in (*shown.get("images", ()), *told.get("images", ())):
        file = fetch(image["url"])
        assert file["statusCode"] == 200
        assert hashlib.sha256(base64.b64decode(file["body"])).hexdigest() == image["sha256"]


@every_task
def test_a_repeated_request_finds_the_task_of_the_version_before(
    kept: Kept, account: Account, wire: Wire, time: Clock
) -> None:
    kept.leave(account, time)
    answer = submit(kept.order["body"], model=kept.order["model"], key=kept.order["key"])
    assert (answer["statusCode"], document(answer)["id"]) == (200, kept.task_id)
    assert answer["headers"]["idempotent-replayed"] == "true"
    assert wire.requests == []
    assert item(kept) == kept.item


@every_task
def test_callers_can_still_cancel(kept: Kept, account: Account, wire: Wire, time: Clock) -> None:
    kept.leave(account, time)
    assert ask(f"/v1/predictions/{kept.task_id}/cancel", "POST")["statusCode"] == 200
    if kept.status.terminal:
        assert item(kept) == kept.item
        return
    for started in account.executions().values():  # a driver of this version sees to it
        assert run(time, now("generation"), started).status == "SUCCEEDED"
    if kept.stands or not account.executions():
        carry(kept, account, time)
    assert_ended(kept, account, wire, CANCELED if kept.name in IN_TIME else ENDS[kept.name])


@pytest.mark.parametrize(
    ("kept", "stand"),
    [each for each in STANDS if "Does the caller know?" not in str(each.id)],  # that calls no function
)
def test_a_step_of_a_version_that_is_not_known_fails_and_the_next_driver_goes_on(
    kept: Kept, stand: dict[str, Any], account: Account, wire: Wire, time: Clock
) -> None:
    kept.leave(account, time)
    execution = run(time, begun(kept, stand), stand["step"] | {"v": driver.VERSION + 1})
    failures = [each for each in execution.events if each["type"] == "LambdaFunctionFailed"]
    assert (execution.status, execution.error, len(failures)) == ("FAILED", "ValueError", 7)
    assert f"version {driver.VERSION + 1}; this code knows version" in str(execution.cause)
    assert (item(kept), wire.requests) == (kept.item, [])
    if not kept.settled:
        rescue(kept, account, time)
    assert_ended(kept, account, wire, ENDS[kept.name])


@every_task
def test_what_a_later_version_has_added_survives_a_rollback(
    kept: Kept, account: Account, wire: Wire, time: Clock
) -> None:
    added = {
        name: with_more(kept.item[name])
        for name in ("images", "failure", "attempts", "deliveries")
        if name in kept.item
    }
    kept.leave(account, time, **added, **LATER)
    assert ask(f"/v1/predictions/{kept.task_id}")["statusCode"] == 200
    carry(kept, account, time, later=1)
    assert_ended(kept, account, wire, ENDS[kept.name])
    assert item(kept) == item(kept) | LATER


def test_every_version_has_left_a_task_of_each_status() -> None:
    known = {"accepted", "submitting", "running", "collecting", "succeeded", "failed", "canceled"}
    versions = {kept.folder for kept in KEPT}
    assert "0.1" in {version.name for version in versions}
    for version in versions:
        assert known <= {kept.status for kept in KEPT if kept.folder == version}

"""A caller asks about tasks, or cancels one: functions/tasks.py."""

from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from darkroom import aws, store
from darkroom.driver import GRACE_MS
from darkroom.task import Status, Task
from tests.conftest import (
    ORIGIN,
    OUTPUT,
    QUESTION,
    Account,
    Clock,
    Event,
    Wire,
    call,
    document,
    event,
    picture,
    prediction,
    step,
)

NOBODY = "a" * 26


def ask(url: str, method: str = "GET", *, tenant: str | None = "default") -> Event:
    """What the door answers; `url` is a path, or a link as callers get it. Without `tenant`: no authorizer."""
    parts = urlsplit(url)
    sent = event("tasks", rawPath=parts.path, rawQueryString=parts.query)
    sent["queryStringParameters"] = dict(parse_qsl(parts.query))
    sent["requestContext"]["http"] |= {"method": method, "path": parts.path}
    sent["requestContext"]["authorizer"]["lambda"]["tenant"] = tenant
    if tenant is None:
        del sent["requestContext"]["authorizer"], sent["headers"]["authorization"]
    answer: Event = call("tasks", sent)
    return answer


def problem(answer: Event) -> tuple[int, str]:
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    return answer["statusCode"], document(answer)["code"]


@pytest.fixture
def link(account: Account, wire: Wire, collecting: Task) -> str:
    """The link to the image of a task that has succeeded."""
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    wire.on("POST", str(collecting.webhook), httpx.Response(204))
    call("finalize", step(collecting))
    output: str = document(ask(f"/v1/predictions/{collecting.task_id}"))["output"]
    return output


def test_a_task_is_shown_as_its_submission_was(account: Account, wire: Wire, running: Task) -> None:
    answer = ask(f"/v1/predictions/{running.task_id}")
    assert (answer["statusCode"], answer["headers"]["cache-control"]) == (200, "no-store")
    shown = document(answer)
    assert (shown["id"], shown["status"], shown["output"]) == (running.task_id, "processing", None)
    assert shown["urls"] == {
        "get": f"{ORIGIN}/v1/predictions/{running.task_id}",
        "cancel": f"{ORIGIN}/v1/predictions/{running.task_id}/cancel",
        "web": f"{ORIGIN}/v1/predictions/{running.task_id}",
    }


def cancel(task: Task) -> Event:
    return ask(f"/v1/predictions/{task.task_id}/cancel", "POST")


def test_a_cancellation_is_noted_and_a_driver_sees_to_it_at_once(account: Account, wire: Wire, running: Task) -> None:
    answer = ask(document(ask(f"/v1/predictions/{running.task_id}"))["urls"]["cancel"], "POST")
    assert (answer["statusCode"], document(answer)["status"]) == (200, "processing")
    assert (account.task().cancel, account.task().status) == (True, Status.RUNNING)
    assert len(wire.requests) == 1
    assert account.executions()[f"{running.task_id}-2"] == {**step(running), "generation": 2, "wait": 0}
    assert call("poll", step(running))["next"] == "leave"
    wire.on("POST", f"{QUESTION}/cancel", httpx.Response(200, json={}))
    wire.on("GET", QUESTION, prediction("canceled"))
    assert call("poll", step(account.task()))["next"] == "finalize"


def test_a_task_that_is_canceled_again_gets_no_further_driver(account: Account, running: Task) -> None:
    cancel(running)
    assert cancel(running)["statusCode"] == 200
    assert set(account.executions()) == {running.task_id, f"{running.task_id}-2"}


def test_a_driver_that_cannot_be_started_to_cancel_is_brought_by_the_sweeper(
    account: Account, time: Clock, running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(aws.stepfunctions(), "start_execution", lambda **_: 1 / 0)
        assert cancel(running)["statusCode"] == 200
    assert account.task().cancel
    time.forward(GRACE_MS / 1000 + 60)
    call("sweep", event("sweep"))
    assert f"{running.task_id}-3" in account.executions()


def test_nobody_is_sent_for_what_is_collected_already(account: Account, collecting: Task) -> None:
    assert cancel(collecting)["statusCode"] == 200
    assert set(account.executions()) == {collecting.task_id}


def test_a_driver_that_came_meanwhile_sees_to_the_cancellation_itself(
    account: Account, time: Clock, running: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.ask_to_cancel

    def meanwhile(task: Task) -> Task | None:
        flagged = real(task)
        store.postpone(task, time.now + 999_000)
        return flagged

    monkeypatch.setattr(store, "ask_to_cancel", meanwhile)
    assert cancel(running)["statusCode"] == 200
    assert set(account.executions()) == {running.task_id}


def test_a_task_that_has_ended_cannot_be_canceled(account: Account, wire: Wire, link: str) -> None:
    ended = account.task()
    answer = ask(f"/v1/predictions/{ended.task_id}/cancel", "POST")
    assert (answer["statusCode"], document(answer)["status"]) == (200, "succeeded")
    assert account.task() == ended


@pytest.mark.parametrize(("method", "door"), [("GET", ""), ("POST", "/cancel")], ids=["show", "cancel"])
def test_an_unknown_task_and_a_strangers_task_look_alike(
    account: Account, running: Task, method: str, door: str
) -> None:
    unknown = ask(f"/v1/predictions/{NOBODY}{door}", method)
    strange = ask(f"/v1/predictions/{running.task_id}{door}", method, tenant="other")
    assert problem(unknown) == problem(strange) == (404, "not_found")
    assert unknown["body"] == strange["body"]
    assert account.task() == running


@pytest.mark.parametrize(("method", "door"), [("GET", ""), ("POST", "/cancel")], ids=["show", "cancel"])
@pytest.mark.parametrize("tenant", [None, ""], ids=["no authorizer", "no tenant"])
def test_who_has_not_passed_the_authorizer_is_shown_nothing(
    account: Account, running: Task, method: str, door: str, tenant: str | None
) -> None:
    answer = ask(f"/v1/predictions/{running.task_id}{door}", method, tenant=tenant)
    assert problem(answer) == (500, "misconfigured")
    assert "lighthouse" not in answer["body"]
    assert account.task() == running


def test_a_task_that_is_still_processing_shows_no_error(wire: Wire, running: Task) -> None:
    wire.on("GET", QUESTION, prediction("failed", error="not yet to be told"))
    call("poll", step(running))
    shown = document(ask(f"/v1/predictions/{running.task_id}"))
    assert (shown["status"], shown["error"]) == ("processing", None)


def test_an_unknown_path_is_404(account: Account) -> None:
    assert problem(ask("/v1/nothing")) == (404, "not_found")

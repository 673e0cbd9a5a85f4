"""Questions to the gateway that has a task: darkroom/asking.py, through the door of poll."""

import base64
from typing import Any

import httpx
import pytest

from darkroom import asking, catalogue
from darkroom.task import Task
from tests import conftest
from tests.conftest import GATEWAY, Account, Clock, Wire, call, document, event, picture, prediction, step
from tests.imagen import PICTURE, VECTORNODE, VECTORNODE_FAL, ask, poll

REQUEST = f"{conftest.VECTORNODE}/fal-ai/imagen4/requests/r-1"
ANYWHERE = f"{conftest.VECTORNODE}/fal-ai/auto/requests/r-1"


@pytest.fixture
def at_fal(account: Account, wire: Wire, time: Clock) -> Task:
    """A task that a relay of fal's queue has accepted."""
    wire.on("POST", VECTORNODE_FAL, httpx.Response(200, json={"status": "IN_QUEUE", "request_id": "r-1"}))
    ask(num_images=2)
    time.forward(7)
    return account.task()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json={"detail": "Request not found"}),
        httpx.Response(405),
        httpx.Response(500, json={"detail": "Internal Server Error"}),
        httpx.Response(400, json={"code": "task_not_exist", "message": "没有"}),
        httpx.Response(200, html="<!doctype html><title>gateway</title>"),
    ],
)
def test_a_request_that_is_not_known_under_its_address_is_asked_about_under_the_others(
    account: Account, wire: Wire, at_fal: Task, answer: httpx.Response
) -> None:
    wire.on("GET", REQUEST, answer)
    wire.on("GET", ANYWHERE, httpx.Response(200, json={"images": [{"url": "https://v3b.fal.media/a.png"}]}))
    assert poll(at_fal) == ("finalize", 0)
    assert account.task().outputs == ("https://v3b.fal.media/a.png",)


def test_the_status_tells_of_a_failure_that_the_result_does_not(account: Account, wire: Wire, at_fal: Task) -> None:
    wire.on("GET", REQUEST, httpx.Response(500, json={"detail": "Internal Server Error"}))
    wire.on("GET", ANYWHERE, httpx.Response(404))
    failed = {"status": "COMPLETED", "error": "it broke", "error_type": "internal_error"}
    wire.on("GET", f"{REQUEST}/status", httpx.Response(200, json=failed))
    assert poll(at_fal) == ("finalize", 0)
    failure = account.task().failure
    assert failure is not None
    assert (failure.code, failure.message, failure.may_be_billed) == ("gateway_failed", "it broke", True)


@pytest.mark.parametrize("answer", [httpx.ConnectError, *map(httpx.Response, (401, 403, 429, 502, 503, 504))])
def test_a_gateway_in_trouble_is_asked_once_a_visit(wire: Wire, at_fal: Task, answer: Any) -> None:
    wire.on("GET", REQUEST, answer)
    assert poll(at_fal)[0] == "wait"
    assert len(wire.sent("GET")) == 1


def test_of_several_inline_pictures_those_that_can_be_decoded_are_kept(
    account: Account, wire: Wire, at_fal: Task
) -> None:
    good = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
    wire.on("GET", REQUEST, httpx.Response(200, json={"images": [{"url": "data:;base64,!"}, {"url": good}]}))
    assert poll(at_fal) == ("finalize", 0)
    task = account.task()
    assert (len(task.outputs), len(task.missing)) == (1, 1)
    assert "cannot be decoded" in task.missing[0]


def test_a_gateway_that_the_catalogue_has_lost_lets_its_tasks_end_at_their_deadline(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.on("POST", VECTORNODE, prediction())
    ask()
    monkeypatch.delitem(catalogue.catalogue().gateways, "vectornode")
    assert poll(account.task())[0] == "wait"
    time.forward(46 * 60)
    assert poll(account.task(), 1) == ("finalize", 0)
    failure = account.task().failure
    assert failure is not None
    assert (failure.code, failure.may_be_billed) == ("timed_out", True)


def test_a_task_that_holds_more_than_a_task_can_hold_says_so(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", VECTORNODE, prediction())
    ask()
    links = [f"https://replicate.delivery/{number}/{'x' * 700}.png" for number in range(200)]
    wire.on("GET", f"{VECTORNODE.partition('/models')[0]}/predictions/gm72dcl0hqzg9dyozwvntt2wj0",
            prediction("succeeded", output=links))  # fmt: skip
    time.forward(7)
    assert poll(account.task()) == ("finalize", 0)
    task = account.task()
    assert 0 < len(task.outputs) < 200
    assert f"the last {200 - len(task.outputs)} of the outputs" in task.missing[0]


def test_a_task_with_more_outputs_than_it_can_end_with_says_so(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", VECTORNODE, prediction())
    ask()
    links = [f"https://replicate.delivery/{number}.png" for number in range(asking.OUTPUTS + 36)]
    wire.on("GET", f"{GATEWAY}/predictions/gm72dcl0hqzg9dyozwvntt2wj0", prediction("succeeded", output=links))
    time.forward(7)
    assert poll(account.task()) == ("finalize", 0)
    task = account.task()
    assert task.outputs == tuple(links[: asking.OUTPUTS])
    assert task.missing == ("the last 36 of the outputs are more than a task can hold",)


def test_a_model_that_the_catalogue_has_lost_is_finished_as_its_gateway_has_it(
    account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.on("POST", VECTORNODE, prediction())
    ask()
    monkeypatch.setattr(catalogue.catalogue(), "models", {})
    output = prediction("succeeded", output=["https://replicate.delivery/a.png"])
    wire.on("GET", f"{GATEWAY}/predictions/gm72dcl0hqzg9dyozwvntt2wj0", output)
    time.forward(7)
    assert poll(account.task()) == ("finalize", 0)
    assert account.task().several


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (1, ["The gateway gave 1 of the 2 images that were asked for."]),
        (2, None),
        (5, None),
    ],
)
def test_a_task_succeeds_with_what_there_is_and_says_what_was_not_given(
    account: Account, wire: Wire, time: Clock, at_fal: Task, given: int, missing: list[str] | None
) -> None:
    links = [f"https://v3b.fal.media/{number}.png" for number in range(given)]
    for number, link in enumerate(links):
        wire.on("GET", link, httpx.Response(200, content=picture(64 + number)))
    wire.on("GET", REQUEST, httpx.Response(200, json={"images": [{"url": link} for link in links]}))
    assert poll(at_fal) == ("finalize", 0)
    call("finalize", step(at_fal))
    shown = document(call("tasks", event("tasks", rawPath=f"/v1/predictions/{at_fal.task_id}")))
    assert (shown["status"], len(shown["images"]), shown.get("missing")) == ("succeeded", given, missing)


def test_where_nobody_has_said_how_many_nothing_is_missing(account: Account, wire: Wire, time: Clock) -> None:
    wire.on("POST", VECTORNODE, httpx.ConnectError)
    wire.on("POST", VECTORNODE_FAL, httpx.Response(200, json={"status": "IN_QUEUE", "request_id": "r-1"}))
    ask()
    wire.on("GET", REQUEST, httpx.Response(200, json={"images": [{"url": "https://v3b.fal.media/a.png"}]}))
    poll(account.task())
    assert (len(account.task().outputs), account.task().missing) == (1, ())


def test_a_catalogue_that_has_lost_the_model_costs_no_picture(
    account: Account, wire: Wire, at_fal: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue.catalogue(), "models", {})
    wire.on("GET", REQUEST, httpx.Response(200, json={"images": [{"url": "https://v3b.fal.media/a.png"}]}))
    assert poll(at_fal) == ("finalize", 0)
    assert (len(account.task().outputs), account.task().missing) == (1, ())

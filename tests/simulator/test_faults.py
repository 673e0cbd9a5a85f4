"""Faults on request, and the ledger of what was asked and charged all the same."""

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest

from tests.simulator.conftest import BOAT, FAST, VERSION, Official, create, ended, fetched, ledger

CREATE = {"method": "POST", "path": f"/replicate/v1/models/{FAST}"}
BEFORE_AND_AFTER = pytest.mark.parametrize(("before", "charged"), [(True, 0), (False, 1)])


def attempt(http: httpx.Client, timeout: float = 10) -> httpx.Response:
    return http.post(f"{CREATE['path']}/predictions", json=BOAT, timeout=timeout)


@BEFORE_AND_AFTER
def test_only_a_fault_after_the_work_is_charged(
    http: httpx.Client, faults: Callable[..., None], before: bool, charged: int
) -> None:
    charges = len(ledger(http)["charges"])
    page = {"status": 502, "headers": {"content-type": "text/html"}, "body": "<h1>502 Bad Gateway</h1>"}
    faults(match=CREATE, before=before, answer=page)
    reply = attempt(http)
    assert (reply.status_code, reply.headers["Content-Type"]) == (502, "text/html")
    assert reply.text == "<h1>502 Bad Gateway</h1>"
    assert len(ledger(http)["charges"]) == charges + charged
    assert attempt(http).status_code == 200


@BEFORE_AND_AFTER
def test_a_connection_can_be_dropped_before_and_after_the_work(
    http: httpx.Client, faults: Callable[..., None], before: bool, charged: int
) -> None:
    charges = len(ledger(http)["charges"])
    faults(match=CREATE, before=before, close=True)
    with pytest.raises(httpx.RemoteProtocolError):
        attempt(http)
    statement = ledger(http)
    assert len(statement["charges"]) == charges + charged
    assert statement["requests"][-1]["status"] is None


@pytest.mark.parametrize("before", [True, False])
def test_a_delay_alone_spoils_nothing(http: httpx.Client, faults: Callable[..., None], before: bool) -> None:
    faults(match=CREATE, before=before, delay=0.1)
    reply = attempt(http)
    assert reply.elapsed > timedelta(seconds=0.1)
    assert (reply.status_code, reply.json()["status"]) == (200, "starting")


def test_a_late_answer_after_the_work_is_charged_though_nobody_waits_for_it(
    http: httpx.Client, faults: Callable[..., None]
) -> None:
    before = len(ledger(http)["charges"])
    faults(match=CREATE, before=False, delay=0.2)
    with pytest.raises(httpx.ReadTimeout):
        attempt(http, timeout=0.1)
    assert len(ledger(http)["charges"]) == before + 1


def test_a_fault_happens_as_often_as_was_said_and_to_matching_requests_only(
    http: httpx.Client, faults: Callable[..., None]
) -> None:
    faults(match=CREATE, times=2, answer={"status": 503, "headers": {"Retry-After": "1"}, "body": {"error": "busy"}})
    assert http.get(f"/replicate/v1/models/{FAST}/versions/{VERSION}").status_code == 200
    assert create(http, "google/imagen-4")["status"] == "starting"
    replies = [attempt(http) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [503, 503, 200]
    assert (replies[0].headers["Retry-After"], replies[0].json()) == ("1", {"error": "busy"})


def test_faults_happen_in_the_order_in_which_they_were_asked_for_until_they_are_cleared(
    http: httpx.Client, faults: Callable[..., None]
) -> None:
    for status in (500, 504, 503):
        faults(match=CREATE, answer={"status": status})
    assert [attempt(http).status_code for _ in range(2)] == [500, 504]
    assert http.delete("/_simulator/faults").status_code == 204
    assert attempt(http).status_code == 200


def test_a_download_can_fail_too(url: str, http: httpx.Client, faults: Callable[..., None]) -> None:
    done = ended(http, create(http))
    faults(match={"path": "/xezq/"}, answer={"status": 403})
    assert [fetched(url, done["output"]).status_code for _ in range(2)] == [403, 200]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"delay": 1, "time": 1}, '["time"]'),
        ({"delay": "1"}, "delay must be a number"),
        ({}, "needs an answer, a delay or close"),
        ({"close": True, "answer": {"status": 500}}, "not both"),
    ],
)
def test_a_malformed_fault_is_refused_with_the_reason(http: httpx.Client, fault: object, sentence: str) -> None:
    reply = http.post("/_simulator/faults", json=fault)
    assert reply.status_code == 400
    assert sentence in reply.json()["detail"]
    assert attempt(http).status_code == 200


def test_the_control_door_refuses_what_it_does_not_know(http: httpx.Client) -> None:
    assert http.post("/_simulator/faults", content=b"{").status_code == 400
    for reply in (http.get("/_simulator/jobs/none"), http.get("/_simulator"), http.put("/_simulator/ledger")):
        assert (reply.status_code, reply.headers["Content-Type"]) == (404, "application/json; charset=utf-8")


def test_a_create_is_one_charge_however_often_it_is_asked_about(http: httpx.Client) -> None:
    before = ledger(http)["charges"]
    prediction = ended(http, create(http, prompt="a lonely boat"))
    charges = ledger(http)["charges"]
    assert charges.keys() - before.keys() == {prediction["id"]}
    charge = charges[prediction["id"]]
    assert (charge["model"], charge["key"]) == (FAST, "simulator-key")
    assert charge["prompt_sha256"] == sha256(b"a lonely boat").hexdigest()


def test_requests_are_listed_with_what_became_of_them(url: str, http: httpx.Client) -> None:
    http.get("/replicate/v1/predictions/none")
    httpx.get(f"{url}/api.replicate.com/v1/predictions", verify=False)
    known, stranger = (
        [line[name] for name in ("method", "path", "status", "authorized")] for line in ledger(http)["requests"][-2:]
    )
    assert known == ["GET", "/replicate/v1/predictions/none", 404, True]
    assert stranger == ["GET", "/v1/predictions", 401, False]


def test_a_key_that_is_sent_to_the_file_host_is_seen(url: str, http: httpx.Client, official: Official) -> None:
    before = ledger(http)["leaked_keys"]
    output: Any = official().run(FAST, {"prompt": "a boat"})
    assert fetched(url, output.url).status_code == 200
    assert ledger(http)["leaked_keys"] == before

    # The official client sends its key wherever it reads a FileOutput from.
    output.read()
    assert ledger(http)["leaked_keys"] == before + 1
    assert ledger(http)["requests"][-1]["leaked_key"]

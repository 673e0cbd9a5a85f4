"""Faults by name, and what they do to requests that make jobs."""

import json
from email.utils import parsedate_to_datetime

import pytest

from local.simulator.exchange import Lost
from tests.simulator.callers import HOUSES, OTHERS, QUEUES, Caller, document, outputs, told, whole

EVERYWHERE = pytest.mark.parametrize("house", HOUSES)
LOST = {
    "refused": ("refused", 0),
    "unreachable": ("unreachable", 0),
    "untrusted": ("untrusted", 0),
    "reset": ("reset", 0),
    "closed": ("closed", 0),
    "silent": ("silent", 0),
    "charged_then_reset": ("reset", 1),
    "charged_then_closed": ("closed", 1),
    "charged_then_silent": ("silent", 1),
}
STATUSES = {
    "bad_gateway": (502, 0),
    "charged_bad_gateway": (502, 1),
    "server_error": (500, 0),
    "charged_server_error": (500, 1),
    "unavailable": (503, 0),
    "gateway_timeout": (504, 0),
    "charged_gateway_timeout": (504, 1),
    "limited_seconds": (429, 0),
    "limited_date": (429, 0),
    "limited": (429, 0),
    "bad_request": (400, 0),
    "charged_bad_request": (400, 1),
    "unauthorized": (401, 0),
    "unpaid": (402, 0),
    "forbidden": (403, 0),
    "missing": (404, 0),
    "unprocessable": (422, 0),
    "redirected": (307, 0),
    "html": (200, 1),
    "empty": (200, 1),
}
PAGES = {"bad_gateway", "charged_bad_gateway", "gateway_timeout", "charged_gateway_timeout", "html"}
SHAPES = {
    "replicate": {"title", "detail", "status"},
    "fal": {"detail"},
    "gemini": {"error"},
    "openai": {"error"},
}
"""The members of an error, in the words of the houses themselves; a relay has its own."""


@EVERYWHERE
@pytest.mark.parametrize("fault", LOST)
def test_a_create_without_a_reply_is_charged_or_not_as_its_name_says(house: str, fault: str) -> None:
    async def story(caller: Caller) -> None:
        caller.simulator.script({"fault": fault, "step": "create"})
        how, charged = LOST[fault]
        reply = await caller.create(house)
        assert isinstance(reply, Lost)
        assert (reply.how, caller.charges) == (how, charged)
        assert (reply.seconds > 0) == (how == "silent")
        assert whole(await caller.create(house)).status < 300

    told(story)


@EVERYWHERE
@pytest.mark.parametrize("fault", STATUSES)
def test_a_create_with_a_bad_reply_is_charged_or_not_as_its_name_says(house: str, fault: str) -> None:
    async def story(caller: Caller) -> None:
        caller.simulator.script({"fault": fault})
        status, charged = STATUSES[fault]
        reply = whole(await caller.create(house))
        assert (reply.status, caller.charges, reply.scripted) == (status, charged, True)
        if fault in PAGES:
            assert reply.body.startswith(b"<html>")
        elif fault not in ("redirected", "empty") and house in SHAPES:
            assert document(reply).keys() == SHAPES[house]
        again = whole(await caller.create(house))
        assert again.status < 300
        assert not again.scripted

    told(story)


@EVERYWHERE
@pytest.mark.parametrize("fault", ["unavailable", "limited_seconds", "limited_date", "limited"])
def test_a_house_that_wants_to_be_left_alone_says_for_how_long_in_its_own_way(house: str, fault: str) -> None:
    async def story(caller: Caller) -> None:
        caller.simulator.script({"fault": fault} if fault == "limited" else {"fault": fault, "seconds": 40})
        said = whole(await caller.create(house)).headers.get("Retry-After")
        if fault == "limited_date":
            assert said
            assert parsedate_to_datetime(said).timestamp() == 1_795_176_040
        else:
            assert said == (None if fault == "limited" else "40")

    told(story)


@EVERYWHERE
def test_a_late_reply_comes_so_many_seconds_after_the_work(house: str) -> None:
    async def late(caller: Caller) -> None:
        caller.simulator.script({"fault": "charged_then_late"})
        assert whole(await caller.create(house)).status < 300

    async def plain(caller: Caller) -> None:
        await caller.create(house)

    assert told(late).now - told(plain).now == pytest.approx(25)


@EVERYWHERE
def test_a_redirection_leads_to_a_stranger_who_notices_a_key(house: str) -> None:
    async def story(caller: Caller) -> None:
        caller.simulator.script({"fault": "redirected"})
        location = whole(await caller.create(house)).headers["Location"]
        assert location == f"https://elsewhere.example{HOUSES[house].create}"
        before = caller.simulator.ledger.statement()
        assert (before["astray"], before["leaked_keys"]) == (0, 0)
        await caller.fetch(location)
        await caller.fetch(location, key="simulator-key")
        after = caller.simulator.ledger.statement()
        assert (after["astray"], after["leaked_keys"], caller.charges) == (2, 1, 0)

    told(story)


@EVERYWHERE
def test_a_document_can_be_cut_in_half_or_blown_up(house: str) -> None:
    async def story(caller: Caller) -> None:
        for fault in ("truncated_json", "huge"):
            caller.simulator.script({"fault": fault})
        half, huge = whole(await caller.create(house)), whole(await caller.create(house))
        with pytest.raises(json.JSONDecodeError):
            document(half)
        assert 10_000_000 < len(huge.body) < 10_100_000 + len(half.body) * 3
        assert document(huge).keys() - {"padding"} == document(await caller.create(house)).keys()
        assert caller.charges == 3

    told(story)


@EVERYWHERE
def test_a_house_can_be_an_hour_behind(house: str) -> None:
    async def story(caller: Caller) -> None:
        caller.simulator.script({"fault": "clock_off"})
        reply = whole(await caller.create(house))
        passed = caller.now - 5000
        assert parsedate_to_datetime(reply.headers["Date"]).timestamp() == int(1_795_176_000 + passed - 3600)
        assert document(reply)

    told(story)


@pytest.mark.parametrize("house", QUEUES)
def test_a_job_can_be_accepted_without_an_id_or_under_that_of_another(house: str) -> None:
    async def story(caller: Caller) -> None:
        caller.simulator.script({"fault": "foreign_id"})
        first = await caller.created(house)
        assert len(caller.simulator.faults) == 1
        second = whole(await caller.create(house))
        truth = list(caller.simulator.ledger.charges)
        assert document(second)[HOUSES[house].id] == first == truth[0]
        assert truth[1] not in second.body.decode()

        caller.simulator.script({"fault": "no_id"})
        third = whole(await caller.create(house))
        assert caller.charges == 3
        assert document(third)
        assert HOUSES[house].id not in document(third)
        assert list(caller.simulator.ledger.charges)[2] not in third.body.decode()

    told(story)


@pytest.mark.parametrize("house", OTHERS)
def test_pictures_of_20_megabytes_come_at_once_where_they_come_inline(house: str) -> None:
    async def story(caller: Caller) -> None:
        caller.simulator.script({"fault": "large_inline"})
        reply = whole(await caller.create(house))
        if house == "openai links":
            assert len(caller.simulator.faults) == 1
        else:
            assert 20_000_000 < len(reply.body) < 25_000_000
            assert len(outputs(reply)) == 4
        assert caller.charges == 1

    told(story)


@pytest.mark.parametrize("house", OTHERS)
@pytest.mark.parametrize(("fault", "more"), [("no_outputs", None), ("fewer_outputs", -1), ("more_outputs", 1)])
def test_an_answer_at_once_can_have_too_few_pictures_or_too_many(house: str, fault: str, more: int | None) -> None:
    async def story(caller: Caller) -> None:
        usual = len(outputs(await caller.create(house)))
        caller.simulator.script({"fault": fault})
        reply = whole(await caller.create(house))
        found = len(outputs(reply))
        assert reply.status == 200
        if usual + (more or 0) == 0:
            assert (found, len(caller.simulator.faults)) == (usual, 1)
        else:
            assert found == (0 if more is None else usual + more)

    told(story)

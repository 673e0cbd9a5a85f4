"""Faults by name: which there are, and which requests they happen to."""

import httpx
import pytest

from local.simulator.exchange import Lost, Reply
from local.simulator.switches import SWITCHES
from tests.simulator.callers import HOUSES, Caller, told, whole

EVERYWHERE = pytest.mark.parametrize("house", HOUSES)


@EVERYWHERE
@pytest.mark.parametrize("fault", [name for name, switch in SWITCHES.items() if "create" not in switch.own])
def test_a_switch_of_another_step_leaves_creates_in_peace(house: str, fault: str) -> None:
    async def story(caller: Caller) -> None:
        caller.simulator.script({"fault": fault})
        reply = await caller.create(house)
        assert isinstance(reply, Reply)
        assert not reply.scripted
        assert len(caller.simulator.faults) == 1

    told(story)


def test_a_match_or_a_step_lets_a_switch_happen_wherever_it_makes_sense() -> None:
    async def story(caller: Caller) -> None:
        job_id = await caller.created("replicate")
        cancel = f"/v1/predictions/{job_id}/cancel"

        async def statuses() -> list[int]:
            polled, canceled = (
                await caller.poll("replicate", job_id),
                await caller.ask("POST", "api.replicate.com", cancel),
            )
            return [whole(reply).status for reply in (polled, canceled)]

        caller.simulator.script({"fault": "server_error"})
        assert await statuses() == [200, 200]
        caller.simulator.faults.clear()
        caller.simulator.script({"fault": "server_error", "step": "poll"})
        assert await statuses() == [500, 200]
        caller.simulator.script({"fault": "server_error", "match": {"path": "/v1/predictions"}, "times": 2})
        assert await statuses() == [500, 500]
        caller.simulator.script({"fault": "server_error", "match": {"path": "/v1/predictions"}, "step": "cancel"})
        assert await statuses() == [200, 500]
        caller.simulator.script({"fault": "server_error", "match": {"host": "another.example"}, "step": "poll"})
        assert await statuses() == [200, 200]

    told(story)


def test_a_request_that_is_refused_anyway_is_no_charge_to_be_spoiled() -> None:
    async def story(caller: Caller) -> None:
        caller.simulator.script({"fault": "charged_then_reset"})
        house = HOUSES["replicate"]
        assert whole(await caller.ask("POST", house.host, house.create, {"input": {}})).status == 422
        assert (len(caller.simulator.faults), caller.charges) == (1, 0)

    told(story)


def test_the_same_seed_and_calls_give_the_same_replies() -> None:
    def replies(seed: int) -> list[Reply | Lost]:
        found: list[Reply | Lost] = []

        async def story(caller: Caller) -> None:
            found.extend([await caller.create(house) for house in HOUSES])

        told(story, seed=seed)
        return found

    assert replies(1) == replies(1) != replies(2)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ({"fault": "explode"}, 'no fault "explode"'),
        ({"fault": ["reset"]}, "there is no fault"),
        ({"fault": "reset", "delay": 1}, '["delay"]'),
        ({"fault": "reset", "seconds": 1}, "takes no seconds"),
        ({"fault": "silent", "seconds": -1}, "seconds must be a number"),
        ({"fault": "gone", "step": "create"}, 'one of ["download"]'),
        ({"fault": "reset", "match": {"port": 1}}, '["port"]'),
        ({"fault": "reset", "times": 0}, "times must be"),
        ({"close": True, "step": "poll"}, '["step"]'),
    ],
)
def test_a_switch_that_there_is_not_is_refused_with_the_reason(
    http: httpx.Client, script: object, sentence: str
) -> None:
    reply = http.post("/_simulator/faults", json=script)
    assert reply.status_code == 400
    assert sentence in reply.json()["detail"]


def test_the_door_lists_all_switches_with_a_sentence_and_their_steps(http: httpx.Client) -> None:
    listed = {entry.pop("fault"): entry for entry in http.get("/_simulator/faults").json()["faults"]}
    assert listed.keys() == SWITCHES.keys()
    for entry in listed.values():
        assert entry["does"].endswith(".")
        assert entry["own"]
        assert set(entry["own"]) <= set(entry["steps"]) <= {"create", "poll", "cancel", "download"}
    assert listed["charged_then_late"]["seconds"] == 25

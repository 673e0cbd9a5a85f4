"""Faults by name, and what they do to questions about jobs."""

import base64
import json

import pytest

from local.simulator.exchange import Reply
from tests.simulator.callers import HOUSES, QUEUES, Caller, addresses, document, told, whole

EVERY_QUEUE = pytest.mark.parametrize("house", QUEUES)
FIRST = {"replicate": "starting", "fal": "IN_QUEUE"}


def protocol(house: str) -> str:
    return house.partition(" ")[0]


def status_of(house: str) -> str:
    """What follows upon the address of a job where its status is asked for."""
    return "/status" if protocol(house) == "fal" else ""


@EVERY_QUEUE
def test_a_status_can_be_one_that_nobody_has_heard_of(house: str) -> None:
    async def story(caller: Caller) -> None:
        job_id = await caller.created(house)
        caller.simulator.script({"fault": "unknown_word"})
        words = [document(await caller.poll(house, job_id, status_of(house)))["status"] for _ in range(2)]
        assert words == ["pondering" if protocol(house) == "replicate" else "PONDERING", FIRST[protocol(house)]]

    told(story)


@EVERY_QUEUE
def test_a_status_can_go_back_to_the_first_one_once_it_has_left_it(house: str) -> None:
    async def story(caller: Caller) -> None:
        job_id = await caller.created(house)

        async def word() -> str:
            found: str = document(await caller.poll(house, job_id, status_of(house)))["status"]
            return found

        caller.simulator.script({"fault": "regressed"})
        assert await word() == FIRST[protocol(house)]
        assert len(caller.simulator.faults) == 1
        caller.now += 1000
        assert await word() == FIRST[protocol(house)]
        assert (await word()).upper() in ("SUCCEEDED", "COMPLETED")

    told(story)


@EVERY_QUEUE
def test_a_job_can_be_missing_once(house: str) -> None:
    async def story(caller: Caller) -> None:
        job_id = await caller.created(house)
        never = await caller.poll(house, job_id[:-4] + "0000", status_of(house))
        caller.simulator.script({"fault": "missing", "step": "poll"})
        missing = whole(await caller.poll(house, job_id, status_of(house)))
        assert missing.status == 404
        assert missing.body.replace(job_id.encode(), b"") == whole(never).body.replace(
            f"{job_id[:-4]}0000".encode(), b""
        )
        assert whole(await caller.poll(house, job_id, status_of(house))).status == 200

    told(story)


@EVERY_QUEUE
def test_all_jobs_can_be_forgotten_for_good_and_new_ones_made(house: str) -> None:
    async def story(caller: Caller) -> None:
        old = [await caller.created(house) for _ in range(2)]
        caller.simulator.script({"fault": "forgotten"})
        for _ in range(2):
            caller.now += 10_000
            for job_id in old:
                assert whole(await caller.poll(house, job_id, status_of(house))).status == 404
        new = await caller.created(house)
        assert whole(await caller.poll(house, new, status_of(house))).status == 200
        assert caller.charges == 3

    told(story)


@EVERY_QUEUE
def test_jobs_can_be_forgotten_for_a_while_in_which_they_go_on(house: str) -> None:
    async def story(caller: Caller) -> None:
        job_id = await caller.created(house)
        caller.simulator.script({"fault": "forgotten_for_a_while"})
        for after, status in ((0, 404), (299, 404), (2, 200)):
            caller.now += after
            assert whole(await caller.poll(house, job_id)).status == status
        assert len(addresses(await caller.poll(house, job_id))) == 2

    told(story)


@EVERY_QUEUE
@pytest.mark.parametrize(("fault", "count"), [("no_outputs", 0), ("fewer_outputs", 1), ("more_outputs", 3)])
def test_a_success_can_have_too_few_pictures_or_too_many(house: str, fault: str, count: int) -> None:
    async def story(caller: Caller) -> None:
        job_id = await caller.created(house)
        caller.simulator.script({"fault": fault})
        await caller.poll(house, job_id)
        await caller.poll(house, job_id, status_of(house))
        assert len(caller.simulator.faults) == 1
        caller.now += 1000
        found = addresses(await caller.poll(house, job_id))
        assert len(set(found)) == count
        assert len(addresses(await caller.poll(house, job_id))) == 2
        assert [whole(await caller.fetch(url)).status for url in found] == [200] * count

    told(story)


@EVERY_QUEUE
def test_outputs_can_come_inline(house: str) -> None:
    async def story(caller: Caller) -> None:
        job_id = await caller.created(house)
        caller.now += 1000
        plain = addresses(await caller.poll(house, job_id))
        caller.simulator.script({"fault": "inline_output"})
        for inline, url in zip(addresses(await caller.poll(house, job_id)), plain, strict=True):
            assert inline.startswith("data:image/")
            assert base64.b64decode(inline.partition(",")[2]) == whole(await caller.fetch(url)).body
        assert addresses(await caller.poll(house, job_id)) == plain

    told(story)


@EVERY_QUEUE
def test_outputs_can_be_at_the_metadata_of_a_cloud(house: str) -> None:
    async def story(caller: Caller) -> None:
        job_id = await caller.created(house)
        caller.now += 1000
        caller.simulator.script({"fault": "output_at_metadata"})
        assert set(addresses(await caller.poll(house, job_id))) == {"http://169.254.169.254/latest/meta-data/"}
        await caller.fetch("http://169.254.169.254/latest/meta-data/")
        assert caller.simulator.ledger.statement()["astray"] == 1

    told(story)


@EVERY_QUEUE
@pytest.mark.parametrize("step", ["create", "poll"])
def test_the_addresses_of_a_job_can_be_a_strangers(house: str, step: str) -> None:
    async def story(caller: Caller) -> None:
        if step == "create":
            caller.simulator.script({"fault": "foreign_poll_url"})
            reply = whole(await caller.create(house))
        else:
            job_id = await caller.created(house)
            caller.simulator.script({"fault": "foreign_poll_url"})
            reply = whole(await caller.poll(house, job_id, status_of(house)))
        said = document(reply)
        job_id = said[HOUSES[house].id]
        strings = [value for value in (*said.values(), *said.get("urls", {}).values()) if isinstance(value, str)]
        own = [value for value in strings if value.startswith("https://") and job_id in value]
        assert own
        assert all(value.startswith("https://elsewhere.example/") for value in own)
        assert whole(await caller.poll(house, job_id)).status in (200, 400)

        for key in ("", "simulator-key"):
            await caller.fetch(own[0], key)
        statement = caller.simulator.ledger.statement()
        assert (statement["astray"], statement["leaked_keys"]) == (2, 1)

    told(story)


@EVERY_QUEUE
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("server_error", 500),
        ("bad_gateway", 502),
        ("unavailable", 503),
        ("gateway_timeout", 504),
        ("limited_seconds", 429),
        ("unauthorized", 401),
        ("html", 200),
        ("empty", 200),
        ("truncated_json", 200),
        ("huge", 200),
    ],
)
def test_a_question_can_go_wrong_as_a_create_can(house: str, fault: str, status: int) -> None:
    async def story(caller: Caller) -> None:
        job_id = await caller.created(house)
        caller.simulator.script({"fault": fault, "step": "poll"})
        assert not whole(await caller.create(house)).scripted
        reply = await caller.poll(house, job_id, status_of(house))
        assert isinstance(reply, Reply)
        assert (reply.status, reply.scripted) == (status, True)
        if fault in ("html", "empty", "truncated_json"):
            with pytest.raises(json.JSONDecodeError):
                document(reply)
        assert not whole(await caller.poll(house, job_id, status_of(house))).scripted

    told(story)


@EVERY_QUEUE
@pytest.mark.parametrize("more", ["", "/status"])
def test_nothing_is_spoiled_about_a_job_that_has_failed(house: str, more: str) -> None:
    async def story(caller: Caller) -> None:
        target = HOUSES[house]
        words = json.dumps(target.body).replace("a blank boat", "a crash of a boat")
        made = document(await caller.ask("POST", target.host, target.create, json.loads(words)))
        caller.now += 1000
        for fault in ("no_outputs", "more_outputs", "inline_output", "output_at_metadata"):
            caller.simulator.script({"fault": fault})
            reply = whole(await caller.poll(house, made[target.id], more if protocol(house) == "fal" else ""))
            assert not reply.scripted
            assert b"replicate.delivery" not in reply.body
            assert b"fal.media" not in reply.body
            caller.simulator.faults.clear()

    told(story)

"""Faults by name, and what they do to the files of jobs."""

import io
import zlib

import pytest
from PIL import Image

from local.simulator.exchange import Lost
from tests.simulator.callers import QUEUES, Caller, addresses, document, told, whole

EVERY_QUEUE = pytest.mark.parametrize("house", QUEUES)
METADATA = "http://169.254.169.254/latest/meta-data/"


@EVERY_QUEUE
def test_an_address_can_expire_until_the_job_is_asked_about_again(house: str) -> None:
    async def story(caller: Caller) -> None:
        job_id = await caller.created(house)
        caller.now += 1000
        first, second = addresses(await caller.poll(house, job_id))
        file = whole(await caller.fetch(first)).body
        caller.simulator.script({"fault": "expired"})
        assert [whole(await caller.fetch(first)).status for _ in range(2)] == [403, 403]
        assert whole(await caller.fetch(second)).status == 200
        fresh, other = addresses(await caller.poll(house, job_id))
        assert other == second
        assert fresh != first
        assert whole(await caller.fetch(fresh)).body == file
        assert whole(await caller.fetch(first)).status == 403

    told(story)


@pytest.mark.parametrize("house", ["openai links"])
def test_an_address_that_was_given_at_once_expires_for_good(house: str) -> None:
    async def story(caller: Caller) -> None:
        url = document(await caller.create(house))["data"][0]["url"]
        caller.simulator.script({"fault": "expired"})
        assert [whole(await caller.fetch(url)).status for _ in range(3)] == [403] * 3

    told(story)


@pytest.mark.parametrize(
    ("fault", "status"), [("gone", 404), ("server_error", 500), ("forbidden", 403), ("missing", 404)]
)
def test_a_file_can_be_refused_as_often_as_was_said(fault: str, status: int) -> None:
    async def story(caller: Caller) -> None:
        [url, _] = await caller.made("replicate")
        caller.simulator.script({"fault": fault, "step": "download", "times": 2})
        assert [whole(await caller.fetch(url)).status for _ in range(3)] == [status, status, 200]

    told(story)


@pytest.mark.parametrize("fault", ["reset", "closed", "silent", "refused"])
def test_a_file_can_be_lost_on_the_way(fault: str) -> None:
    async def story(caller: Caller) -> None:
        [url, _] = await caller.made("fal")
        caller.simulator.script({"fault": fault, "step": "download"})
        reply = await caller.fetch(url)
        assert isinstance(reply, Lost)
        assert reply.how == fault
        assert whole(await caller.fetch(url)).status == 200

    told(story)


@pytest.mark.parametrize(("fault", "breaks"), [("cut_announced", True), ("cut_unannounced", False)])
def test_half_of_a_file_can_be_missing_with_or_without_notice(fault: str, breaks: bool) -> None:
    async def story(caller: Caller) -> None:
        [url, _] = await caller.made("replicate")
        file = whole(await caller.fetch(url))
        caller.simulator.script({"fault": fault})
        half = whole(await caller.fetch(url))
        assert (half.body, half.cut, half.breaks, half.whole) == (file.body, len(file.body) // 2, breaks, False)
        assert file.whole

    told(story)


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_file_can_drip(part: str) -> None:
    async def story(caller: Caller) -> None:
        [url, _] = await caller.made("replicate")
        file = whole(await caller.fetch(url))
        caller.simulator.script({"fault": f"drip_{part}"})
        slow = whole(await caller.fetch(url))
        assert (slow.body, slow.drip, slow.whole) == (file.body, part, False)

    told(story)


def test_a_file_can_be_something_else_than_it_was_said_to_be() -> None:
    async def story(caller: Caller) -> None:
        [url, _] = await caller.made("replicate")
        file = whole(await caller.fetch(url))
        for fault in ("wrong_type", "page", "svg", "html"):
            caller.simulator.script({"fault": fault, "step": "download"})
        wrong, page, svg, html = [whole(await caller.fetch(url)) for _ in range(4)]
        assert wrong.body == file.body
        assert wrong.headers["Content-Type"].startswith("text/plain")
        for reply in (page, html):
            assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html")
            assert reply.body.startswith(b"<html>")
        assert svg.headers["Content-Type"] == "image/svg+xml"
        assert b"<script>" in svg.body

    told(story)


def test_a_file_can_be_a_bomb_of_zeros() -> None:
    async def story(caller: Caller) -> None:
        [url, _] = await caller.made("replicate")
        caller.simulator.script({"fault": "gzip_bomb"})
        bomb = whole(await caller.fetch(url))
        assert bomb.headers["Content-Encoding"] == "gzip"
        assert len(bomb.body) < 300_000
        unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        assert len(unpacking.decompress(bomb.body, 1_000_000)) == 1_000_000
        size = 1_000_000
        while piece := unpacking.decompress(unpacking.unconsumed_tail, 10_000_000):
            size += len(piece)
        assert size == 200_000_000

    told(story)


def test_a_file_can_be_a_bomb_of_pixels() -> None:
    async def story(caller: Caller) -> None:
        [url, _] = await caller.made("replicate")
        caller.simulator.script({"fault": "picture_bomb"})
        bomb = whole(await caller.fetch(url)).body
        assert len(bomb) < 40_000
        # The header alone: Pillow, too, warns of what it would be to open it.
        assert bomb.startswith(b"\x89PNG")
        assert int.from_bytes(bomb[16:20]) * int.from_bytes(bomb[20:24]) == 144_000_000

    told(story)


def test_a_file_can_lead_to_the_metadata_of_a_cloud() -> None:
    async def story(caller: Caller) -> None:
        [url, _] = await caller.made("replicate")
        caller.simulator.script({"fault": "to_metadata"})
        reply = whole(await caller.fetch(url))
        assert (reply.status, reply.headers["Location"]) == (302, METADATA)

    told(story)


@pytest.mark.parametrize("fault", ["expired", "cut_announced", "svg", "gzip_bomb"])
def test_a_file_that_is_not_there_is_none_to_be_spoiled(fault: str) -> None:
    async def story(caller: Caller) -> None:
        caller.simulator.script({"fault": fault})
        assert whole(await caller.fetch("https://replicate.delivery/xezq/none.png")).status == 404
        assert len(caller.simulator.faults) == 1

    told(story)


@EVERY_QUEUE
def test_a_blank_picture_is_one_of_the_size_that_was_asked_for(house: str) -> None:
    async def story(caller: Caller) -> None:
        files = [whole(await caller.fetch(url)).body for url in await caller.made(house)]
        pictures = [Image.open(io.BytesIO(file)) for file in files]
        assert {picture.size for picture in pictures} <= {(1024, 1024), (1024, 768)}
        assert all(len(picture.getcolors() or []) == 1 for picture in pictures)

    told(story)

"""
Functions that die in the middle of their work: real processes, killed with SIGKILL at a named effect.

The stories of the table run at the same time in one local cloud, twenty times faster than life: first those that need
no more than that, then those in which a lease has to be over or the sweeper has to come. For them the functions' clock
is moved ahead, but never while a POST may be under way. A caller who gets no answer repeats the request under the same
Idempotency-Key; nobody else helps.
"""

import hashlib
import json
import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx
import pytest

from darkroom import task
from local.cloud.functions.deaths import Deaths
from local.installation import Installation
from local.receiver import Delivery, Receiver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: A model that is queued at its gateway, and one that is drawn while Poll waits for it. Two pictures of each.
QUEUED = {"version": "black-forest-labs/flux-schnell", "input": {"num_outputs": 2}}
DRAWN = {"version": "openai/gpt-image-2", "input": {"num_images": 2}}
PICTURES = 2
#: Longer than any lease, and longer than a task without a driver is left alone, s.
A_WHILE = 600


@dataclass(frozen=True)
class Story:
    """
    deaths: in their order. pauses: how often nothing happens any more until a while has passed.
    refused: the first webhook, by its receiver.

    end: the task's status, or the code of its error. charges: at the gateway. told: webhooks that the receiver gets.
    """

    deaths: tuple[str, ...]
    order: dict[str, Any]
    pauses: int = 0
    refused: bool = False
    end: str = "succeeded"
    charges: int = 1
    told: int = 1

    @property
    def name(self) -> str:
        return ",".join(self.deaths)

    @property
    def key(self) -> dict[str, str]:
        return {"idempotency-key": self.name}

    @property
    def task_id(self) -> str:
        return task.name("default", self.name)

    @property
    def prompt(self) -> str:
        return f"a blank page: {self.name}"


def queued(*deaths: str, **more: Any) -> Story:
    return Story(deaths, QUEUED, **more)


def drawn(*deaths: str, **more: Any) -> Story:
    return Story(deaths, DRAWN, **more)


def unknown(story: Callable[..., Story], death: str, *, charges: int) -> Story:
    """Between the claim and the ticket: nobody can tell what the gateway has done, so nobody asks it again."""
    return story(death, pauses=1, end="submission_unknown", charges=charges)


STORIES = [
    # Submit: the task is recorded, its driver started, the task posted.
    queued("Submit.store.create.before"),
    queued("Submit.store.create.after", pauses=1),
    queued("Submit.states.StartExecution.after"),
    queued("Submit.store.claim.before"),
    unknown(queued, "Submit.store.claim.after", charges=0),
    unknown(queued, "Submit.http.create.before", charges=0),
    unknown(queued, "Submit.http.create.after", charges=1),
    unknown(queued, "Submit.store.keep_ticket.before", charges=1),
    queued("Submit.store.keep_ticket.after"),
    # Poll asks, and writes down the last word.
    queued("Poll.http.question.before"),
    queued("Poll.http.question.after"),
    queued("Poll.store.hear.before"),
    queued("Poll.store.hear.after"),
    # Poll posts, where the reply is the picture: the reply is staged, and its key is the ticket.
    unknown(drawn, "Poll.store.claim.after", charges=0),
    unknown(drawn, "Poll.http.create.after", charges=1),
    drawn("Poll.s3.PutObject.after", pauses=1),
    drawn("Poll.store.keep_ticket.after"),
    drawn("Poll.s3.PutObject.after#2"),
    # Finalize: the images are stored, the task ends.
    queued("Finalize.http.download.after"),
    queued("Finalize.s3.PutObject.after"),
    queued("Finalize.store.end.before"),
    queued("Finalize.store.end.after"),
    # Deliver: the caller is told; again, where the first attempt was refused.
    queued("Deliver.http.webhook.after", told=2),
    queued("Deliver.store.delivered.after"),
    queued("Deliver.http.webhook.after#2", refused=True, told=3),
    queued("Deliver.store.undelivered.after", refused=True, told=2),
    # Sweep: a task that has lost its driver gets the next generation, and then its driver.
    queued("Submit.store.create.after", "Sweep.store.take_over.after", pauses=2),
    queued("Submit.store.create.after", "Sweep.states.StartExecution.after", pauses=1),
    # And more than one: Poll, then Finalize, then whoever tells the caller again.
    queued("Poll.store.hear.after", "Finalize.s3.PutObject.after#2", "Finalize.store.end.before"),
]


@dataclass
class Telling:
    """Stories under way, and what is seen of them from outside."""

    darkroom: Installation
    deaths: Deaths
    caller: httpx.Client
    receivers: dict[str, Receiver]  # by story
    stuck: list[Story] = field(default_factory=list)
    came: list[Delivery] = field(default_factory=list)

    def tell(self, stories: list[Story]) -> None:
        """Some of the stories, at the same time, to their ends; one that comes to none is for its test to find."""
        with ThreadPoolExecutor(6) as callers:
            list(callers.map(self._order, stories))
        for pauses in range(1 + max(story.pauses for story in stories)):
            if pauses:
                self.deaths.let_pass(A_WHILE)
            until = time.monotonic() + 60
            while (moving := self._moving(stories, pauses)) and time.monotonic() < until:
                time.sleep(0.2)
            self.stuck += moving

    def _order(self, story: Story) -> None:
        """Arm the deaths, and order: again if there is no answer."""
        for death in story.deaths:
            effect, _, number = death.partition("#")
            self.deaths.arm(effect, story.task_id, int(number or 1))
        asked = {**story.order["input"], "prompt": story.prompt}
        body = {**story.order, "input": asked, "webhook": self.receivers[story.name].url}
        if self.caller.post("/v1/predictions", json=body, headers=story.key).is_server_error:
            self.caller.post("/v1/predictions", json=body, headers=story.key)

    def _moving(self, stories: list[Story], pauses: int) -> list[Story]:
        """The stories in which something has to happen yet before more time passes than `pauses` times a while."""
        over = self.over()
        return [
            story
            for story in stories
            if not (self.died(story, pauses + 1) if pauses < story.pauses else story.task_id in over)
        ]

    def over(self) -> set[str]:
        """The tasks that nobody has to come back to: they have ended, and their callers know."""
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self.darkroom.cloud.outputs["TasksTable"])
        return {item["task_id"]["S"] for page in pages for item in page["Items"] if "due" not in item}

    def died(self, story: Story, number: int) -> bool:
        """Whether that many of the deaths have happened."""
        effects = [death.partition("#")[0] for death in story.deaths]
        return all(self.deaths.happened(effect, story.task_id) for effect in effects[:number])

    def shown(self, story: Story) -> dict[str, Any]:
        """The task, as its caller sees it."""
        found: dict[str, Any] = self.caller.get(f"/v1/predictions/{story.task_id}").raise_for_status().json()
        return found

    def charges(self, story: Story) -> int:
        ledger = httpx.get(f"{self.darkroom.simulator_url}/_simulator/ledger").json()
        prompt = hashlib.sha256(story.prompt.encode()).hexdigest()
        return sum(charge["prompt_sha256"] == prompt for charge in ledger["charges"].values())

    @cached_property
    def _dynamodb(self) -> Any:
        return self.darkroom.cloud.client("dynamodb")


def all_deliveries(receiver: Receiver) -> Iterator[Delivery]:
    """What has come by now."""
    with suppress(queue.Empty):
        while True:
            yield receiver.next(timeout=0)


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Telling]:
    """All stories, told."""
    deaths = Deaths(tmp_path_factory.mktemp("deaths"))
    with ExitStack() as started:
        darkroom = started.enter_context(Installation(speed=20, deaths=deaths.folder))
        headers = {"authorization": f"Bearer {darkroom.api_key}"}
        caller = started.enter_context(httpx.Client(base_url=darkroom.api_url, headers=headers, timeout=35))
        patient = started.enter_context(Receiver())
        refusing = {story.name: started.enter_context(Receiver((500,))) for story in STORIES if story.refused}
        telling = Telling(
            darkroom, deaths, caller, {story.name: refusing.get(story.name, patient) for story in STORIES}
        )
        telling.tell([story for story in STORIES if not story.pauses])
        telling.tell([story for story in STORIES if story.pauses])
        for receiver in (patient, *refusing.values()):
            telling.came += all_deliveries(receiver)
        yield telling


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_task_outlives_the_death_of_a_function(story: Story, telling: Telling) -> None:
    assert telling.died(story, len(story.deaths))
    assert story not in telling.stuck
    shown = telling.shown(story)
    images = shown.get("images", [])
    assert (shown.get("error_code", shown["status"]), telling.charges(story)) == (story.end, story.charges)
    assert len(images) == (PICTURES if story.end == "succeeded" else 0)
    for image in images:
        assert hashlib.sha256(httpx.get(image["url"]).content).hexdigest() == image["sha256"]
    news = [
        (one.headers["webhook-id"], one.body) for one in telling.came if json.loads(one.body)["id"] == story.task_id
    ]
    assert (len(news), len(set(news))) == (story.told, 1)
    assert json.loads(news[0][1])["status"] == shown["status"]
    announced = [each.detail["prediction"] for each in telling.darkroom.cloud.events()]
    assert {each["status"] for each in announced if each["id"] == story.task_id} == {shown["status"]}

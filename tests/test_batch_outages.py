"""
Dropped files while things go wrong: gateways that are busy or out, functions that are killed, batches that are stopped.
Each row is charged at most once all the same, and none is forgotten.
"""

import itertools
import time
from collections.abc import Iterator

import httpx
import pytest

from local.cloud.functions.deaths import Deaths
from local.installation import Installation
from tests import conftest
from tests.batch_dropper import Dropper, row

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

VECTORNODE = httpx.URL(conftest.VECTORNODE).host
#: What the shipped catalogue allows each gateway.
AT_ONCE = 10


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> Deaths:
    return Deaths(tmp_path_factory.mktemp("deaths"))


@pytest.fixture(scope="module")
def dropper(deaths: Deaths) -> Iterator[Dropper]:
    with Installation(speed=20, deaths=deaths.folder) as darkroom:
        yield Dropper(darkroom)


def prompts(what: str, number: int) -> list[str]:
    return [f"{what}, number {each}" for each in range(number)]


def rows(what: str, number: int) -> list[dict[str, object]]:
    return [row(str(n), prompt) for n, prompt in enumerate(prompts(what, number))]


def test_no_more_rows_are_under_way_at_a_gateway_than_it_may_have(dropper: Dropper) -> None:
    for name in ("first", "second"):
        dropper.drop(f"default/crowd/{name}.jsonl", rows(f"a crowd, {name}", 20))
    for name in ("first", "second"):
        assert dropper.ended(f"results/default/crowd/{name}/", seconds=180)["successRecordCount"] == 20
        assert dropper.charges(*prompts(f"a crowd, {name}", 20)) == [1] * 20
    moments = [
        (int(task[moment]["N"]), step)
        for task in dropper.tasks()
        for moment, step in (("submitted", 1), ("answered", -1))
        if "a crowd" in task["input"]["S"]
    ]
    under_way = list(itertools.accumulate(step for _, step in sorted(moments)))
    assert 1 < max(under_way) <= AT_ONCE


def test_a_gateway_that_is_busy_slows_a_batch_down_and_burns_none_of_its_rows(dropper: Dropper) -> None:
    dropper.fault(match={"method": "POST", "path": "/"}, times=30, answer={"status": 429})
    dropper.drop("default/busy/busy.jsonl", rows("a queue", 6))
    manifest = dropper.ended("results/default/busy/busy/", seconds=240)
    assert (manifest["successRecordCount"], manifest["errorRecordCount"]) == (6, 0), manifest
    assert dropper.charges(*prompts("a queue", 6)) == [1] * 6


def test_a_gateway_that_is_out_takes_few_rows_with_it(dropper: Dropper, deaths: Deaths) -> None:
    down = {"status": 502, "body": "<html>Bad gateway</html>"}
    dropper.fault(match={"method": "POST", "host": VECTORNODE, "path": "/"}, times=12, answer=down)
    dropper.drop("default/out/out.jsonl", rows("a lighthouse", 40))
    for _ in range(4):  # the turnstile rests for up to five minutes before it lets the next one try
        time.sleep(8)
        deaths.let_pass(310)
    manifest = dropper.ended("results/default/out/out/", seconds=200)
    assert manifest["totalRecordCount"] == 40
    errors = dropper.lines("results/default/out/out/errors.jsonl")
    assert {line["error"]["code"] for line in errors} == {"submission_unknown"}
    assert len(errors) == 12, "what may have been accepted is not sent again"
    assert manifest["successRecordCount"] == 28
    assert max(dropper.charges(*prompts("a lighthouse", 40))) == 1


@pytest.mark.parametrize(
    "death",
    [
        "Intake.s3.PutObject.before",
        "Intake.s3.PutObject.after",
        "Intake.states.StartExecution.before",
        "Intake.states.StartExecution.after",
        "Accept.dynamodb.UpdateItem.after",
        "Accept.store.create.before",
        "Accept.store.create.after",
        "Poll.store.claim.before",
        "Poll.store.keep_ticket.after",
        "Finalize.s3.PutObject.after",
        "Finalize.store.end.before",
        "Collate.s3.PutObject.before",
        "Collate.s3.PutObject.after",
    ],
)
def test_a_function_that_is_killed_costs_nothing_and_loses_nothing(
    dropper: Dropper, deaths: Deaths, death: str
) -> None:
    name = death.replace(".", "-").lower()
    # A message of a process that was killed comes again when its visibility is over: half an hour, on AWS.
    queue = {"QueueUrl": dropper.darkroom.cloud.resources["IntakeQueue"], "Attributes": {"VisibilityTimeout": "5"}}
    dropper.darkroom.cloud.client("sqs").set_queue_attributes(**queue)
    key = f"default/killed/{name}.jsonl"
    of_the_file = death.startswith(("Intake", "Collate"))
    if of_the_file:
        deaths.arm(death, "")
    version = dropper.drop(key, rows(name, 3))
    victim = "" if of_the_file else dropper.task_id(key, version, "1")
    if not of_the_file:
        deaths.arm(death, victim)
    manifest = dropper.ended(f"results/default/killed/{name}/", seconds=200)
    assert (manifest["successRecordCount"], manifest["errorRecordCount"]) == (3, 0), manifest
    assert dropper.charges(*prompts(name, 3)) == [1, 1, 1]
    assert len(dropper.pictures(f"results/default/killed/{name}/")) == 3
    assert deaths.happened(death, victim)


def test_a_batch_that_was_stopped_goes_on_when_it_is_redriven_and_repeats_nothing(
    dropper: Dropper, deaths: Deaths
) -> None:
    dropper.drop("default/stopped/stopped.jsonl", rows("a sundial", 12))
    folder = "results/default/stopped/stopped/"
    batch_id = dropper.wait(folder, "in_progress")["batch_id"]
    states = dropper.darkroom.cloud.client("stepfunctions")
    (batch,) = [one for one in dropper.darkroom.cloud.executions("Batch") if one.name == batch_id]
    states.stop_execution(executionArn=batch.arn)
    states.redrive_execution(executionArn=batch.arn)
    # Until the sweeper takes the drivers for lost that were stopped with the batch; but not while any of them posts.
    time.sleep(8)
    deaths.let_pass(400)
    manifest = dropper.ended(folder, seconds=240)
    assert manifest["successRecordCount"] == 12, manifest["errors"]
    assert dropper.charges(*prompts("a sundial", 12)) == [1] * 12

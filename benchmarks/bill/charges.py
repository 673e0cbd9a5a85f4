"""
What a story (rehearsed.py) needs of everything that AWS charges for: with Standard executions, as it was told, and
with Express ones.

State transitions are what the machines have entered, and each retry: "Step Functions counts a state transition each
time a step of your workflow is executed", retries included (https://aws.amazon.com/step-functions/pricing/).
"""

import json
import math
import statistics
from collections import Counter

from benchmarks.bill import meter
from benchmarks.bill.meter import Units
from benchmarks.bill.rehearsed import Story, Work
from local.cloud.machines.execution import Execution
from tests.conftest import ROOT, template

#: An Express execution lives for 300 s. At this age it would hand its task on to a Standard one, s.
HAND_OVER_S = 270
#: MB of memory that come with one whole processor: a function has as much of one as it has of that.
WHOLE_MB = 1769
#: Share of invocations that find no warm function, and seconds that it takes to begin: assumed.
COLD, COLD_S = 0.01, 0.4
#: Bytes that Lambda itself writes into the log for each invocation (START, END, REPORT and XRAY).
LINES = 360
#: Months for which a task's item is kept (the template's TaskRetentionDays).
KEPT_MONTHS = 3


def memory(function: str) -> int:
    """Of a function in the template, MB."""
    properties = template()["Resources"][function.capitalize()]["Properties"]
    return int(properties["MemorySize"])


def billed(work: Work) -> int:
    """Milliseconds of an invocation, if this machine's processor were Lambda's."""
    whole = min(1.0, memory(work.function) / WHOLE_MB)
    return math.ceil(1000 * (work.elapsed + work.processor / whole))


def units(story: Story) -> Units:
    """What all these tasks need of everything, by the names of PRICES."""
    found = Units(float, story.counts)
    starts = Counter(work.function for work in story.works)
    generations = [each for each in story.executions if each.machine_arn.endswith("generation")]
    found["transitions"] = sum(each.transitions for each in story.executions)
    found["invocations"] = len(story.works)
    found["compute"] = sum(_gb_s(work) for work in story.works)
    found["items"] = KEPT_MONTHS * sum(meter.kept(item, meter.task_indexes()) for item in story.items)
    found["logged"] = story.logged + LINES * len(story.works)
    found["calls"] = starts["submit"]
    found["events"] = len(generations)
    # Of these X-Ray's default rule records the first each second and a twentieth of the others; here, all of them.
    found["traces"] = starts["submit"] + starts["authorize"] + len(story.executions)
    return found


def _gb_s(work: Work) -> float:
    gb = memory(work.function) / 1024
    return gb * (billed(work) / 1000 + COLD * COLD_S)


def as_express(story: Story, ours: Units) -> Units:
    """
    The same run, driven by Express executions, that log what fails and nothing else. One that would wait beyond
    HAND_OVER_S hands its task on to a Standard one instead, which goes on with it under the next generation.
    """
    found = Units(float, ours)
    drivers = [each for each in story.executions if each.machine_arn.endswith("generation")]
    handed_over = [entries for each in drivers if (entries := _after_hand_over(each))]
    found["transitions"] += sum(map(len, handed_over)) - sum(each.transitions for each in drivers)
    found["express requests"] = len(drivers)
    seconds = sum(math.ceil(10 * _express_s(each)) / 10 for each in drivers)
    found["express time"] = seconds * express_mb() / 1024
    # To raise the generation is one more write to the item, and its `due` is another in the index.
    item = statistics.mean(math.ceil(meter.size(each) / meter.WRITTEN) for each in story.items)
    found["writes"] += round(len(handed_over) * (item + 2))
    return found


def _express_s(driver: Execution) -> float:
    """For how long an Express execution would have driven this task."""
    assert driver.stopped is not None
    later = _after_hand_over(driver)
    return (later[0] if later else driver.stopped) - driver.started


def _after_hand_over(driver: Execution) -> list[float]:
    """When the states were entered that a Standard execution would have to go through, s; the first is a wait."""
    assert driver.stopped is not None
    if driver.stopped - driver.started <= HAND_OVER_S:
        return []
    entered = [each for each in driver.events if each["type"].endswith("StateEntered")]
    waits = [
        number
        for number, each in enumerate(entered)
        if each["type"] == "WaitStateEntered" and each["timestamp"] - driver.started <= HAND_OVER_S
    ]
    return [each["timestamp"] for each in entered[waits[-1] :]]


def express_mb() -> int:
    """MB that an Express execution of ours is billed for: 50, the definition and what travels, in steps of 64."""
    definition = (ROOT / "statemachines/generation.asl.yaml").stat().st_size
    return 64 * math.ceil((50 + (definition + 16_384) / 2**20) / 64)


def logged_whole(story: Story) -> int:
    """Bytes of the drivers' histories: what Express would log at level ALL, with data, to show what Standard shows."""
    return sum(len(json.dumps(event)) for each in story.executions for event in each.events)

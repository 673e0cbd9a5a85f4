"""
The driver: the workflow execution that carries one task to its end.

An execution is named after its task and generation, so that starting it twice starts it once. What it carries from
state to state is a `Step`: ids and small numbers. A deployment finds drivers under way, so a step has a version, and
this version and the one before (there is none yet) are understood; what a version adds may be missing.

A Wait state counts whole seconds, so it waits those, and Poll what is left of the time until `at`.
"""

import json
from dataclasses import dataclass, replace
from typing import Any, Literal

from darkroom import aws, clock, settings
from darkroom.task import Task

VERSION = 1
#: Turns after which a driver leaves its task to the next one: an execution's history holds 25,000 events.
LAST_TURN = 400
#: Milliseconds beyond its own next visit after which a driver may be taken for lost.
GRACE_MS = 180_000
#: Milliseconds for which collecting may keep a driver busy (Finalize's timeout) beside that.
COLLECT_MS = 310_000

#: What statemachines/ may be told to do next.
Next = Literal["wait", "finalize", "deliver", "done", "leave"]


@dataclass(frozen=True)
class Step:
    """
    wait: whole seconds until the next visit. turn: visits of this driver so far. at: when it is to ask next, ms; 0 for
    when it comes. asked: when the gateway last said that it was still at it, ms; 0 for never.
    """

    task_id: str
    generation: int
    wait: int
    turn: int = 0
    at: int = 0
    asked: int = 0

    def document(self, next_state: Next | None = None) -> dict[str, Any]:
        """The step as it travels; `next_state` is for the Choice that follows."""
        carried = {"v": VERSION, "task_id": self.task_id, "generation": self.generation}
        carried |= {"wait": self.wait, "turn": self.turn, "at": self.at, "asked": self.asked}
        return carried | ({"next": next_state} if next_state else {})

    def after(self, wait: float, *, asked: int = 0) -> "Step":
        """The step after this, `wait` seconds from now."""
        return replace(self, wait=int(wait), turn=self.turn + 1, at=_at(wait), asked=asked or self.asked)


def _at(wait: float) -> int:
    return clock.now() + round(wait * 1000) if wait else 0


def step(document: dict[str, Any]) -> Step:
    """The step in an event. Raises ValueError for a version that is not known."""
    if document["v"] != VERSION:
        raise ValueError(f"a step of version {document['v']!r}; this code knows version {VERSION}")
    at, asked = document.get("at", 0), document.get("asked", 0)
    return Step(document["task_id"], document["generation"], document["wait"], document["turn"], at, asked)


def superseded(step: Step, task: Task) -> bool:
    """Whether this driver has been taken for lost, and another has taken over."""
    return task.generation > step.generation


def start(task: Task, wait: float) -> None:
    """Start the task's driver, which asks for the first time after `wait` seconds."""
    _start(settings.generation_machine(), task, wait)


def start_delivery(task: Task, wait: int) -> None:
    """Start (again) what tells the task's receiver how it ended, after `wait` seconds."""
    _start(settings.delivery_machine(), task, wait)


def _start(machine: str, task: Task, wait: float) -> None:
    client = aws.stepfunctions()
    name = task.task_id if task.generation == 1 else f"{task.task_id}-{task.generation}"
    first = Step(task.task_id, task.generation, int(wait), at=_at(wait))
    try:
        client.start_execution(
            stateMachineArn=machine,
            name=name,
            input=json.dumps(first.document()),
        )
    except client.exceptions.ExecutionAlreadyExists:
        return

"""Executions that run in this process: definitions of any version, over the functions of this one."""

import asyncio
import json
from dataclasses import replace
from typing import Any

from local.cloud.machines.definition import Definition, parse
from local.cloud.machines.engine import Engine
from local.cloud.machines.execution import Execution
from tests.conftest import ROOT, Clock, Context, Event, call, template
from tests.kept import Kept

MACHINES = ("generation", "delivery")
_FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"
_MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:"
_RESOURCES: dict[str, Any] = template()["Resources"]
_SUBSTITUTIONS = {"Partition": "aws", "Stack": "darkroom"} | {
    name: (_MACHINE if resource["Type"] == "AWS::StepFunctions::StateMachine" else _FUNCTION) + name
    for name, resource in _RESOURCES.items()
    if resource["Type"] in ("AWS::Lambda::Function", "AWS::StepFunctions::StateMachine")
}


def begun(kept: Kept, stand: dict[str, Any]) -> Definition:
    """The definition of an execution as it was when it began; it goes on from where the execution stands."""
    parsed = parse((kept.folder / f"{stand['machine']}.asl.yaml").read_text(), _SUBSTITUTIONS, str(kept))
    return replace(parsed, start_at=stand["state"])


def now(machine: str) -> Definition:
    """The definition of a machine in this version."""
    return parse((ROOT / "statemachines" / f"{machine}.asl.yaml").read_text(), _SUBSTITUTIONS, machine)


def run(time: Clock, begun: Definition, step: Event) -> Execution:
    """
    An execution until its end, and of all that it starts: those begin with the definitions of this version.

    The functions are the doors behind the names that they have in the template; waiting turns the clock.
    """

    async def invoke(arn: str, payload: bytes) -> tuple[bytes, str | None]:
        properties = _RESOURCES[arn.removeprefix(_FUNCTION)]["Properties"]
        door, context = properties["Handler"].removesuffix(".handler"), Context(remaining=1000 * properties["Timeout"])
        try:
            answer = await asyncio.to_thread(call, door, json.loads(payload), context)
        except Exception as error:  # as Lambda reports it
            return json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)}).encode(), "Unhandled"
        return json.dumps(answer).encode(), None

    async def sleep(seconds: float) -> None:
        time.forward(seconds)
        await asyncio.sleep(0)

    async def to_the_end() -> list[Execution]:
        engine = Engine(invoke, lambda: time.now / 1000, sleep)
        for machine in MACHINES:
            engine.add(f"{_MACHINE}{machine.capitalize()}", now(machine))
        engine.add(f"{_MACHINE}Begun", begun)
        engine.start(f"{_MACHINE}Begun", None, json.dumps(step))
        while any(execution.status == "RUNNING" for execution in engine.executions.values()):
            await asyncio.sleep(0.001)
        return list(engine.executions.values())

    first, *others = asyncio.run(to_the_end())
    assert all(execution.status == "SUCCEEDED" for execution in others)
    return first

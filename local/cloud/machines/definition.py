"""A state machine's definition, read and checked before anything runs: what is not known here is refused.

The subset of https://states-language.net/spec.html that the local cloud interprets, in JSONata only.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from local.cloud.errors import CloudError
from local.cloud.machines.expressions import compiled

ALL_STATES = {"Type", "Comment", "QueryLanguage"}
ON_THE_WAY = {"Output", "Assign", "Next", "End"}
FIELDS = {
    "Task": {"Resource", "Arguments", "TimeoutSeconds", "Retry", "Catch"} | ON_THE_WAY,
    "Wait": {"Seconds"} | ON_THE_WAY,
    "Pass": ON_THE_WAY,
    "Choice": {"Choices", "Default", "Output", "Assign"},
    "Map": {
        "Label", "ItemReader", "ItemSelector", "ItemProcessor", "MaxConcurrency", "ToleratedFailurePercentage",
        "ResultWriter", "Retry", "Catch",
    } | ON_THE_WAY,
    "Succeed": {"Output"},
    "Fail": {"Error", "Cause"},
}  # fmt: skip
REQUIRED = {
    "Task": ["Resource"],
    "Wait": ["Seconds"],
    "Choice": ["Choices"],
    "Map": ["Label", "ItemReader", "ItemProcessor", "ResultWriter"],
}
PARTS = {
    "Choices": {"Condition", "Next", "Output", "Assign", "Comment"},
    "Catch": {"ErrorEquals", "Next", "Output", "Assign", "Comment"},
    "Retry": {
        "ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds", "JitterStrategy", "Comment",
    },
}  # fmt: skip
MACHINE = {"Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"}
PROCESSOR = {"Comment", "ProcessorConfig", "StartAt", "States"}
DISTRIBUTED = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
READER = {"Resource", "Arguments", "ReaderConfig"}
WRITER = {"Resource", "Arguments"}
GET_OBJECT = "arn:aws:states:::s3:getObject"
PUT_OBJECT = "arn:aws:states:::s3:putObject"
# https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
LABEL = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,40}")


@dataclass(frozen=True)
class Definition:
    """A checked definition; every `{% … %}` in it is an Expression, and every ItemProcessor a Definition."""

    start_at: str
    states: dict[str, dict[str, Any]]
    timeout: int | None  # seconds


def parse(text: str, substitutions: Mapping[str, str], name: str) -> Definition:
    """Read a definition (YAML or JSON) as SAM would deploy it; `name` is for the sentences of its errors."""
    for placeholder, value in substitutions.items():
        text = text.replace("${" + placeholder + "}", value)
    document: dict[str, Any] = yaml.safe_load(text)
    _known(document, MACHINE, f"The state machine {name}")
    if document.get("QueryLanguage") != "JSONata":
        raise CloudError(f"The state machine {name} does not speak JSONata, the only language known here.")
    return _read(document, name)


def _read(document: dict[str, Any], name: str) -> Definition:
    """A machine, or what a Map does with each item."""
    for state_name, state in document["States"].items():
        _check(state_name, state, f"The state {state_name!r} of {name}")
    _check_ways(document, name)
    states = {
        state_name: compiled(state)
        if state["Type"] != "Map"
        else compiled(state | {"ItemProcessor": None})
        | {"ItemProcessor": _read(state["ItemProcessor"], f"{name}/{state['Label']}")}
        for state_name, state in document["States"].items()
    }
    return Definition(document["StartAt"], states, document.get("TimeoutSeconds"))


def _known(document: dict[str, Any], fields: set[str], where: str) -> None:
    if unknown := document.keys() - fields:
        raise CloudError(f"{where} has a field that is not known here: {', '.join(sorted(unknown))}.")


def _check(name: str, state: dict[str, Any], where: str) -> None:
    kind = state.get("Type", "")
    if kind not in FIELDS:
        raise CloudError(f"{where} has the type {kind!r}, which is not known here.")
    _known(state, FIELDS[kind] | ALL_STATES, where)
    if len(name) > 80:
        raise CloudError(f"{where} has a name of more than 80 characters.")
    if missing := [field for field in REQUIRED.get(kind, []) if field not in state]:
        raise CloudError(f"{where} has no {', no '.join(missing)}.")
    if kind == "Map":
        _check_map(state, where)
    if "Next" in FIELDS[kind] and ("Next" in state) == (state.get("End") is True):
        raise CloudError(f"{where} needs either Next or End: true.")
    for part, fields in PARTS.items():
        for entry in state.get(part, []):
            _known(entry, fields, f"{where}, in {part},")
            errors = entry.get("ErrorEquals", [])
            if "States.ALL" in errors and (len(errors) > 1 or entry is not state[part][-1]):
                raise CloudError(f"{where}, in {part}, must have States.ALL alone and last.")
    if "${" in str(state.get("Resource")):
        raise CloudError(f"{where} has a Resource that DefinitionSubstitutions does not give: {state['Resource']}.")


def _check_map(state: dict[str, Any], where: str) -> None:
    reader, processor, writer = state["ItemReader"], state["ItemProcessor"], state["ResultWriter"]
    for part, fields in (reader, READER), (processor, PROCESSOR), (writer, WRITER):
        _known(part, fields, where)
    if processor.get("ProcessorConfig") != DISTRIBUTED:
        raise CloudError(f"{where} is not a Distributed Map of Standard workflows, the only one that is known here.")
    if reader["Resource"] != GET_OBJECT or reader.get("ReaderConfig") != {"InputType": "JSONL"}:
        raise CloudError(f"{where} reads what is not known here: it takes JSONL by s3:getObject, without limits.")
    if writer["Resource"] != PUT_OBJECT:
        raise CloudError(f"{where} writes by what is not known here: it takes s3:putObject.")
    if not LABEL.fullmatch(state["Label"]):
        raise CloudError(f"{where} has a Label that is no name of at most 40 characters.")


def _ways(state: dict[str, Any]) -> Iterator[str]:
    for part in (state, *state.get("Choices", []), *state.get("Catch", [])):
        yield from (part[way] for way in ("Next", "Default") if way in part)


def _check_ways(document: dict[str, Any], name: str) -> None:
    """Every way leads to a state, and every state is on a way: AWS refuses both faults as well."""
    states = document["States"]
    reached: set[str] = set()
    ahead = [document["StartAt"]]
    while ahead:
        state = ahead.pop()
        if state not in states:
            raise CloudError(f"The state machine {name} goes on to {state!r}, which it does not have.")
        if state not in reached:
            reached.add(state)
            ahead.extend(_ways(states[state]))
    if lost := states.keys() - reached:
        raise CloudError(f"The state machine {name} never comes to {', '.join(sorted(lost))}.")

"""A SAM template becomes resources in the order of their dependencies, by AWS's own translator, without AWS.

Every CodeUri, ContentUri and DefinitionUri is handed to the translator as an address in S3, since it takes no folders.
The key of that address is the path itself, relative to the template, so that deploy.py finds the files again.
"""

import os
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from local.cloud.errors import CloudError
from local.cloud.intrinsics import Scope, referred

REGION = "us-east-1"
ADDRESSES = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}


class NoManagedPolicies:
    """The translator would ask IAM for the list of managed policies; nothing here is given any."""

    def load(self) -> dict[str, str]:
        return {}


def read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CloudError(f"There is no template at {path}.")
    template: dict[str, Any] = yaml_parse(path.read_text())
    parts = [template.get("Globals", {}).get("Function", {})]
    parts += [resource.get("Properties", {}) for resource in template["Resources"].values()]
    for part in parts:
        for address in set(ADDRESSES.values()) & part.keys():
            part[address] = f"s3://local/{part[address]}"
    return template


def translate(template: dict[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """The template in plain CloudFormation. The translator asks boto3 for the region, which asks the environment."""
    before = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = REGION
    try:
        translated: dict[str, Any] = transform(template, dict(parameters), NoManagedPolicies())
    except InvalidDocumentException as error:
        causes = "; ".join(cause.message for cause in error.causes)
        raise CloudError(f"The template is not a valid SAM template: {causes}") from error
    finally:
        if before is None:
            del os.environ["AWS_DEFAULT_REGION"]
        else:
            os.environ["AWS_DEFAULT_REGION"] = before
    return translated


def parameter_values(declared: dict[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """What Ref gives for each parameter: the value given or its default, as text or a list of texts."""
    if unknown := given.keys() - declared.keys():
        raise CloudError(f"The template has no parameter {', '.join(sorted(unknown))}.")
    values: dict[str, Any] = {}
    for name, parameter in declared.items():
        if name not in given and "Default" not in parameter:
            raise CloudError(f"The parameter {name} has no default and was not given.")
        value = str(given.get(name, parameter.get("Default")))
        allowed = [str(choice) for choice in parameter.get("AllowedValues", [value])]
        if value not in allowed:
            raise CloudError(f"The parameter {name} is {value}, which is not one of {', '.join(allowed)}.")
        if parameter["Type"] == "CommaDelimitedList":
            values[name] = [part.strip() for part in value.split(",")]
        elif parameter["Type"] in ("String", "Number"):
            values[name] = value
        else:
            raise CloudError(f"The parameter {name} has the type {parameter['Type']}, which is not known here.")
    return values


def in_order(template: dict[str, Any], scope: Scope) -> list[tuple[str, dict[str, Any]]]:
    """The resources whose condition holds, each after everything that it refers to or depends on."""
    resources = {
        name: resource
        for name, resource in template["Resources"].items()
        if "Condition" not in resource or scope.condition(resource["Condition"])
    }
    graph = {}
    for name, resource in resources.items():
        depends_on = resource.get("DependsOn", [])
        before = {depends_on} if isinstance(depends_on, str) else set(depends_on)
        before |= set(referred(resource.get("Properties", {})))
        graph[name] = before & resources.keys()
    try:
        return [(name, resources[name]) for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        raise CloudError(f"The template goes in a circle: {' -> '.join(error.args[1])}.") from error

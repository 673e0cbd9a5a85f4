from pathlib import Path
from typing import Any

import pytest

from local.cloud.errors import CloudError
from local.cloud.intrinsics import Scope
from local.cloud.template import in_order, parameter_values, read, translate


def resources(**resources: Any) -> dict[str, Any]:
    return {"Resources": resources}


def test_what_is_referred_to_comes_first() -> None:
    template = resources(
        A={"Type": "x", "Properties": {"p": {"Fn::Sub": "${B.Arn}"}}},
        B={"Type": "x", "DependsOn": "C"},
        C={"Type": "x"},
    )
    assert [name for name, _ in in_order(template, Scope({}))] == ["C", "B", "A"]


def test_a_circle_is_named() -> None:
    template = resources(
        Door={"Type": "x", "Properties": {"p": {"Ref": "Machine"}}},
        Machine={"Type": "x", "Properties": {"p": {"Ref": "Door"}}},
    )
    with pytest.raises(CloudError, match=r"circle: (Door -> Machine -> Door|Machine -> Door -> Machine)"):
        in_order(template, Scope({}))


def test_a_resource_whose_condition_fails_is_left_out() -> None:
    template = resources(A={"Type": "x", "Condition": "No"}, B={"Type": "x"})
    assert [name for name, _ in in_order(template, Scope({}, conditions={"No": {"Fn::Equals": [1, 2]}}))] == ["B"]


def test_parameters_have_defaults_and_are_text() -> None:
    declared = {"Days": {"Type": "Number", "Default": 90}, "Zones": {"Type": "CommaDelimitedList", "Default": "a, b"}}
    assert parameter_values(declared, {}) == {"Days": "90", "Zones": ["a", "b"]}
    assert parameter_values(declared, {"Days": "7"})["Days"] == "7"


@pytest.mark.parametrize(
    ("declared", "given", "word"),
    [
        ({}, {"Typo": "1"}, "no parameter Typo"),
        ({"Days": {"Type": "Number"}}, {}, "Days has no default"),
        ({"Cpu": {"Type": "String", "AllowedValues": ["arm64"]}}, {"Cpu": "z80"}, "z80"),
        ({"Image": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "x"}}, {}, "AWS::SSM::Parameter"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(declared: Any, given: dict[str, str], word: str) -> None:
    with pytest.raises(CloudError, match=word):
        parameter_values(declared, given)


def test_a_fault_of_the_sam_template_is_passed_on(tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text("Resources: {F: {Type: AWS::Serverless::Function, Properties: {CodeUri: x, Nonsense: 1}}}")
    with pytest.raises(CloudError, match="Nonsense"):
        translate(read(file), {})


def test_a_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CloudError, match=r"There is no template at .*missing\.yaml"):
        read(tmp_path / "missing.yaml")

from typing import Any

import pytest
import yaml

from local.cloud.errors import CloudError
from local.cloud.machines.definition import parse

GOOD: dict[str, Any] = {
    "QueryLanguage": "JSONata",
    "StartAt": "A",
    "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Succeed"}},
}


def test_a_good_definition_is_read_with_its_substitutions() -> None:
    task = {"Type": "Task", "Resource": "${Poll}", "End": True}
    text = yaml.safe_dump(GOOD | {"StartAt": "T", "States": {"T": task}})
    assert parse(text, {"Poll": "arn:poll"}, "M").states["T"]["Resource"] == "arn:poll"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"QueryLanguage": "JSONPath"}, "JSONata"),
        ({"Comment2": "x"}, "Comment2"),
        ({"StartAt": "Z"}, "'Z'"),
        ({"States": {"A": {"Type": "Pass"}}}, "either Next or End"),
        ({"States": {"A": {"Type": "Pass", "Next": "B", "End": True}}}, "either Next or End"),
        ({"States": {"A": {"Type": "Pass", "Next": "Z"}}}, "'Z'"),
        ({"States": {"A": {"Type": "Succeed"}, "B": {"Type": "Succeed"}}}, "never comes to B"),
        ({"States": {"A": {"Type": "Parallel", "End": True}}}, "Parallel"),
        ({"States": {"A": {"Type": "Pass", "InputPath": "$", "End": True}}}, "InputPath"),
        ({"States": {"A": {"Type": "Wait", "End": True}}}, "no Seconds"),
        ({"States": {"A": {"Type": "Task", "Resource": "${Typo}", "End": True}}}, "Typo"),
        ({"States": {"A": {"Type": "Pass", "Output": "{% $states. %}", "End": True}}}, "not JSONata"),
        (
            {
                "States": {
                    "A": {"Type": "Task", "Resource": "r", "End": True, "Retry": [{"ErrorEquals": ["x"], "Max": 1}]}
                }
            },
            "Max",
        ),
        (
            {
                "States": {
                    "A": {"Type": "Task", "Resource": "r", "End": True, "Retry": [{"ErrorEquals": ["States.ALL", "x"]}]}
                }
            },
            "States.ALL alone",
        ),
    ],
)
def test_a_faulty_definition_is_refused_with_the_name_of_its_fault(change: dict[str, Any], word: str) -> None:
    with pytest.raises(CloudError, match=word):
        parse(yaml.safe_dump(GOOD | change), {}, "M")

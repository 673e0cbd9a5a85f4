from typing import Any

import pytest

from local.cloud.errors import CloudError
from local.cloud.intrinsics import Scope, referred

SCOPE = Scope(
    names={"AWS::Region": "us-east-1", "Days": "0", "Table": "table-1", "Zones": ["a", "b"]},
    mappings={"Sizes": {"small": {"MB": 128}}},
    conditions={
        "Never": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Days"}, 0]}]},
        "Always": {"Fn::Or": [{"Condition": "Never"}, {"Fn::And": [{"Fn::Equals": ["x", "x"]}]}]},
    },
    attributes={"Table": {"Arn": "arn:table-1"}},
)


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ({"Ref": "Table"}, "table-1"),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "arn:table-1"),
        ({"Fn::GetAtt": "Table.Arn"}, "arn:table-1"),
        ({"Fn::Sub": "${Table.Arn}/index/${!x}/${AWS::Region}"}, "arn:table-1/index/${x}/us-east-1"),
        ({"Fn::Sub": ["${a}-${Table}", {"a": {"Ref": "Days"}}]}, "0-table-1"),
        ({"Fn::Join": ["/", ["a", {"Ref": "Table"}, 3]]}, "a/table-1/3"),
        ({"Fn::Select": ["1", {"Ref": "Zones"}]}, "b"),
        ({"Fn::Split": ["-", {"Ref": "Table"}]}, ["table", "1"]),
        ({"Fn::FindInMap": ["Sizes", "small", "MB"]}, 128),
        ({"Fn::If": ["Never", "yes", "no"]}, "no"),
        ({"Fn::If": ["Always", "yes", "no"]}, "yes"),
        ([1, {"Ref": "AWS::NoValue"}, {"a": {"Ref": "AWS::NoValue"}, "b": 2}], [1, {"b": 2}]),
    ],
)
def test_each_function_gives_what_cloudformation_gives(value: Any, meaning: Any) -> None:
    assert SCOPE.resolve(value) == meaning


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ({"Fn::Cidr": ["10.0.0.0/16", 1, 1]}, "Fn::Cidr"),
        ({"Ref": "Nowhere"}, "Nowhere"),
        ({"Fn::Sub": "${Nowhere}"}, "Nowhere"),
        ({"Fn::GetAtt": ["Table", "StreamArn"]}, "StreamArn"),
        ({"Fn::FindInMap": ["Sizes", "large", "MB"]}, "Sizes.large.MB"),
        ({"Fn::If": ["Unheard", 1, 2]}, "Unheard"),
    ],
)
def test_what_is_not_known_is_refused_by_its_name(value: Any, word: str) -> None:
    with pytest.raises(CloudError, match=word):
        SCOPE.resolve(value)


def test_every_way_to_refer_to_a_resource_is_seen() -> None:
    value = [
        {"Ref": "A"},
        {"x": {"Fn::GetAtt": ["B", "Arn"]}},
        {"Fn::Sub": ["${C.Arn} ${own} ${!literal}", {"own": {"Ref": "D"}}]},
        {"Fn::Join": ["", [{"Ref": "E"}]]},
    ]
    assert set(referred(value)) == {"A", "B", "C", "D", "E"}

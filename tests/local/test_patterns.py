"""Which events a rule's pattern is meant for: local/cloud/patterns.py."""

from typing import Any

import pytest

from local.cloud.errors import CloudError
from local.cloud.patterns import check, matches

EVENT: dict[str, Any] = {
    "source": "aws.s3",
    "resources": ["arn:one", "arn:two"],
    "detail": {"object": {"key": "shop/Sheet.CSV", "size": 7}, "final": True, "note": None},
}


def key(*wanted: Any) -> dict[str, Any]:
    return {"detail": {"object": {"key": list(wanted)}}}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["aws.s3"]}, True),
        ({"source": ["aws.sqs", "aws.s3"]}, True),
        ({"source": ["aws.sqs"]}, False),
        ({"source": ["aws.s3"], "account": ["1"]}, False),
        ({"source": ["aws.s3"], "detail": {"final": [False]}}, False),
        ({"detail": {"final": [True], "note": [None]}}, True),
        ({"detail": {"final": [1]}}, False),
        ({"detail": {"object": {"size": [7]}}}, True),
        ({"detail": {"object": {"size": ["7"]}}}, False),
        ({"source": {"object": ["x"]}}, False),
        ({"resources": ["arn:two"]}, True),
        ({"resources": [{"prefix": "arn:t"}]}, True),
        (key({"prefix": "shop/"}), True),
        (key({"prefix": "Shop/"}), False),
        (key({"prefix": {"equals-ignore-case": "SHOP/"}}), True),
        (key({"suffix": ".csv"}), False),
        (key({"suffix": {"equals-ignore-case": ".csv"}}), True),
        (key({"suffix": ".jsonl"}, {"suffix": ".CSV"}), True),
        (key({"equals-ignore-case": "shop/sheet.csv"}), True),
        (key({"equals-ignore-case": "sheet.csv"}), False),
        (key({"anything-but": "shop/Sheet.CSV"}), False),
        (key({"anything-but": ["a", "b"]}), True),
        ({"detail": {"object": {"size": [{"prefix": "7"}]}}}, False),
        ({"detail": {"nobody": [{"anything-but": "x"}]}}, False),
    ],
)
def test_a_pattern_is_meant_for_events_of_which_every_field_fits(pattern: dict[str, Any], expected: bool) -> None:
    check(pattern)
    assert matches(pattern, EVENT) is expected


@pytest.mark.parametrize(
    "wanted",
    [
        {"numeric": [">", 1]},
        {"exists": True},
        {"wildcard": "*.csv"},
        {"prefix": 1},
        {"prefix": "a", "suffix": "b"},
        {"suffix": {"anything-but": ".csv"}},
        {"anything-but": {"prefix": "a"}},
        {"anything-but": [{"prefix": "a"}]},
        {},
        ["a"],
    ],
)
def test_an_operator_that_is_not_known_is_refused(wanted: Any) -> None:
    with pytest.raises(CloudError, match="key has an operator that is not known here"):
        check(key(wanted))


@pytest.mark.parametrize("pattern", [{}, {"source": "aws.s3"}, {"$or": [{"source": ["a"]}], "detail": {}}])
def test_what_is_no_pattern_is_refused(pattern: Any) -> None:
    with pytest.raises(CloudError):
        check(pattern)

"""What benchmarks/bill.py counts by: AWS's rules, with the examples of its documents."""

import pytest

from benchmarks.bill import charges, meter, prices
from benchmarks.bill.rehearsed import Work
from darkroom import aws
from local.cloud.machines.execution import Execution
from tests.conftest import Account

DUE = ("due_shard", "due", "task_id")


def item(**attributes: str) -> meter.Item:
    return {name: {"N" if value.isdigit() else "S": value} for name, value in attributes.items()}


@pytest.mark.parametrize(
    ("value", "bytes_"),
    [
        ({"S": "Grüße"}, 7),
        ({"N": "27"}, 2),
        ({"N": "-3.14"}, 4),
        ({"N": "1795176000000"}, 5),
        ({"BOOL": False}, 1),
        ({"NULL": True}, 1),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"N": "1"}]}, 3 + (1 + 2) + (1 + 2)),
        ({"M": {"at": {"N": "7"}}}, 3 + (1 + 2 + 2)),
    ],
)
def test_an_attribute_is_as_large_as_dynamodb_says(value: dict[str, object], bytes_: int) -> None:
    assert meter.size({"name": value}) == len("name") + bytes_


def test_a_write_costs_a_unit_for_each_kilobyte_of_the_larger_of_before_and_after() -> None:
    large = item(task_id="t", input="x" * 1500)
    assert meter.write_units(None, item(task_id="t"), []) == 1
    assert meter.write_units(item(task_id="t"), large, []) == 2
    assert meter.write_units(large, item(task_id="t"), []) == 2


def test_a_condition_that_does_not_hold_is_paid_for_all_the_same() -> None:
    there = item(task_id="t", input="x" * 1500)
    assert meter.write_units(there, there, [DUE]) == 2
    assert meter.write_units(None, None, [DUE]) == 1


def test_an_index_is_written_to_when_its_keys_change() -> None:
    none, one, other = (
        item(task_id="t"),
        item(task_id="t", due_shard="s", due="1"),
        item(task_id="t", due_shard="s", due="2"),
    )
    assert meter.write_units(None, one, [DUE]) == 2
    assert meter.write_units(one, {**one, **item(status="running")}, [DUE]) == 1
    assert meter.write_units(one, other, [DUE]) == 3, "the old place goes, and there is a new one"
    assert meter.write_units(other, none, [DUE]) == 2


def test_a_read_costs_a_unit_for_each_four_kilobytes_and_half_of_it_if_it_may_be_stale() -> None:
    assert meter.read_units([{}], {"ConsistentRead": True}) == 1
    assert meter.read_units([{}], {}) == 0.5
    assert meter.read_units([item(task_id="t", input="x" * 5000)], {"ConsistentRead": True}) == 2


def test_what_is_asked_of_aws_is_read_off(account: Account) -> None:
    watch, table = meter.Meter(), f"{account.stack}-TasksTable"
    due = {"task_id": {"S": "t"}, "due_shard": {"S": "1"}, "due": {"N": "1"}}
    with watch.installed():
        aws.dynamodb().put_item(TableName=table, Item=due)
        watch.running = True
        aws.dynamodb().update_item(
            TableName=table,
            Key={"task_id": {"S": "t"}},
            UpdateExpression="SET due = :due",
            ExpressionAttributeValues={":due": {"N": "2"}},
        )
        aws.dynamodb().get_item(TableName=table, Key={"task_id": {"S": "t"}})
        aws.s3().put_object(Bucket=account.bucket, Key="a", Body=b"1")
        aws.s3().get_object(Bucket=account.bucket, Key="a")
        aws.ssm().get_parameter(Name=f"/{account.stack}/link-key", WithDecryption=True)
        aws.ssm().get_parameter(Name=f"/{account.stack}/api-url")
    assert watch.counts == {"writes": 3, "reads": 0.5, "puts": 1, "gets": 1, "decryptions": 1}


def test_what_there_is_no_rule_for_is_not_taken_for_free(account: Account) -> None:
    with meter.Meter().installed(), pytest.raises(NotImplementedError, match="Scan"):
        aws.dynamodb().scan(TableName=f"{account.stack}-TasksTable")


def test_a_function_is_billed_for_its_time_on_its_share_of_a_processor() -> None:
    assert charges.billed(Work("poll", processor=0.0, elapsed=0.2501)) == 251
    assert charges.billed(Work("poll", processor=0.010, elapsed=0.25)) == 285, "512 of 1,769 MB"


def test_a_driver_hands_over_instead_of_a_wait_that_leads_past_its_age() -> None:
    driver = execution((0, "Wait"), (100, "Task"), (100.5, "Choice"), (100.5, "Wait"), (400, "Task"), (401, "Succeed"))
    assert charges._express_s(driver) == 100.5
    assert len(charges._after_hand_over(driver)) == 3, "the wait, the task and the end are Standard's"


def test_a_driver_that_is_quick_never_hands_over() -> None:
    driver = execution((0, "Wait"), (12, "Task"), (12.5, "Succeed"))
    assert (charges._express_s(driver), charges._after_hand_over(driver)) == (12.5, [])


def test_a_thousand_transitions_cost_two_and_a_half_cents() -> None:
    assert prices.dollars("transitions", 1000) == 0.025


def execution(*entered: tuple[float, str]) -> Execution:
    driver = Execution("arn", "generation", "t", "{}", 1_000.0, status="SUCCEEDED")
    for at, kind in entered:
        driver.record(1_000.0 + at, f"{kind}StateEntered")
    driver.stopped = 1_000.0 + entered[-1][0]
    return driver

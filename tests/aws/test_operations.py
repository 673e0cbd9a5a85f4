"""What we ask AWS for, asked of moto: items, executions, parameters."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
)

from darkroom import aws
from darkroom.aws import DYNAMODB, SSM, STEPFUNCTIONS
from tests.aws.conftest import Way, get, item


@pytest.fixture
def table(way: Way, moto: str) -> Iterator[Any]:
    """A client of DynamoDB, with a table `t` and its item `one`."""
    client = way(DYNAMODB, moto)
    client.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.put_item(TableName="t", Item=item("one"))
    yield client
    client.delete_table(TableName="t")


def test_an_item_is_put_and_got_whatever_letters_it_has(table: Any) -> None:
    table.put_item(TableName="t", Item=item("zwei", text="Größe \U0001f5bc \x00 \u2028 \"'\\"))
    found = table.get_item(TableName="t", Key=item("zwei"), ConsistentRead=True)
    assert found["Item"] == item("zwei", text="Größe \U0001f5bc \x00 \u2028 \"'\\")
    assert "Item" not in table.get_item(TableName="t", Key=item("three"))


def test_a_write_whose_condition_does_not_hold_says_what_is_there(table: Any) -> None:
    with pytest.raises(table.exceptions.ConditionalCheckFailedException) as raised:
        table.put_item(
            TableName="t",
            Item=item("one", text="another"),
            ConditionExpression="attribute_not_exists(id)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    response = raised.value.response
    assert isinstance(raised.value, ClientError)
    assert raised.value.operation_name == "PutItem"
    assert (response["Item"], response["Error"]["Code"]) == (item("one"), "ConditionalCheckFailedException")
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["ResponseMetadata"]["RetryAttempts"]) == (400, 0)
    assert aws.refused(raised.value)


def test_an_update_gives_what_is_there_then_or_says_what_is_there_instead(table: Any) -> None:
    update = {
        "TableName": "t",
        "Key": item("one"),
        "UpdateExpression": "SET #t = :t",
        "ConditionExpression": "attribute_not_exists(#t)",
        "ExpressionAttributeNames": {"#t": "text"},
        "ExpressionAttributeValues": {":t": {"S": "written"}},
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    assert table.update_item(**update)["Attributes"] == item("one", text="written")
    with pytest.raises(table.exceptions.ConditionalCheckFailedException) as raised:
        table.update_item(**update)
    assert raised.value.response["Item"] == item("one", text="written")


def test_several_items_are_got_queried_and_scanned(table: Any) -> None:
    table.put_item(TableName="t", Item=item("two"))
    keys = [item("one"), item("two"), item("three")]
    got = table.batch_get_item(RequestItems={"t": {"Keys": keys, "ConsistentRead": True}})
    assert sorted(each["id"]["S"] for each in got["Responses"]["t"]) == ["one", "two"]
    assert got["UnprocessedKeys"] == {}
    found = table.query(
        TableName="t", KeyConditionExpression="id = :id", ExpressionAttributeValues={":id": {"S": "two"}}
    )
    assert (found["Items"], found["Count"]) == ([item("two")], 1)
    page = table.scan(TableName="t", Limit=1)
    rest = table.scan(TableName="t", ExclusiveStartKey=page["LastEvaluatedKey"])
    assert page["Items"] != rest["Items"]


def test_a_table_that_is_not_there_is_an_error_of_its_name(way: Way, moto: str) -> None:
    client = way(DYNAMODB, moto)
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="GetItem operation"):
        get(client)


def test_an_execution_is_started_once_under_a_name(way: Way, moto: str) -> None:
    client = way(STEPFUNCTIONS, moto)
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    role = "arn:aws:iam::123456789012:role/machine"
    machine = client.create_state_machine(name="m", definition=definition, roleArn=role)["stateMachineArn"]
    started = client.start_execution(stateMachineArn=machine, name="one", input='{"v": 1}')
    assert started["executionArn"].endswith(":execution:m:one")
    with pytest.raises(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(stateMachineArn=machine, name="one", input='{"v": 2}')
    client.delete_state_machine(stateMachineArn=machine)


def test_a_parameter_is_read_or_is_not_there(way: Way, moto: str) -> None:
    client = way(SSM, moto)
    client.put_parameter(Name="/stack/key", Value="secret", Type="SecureString", Overwrite=True)
    assert client.get_parameter(Name="/stack/key", WithDecryption=True)["Parameter"]["Value"] == "secret"
    with pytest.raises(client.exceptions.ParameterNotFound):
        client.get_parameter(Name="/stack/none", WithDecryption=True)

import json
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from local.cloud.cloud import Cloud
from tests.local.conftest import FIXTURES, eventually


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def test_a_state_machine_runs_functions_until_it_is_done(cloud: Cloud) -> None:
    states = cloud.client("stepfunctions")
    started = states.start_execution(
        stateMachineArn=cloud.resources["Loop"], name="turns", input=json.dumps({"wait": 1, "turn": 0, "turns": 3})
    )
    arn = started["executionArn"]
    eventually(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING")
    described = states.describe_execution(executionArn=arn)
    assert (described["status"], json.loads(described["output"])["turn"]) == ("SUCCEEDED", 3)
    assert described["stopDate"] >= described["startDate"]
    kinds = [event["type"] for event in states.get_execution_history(executionArn=arn)["events"]]
    assert kinds.count("LambdaFunctionSucceeded") == 3
    assert kinds[-1] == "ExecutionSucceeded"
    assert kinds == [event["type"] for event in cloud.history(arn)]
    (execution,) = [one for one in cloud.executions("Loop") if one.name == "turns"]
    assert execution.transitions == 10
    listed = states.list_executions(stateMachineArn=cloud.resources["Loop"], statusFilter="SUCCEEDED")["executions"]
    assert arn in [one["executionArn"] for one in listed]


def test_the_errors_of_step_functions_are_those_of_its_client(cloud: Cloud) -> None:
    states = cloud.client("stepfunctions")
    start = {
        "stateMachineArn": cloud.resources["Loop"],
        "name": "long",
        "input": '{"wait": 10000, "turn": 0, "turns": 1}',
    }
    first = states.start_execution(**start)
    assert states.start_execution(**start)["executionArn"] == first["executionArn"]
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(**start | {"input": "{}"})
    states.stop_execution(executionArn=first["executionArn"], error="Enough")
    assert states.describe_execution(executionArn=first["executionArn"])["status"] == "ABORTED"
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(**start)
    with pytest.raises(states.exceptions.ExecutionDoesNotExist):
        states.describe_execution(executionArn="arn:nowhere")
    with pytest.raises(ClientError, match="does not know Step Functions' ListActivities") as error:
        states.list_activities()
    assert code(error) == "UnknownOperationException"


def test_a_function_is_invoked_through_lambdas_api(cloud: Cloud) -> None:
    functions = cloud.client("lambda")
    answer = functions.invoke(FunctionName=cloud.resources["Echo"], Payload=b'{"do": "return", "value": 7}')
    assert (answer["StatusCode"], answer["Payload"].read(), "FunctionError" in answer) == (200, b"7", False)
    answer = functions.invoke(FunctionName=cloud.resources["Echo"], Payload=b'{"do": "raise", "message": "no"}')
    assert (answer["FunctionError"], json.loads(answer["Payload"].read())["errorType"]) == ("Unhandled", "Refused")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.invoke(FunctionName="nobody")


def test_a_presigned_link_takes_no_second_credentials(cloud: Cloud) -> None:
    objects, bucket = cloud.client("s3"), cloud.resources["Bucket"]
    objects.put_object(Bucket=bucket, Key="a b.png", Body=b"picture")
    link = objects.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b.png"})
    assert httpx.get(link).content == b"picture"
    refused = httpx.get(link, headers={"Authorization": "Bearer <r8_x>"})
    assert refused.status_code == 400
    assert "<Code>InvalidArgument</Code><Message>Only one auth mechanism allowed" in refused.text
    assert "Bearer &lt;r8_x&gt;" in refused.text


def test_two_clouds_of_one_process_do_not_meet(cloud: Cloud, simulator: str) -> None:
    cloud.client("ssm").put_parameter(Name="/shared/name", Type="SecureString", Value="first")
    with Cloud(FIXTURES / "template.yaml", "fixture", simulator_url=simulator) as other:
        with pytest.raises(ClientError) as error:
            other.client("ssm").get_parameter(Name="/shared/name")
        assert code(error) == "ParameterNotFound"
        assert other.client("dynamodb").list_tables()["TableNames"] == [other.resources["Table"]]
    read: Any = cloud.client("ssm").get_parameter(Name="/shared/name", WithDecryption=True)
    assert read["Parameter"]["Value"] == "first"

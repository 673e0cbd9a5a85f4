"""What a function's role allows, and what it does not: local/cloud/permissions.py."""

import io
import json
from typing import Any

import pytest

from local.cloud.permissions import Act, Permissions

PLACE = "us-east-1:123456789012"
ROLE = "arn:aws:iam::123456789012:role/submit"


@pytest.fixture
def permissions() -> Permissions:
    permissions = Permissions()
    table, keys = f"arn:aws:dynamodb:{PLACE}:table/tasks", f"arn:aws:ssm:{PLACE}:parameter/stack/gateways/*"
    permissions.define(
        ROLE,
        [
            {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query"], "Resource": table},
            {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": [keys]},
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::images/images/*"},
        ],
    )
    permissions.grant("Submit", ROLE)
    return permissions


def request(target: str, body: dict[str, Any], who: str = "Submit") -> dict[str, Any]:
    content = json.dumps(body).encode()
    return {
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={who}/20261120/us-east-1/x/aws4_request, Signature=abc",
        "HTTP_X_AMZ_TARGET": target,
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "CONTENT_LENGTH": str(len(content)),
        "wsgi.input": io.BytesIO(content),
    }


def object_request(method: str, path: str, query: str = "") -> dict[str, Any]:
    signed = {} if query else {"HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=Submit/20261120/us-east-1/s3/x"}
    return {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, **signed}


def test_what_is_granted_is_allowed_and_remembered(permissions: Permissions) -> None:
    asked = request("DynamoDB_20120810.GetItem", {"TableName": "tasks"})
    assert permissions.refuse(asked) is None
    assert permissions.used == {Act("Submit", "dynamodb:GetItem", "dynamodb:table/tasks")}
    assert json.load(asked["wsgi.input"]) == {"TableName": "tasks"}, "whoever answers can still read the body"


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("DynamoDB_20120810.PutItem", {"TableName": "tasks"}),
        ("DynamoDB_20120810.GetItem", {"TableName": "tenants"}),
        ("DynamoDB_20120810.Query", {"TableName": "tasks", "IndexName": "due"}),
        ("AmazonSSM.GetParameter", {"Name": "/stack/link-key"}),
        ("AWSStepFunctions.StartExecution", {"stateMachineArn": f"arn:aws:states:{PLACE}:stateMachine:generation"}),
    ],
)
def test_what_is_not_granted_is_refused(permissions: Permissions, target: str, body: dict[str, Any]) -> None:
    assert permissions.refuse(request(target, body))
    assert permissions.used == set()


def test_a_pattern_covers_what_lies_under_it(permissions: Permissions) -> None:
    assert permissions.refuse(request("AmazonSSM.GetParameter", {"Name": "/stack/gateways/one"})) is None
    assert permissions.refuse(object_request("GET", "/images/images/task/0.png")) is None
    assert permissions.refuse(object_request("GET", "/images/staging/task/0"))
    assert permissions.refuse(object_request("PUT", "/images/images/task/0.png"))


def test_a_presigned_link_may_what_its_signer_may(permissions: Permissions) -> None:
    query = "X-Amz-Credential=Submit%2F20261120%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=abc"
    assert permissions.refuse(object_request("GET", "/images/images/task/0.png", query)) is None
    assert permissions.refuse(object_request("GET", "/images/staging/task/0", query))


def test_who_is_no_function_is_the_operator_and_may_everything(permissions: Permissions) -> None:
    assert permissions.refuse(request("DynamoDB_20120810.Scan", {"TableName": "tasks"}, who="local")) is None

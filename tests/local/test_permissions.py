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
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::images/größe/1+1 %2F"},
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


@pytest.mark.parametrize(
    ("action", "method", "path", "query", "headers"),
    [
        ("s3:GetObject", "HEAD", "/b/k", "", {}),
        ("s3:GetObject", "GET", "/b/k", "x-id=GetObject&X-Amz-Expires=60", {}),
        ("s3:GetObjectVersion", "GET", "/b/k", "versionId=v1", {}),
        ("s3:GetObjectVersion", "HEAD", "/b/k", "versionId=v1", {}),
        ("s3:PutObject", "PUT", "/b/k", "x-id=PutObject", {}),
        ("s3:PutObject", "POST", "/b/k", "uploads", {}),
        ("s3:PutObject", "PUT", "/b/k", "uploadId=u&partNumber=1", {}),
        ("s3:PutObject", "POST", "/b/k", "uploadId=u", {}),
        ("s3:AbortMultipartUpload", "DELETE", "/b/k", "uploadId=u", {}),
        ("s3:DeleteObject", "DELETE", "/b/k", "", {}),
        ("s3:DeleteObjectVersion", "DELETE", "/b/k", "versionId=v1", {}),
        ("s3:ListBucket", "GET", "/b", "list-type=2&prefix=a%2F&encoding-type=url", {}),
        ("s3:ListBucket", "HEAD", "/b", "", {}),
        ("s3:GetObject", "PUT", "/b/k", "", {"HTTP_X_AMZ_COPY_SOURCE": "b/k"}),
        ("s3:GetObjectVersion", "PUT", "/b/k", "", {"HTTP_X_AMZ_COPY_SOURCE": "/b/k?versionId=v1"}),
        ("s3:GetObject", "PUT", "/b/k", "", {"HTTP_IF_MATCH": '"etag"'}),
        (None, "GET", "/b/k", "acl", {}),
        (None, "GET", "/b", "versions", {}),
        (None, "POST", "/b", "delete", {}),
        (None, "PUT", "/b", "", {}),
    ],
)
def test_what_is_asked_of_s3_has_the_name_that_aws_gives_it(
    action: str | None, method: str, path: str, query: str, headers: dict[str, str]
) -> None:
    asked = {**object_request(method, path), "QUERY_STRING": query, **headers}
    everything = {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"}
    everything |= {"s3:DeleteObjectVersion", "s3:ListBucket"}

    def refused(actions: set[str]) -> Act | None:
        permissions = Permissions()
        resources = ["arn:aws:s3:::b", "arn:aws:s3:::b/k"]
        permissions.define(ROLE, [{"Effect": "Allow", "Action": sorted(actions), "Resource": resources}])
        permissions.grant("Submit", ROLE)
        return permissions.refuse(asked)

    if action is None:
        assert refused(everything)
    else:
        assert refused(everything) is None
        missing = refused(everything - {action})
        assert missing is not None
        assert missing.action == action


def test_a_key_is_judged_as_it_is_and_not_as_it_is_written(permissions: Permissions) -> None:
    in_the_path = "/images/größe/1+1 %2F".encode().decode("latin-1")
    assert permissions.refuse(object_request("GET", in_the_path)) is None


def test_what_is_asked_of_a_queue_is_judged_by_the_queue(permissions: Permissions) -> None:
    permissions.extend(
        "submit",
        [{"Effect": "Allow", "Action": "sqs:ChangeMessageVisibility", "Resource": f"arn:aws:sqs:{PLACE}:intake"}],
    )
    for name, allowed in ("intake", True), ("other", False):
        asked = request("AmazonSQS.ChangeMessageVisibility", {"QueueUrl": f"http://127.0.0.1:1/123/{name}"})
        assert (permissions.refuse(asked) is None) is allowed


def test_a_machine_may_what_its_role_and_what_is_added_to_it_allow(permissions: Permissions) -> None:
    arn, role = f"arn:aws:states:{PLACE}:stateMachine:Batch-x", "arn:aws:iam::123456789012:role/batch"
    function = f"arn:aws:lambda:{PLACE}:function:poll"
    permissions.define(role, [{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function}])
    permissions.grant("Batch", role, arn)
    assert permissions.permits(arn, "lambda:InvokeFunction", function)
    assert not permissions.permits(arn, "states:StartExecution", arn)
    permissions.extend("batch", [{"Effect": "Allow", "Action": "states:StartExecution", "Resource": arn}])
    assert permissions.permits(arn, "states:StartExecution", arn)
    assert permissions.refuse(object_request("GET", "/images/a") | {"HTTP_AUTHORIZATION": "Credential=Batch/"})
    assert {act.who for act in permissions.granted()} == {"Submit"}

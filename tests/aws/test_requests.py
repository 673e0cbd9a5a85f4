"""What a request says, and where it goes: which service, in which region, by whose credentials."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import botocore.endpoint
import botocore.session
import pytest
from botocore.exceptions import (
    NoCredentialsError,
    NoRegionError,
)

from darkroom import aws
from darkroom.aws import DYNAMODB, PATIENT, SSM, STEPFUNCTIONS
from darkroom.calls import Client, Service
from tests.aws.conftest import FOUND, Way, get
from tests.aws.scripted_server import ScriptedServer, reply
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("service", "operation", "asked", "target"),
    [
        (DYNAMODB, "batch_get_item", {"RequestItems": {}}, "DynamoDB_20120810.BatchGetItem"),
        (SSM, "get_parameter", {"Name": "/a"}, "AmazonSSM.GetParameter"),
        (STEPFUNCTIONS, "start_execution", {"stateMachineArn": "a", "name": "b"}, "AWSStepFunctions.StartExecution"),
    ],
    ids=["dynamodb", "ssm", "stepfunctions"],
)
def test_a_request_says_what_is_asked_and_who_asks(
    way: Way, service: Service, operation: str, asked: dict[str, Any], target: str
) -> None:
    with ScriptedServer(reply(200, {})) as server:
        getattr(way(service, server.url), operation)(**asked)
    ((_, headers, body),) = server.requests
    assert headers["x-amz-target"] == target
    assert headers["content-type"] == f"application/x-amz-json-{service.version}"
    assert headers["x-amz-security-token"] == "token"
    assert headers["host"] == server.url.removeprefix("http://")
    assert f"/us-east-1/{service.host}/aws4_request, SignedHeaders=content-type;host;" in headers["authorization"]
    assert json.loads(body) == asked


def test_a_request_belongs_to_the_trace_of_the_invocation_that_sends_it(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = [f"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad{n};Sampled=1" for n in range(2)]
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "submit")
    with ScriptedServer(FOUND, FOUND, FOUND) as server:
        client = way(DYNAMODB, server.url)
        get(client)
        for trace in traces:
            monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
            get(client)
    assert [headers.get("x-amzn-trace-id") for _, headers, _ in server.requests] == [None, *traces]
    assert not any("trace" in headers["authorization"] for _, headers, _ in server.requests)


def test_a_request_says_whose_program_asks(ours: Way) -> None:
    with ScriptedServer(FOUND) as server:
        get(ours(DYNAMODB, server.url))
    ((_, headers, _),) = server.requests
    assert headers["user-agent"] == "darkroom"
    assert "user-agent" not in headers["authorization"]


@pytest.mark.parametrize("service", [DYNAMODB, STEPFUNCTIONS, SSM], ids=lambda service: service.name)
@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_DEFAULT_REGION": "eu-central-1"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_ENDPOINT_URL_SFN": "http://127.0.0.1:8083"},
        {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8000", "AWS_ENDPOINT_URL_SSM": "https://ssm.example"},
    ],
    ids=str,
)
def test_a_service_is_where_the_sdk_finds_it(
    monkeypatch: pytest.MonkeyPatch, service: Service, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Client(service, PATIENT).url == aws.sdk(service, PATIENT).meta.endpoint_url


def partitions() -> list[tuple[str, str]]:
    """A region of each part of AWS, and what addresses end in there, which CloudFormation calls AWS::URLSuffix."""
    loaded = botocore.session.get_session().get_component("data_loader").load_data("partitions")
    return [
        (next(name for name in each["regions"] if "global" not in name), each["outputs"]["dnsSuffix"])
        for each in loaded["partitions"]
    ]


@pytest.mark.parametrize(("region", "suffix"), partitions())
def test_a_service_is_where_the_sdk_finds_it_in_every_part_of_aws(
    monkeypatch: pytest.MonkeyPatch, region: str, suffix: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setenv("URL_SUFFIX", suffix)
    for service in (DYNAMODB, STEPFUNCTIONS, SSM):
        assert Client(service, PATIENT).url == aws.sdk(service, PATIENT).meta.endpoint_url


def test_lambda_says_the_region_by_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert Client(SSM, PATIENT).url == "https://ssm.eu-west-1.amazonaws.com"


def test_without_a_region_or_credentials_nothing_is_asked(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with ScriptedServer(FOUND) as server, pytest.raises(NoCredentialsError) as raised:
        get(way(DYNAMODB, server.url))
    assert (server.requests, aws.refused(raised.value)) == ([], True)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(NoRegionError):
        way(DYNAMODB, "http://127.0.0.1:1")


def test_an_operator_may_have_a_profile(moto: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[profile shop]\nregion = eu-west-1\naws_access_key_id = key\naws_secret_access_key = secret\n")
    told = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    told |= {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "shop", "AWS_ENDPOINT_URL": moto}
    done = subprocess.run([sys.executable, ROOT / "operate.py", "api-keys"], env=told, capture_output=True, text=True)
    assert done.stderr == "operate.py: There is no stack 'darkroom' in this account and region. See --stack.\n"

from pathlib import Path

import httpx
import pytest

from local.cloud import inert
from local.cloud.cloud import Cloud
from local.cloud.deploy import KINDS
from local.cloud.errors import CloudError

REAL = Path(__file__).parents[2] / "template.yaml"


def test_tables_and_buckets_are_what_the_template_says(cloud: Cloud) -> None:
    tables, table = cloud.client("dynamodb"), cloud.resources["Table"]
    assert tables.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
    backups = tables.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    rules = cloud.client("s3").get_bucket_lifecycle_configuration(Bucket=cloud.resources["Bucket"])["Rules"]
    assert [(rule["ID"], rule["Filter"]["Prefix"], rule["Expiration"]["Days"]) for rule in rules] == [
        ("drafts", "drafts/", 7)
    ]


def test_the_apis_address_is_the_local_one_wherever_the_template_writes_it(cloud: Cloud) -> None:
    assert cloud.outputs["Url"] == cloud.api_url
    parameter = cloud.client("ssm").get_parameter(Name="/fixture/api-url")
    assert parameter["Parameter"]["Value"] == cloud.api_url


def test_the_real_template_can_be_deployed(simulator: str) -> None:
    given = {"ImageRetentionDays": "30", "CorsOrigins": "https://studio.example.com"}
    with Cloud(REAL, "darkroom", simulator_url=simulator, parameters=given) as cloud:
        table = cloud.client("dynamodb").describe_table(TableName=cloud.outputs["TasksTable"])["Table"]
        assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} >= {"tenant", "due"}
        bucket = cloud.client("s3").get_bucket_lifecycle_configuration(Bucket=cloud.outputs["ImagesBucket"])
        assert 30 in [rule.get("Expiration", {}).get("Days") for rule in bucket["Rules"]]
        assert (
            cloud.client("ssm").get_parameter(Name="/darkroom/api-url")["Parameter"]["Value"] == cloud.outputs["ApiUrl"]
        )
        assert cloud.executions("Generation") == []
        preflight = {"Origin": "https://studio.example.com", "Access-Control-Request-Method": "POST"}
        answer = httpx.options(f"{cloud.api_url}/v1/predictions", headers=preflight)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, preflight["Origin"])


def fails(tmp_path: Path, resources: str) -> str:
    (tmp_path / "template.yaml").write_text(
        f"Transform: AWS::Serverless-2016-10-31\nResources:\n  It:\n    {resources}\n"
    )
    with pytest.raises(CloudError) as error, Cloud(tmp_path / "template.yaml", "s", simulator_url="http://127.0.0.1:9"):
        pass
    return str(error.value)


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        ("Type: AWS::SNS::Topic", "It (AWS::SNS::Topic): this type of resource is not known"),
        (
            "{Type: AWS::Logs::LogGroup, Properties: {KmsKeyId: k}}",
            "It (AWS::Logs::LogGroup): the local cloud does not know the property KmsKeyId",
        ),
        ("{Type: AWS::Logs::LogGroup, Properties: {LogGroupClass: !Ref Typo}}", "refers to Typo"),
        ("{Type: AWS::IAM::Role, Properties: {Policies: [!GetAtt It2.Arn]}}", "attribute Arn of It2"),
        (
            "{Type: AWS::S3::Bucket, Properties: {LifecycleConfiguration: {Rules: [{Id: a, Status: b, Foo: 1}]}}}",
            "lifecycle rule's Foo",
        ),
        (
            "{Type: AWS::Events::Rule, Properties: {ScheduleExpression: cron(0), Targets: [{Arn: a, Id: b}]}}",
            "cron(0) is not a schedule",
        ),
    ],
)
def test_what_is_not_known_is_refused_with_the_resources_name(tmp_path: Path, resources: str, sentence: str) -> None:
    assert sentence in fails(tmp_path, resources)


def test_what_is_inert_is_inert_for_a_reason_and_for_a_type_that_is_deployed() -> None:
    assert all(reason.endswith(".") for reason in (*inert.TYPES.values(), *inert.PROPERTIES.values()))
    assert {name.rpartition(".")[0] for name in inert.PROPERTIES} <= KINDS.keys()
    assert not inert.TYPES.keys() & KINDS.keys()

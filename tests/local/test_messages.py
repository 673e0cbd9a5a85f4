"""From a bucket over the bus and a queue to a function, as the template says it."""

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.exceptions import ClientError

from local.cloud.errors import CloudError
from tests.local.conftest import FIXTURES, eventually

if TYPE_CHECKING:
    from local.cloud.cloud import Cloud

TEMPLATE = FIXTURES / "messages.yaml"
soon = partial(eventually, seconds=30)


@pytest.fixture(scope="module")
def post(simulator: str) -> "Iterator[Cloud]":
    from local.cloud.cloud import Cloud

    with Cloud(TEMPLATE, "post", simulator_url=simulator, time_scale=0.01) as cloud:
        cloud.invoke("Take", {"Records": []})  # a process that starts may take longer than a message is hidden
        yield cloud


def seen(post: "Cloud") -> list[dict[str, Any]]:
    """All records that the function was given."""
    s3, bucket = post.client("s3"), post.resources["Quiet"]
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix="seen/").get("Contents", [])]
    events = [json.load(s3.get_object(Bucket=bucket, Key=key)["Body"]) for key in keys]
    return [record for event in events for record in event["Records"]]


def created(post: "Cloud", key: str) -> list[dict[str, Any]]:
    """The events of an object that the function was given."""
    events = [json.loads(record["body"]) for record in seen(post) if record["body"].startswith("{")]
    return [event for event in events if event["detail"]["object"]["key"] == key]


def waiting(post: "Cloud", queue: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    asked = post.client("sqs").get_queue_attributes(QueueUrl=post.resources[queue], AttributeNames=names)
    return sum(map(int, asked["Attributes"].values()))


def test_a_new_object_is_an_event_in_the_shape_of_s3(post: "Cloud") -> None:
    bucket, key = post.resources["Inbox"], "shop/größe 1+1 %2F.CSV"
    made = post.client("s3").put_object(Bucket=bucket, Key=key, Body=b"prompt")
    soon(lambda: bool(created(post, key)))
    (event,) = created(post, key)
    detail = event.pop("detail")
    assert set(event) == {"version", "id", "detail-type", "source", "account", "time", "region", "resources"}
    assert (event["source"], event["detail-type"]) == ("aws.s3", "Object Created")
    assert event["resources"] == [f"arn:aws:s3:::{bucket}"]
    assert detail["object"] | {"sequencer": ""} == {
        "key": key,
        "size": 6,
        "etag": made["ETag"].strip('"'),
        "version-id": made["VersionId"],
        "sequencer": "",
    }
    assert (detail["bucket"], detail["reason"]) == ({"name": bucket}, "PutObject")
    assert set(detail) == {
        "version", "bucket", "object", "request-id", "requester", "source-ip-address", "reason",
    }  # fmt: skip


def test_however_an_object_is_made_its_event_says_how(post: "Cloud") -> None:
    s3, bucket = post.client("s3"), post.resources["Inbox"]
    link = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "link.csv"})
    assert httpx.put(link, content=b"link").status_code == 200
    s3.copy_object(Bucket=bucket, Key="copy.csv", CopySource={"Bucket": bucket, "Key": "link.csv"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts.csv")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts.csv", UploadId=upload, PartNumber=1, Body=b"p" * 10)
    s3.complete_multipart_upload(
        Bucket=bucket,
        Key="parts.csv",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    keys = ["link.csv", "copy.csv", "parts.csv"]
    soon(lambda: all(created(post, key) for key in keys))
    details = [created(post, key)[0]["detail"] for key in keys]
    assert [detail["reason"] for detail in details] == ["PutObject", "CopyObject", "CompleteMultipartUpload"]
    assert [detail["object"]["size"] for detail in details] == [4, 4, 10]
    latest = [s3.head_object(Bucket=bucket, Key=key)["VersionId"] for key in keys]
    assert [detail["object"]["version-id"] for detail in details] == latest
    sequencers = [detail["object"]["sequencer"] for detail in details]
    assert sequencers == sorted(set(sequencers))


def test_what_makes_no_object_and_what_nobody_watches_is_no_event(post: "Cloud") -> None:
    s3, bucket = post.client("s3"), post.resources["Inbox"]
    s3.put_object(Bucket=post.resources["Quiet"], Key="quiet.csv", Body=b"")
    s3.put_object(Bucket=bucket, Key="quiet.png", Body=b"")
    with pytest.raises(ClientError):
        s3.put_object(Bucket=bucket, Key="quiet.png", Body=b"", IfNoneMatch="*")
    s3.put_object_tagging(Bucket=bucket, Key="quiet.png", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object(Bucket=bucket, Key="quiet.png")
    s3.put_object(Bucket=bucket, Key="last.csv", Body=b"")
    soon(lambda: bool(created(post, "last.csv")))
    events = [event for event in post.engine.bus.events if event.detail["object"]["key"].startswith("quiet")]
    assert [event.detail["object"]["key"] for event in events] == ["quiet.png"]
    assert not created(post, "quiet.png"), "the rule is not meant for it"
    assert events[0] not in post.events()


def test_buckets_keep_versions_as_the_template_says(post: "Cloud") -> None:
    s3, bucket = post.client("s3"), post.resources["Inbox"]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [rule["NoncurrentVersionExpiration"]["NoncurrentDays"] for rule in rules] == [30, 9]


def test_a_message_comes_to_the_function_as_lambda_hands_it_over(post: "Cloud") -> None:
    sqs, queue = post.client("sqs"), post.resources["Queue"]
    attributes = {"who": {"DataType": "String", "StringValue": "test"}}
    sent = sqs.send_message(QueueUrl=queue, MessageBody="hello", MessageAttributes=attributes)
    soon(lambda: any(record["body"] == "hello" for record in seen(post)))
    (record,) = [record for record in seen(post) if record["body"] == "hello"]
    assert record["messageId"] == sent["MessageId"]
    assert record["md5OfBody"] == sent["MD5OfMessageBody"]
    assert record["messageAttributes"] == {"who": {"stringValue": "test", "dataType": "String"}}
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "ApproximateFirstReceiveTimestamp"} <= record["attributes"].keys()
    assert (record["eventSource"], record["awsRegion"]) == ("aws:sqs", "us-east-1")
    assert record["eventSourceARN"].rsplit(":", 1)[1] == queue.rsplit("/", 1)[1]
    assert record["receiptHandle"]
    soon(lambda: waiting(post, "Queue") == 0)


@pytest.mark.parametrize("body", ["poison", "raise"])
def test_a_message_that_fails_comes_again_and_is_a_dead_letter_in_the_end(post: "Cloud", body: str) -> None:
    sqs = post.client("sqs")
    text = f"{body}-{time.time_ns()}" if body == "poison" else body
    sqs.send_message(QueueUrl=post.resources["Queue"], MessageBody=text)
    soon(lambda: waiting(post, "Dead") == 1)
    counts = sorted(record["attributes"]["ApproximateReceiveCount"] for record in seen(post) if record["body"] == text)
    assert counts == ["1", "2"]
    (letter,) = sqs.receive_message(QueueUrl=post.resources["Dead"])["Messages"]
    assert letter["Body"] == text
    sqs.delete_message(QueueUrl=post.resources["Dead"], ReceiptHandle=letter["ReceiptHandle"])


def test_a_message_is_hidden_for_as_much_less_as_all_waits_are_shorter(post: "Cloud") -> None:
    sqs, queue = post.client("sqs"), post.resources["Kept"]
    sqs.send_message(QueueUrl=queue, MessageBody="hidden")
    (message,) = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=60)["Messages"]
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=300)
    began = time.monotonic()
    soon(lambda: "Messages" in sqs.receive_message(QueueUrl=queue, VisibilityTimeout=60))
    assert 2 < time.monotonic() - began < 6
    sqs.purge_queue(QueueUrl=queue)


def test_what_succeeded_beside_a_failure_does_not_come_again(post: "Cloud") -> None:
    sqs, name = post.client("sqs"), str(time.time_ns())
    entries = [{"Id": str(n), "MessageBody": f"{word}-{name}"} for n, word in enumerate(["fine", "poison"])]
    sqs.send_message_batch(QueueUrl=post.resources["Queue"], Entries=entries)
    soon(lambda: waiting(post, "Dead") == 1)
    bodies = [record["body"] for record in seen(post)]
    assert (bodies.count(f"fine-{name}"), bodies.count(f"poison-{name}")) == (1, 2)
    sqs.purge_queue(QueueUrl=post.resources["Dead"])


def test_a_machines_map_reads_and_writes_s3_and_its_events_are_matched(post: "Cloud") -> None:
    s3, bucket = post.client("s3"), post.resources["Quiet"]
    s3.put_object(Bucket=bucket, Key="rows/index.jsonl", Body=b'{"n": 1}\n{"n": 2}\n')
    states = post.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=post.resources["Rows"], input=json.dumps({"key": "rows/index.jsonl"}))[
        "executionArn"
    ]
    soon(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING")
    output = json.loads(states.describe_execution(executionArn=arn)["output"])["ResultWriterDetails"]
    manifest = json.load(s3.get_object(Bucket=bucket, Key=output["Key"])["Body"])
    assert len(json.load(s3.get_object(Bucket=bucket, Key=manifest["ResultFiles"]["SUCCEEDED"][0]["Key"])["Body"])) == 2
    assert [one.arn for one in post.executions("Rows")] == [arn]
    assert len(post.executions("Rows", "each")) == 2
    assert sorted(event.detail["n"] for event in post.events()) == [1, 2]
    soon(lambda: waiting(post, "Kept") == 2)


def test_a_machine_that_may_not_read_an_object_says_so_and_can_be_redriven(post: "Cloud") -> None:
    states = post.client("stepfunctions")
    start = {"stateMachineArn": post.resources["Rows"], "input": json.dumps({"key": "elsewhere"})}
    arn = states.start_execution(**start)["executionArn"]
    for _ in range(2):
        soon(lambda: states.describe_execution(executionArn=arn)["status"] == "FAILED")
        described = states.describe_execution(executionArn=arn)
        assert (described["error"], "AccessDenied" in described["cause"]) == ("States.ItemReaderFailed", True)
        states.redrive_execution(executionArn=arn)
    assert states.describe_execution(executionArn=arn)["redriveCount"] == 2


def test_a_machine_without_a_grant_fails_for_that(post: "Cloud") -> None:
    states = post.client("stepfunctions")
    start = {"stateMachineArn": post.resources["Forbidden"], "input": '{"wait": 0, "turn": 0, "turns": 1}'}
    arn = states.start_execution(**start)["executionArn"]
    soon(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING")
    assert states.describe_execution(executionArn=arn)["error"] == "States.Permissions"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("aws:SourceArn", "aws:PrincipalTag", "aws:PrincipalTag"),
        ("!GetAtt Dropped.Arn}}", "!GetAtt Ended.Arn}}", "No policy of"),
        ("Resource: !GetAtt Kept.Arn", "Resource: !GetAtt Dead.Arn", "No policy of"),
        ("equals-ignore-case", "numeric", "operator that is not known here"),
        ("source: [test]", "$or: [{a: [b]}]", "$or"),
        ("VisibilityTimeout: 200", "VisibilityTimeout: 4", "for less time than Take may take"),
        ("BatchSize: 2", "BatchSize: 11", "BatchSize"),
        ("EventBridgeEnabled: true", "EventBridgeEnabled: false", "EventBridge only"),
        ("maxReceiveCount: 2}", "maxReceiveCount: 2}\n      FifoQueue: true", "FifoQueue"),
        ("Roles: [!Ref RowsRole]", "Roles: [!Ref RowsRole]\n      Users: [me]", "Users"),
    ],
)
def test_what_is_not_known_about_messages_is_refused(
    tmp_path: Path, simulator: str, old: str, new: str, sentence: str
) -> None:
    from local.cloud.cloud import Cloud

    text = TEMPLATE.read_text()
    assert old in text
    (tmp_path / "template.yaml").write_text(text.replace(old, new))
    for name in ("functions", "rows.asl.yaml", "loop.asl.yaml"):
        (tmp_path / name).symlink_to(FIXTURES / name)
    with pytest.raises(CloudError) as error, Cloud(tmp_path / "template.yaml", "s", simulator_url=simulator):
        pass
    assert sentence in str(error.value)

"""The way of a dropped file to Intake, as template.yaml has it."""

from typing import Any

from tests.conftest import template

RESOURCES = template()["Resources"]


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = RESOURCES[name]["Properties"]
    return found


def arn(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, "Arn"]}


def test_only_what_is_dropped_into_the_inbox_is_heard_of_so_that_no_output_is_ever_an_input() -> None:
    assert properties("InboxEvents")["EventPattern"]["detail"]["bucket"]["name"] == [{"Ref": "InboxBucket"}]
    assert properties("InboxBucket")["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"]
    assert "NotificationConfiguration" not in properties("ImagesBucket")
    written = [
        statement["Resource"]
        for policy in properties("IntakeRole")["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if "s3:PutObject" in statement["Action"]
    ]
    assert written
    assert all("${ImagesBucket.Arn}/" in resource["Fn::Sub"] for resource in written)


def test_a_version_can_be_read_for_longer_than_its_message_can_wait() -> None:
    assert properties("InboxBucket")["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = properties("InboxBucket")["LifecycleConfiguration"]["Rules"]
    (kept,) = [each["NoncurrentVersionExpiration"] for each in rules if "NoncurrentVersionExpiration" in each]
    waits = (
        properties("IntakeQueue")["MessageRetentionPeriod"] + properties("IntakeDeadLetters")["MessageRetentionPeriod"]
    )
    assert kept["NoncurrentDays"] * 86_400 > waits


def test_a_message_stays_away_while_it_is_being_worked_at_and_comes_back_five_times() -> None:
    queue = properties("IntakeQueue")
    assert queue["VisibilityTimeout"] == 6 * properties("Intake")["Timeout"]
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": arn("IntakeDeadLetters"), "maxReceiveCount": 5}


def test_one_message_at_a_time_is_taken_and_what_failed_is_not_deleted() -> None:
    source = properties("IntakeDropped")
    assert source["EventSourceArn"] == arn("IntakeQueue")
    assert source["BatchSize"] == 1
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["ScalingConfig"] == {"MaximumConcurrency": 5}


def test_what_the_rule_cannot_hand_on_is_a_dead_letter_too_and_nobody_else_may_send() -> None:
    (target,) = properties("InboxEvents")["Targets"]
    assert target["Arn"] == arn("IntakeQueue")
    assert target["DeadLetterConfig"] == {"Arn": arn("IntakeDeadLetters")}
    policy = properties("IntakeQueuesTakeWhatTheRuleSends")
    assert policy["Queues"] == [{"Ref": "IntakeQueue"}, {"Ref": "IntakeDeadLetters"}]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": arn("InboxEvents")}}
    assert statement["Resource"] == [arn("IntakeQueue"), arn("IntakeDeadLetters")]


def test_one_dead_letter_is_enough_for_the_alarm() -> None:
    alarm = properties("FilesNotTakenIn")
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["IntakeDeadLetters", "QueueName"]}}]
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
    assert alarm["AlarmActions"]["Fn::If"][:2] == ["AlarmsAreSent", [{"Ref": "AlarmTopic"}]]


def test_a_batch_that_stops_before_its_end_sets_off_an_alarm() -> None:
    alarm = properties("BatchStopped")
    counted = [each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each]
    assert {each["MetricName"] for each in counted} == {"ExecutionsFailed", "ExecutionsTimedOut"}
    assert all(each["Dimensions"] == [{"Name": "StateMachineArn", "Value": {"Ref": "Batch"}}] for each in counted)
    assert alarm["AlarmActions"]["Fn::If"][:2] == ["AlarmsAreSent", [{"Ref": "AlarmTopic"}]]


def test_what_a_batch_has_used_goes_and_its_results_are_kept_as_long_as_images() -> None:
    rules = [
        each.get("Fn::If", [None, each])[1] for each in properties("ImagesBucket")["LifecycleConfiguration"]["Rules"]
    ]
    days = {each.get("Prefix"): each.get("ExpirationInDays") for each in rules}
    assert days["batches/"] == 90
    assert days["results/"] == days["images/"] == {"Ref": "ImageRetentionDays"}

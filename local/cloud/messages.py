"""Queues, and what fills and empties them, come to life: rules, queues' policies, event source mappings."""

import json
from typing import TYPE_CHECKING, Any

from local.cloud.errors import CloudError
from local.cloud.queues import Mapping, hidden
from local.cloud.resource import Deployed, Resource
from local.cloud.rules import Rule

if TYPE_CHECKING:
    from local.cloud.deploy import Deployment


def rule(deployment: "Deployment", it: Resource) -> Deployed:
    """A schedule that invokes functions, or a pattern of events that go to queues."""
    arn = deployment.arn("events", f"rule/{it.name}")
    schedule, pattern = it.take("ScheduleExpression"), it.take("EventPattern")
    if it.take("State", "ENABLED") != "ENABLED" or (schedule is None) == (pattern is None):
        raise CloudError("the local cloud knows rules that are enabled, with either a schedule or a pattern.")
    for target in it.take("Targets"):
        if unknown := target.keys() - ({"Arn", "Id"} | ({"DeadLetterConfig"} if pattern else set())):
            raise CloudError(f"the local cloud does not know a target's {', '.join(sorted(unknown))}.")
        if schedule:
            deployment.schedules.add(arn, schedule, target["Arn"])
            deployment.functions.find(target["Arn"])  # raises if the target is anything else
        elif target["Arn"].startswith("arn:aws:sqs:"):
            deployment.rules.add(Rule(arn, pattern, target["Arn"], target.get("DeadLetterConfig", {}).get("Arn")))
        else:
            raise CloudError("the local cloud sends events that match a pattern to queues only.")
    return Deployed(it.name, {"Arn": arn})


def queue(deployment: "Deployment", it: Resource) -> Deployed:
    """In SQS; how long a message is hidden after it was received passes as fast as everything."""
    attributes = {"VisibilityTimeout": str(hidden(int(it.take("VisibilityTimeout", 30)), deployment.time_scale))}
    if seconds := it.take("MessageRetentionPeriod"):
        attributes["MessageRetentionPeriod"] = str(seconds)
    if redrive := it.take("RedrivePolicy"):
        attributes["RedrivePolicy"] = json.dumps(redrive)
    url = deployment.client("sqs").create_queue(QueueName=it.name, Attributes=attributes)["QueueUrl"]
    return Deployed(url, {"Arn": deployment.arn("sqs", it.name), "QueueName": it.name, "QueueUrl": url})


def queue_policy(deployment: "Deployment", it: Resource) -> Deployed:
    document = it.take("PolicyDocument")
    for url in it.take("Queues"):
        arn = deployment.arn("sqs", url.rsplit("/", 1)[1])
        deployment.rules.policies.setdefault(arn, []).extend(document["Statement"])
    return Deployed(it.name)


def mapping(deployment: "Deployment", it: Resource) -> Deployed:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html, and what it says of limits."""
    arn, function = it.take("EventSourceArn"), deployment.functions.find(it.take("FunctionName")).function
    scaling: dict[str, Any] = it.take("ScalingConfig", {})
    if not arn.startswith("arn:aws:sqs:") or scaling.keys() - {"MaximumConcurrency"}:
        raise CloudError("the local cloud maps queues to functions, with at most a MaximumConcurrency.")
    size, at_once = int(it.take("BatchSize", 10)), int(scaling.get("MaximumConcurrency", 10))
    if not 1 <= size <= 10 or not 2 <= at_once <= 1000:
        raise CloudError("BatchSize is from 1 to 10 here, and MaximumConcurrency from 2 to 1000.")
    reports = it.take("FunctionResponseTypes", [])
    if reports not in ([], ["ReportBatchItemFailures"]):
        raise CloudError(f"FunctionResponseTypes {reports} are not known.")
    sqs = deployment.client("sqs")
    url = sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"]
    timeout = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    if int(timeout["VisibilityTimeout"]) < hidden(function.timeout, deployment.time_scale):
        raise CloudError(
            f"the queue hides a message for less time than {function.logical_id} may take: Lambda refuses that."
        )
    deployment.queues.add(Mapping(url, arn, function.arn, size, at_once, bool(reports)))
    return Deployed(it.name)

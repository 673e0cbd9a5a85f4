"""
Numbers that an operator should hear of: one line in CloudWatch's Embedded Metric Format for each, at once, so that
nothing is carried from one invocation into the next. docs/operating.md says what each means and what to do.

The rule: nothing is counted while all goes well, and no dimension has values that grow with use. Names of gateways and
dialects are the operator's and ours; a task, a tenant, or a word of a gateway's is never one.
"""

from enum import StrEnum

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from darkroom import settings

NAMESPACE = "Darkroom"


class Fact(StrEnum):
    """What is counted. Those of a gateway or a dialect say which."""

    DRIVER_LOST = "DriverLost"  # the sweeper had to start another
    DELIVERY_LOST = "DeliveryLost"  # the same, of those that tell receivers
    OVERDUE_LEFT = "OverdueLeft"  # what a sweep found overdue, and left to the next
    SUBMISSION_UNKNOWN = "SubmissionUnknown"  # by gateway
    GATEWAY_LOST = "GatewayLost"  # by gateway
    GATEWAY_REFUSED = "GatewayRefused"  # by gateway: 401, 402, 403, or a code for the key or the credit
    UNKNOWN_STATUS = "UnknownStatus"  # by dialect
    IMAGES_MISSING = "ImagesMissing"  # tasks that succeeded without all of their images
    WEBHOOK_GIVEN_UP = "WebhookGivenUp"
    INTERNAL = "TaskInternal"  # tasks that failed as internal


def count(fact: Fact, number: int = 1, *, gateway: str = "", dialect: str = "") -> None:
    """`number` more of a fact."""
    dimensions = {"stack": settings.stack(), "gateway": gateway, "dialect": dialect}
    told = {name: value for name, value in dimensions.items() if value}
    with single_metric(fact.value, MetricUnit.Count, number, namespace=NAMESPACE, default_dimensions=told):
        pass

"""
What AWS charges: us-east-1, arm64, on demand, and without any free tier.

From AWS's price pages as of `WHEN`; each line says which. This is the one place to change for another region or day.
AWS's own price list decides: some of its pages show their prices by script only, and were read in transcriptions.
"""

from dataclasses import dataclass

WHEN = "2026-09"
REGION = "us-east-1"


@dataclass(frozen=True)
class Price:
    """`dollars` for `per` units; `page` is where it stands."""

    dollars: float
    per: float
    unit: str
    page: str

    def of(self, units: float) -> float:
        """What so many units cost, $."""
        return units * self.dollars / self.per


#: Hours of a month, as AWS counts.
MONTH_H = 730

_FUNCTIONS = "aws.amazon.com/lambda/pricing"
_MACHINES = "aws.amazon.com/step-functions/pricing"
_TABLES = "aws.amazon.com/dynamodb/pricing/on-demand"
_BUCKETS = "aws.amazon.com/s3/pricing"
_WATCH = "aws.amazon.com/cloudwatch/pricing"

PRICES = {
    "transitions": Price(25.00, 1e6, "state transitions, retries included", _MACHINES),
    "express requests": Price(1.00, 1e6, "Express executions", _MACHINES),
    # The first 1,000 GB-hours of a month; beyond them it is half of that, and then a quarter.
    "express time": Price(0.06, 3600, "GB-seconds of Express executions", _MACHINES),
    "invocations": Price(0.20, 1e6, "invocations of functions", _FUNCTIONS),
    "compute": Price(0.0000133334, 1, "GB-seconds of functions on arm64", _FUNCTIONS),
    "writes": Price(0.625, 1e6, "write request units of DynamoDB", _TABLES),
    "reads": Price(0.125, 1e6, "read request units of DynamoDB", _TABLES),
    # 0.25 for the table, 0.20 for its point-in-time recovery.
    "items": Price(0.45, 1e9, "byte-months of items in DynamoDB", _TABLES),
    "puts": Price(5.00, 1e6, "PUT, COPY, POST and LIST of S3", _BUCKETS),
    "gets": Price(0.40, 1e6, "GET and HEAD of S3", _BUCKETS),
    "objects": Price(0.023, 1e9, "byte-months of objects in S3", _BUCKETS),
    "logged": Price(0.50, 1e9, "bytes that CloudWatch Logs takes in", _WATCH),
    "alarms": Price(0.10, 1, "alarm-months", _WATCH),
    "calls": Price(1.00, 1e6, "requests to the HTTP API", "aws.amazon.com/api-gateway/pricing"),
    "events": Price(1.00, 1e6, "events put on EventBridge", "aws.amazon.com/eventbridge/pricing"),
    "traces": Price(5.00, 1e6, "traces that X-Ray records", "aws.amazon.com/xray/pricing"),
    # Standard parameters of Systems Manager are free; KMS decrypts those that are secret.
    "decryptions": Price(0.03, 1e4, "calls of KMS, for secret parameters", "aws.amazon.com/kms/pricing"),
}


def dollars(name: str, units: float) -> float:
    """What so many units of PRICES[name] cost."""
    return PRICES[name].of(units)

"""THE boto3: one client a service, made on first use."""

from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore import exceptions
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient
    from types_boto3_ssm import SSMClient
    from types_boto3_stepfunctions import SFNClient

# A function has seconds, not the minute that the SDK would wait by default.
_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})

#: What the services that are used here say to somebody who is to come again later.
_NOT_NOW = {
    "LimitExceededException", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "SlowDown",
    "Throttling", "ThrottlingException", "TooManyRequestsException", "TooManyUpdates",
}  # fmt: skip


@cache
def dynamodb() -> "DynamoDBClient":
    return boto3.client("dynamodb", config=_CONFIG)


@cache
def hasty_dynamodb() -> "DynamoDBClient":
    """For who would rather not know than be late."""
    hasty = Config(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client("dynamodb", config=hasty)


@cache
def s3() -> "S3Client":
    # Signature version 4 with the region's own address: presigned links of the older kind are refused in newer regions.
    links = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    return boto3.client("s3", config=_CONFIG.merge(links))


@cache
def sqs() -> "SQSClient":
    return boto3.client("sqs", config=_CONFIG)


@cache
def ssm() -> "SSMClient":
    return boto3.client("ssm", config=_CONFIG)


@cache
def stepfunctions() -> "SFNClient":
    return boto3.client("stepfunctions", config=_CONFIG)


def away(error: BaseException | None) -> bool:
    """Whether an error, or what it comes from, says that AWS does not answer, or not now."""
    match error:
        case None:
            return False
        case exceptions.HTTPClientError() | exceptions.ConnectionError():
            return True
        case exceptions.ClientError():
            told = error.response
            status = told.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return status >= 500 or told["Error"]["Code"] in _NOT_NOW
        case _:
            return away(error.__cause__ or error.__context__)


def refused(error: exceptions.ClientError | exceptions.BotoCoreError) -> bool:
    """Whether it is certain that AWS has not done what it was asked: it said no at once, or was not asked at all."""
    if isinstance(error, exceptions.ClientError):
        told = error.response.get("ResponseMetadata", {})
        return told.get("HTTPStatusCode") in range(400, 500) and not told.get("RetryAttempts")
    return not isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError)


def out_of_reach(error: exceptions.ClientError) -> bool:
    """Whether S3 says that a key is not there: to whoever may not list the bucket, it says 403 of that."""
    return error.response["Error"]["Code"] in ("NoSuchKey", "AccessDenied", "403", "404")

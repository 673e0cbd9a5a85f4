"""
THE way to AWS: one client a service, made on first use.

DynamoDB, Step Functions and the Parameter Store are asked by calls.py. S3 and SQS are asked by boto3, which is loaded
when the first of them is needed: no caller waits for that. Whoever asks cannot tell which it is: both have the same
operations under the same names, try as often, and raise the same errors.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from botocore import exceptions

from darkroom.calls import Client, Patience, Service

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient
    from types_boto3_ssm import SSMClient
    from types_boto3_stepfunctions import SFNClient

DYNAMODB = Service("dynamodb", "dynamodb", "DynamoDB_20120810", "1.0", "DYNAMODB", pause=0.025)
STEPFUNCTIONS = Service("stepfunctions", "states", "AWSStepFunctions", "1.0", "SFN")
SSM = Service("ssm", "ssm", "AmazonSSM", "1.1", "SSM")

#: A function has seconds, not the minute that the SDK would wait by default.
PATIENT = Patience(connect=2, read=10, attempts=4)
HASTY = Patience(connect=1, read=1, attempts=1)

#: What the services that are used here say to somebody who is to come again later.
_NOT_NOW = {
    "LimitExceededException", "ProvisionedThroughputExceededException", "ReplicatedWriteConflictException",
    "RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException",
    "TooManyUpdates",
}  # fmt: skip


#: What makes the clients that calls.py has. On an operator's machine it is `sdk`.
connect: Callable[[Service, Patience], Any] = Client


@cache
def dynamodb() -> "DynamoDBClient":
    return cast("DynamoDBClient", connect(DYNAMODB, PATIENT))


@cache
def hasty_dynamodb() -> "DynamoDBClient":
    """For who would rather not know than be late."""
    return cast("DynamoDBClient", connect(DYNAMODB, HASTY))


@cache
def stepfunctions() -> "SFNClient":
    return cast("SFNClient", connect(STEPFUNCTIONS, PATIENT))


@cache
def ssm() -> "SSMClient":
    return cast("SSMClient", connect(SSM, PATIENT))


@cache
def s3() -> "S3Client":
    # Signature version 4 with the region's own address: presigned links of the older kind are refused in newer regions.
    # What is stored is not read once more to be signed: its checksum is, and S3 holds the bytes against that.
    s3 = {"addressing_style": "virtual", "payload_signing_enabled": False}
    return cast("S3Client", _boto3("s3", signature_version="s3v4", s3=s3))


@cache
def sqs() -> "SQSClient":
    return cast("SQSClient", _boto3("sqs"))


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


def sdk(service: Service, patience: Patience) -> Any:
    """boto3's client of a service: it knows of profiles, single sign-on and proxies, as people have them."""
    return _boto3(service.name, patience)


def _boto3(service: Any, patience: Patience = PATIENT, **more: Any) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=patience.connect,
        read_timeout=patience.read,
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
        **more,
    )
    return boto3.client(service, config=config)

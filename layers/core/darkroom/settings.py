"""
Every environment variable, by name and meaning. template.yaml sets them; each is read when it is needed.

Secrets are not here: they are parameters (keys.py).
"""

import os

from darkroom.errors import SettingMissing


def stack() -> str:
    """The stack's name; parameters stand under `/<stack>/`."""
    return _read("STACK")


def tasks_table() -> str:
    return _read("TASKS_TABLE")


def tenants_table() -> str:
    return _read("TENANTS_TABLE")


def timings_table() -> str:
    return _read("TIMINGS_TABLE")


def batches_table() -> str:
    """How far each batch has come, and how busy batches keep each gateway."""
    return _read("BATCHES_TABLE")


def images_bucket() -> str:
    return _read("IMAGES_BUCKET")


def inbox_bucket() -> str:
    """Where callers put files of orders, and the pictures that go into them."""
    return _read("INBOX_BUCKET")


def generation_machine() -> str:
    """The ARN of statemachines/generation.asl.yaml."""
    return _read("GENERATION_MACHINE")


def delivery_machine() -> str:
    """The ARN of statemachines/delivery.asl.yaml."""
    return _read("DELIVERY_MACHINE")


def batch_machine() -> str:
    """The ARN of statemachines/batch.asl.yaml."""
    return _read("BATCH_MACHINE")


def intake_queue() -> str:
    """The URL of the queue of files that were dropped into the inbox."""
    return _read("INTAKE_QUEUE")


def task_retention_days() -> int:
    """For how many days an ended task can be read."""
    return int(_read("TASK_RETENTION_DAYS"))


def aws_region() -> str | None:
    """Lambda says it by the first of these names, the AWS CLI by the second."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def url_suffix() -> str:
    """What the addresses of AWS's services end in: China, the European cloud and those apart have their own."""
    return os.environ.get("URL_SUFFIX", "amazonaws.com")


def trace() -> str | None:
    """What X-Ray knows this invocation by. Lambda puts another there for each."""
    return os.environ.get("_X_AMZN_TRACE_ID")


def aws_credentials() -> tuple[str, str, str | None] | None:
    """
    An access key's id, its secret, and the token of its session. Lambda puts those of the function's role there, and
    they stay the same for as long as the process lives.
    """
    key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    return (key_id, secret, os.environ.get("AWS_SESSION_TOKEN")) if key_id and secret else None


def aws_endpoint(service: str) -> str | None:
    """
    Where a service is, if it is not where it always is.

    service: as https://docs.aws.amazon.com/sdkref/latest/guide/ss-endpoints-table.html writes it in such names (`SFN`).
    """
    return os.environ.get(f"AWS_ENDPOINT_URL_{service}") or os.environ.get("AWS_ENDPOINT_URL")


def _read(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise SettingMissing(f"the environment variable {name} is not set; template.yaml should set it") from None

"""A stack in moto: made once for a process, and emptied for each world."""

import os
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends

from darkroom import aws, keys, timings
from local.cloud.machines.definition import parse
from tests.conftest import ROOT, WEBHOOK_SECRET, Account, template

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"
STACK = "harness"
ACCOUNT, REGION = "123456789012", "us-east-1"


class Stack:
    """The template's tables, bucket and parameters, and its state machines."""

    def __init__(self) -> None:
        self.account = Account(STACK)
        self.environment = self.account.build()
        self.account.put("tenants/other/webhook-secret", WEBHOOK_SECRET)
        self.machines = {name: self._parsed(name) for name in ("Generation", "Delivery")}
        self.lifetimes = {
            name.lower(): float(resource["Properties"]["Timeout"])
            for name, resource in template()["Resources"].items()
            if resource["Type"] == "AWS::Lambda::Function"
        }
        self._keys = {"vectornode": ""}

    def emptied(self, gateway_keys: dict[str, str]) -> None:
        """As if it had just been deployed, with these keys of gateways."""
        for table in ("TasksTable", "TimingsTable"):
            self._table(table).items.clear()
        for bucket in (self.account.bucket, self.account.inbox):
            s3_backends[ACCOUNT]["aws"].buckets[bucket].keys.clear()
        for name in self._keys.keys() - gateway_keys.keys():
            self.account.delete(f"gateways/{name}")
        for name, key in gateway_keys.items():
            if self._keys.get(name) != key:
                self.account.put(f"gateways/{name}", key)
        self._keys = dict(gateway_keys)
        keys.forget()
        for kept in (timings._plan, timings._weights, timings._known, timings._dearer, timings._counted):
            kept.cache_clear()

    def tasks(self) -> dict[str, Any]:
        """moto's own items of the tasks table, by key: to look at, without a call that would be an effect."""
        # It has an empty place for each key that was ever asked for.
        return {key.value: item for key, item in self._table("TasksTable").items.items() if item}

    def _table(self, name: str) -> Any:
        return dynamodb_backends[ACCOUNT][REGION].tables[f"{STACK}-{name}"]

    def arn(self, machine: str) -> str:
        return self.environment[f"{machine.upper()}_MACHINE"]

    def _parsed(self, machine: str) -> Any:
        substitutions = {name: f"{FUNCTION}{name.lower()}" for name in ("Poll", "Finalize", "Deliver")}
        substitutions |= {"Delivery": self.arn("Delivery"), "Partition": "aws", "Stack": STACK}
        text = (ROOT / f"statemachines/{machine.lower()}.asl.yaml").read_text()
        return parse(text, substitutions, machine)

    def files(self) -> dict[str, bytes]:
        """What lies in the images bucket."""
        stored = s3_backends[ACCOUNT]["aws"].buckets[self.account.bucket].keys
        return {name: key.value for name, key in stored.items()}


def environment() -> None:
    """What is asked of AWS is asked by boto3, and what boto3 needs to be answered by moto."""
    aws.connect = aws.sdk
    nobody = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), "testing")
    os.environ.update({**nobody, "AWS_DEFAULT_REGION": REGION})

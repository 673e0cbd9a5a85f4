"""Somebody who drops files into the inbox of a local cloud, and looks at what comes of them."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
from botocore.exceptions import ClientError

from darkroom import filing, task
from local.installation import Installation

MODEL = "black-forest-labs/flux-schnell"


class Dropper:
    """`drop` puts a file, `ended` waits for its manifest; a folder is where results are, as `results/…/`."""

    def __init__(self, darkroom: Installation) -> None:
        self.darkroom = darkroom
        self.s3 = darkroom.cloud.client("s3")
        self.inbox = darkroom.cloud.outputs["InboxBucket"]
        self.images = darkroom.cloud.outputs["ImagesBucket"]

    def drop(self, key: str, content: str | bytes | list[dict[str, Any]]) -> str:
        """The version of the file that was put; a list is put as JSON Lines."""
        if isinstance(content, list):
            content = "\n".join(map(json.dumps, content))
        body = content.encode() if isinstance(content, str) else content
        version: str = self.s3.put_object(Bucket=self.inbox, Key=key, Body=body)["VersionId"]
        return version

    def task_id(self, key: str, version: str, custom_id: str) -> str:
        return task.name(filing.tenant(key), filing.row_key(self.inbox, key, version, custom_id))

    def names(self, folder: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.images, Prefix=folder).get("Contents", [])
        return [each["Key"].removeprefix(folder) for each in listed]

    def pictures(self, folder: str) -> list[str]:
        return [name.removeprefix("images/") for name in self.names(folder) if name.startswith("images/")]

    def read(self, key: str) -> bytes:
        content: bytes = self.s3.get_object(Bucket=self.images, Key=key)["Body"].read()
        return content

    def lines(self, key: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.read(key).splitlines()]

    def manifest(self, folder: str) -> dict[str, Any]:
        """Empty until there is one."""
        try:
            found: dict[str, Any] = json.loads(self.read(f"{folder}manifest.json"))
        except ClientError:
            return {}
        return found

    def wait(self, folder: str, *statuses: str, seconds: float = 60) -> dict[str, Any]:
        """The manifest as soon as it has one of the statuses."""
        deadline = time.monotonic() + seconds
        while (found := self.manifest(folder)).get("status") not in statuses:
            assert time.monotonic() < deadline, f"still {found}"
            time.sleep(0.1)
        return found

    def ended(self, folder: str, seconds: float = 60) -> dict[str, Any]:
        return self.wait(folder, "completed", "failed", seconds=seconds)

    def announced(self, batch_id: str) -> str:
        """The status with which a batch is announced, as soon as it is."""
        deadline = time.monotonic() + 30
        while not (found := [each for each in self.darkroom.cloud.events() if each.detail.get("batch_id") == batch_id]):
            assert time.monotonic() < deadline, "it is not announced"
            time.sleep(0.05)
        assert {each.detail_type for each in found} == {"batch.completed"}
        status: str = found[0].detail["status"]
        return status

    def folders(self, start: str) -> list[str]:
        """The results folders whose names start so."""
        keys = self.s3.list_objects_v2(Bucket=self.images, Prefix=start).get("Contents", [])
        return sorted(
            {each["Key"].removesuffix("manifest.json") for each in keys if each["Key"].endswith("manifest.json")}
        )

    def charges(self, *prompts: str) -> list[int]:
        """How often a gateway has charged for each prompt."""
        ledger = httpx.get(f"{self.darkroom.simulator_url}/_simulator/ledger").json()
        charged = Counter(charge["prompt_sha256"] for charge in ledger["charges"].values())
        return [charged[hashlib.sha256(prompt.encode()).hexdigest()] for prompt in prompts]

    def all_charges(self) -> int:
        return len(httpx.get(f"{self.darkroom.simulator_url}/_simulator/ledger").json()["charges"])

    def fault(self, **fault: Any) -> None:
        """Ask the simulator to misbehave."""
        httpx.post(f"{self.darkroom.simulator_url}/_simulator/faults", json=fault).raise_for_status()

    def tasks(self) -> Iterator[dict[str, Any]]:
        """The items of the tasks table."""
        client = self.darkroom.cloud.client("dynamodb")
        for page in client.get_paginator("scan").paginate(TableName=self.darkroom.cloud.outputs["TasksTable"]):
            yield from page["Items"]


def row(custom_id: str, prompt: str, **more: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "model": MODEL, "input": {"prompt": prompt}, **more}

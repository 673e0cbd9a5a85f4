"""Tasks as the versions before have left them. README.md says what is kept, and how it is laid out."""

import json
import mimetypes
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from darkroom import aws, settings
from darkroom.task import Status
from tests.conftest import Account, Clock


@dataclass(frozen=True)
class Kept:
    """A task as a version has left it: `name` says how far it had come."""

    folder: Path
    name: str

    def __str__(self) -> str:
        return f"{self.name} of {self.folder.name}"

    @cached_property
    def item(self) -> dict[str, Any]:
        return self._read(f"items/{self.name}.json")

    @cached_property
    def order(self) -> dict[str, Any]:
        found: dict[str, Any] = self._read("orders.json")[self.name]
        return found

    @cached_property
    def stands(self) -> list[dict[str, Any]]:
        """Where the execution that carries it may stand; empty if there is none."""
        found: list[dict[str, Any]] = self._read(f"steps/{self.name}.json")["stands"]
        return found

    @property
    def task_id(self) -> str:
        return str(self.item["task_id"]["S"])

    @property
    def status(self) -> Status:
        return Status(self.item["status"]["S"])

    @property
    def settled(self) -> bool:
        return "due" not in self.item

    def leave(self, account: Account, time: Clock, **more: Any) -> None:
        """Put it where its version has left it, at that moment; `more` becomes further attributes."""
        time.now = self._read(f"steps/{self.name}.json")["now"]
        aws.dynamodb().put_item(TableName=settings.tasks_table(), Item=self.item | more)
        bucket = self.folder / "bucket"
        for file in (found for found in bucket.glob(f"*/{self.task_id}/**/*") if found.is_file()):
            key = str(file.relative_to(bucket))
            aws.s3().put_object(
                Bucket=account.bucket,
                Key=key,
                Body=file.read_bytes(),
                ContentType=mimetypes.guess_type(key)[0] or "application/octet-stream",
                ContentDisposition="inline",
            )

    def _read(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / name).read_text())
        return found


KEPT = [Kept(file.parent.parent, file.stem) for file in sorted(Path(__file__).parent.glob("*/items/*.json"))]

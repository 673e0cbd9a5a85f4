"""EventBridge's rules on a schedule: every so often, a function gets an event that says so.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from local.cloud.errors import CloudError
from local.cloud.functions.worker import Result
from local.cloud.template import REGION

RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
AT_LEAST = 1.0  # real seconds between two runs, however fast a test makes time pass


def period(expression: str) -> int:
    """Seconds between two runs."""
    found = RATE.fullmatch(expression)
    if not found:
        raise CloudError(f"{expression} is not a schedule that is known here: it takes rate(…).")
    return int(found[1]) * SECONDS[found[2]]


class Schedules:
    """All rules of one cloud. A run that fails or takes long changes nothing for the next."""

    def __init__(
        self, account: str, invoke: Callable[[str, bytes], Awaitable[Result]], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self.account = account
        self.rules: list[tuple[str, int, str]] = []  # rule ARN, seconds, function ARN
        self._invoke = invoke
        self._sleep = sleep
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, rule_arn: str, expression: str, function_arn: str) -> None:
        self.rules.append((rule_arn, period(expression), function_arn))

    async def start(self) -> None:
        for rule in self.rules:
            self._go(self._repeat(*rule))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _repeat(self, rule_arn: str, seconds: int, function_arn: str) -> None:
        while True:
            await asyncio.gather(self._sleep(seconds), asyncio.sleep(AT_LEAST))
            self._go(self._fire(rule_arn, function_arn))

    async def _fire(self, rule_arn: str, function_arn: str) -> None:
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": self.account,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [rule_arn],
            "detail": {},
        }
        await self._invoke(function_arn, json.dumps(event).encode())

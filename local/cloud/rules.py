"""EventBridge's rules with a pattern: what they are meant for goes from the bus to a queue.

A rule may only send where the queue's policy lets it; AWS would lose its events in silence, here it is not deployed.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from local.cloud import patterns
from local.cloud.errors import CloudError
from local.cloud.machines.events import Event
from local.cloud.template import REGION

Statement = dict[str, Any]


@dataclass(frozen=True)
class Rule:
    arn: str
    pattern: patterns.Pattern
    queue: str  # ARN
    dead_letters: str | None  # ARN of the queue for what cannot be sent


class Rules:
    """All rules of one cloud. It belongs to the event loop's thread, once everything is deployed."""

    def __init__(self, account: str, send: Callable[[str, str], Coroutine[Any, Any, None]]) -> None:
        self.account = account
        self.policies: dict[str, list[Statement]] = {}  # by the queue's ARN
        self._rules: list[Rule] = []
        self._send = send
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, rule: Rule) -> None:
        patterns.check(rule.pattern)
        self._rules.append(rule)

    def check(self) -> None:
        """Raise CloudError if a rule may not send where it is to send."""
        for rule in self._rules:
            for queue in filter(None, (rule.queue, rule.dead_letters)):
                if not any(self._lets(statement, rule, queue) for statement in self.policies.get(queue, [])):
                    raise CloudError(f"No policy of {queue} lets {rule.arn} send to it.")

    def offer(self, event: Event) -> None:
        document = self._document(event)
        for rule in self._rules:
            if patterns.matches(rule.pattern, document):
                task = asyncio.get_running_loop().create_task(self._send(rule.queue, json.dumps(document)))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _document(self, event: Event) -> dict[str, Any]:
        """An event as targets get it: https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html"""
        return {
            "version": "0",
            "id": event.id,
            "detail-type": event.detail_type,
            "source": event.source,
            "account": self.account,
            "time": datetime.fromtimestamp(event.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": list(event.resources),
            "detail": event.detail,
        }

    def _lets(self, statement: Statement, rule: Rule, queue: str) -> bool:
        conditions = {
            key: values for condition in statement.get("Condition", {}).values() for key, values in condition.items()
        }
        if unknown := conditions.keys() - {"aws:SourceArn"}:
            raise CloudError(f"A queue's policy has a condition that is not known here: {', '.join(sorted(unknown))}.")
        principal = statement.get("Principal", {})
        services = ["*"] if principal == "*" else _several(principal.get("Service", []))
        return (
            statement["Effect"] == "Allow"
            and bool({"*", "events.amazonaws.com"} & set(services))
            and any(fnmatchcase("sqs:SendMessage", action) for action in _several(statement["Action"]))
            and any(fnmatchcase(queue, resource) for resource in _several(statement["Resource"]))
            and any(fnmatchcase(rule.arn, source) for source in _several(conditions.get("aws:SourceArn", "*")))
        )


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value

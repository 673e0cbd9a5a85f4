"""Queues that functions are invoked from: Lambda's event source mappings for SQS.

A mapping takes messages when it hears that something was sent, and looks by itself now and then, since a message also
comes back by waiting. https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from local.cloud.errors import ApiError
from local.cloud.functions.worker import Result
from local.cloud.template import REGION

LOOK = 1.0  # real seconds from one look to the next, when nobody says that there is something
Message = dict[str, Any]


@dataclass(frozen=True)
class Mapping:
    queue_url: str
    queue_arn: str
    function: str  # name or ARN
    batch_size: int
    at_once: int  # invocations
    reports_failures: bool  # or else all messages of an invocation share its fate
    sent: asyncio.Event = field(default_factory=asyncio.Event)


class Queues:
    """All mappings of one cloud. `client` makes a client of SQS, whose calls are made in threads."""

    def __init__(self, client: Callable[[], Any], invoke: Callable[[str, bytes], Awaitable[Result]]) -> None:
        self._make_client = client
        self._client: Any = None
        self._invoke = invoke
        self._mappings: list[Mapping] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, mapping: Mapping) -> None:
        self._mappings.append(mapping)

    async def start(self) -> None:
        for mapping in self._mappings:
            self._go(self._poll(mapping))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def wake(self) -> None:
        """Something was sent to some queue."""
        for mapping in self._mappings:
            mapping.sent.set()

    async def send(self, queue_arn: str, body: str) -> None:
        queue = await self._call("get_queue_url", QueueName=queue_arn.rsplit(":", 1)[1])
        await self._call("send_message", QueueUrl=queue["QueueUrl"], MessageBody=body)

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, operation: str, **parameters: Any) -> Any:
        if self._client is None:
            self._client = self._make_client()
        return await asyncio.to_thread(getattr(self._client, operation), **parameters)

    async def _poll(self, mapping: Mapping) -> None:
        room = asyncio.Semaphore(mapping.at_once)
        while True:
            await room.acquire()  # first: a message that waits here would be hidden from the queue for nothing
            received = await self._call(
                "receive_message",
                QueueUrl=mapping.queue_url,
                MaxNumberOfMessages=mapping.batch_size,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
                WaitTimeSeconds=0,
            )
            if messages := received.get("Messages"):
                self._go(self._handle(mapping, messages, room))
                continue
            room.release()
            with suppress(TimeoutError):
                await asyncio.wait_for(mapping.sent.wait(), LOOK)
            mapping.sent.clear()

    async def _handle(self, mapping: Mapping, messages: list[Message], room: asyncio.Semaphore) -> None:
        try:
            event = {"Records": [_record(mapping, message) for message in messages]}
            try:
                result = await self._invoke(mapping.function, json.dumps(event).encode())
            except ApiError:  # too large, for example: the messages come back until they are dead letters
                return
            failed = _failed(mapping, messages, result)
            done = [message for message in messages if message["MessageId"] not in failed]
            if done:
                entries = [
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(done)
                ]
                await self._call("delete_message_batch", QueueUrl=mapping.queue_url, Entries=entries)
        finally:
            room.release()


def hidden(seconds: int, time_scale: float) -> int:
    """For how long a message is hidden that has to be hidden for so long: SQS counts whole seconds."""
    return max(1, round(seconds * time_scale)) if seconds else 0


def _failed(mapping: Mapping, messages: list[Message], result: Result) -> set[str]:
    """
    The ids of messages that stay in the queue.

    All of them when the function failed or its answer makes no sense, as
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html says.
    """
    all_of_them = {message["MessageId"] for message in messages}
    if result.error:
        return all_of_them
    answer = json.loads(result.payload)
    if not mapping.reports_failures or not answer:
        return set()
    try:
        failed = {failure["itemIdentifier"] for failure in answer.get("batchItemFailures") or []}
    except (AttributeError, KeyError, TypeError):
        return all_of_them
    return failed if failed <= all_of_them else all_of_them


def _record(mapping: Mapping, message: Message) -> dict[str, Any]:
    attributes = message.get("MessageAttributes", {})
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {"stringValue": value["StringValue"], "dataType": value["DataType"]}
            for name, value in attributes.items()
            if "StringValue" in value
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.queue_arn,
        "awsRegion": REGION,
    }

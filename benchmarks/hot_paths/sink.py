"""
What lies beyond a function's socket, as bare as can be: DynamoDB, Step Functions, Parameter Store, S3 and a gateway.

    python -m benchmarks.hot_paths.sink PARAMETER…

It answers at once and does no more than its callers look at: a table is a dict, whose conditions always
hold. Those parameters are there. The first line that it prints is its port. GET /counts tells what it has been
asked since it was asked that, by name.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Collection
from typing import Any

Json = dict[str, Any]

#: `SET #put0 = :put0, #add0 = list_append(if_not_exists(#add0, :none), :add0) REMOVE #drop0`, as the clients write it.
_SET = re.compile(r"(#?\w+) = (?:list_append\(.*?, (:\w+)\)|(:\w+))")


class Sink:
    def __init__(self, parameters: Collection[str]) -> None:
        self.parameters = parameters
        self.items: dict[str, Json] = {}
        self.asked: Counter[str] = Counter()

    def answer(self, method: str, path: str, target: str, body: bytes) -> tuple[int, Json]:
        """Status and document. target: x-amz-target, if it is a request to AWS."""
        if path == "/counts":
            counted, self.asked = dict(self.asked), Counter()
            return 200, counted
        operation = target.partition(".")[2]
        self.asked[operation or method] += 1
        if operation:
            return self.aws(operation, json.loads(body))
        if method == "PUT":
            return 200, {}
        return 201 if method == "POST" else 200, {"id": "gm72dcl0hqzg9dyozwvntt2wj0", "status": "starting"}

    def aws(self, operation: str, said: Json) -> tuple[int, Json]:
        match operation:
            case "PutItem":
                self.items[json.dumps([said["TableName"], _key(said["Item"])])] = said["Item"]
                return 200, {}
            case "GetItem":
                found = self.items.get(json.dumps([said["TableName"], _key(said["Key"])]))
                return 200, {"Item": found} if found else {}
            case "UpdateItem":
                item = self.items.setdefault(json.dumps([said["TableName"], _key(said["Key"])]), dict(said["Key"]))
                return 200, {"Attributes": _updated(item, said)}
            case "GetParameter" if said["Name"] in self.parameters:
                return 200, {
                    "Parameter": {"Name": said["Name"], "Value": "a key", "Type": "SecureString", "Version": 1}
                }
            case "GetParameter":
                return 400, {"__type": "ParameterNotFound"}
            case "StartExecution":
                return 200, {"executionArn": f"{said['stateMachineArn']}:{said.get('name')}", "startDate": 1795176000.0}
            case _:
                return 400, {"__type": "UnknownOperationException"}


def _key(item: Json) -> Any:
    """The value of the one attribute that all tables here are known by."""
    return next(item[name] for name in ("task_id", "route", "id") if name in item)


def _updated(item: Json, said: Json) -> Json:
    names, values = said.get("ExpressionAttributeNames", {}), said.get("ExpressionAttributeValues", {})
    for name, added, put in _SET.findall(said["UpdateExpression"]):
        attribute = names.get(name, name)
        before = item.get(attribute, {}).get("L", [])
        item[attribute] = {"L": before + values[added]["L"]} if added else values[put]
    return item


class Talk(asyncio.Protocol):
    """One connection, kept for as long as its peer wants."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data
        while (end := self.heard.find(b"\r\n\r\n")) >= 0:
            lines = self.heard[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            whole = end + 4 + int(headers.get("content-length", 0))
            if len(self.heard) < whole:
                return
            body, self.heard = self.heard[end + 4 : whole], self.heard[whole:]
            method, path, _ = lines[0].split(" ", 2)
            status, document = self.sink.answer(method, path, headers.get("x-amz-target", ""), body)
            said = json.dumps(document).encode()
            head = f"HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {len(said)}\r\n\r\n"
            self.transport.write(head.encode() + said)


async def serve(parameters: Collection[str]) -> None:
    sink = Sink(parameters)
    server = await asyncio.get_running_loop().create_server(lambda: Talk(sink), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))

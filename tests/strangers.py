"""
What tenants may say on each route: mostly with ids, keys, cursors, signatures and references that are another's.

A new route in template.yaml needs a line in ROUTES.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

from tests.conftest import ORIGIN, RECEIVER, Event, event, template

TENANTS = ("ann", "bob")
NOBODY = "aaaabbbbccccddddeeeeffffgg"
MODEL = "somebody/something"
BOUNDARY = "8f1c9d2e4b7a6053"
JSON = {"content-type": "application/json"}
FIRST = json.dumps({"version": MODEL, "input": {"prompt": "a lighthouse"}, "webhook": RECEIVER})

#: Chooses one of some things.
Pick = Callable[[Any], Any]


@dataclass
class Known:
    """All that tenants have got so far, with its owner, and what nobody ever got."""

    tasks: dict[str, str] = field(default_factory=lambda: {NOBODY: ""})
    files: dict[str, str] = field(default_factory=lambda: {f"{NOBODY}.png": ""})
    cursors: dict[str, str] = field(default_factory=lambda: {"": ""})
    links: dict[tuple[str, ...], str] = field(default_factory=lambda: {(NOBODY, "0-0.png", "A" * 32): ""})

    def learn(self, tenant: str, answer: Event) -> None:
        """Take what an answer holds that can be asked with."""
        body = answer.get("body") or ""
        for there, pattern in (
            (self.tasks, r"/v1/predictions/([a-z2-7]{26})"),
            (self.files, r'/v1/files/([a-z2-7]{26}[.\w]*)"'),
            (self.cursors, r"\?cursor=([\w%-]+)"),
            (self.links, r"/v1/files/(\w+)/([\w.-]+)\?signature=([\w-]+)"),
        ):
            for found in re.findall(pattern, body):
                there.setdefault(found, tenant)


def others_mostly(tenant: str, there: dict[Any, str]) -> list[Any]:
    """What to choose from."""
    return [each for each, owner in there.items() for _ in range(1 if owner in (tenant, "") else 5)]


@dataclass(frozen=True)
class Said:
    """What a request says beside its route and its tenant."""

    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None


def nothing(_tenant: str, _known: Known, _pick: Pick) -> Said:
    return Said()


def a_model(_tenant: str, _known: Known, _pick: Pick) -> Said:
    return Said({"owner": "google", "name": "imagen-4-fast", "version": "google~imagen-4-fast"})


def a_task(tenant: str, known: Known, pick: Pick) -> Said:
    return Said({"task_id": pick(others_mostly(tenant, known.tasks))})


def a_file(tenant: str, known: Known, pick: Pick) -> Said:
    return Said({"file_id": pick(others_mostly(tenant, known.files))})


def a_cursor(tenant: str, known: Known, pick: Pick) -> Said:
    cursor = pick(others_mostly(tenant, known.cursors))
    return Said(query={"cursor": unquote(cursor)} if cursor else {})


def a_link(tenant: str, known: Known, pick: Pick) -> Said:
    """Anybody's image; but another's under one's own signature only, since a whole link is its own permission."""
    link = task_id, name, signature = pick(others_mostly(tenant, known.links))
    if known.links[link] != tenant:
        signature = pick([each[2] for each, owner in known.links.items() if owner in (tenant, "")])
    return Said({"task_id": task_id, "name": name}, {"signature": signature})


def an_order(tenant: str, known: Known, pick: Pick) -> Said:
    references = [f"s3://{os.environ['INBOX_BUCKET']}/{each}/cat.png" for each in TENANTS]
    references += [f"{ORIGIN}/v1/files/{file_id}" for file_id in others_mostly(tenant, known.files)]
    wanted = {"prompt": pick(["a lighthouse", "a cat"])}
    wanted |= {"image": pick(references)} if pick([True, True, False]) else {}
    body = json.dumps({"input": wanted, "webhook": RECEIVER})
    query = {"dry_run": "true"} if pick([True, False]) else {}
    headers = JSON | {"idempotency-key": pick(["one", "two", "three", *known.tasks])}
    owner, name = MODEL.split("/")
    return Said({"owner": owner, "name": name}, query, headers, body)


def a_versioned_order(tenant: str, known: Known, pick: Pick) -> Said:
    said = an_order(tenant, known, pick)
    body = json.dumps({"version": MODEL, **json.loads(said.body or "")})
    return Said(query=said.query, headers=said.headers, body=body)


def an_upload(_tenant: str, _known: Known, pick: Pick) -> Said:
    """The same few files, so that two tenants may have the same; or a place for one."""
    if pick([True, False, False]):
        asked = {"name": "cat.png", "content_type": "image/png", "size": 100}
        return Said(headers=JSON, body=json.dumps(asked))
    head = 'Content-Disposition: form-data; name="content"; filename="cat.png"\r\nContent-Type: image/png'
    body = f"--{BOUNDARY}\r\n{head}\r\n\r\n{pick(['cat', 'dog'])}\r\n--{BOUNDARY}--\r\n"
    return Said(headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}"}, body=body)


#: Every route that says anything about anybody, and what is said there.
ROUTES: dict[str, Callable[[str, Known, Pick], Said]] = {
    "POST /v1/models/{owner}/{name}/predictions": an_order,
    "POST /v1/predictions": a_versioned_order,
    "GET /v1/predictions": a_cursor,
    "GET /v1/predictions/{task_id}": a_task,
    "POST /v1/predictions/{task_id}/cancel": a_task,
    "GET /v1/predictions/{task_id}/deliveries": a_task,
    "POST /v1/predictions/{task_id}/redeliver": a_task,
    "POST /v1/files": an_upload,
    "GET /v1/files/{file_id}": a_file,
    "GET /v1/files/{task_id}/{name}": a_link,
    "GET /v1/models": nothing,
    "GET /v1/models/{owner}/{name}": a_model,
    "GET /v1/models/{owner}/{name}/versions/{version}": a_model,
    "GET /v1/account": nothing,
    "GET /v1/webhooks/default/secret": nothing,
}


def served() -> dict[str, tuple[str, bool]]:
    """Of each route in the template: its door, and whether an authorizer stands before it."""
    resources, found = template()["Resources"], {}
    for path, methods in resources["Api"]["Properties"]["Body"]["paths"].items():
        for method, operation in methods.items():
            (function,) = re.findall(r"\$\{(\w+)\.Arn\}", json.dumps(operation["x-amazon-apigateway-integration"]))
            door = resources[function]["Properties"]["Handler"].removesuffix(".handler")
            found[f"{method.upper()} {path}"] = door, operation["security"] != [{"NONE": []}]
    return found


SERVED = served()
#: Where it matters who asks. What can be made here is the same for everybody.
CLOSED = sorted(route for route, (door, closed) in SERVED.items() if closed and door != "models")


def request(route: str, tenant: str, said: Said) -> Event:
    """The event of a request, as HTTP API makes it once the authorizer has said who it is."""
    method, path = route.split(" ")
    path = re.sub(r"\{(\w+)\}", lambda found: said.path[found[1]], path)
    sent = event("submit", rawPath=path, rawQueryString=urlencode(said.query), queryStringParameters=said.query)
    sent |= {"routeKey": route, "pathParameters": said.path}
    sent["headers"] = {"host": "darkroom.example.com", "x-forwarded-proto": "https", **said.headers}
    sent["requestContext"]["http"] |= {"method": method, "path": path}
    sent["requestContext"]["authorizer"]["lambda"] = {"tenant": tenant}
    sent["body"] = said.body
    if not SERVED[route][1]:
        del sent["requestContext"]["authorizer"]
    return sent

"""
Nobody sees, changes or infers what is another's.

The property: two tenants send what they like, each with every id, key, cursor, signature and reference that either has
got (strangers.py). Then what one of them has sent is sent again, byte for byte and at the same times, in a world where
the other never was. There it gets the same answers, and the same requests leave for gateways and receivers; and what is
written in both worlds together is what was written when both were there. So whatever one does with what is another's is
as if that had never existed.
"""

import copy
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from darkroom import aws, clock, listing, store
from darkroom.task import Delivery, Status
from tests.conftest import (
    GATEWAY,
    OUTPUT,
    QUESTION,
    RECEIVER,
    WEBHOOK_SECRET,
    Account,
    Clock,
    Event,
    Wire,
    call,
    document,
    picture,
    prediction,
    step,
)
from tests.strangers import CLOSED, FIRST, JSON, MODEL, ROUTES, SERVED, TENANTS, Known, Said, an_upload, request


@dataclass(frozen=True)
class Deed:
    """What a tenant sends to a door; or, without a door, a driver's visit to a task of that tenant. `at`: minutes."""

    tenant: str
    at: int
    door: str = ""
    event: Event = field(default_factory=dict)
    task_id: str = ""


class World:
    """A stack with some tenants, whose clock and chance do not depend on who else is there; `inbox` is its bucket."""

    def __init__(
        self, tenants: tuple[str, ...], inbox: str, wire: Wire, time: Clock, patch: pytest.MonkeyPatch
    ) -> None:
        self._wire, self._time, self._turn = wire, time, ""
        self._account = Account(f"darkroom-{clock.nonce()[:12]}")
        self._drawn = dict.fromkeys(tenants, 0)
        for name, value in self._account.build().items():
            patch.setenv(name, value)
        patch.setenv("INBOX_BUCKET", inbox)
        for tenant in TENANTS:
            aws.s3().delete_object(Bucket=inbox, Key=f"{tenant}/cat.png")
        for tenant in tenants:
            aws.s3().put_object(Bucket=inbox, Key=f"{tenant}/cat.png", Body=picture())
            self._account.put(f"tenants/{tenant}/webhook-secret", WEBHOOK_SECRET.replace("Lw", tenant[:2]))
        patch.setattr(clock, "nonce", self._nonce)
        patch.setattr(listing, "PAGE", 1)  # or there would have to be a hundred tasks before there is a cursor

    def do(self, deed: Deed) -> tuple[Event, str]:
        """What was answered, and that together with what left for others meanwhile, in words that worlds share."""
        self._turn, self._time.now = deed.tenant, 1_795_176_000_000 + deed.at * 60_000
        del self._wire.requests[:]
        answer = call(deed.door, copy.deepcopy(deed.event)) if deed.door else self._carry(deed.task_id)
        left = [(one.method, str(one.url), dict(one.headers), one.content.decode()) for one in self._wire.requests]
        return answer, self._plain([answer, left])

    def kept(self) -> list[str]:
        """All that is written: tasks, files, and what executions were started with."""
        table = aws.dynamodb().scan(TableName=f"{self._account.stack}-TasksTable")["Items"]
        files = [(key, hashlib.sha256(content).hexdigest()) for key, content in self._account.files().items()]
        started = [each for machine in ("generation", "delivery") for each in self._account.executions(machine).items()]
        return sorted(map(self._plain, [*table, *files, *started]))

    def _carry(self, task_id: str) -> Event:
        """Be the driver of a task, to its end and beyond."""
        task = store.read(task_id)
        if task.status is Status.RUNNING:
            call("poll", step(task))
            call("finalize", step(task))
            call("deliver", step(task, 1))
        elif task.delivery is Delivery.PENDING:
            call("deliver", step(task, 1))
        return {}

    def _nonce(self) -> str:
        self._drawn[self._turn] += 1
        return hashlib.sha256(f"{self._turn} {self._drawn[self._turn]}".encode()).hexdigest()[:32]

    def _plain(self, value: Any) -> str:
        """Without the stack's name, and without what S3 takes from a clock of its own."""
        text = json.dumps(value, sort_keys=True).replace(self._account.stack, "")
        text = re.sub(r"X-Amz-(Date|Signature|Credential)=[^&\"\\]+", "", text)
        return re.sub(r'(created_at|expires_at)\\*": \\*"[^"\\]+', "", text)


def test_every_route_says_what_a_tenant_may_say_there() -> None:
    assert set(ROUTES) == SERVED.keys() - {"GET /health", "GET /openapi.json"}


# Each example takes some seconds: there are few, and none is made smaller.
@pytest.mark.timeout(300)
@settings(max_examples=3, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_a_tenant_does_is_as_if_it_were_alone(
    account: Account, wire: Wire, time: Clock, data: st.DataObject
) -> None:
    def pick(choices: Any) -> Any:
        return data.draw(st.sampled_from(choices))

    for method, url, answer in (
        ("POST", f"{GATEWAY}/models/{MODEL}/predictions", prediction()),
        ("POST", f"{QUESTION}/cancel", prediction("canceled")),
        ("GET", QUESTION, prediction("succeeded", output=OUTPUT)),
        ("GET", OUTPUT, httpx.Response(200, content=picture())),
        ("POST", RECEIVER, httpx.Response(204)),
    ):
        wire.on(method, url, answer)
    known, history = Known(), list[tuple[Deed, str]]()

    def act(tenant: str, route: str = "", said: Said | None = None, *, task_id: str = "") -> None:
        door, sent = (SERVED[route][0], request(route, tenant, said or Said())) if route else ("", {})
        deed = Deed(tenant, len(history), door, sent, task_id)
        answer, told = both.do(deed)
        assert answer.get("statusCode", 200) < 500
        known.learn(tenant, answer)
        history.append((deed, told))

    with pytest.MonkeyPatch.context() as patch:
        both = World(TENANTS, account.inbox, wire, time, patch)
        for tenant in TENANTS:  # each has a file, a task that has ended with an image, and one that goes on
            act(tenant, "POST /v1/files", an_upload(tenant, known, lambda choices: choices[-1]))
            act(tenant, "POST /v1/predictions", Said(headers=JSON | {"idempotency-key": "one"}, body=FIRST))
            act(tenant, task_id=list(known.tasks)[-1])
            act(tenant, "POST /v1/predictions", Said(headers=JSON | {"idempotency-key": "two"}, body=FIRST))
            act(tenant, "GET /v1/predictions")
        for route in data.draw(st.permutations(sorted(ROUTES))):
            for tenant in TENANTS:
                act(tenant, route, ROUTES[route](tenant, known, pick))
            task_id, owner = pick([each for each in known.tasks.items() if each[1]])
            act(owner, task_id=task_id)
        written = both.kept()
    apart = []
    for tenant in TENANTS:
        with pytest.MonkeyPatch.context() as patch:
            alone = World((tenant,), account.inbox, wire, time, patch)
            for deed, told in history:
                if deed.tenant == tenant:
                    assert alone.do(deed)[1] == told
            apart += alone.kept()
    assert sorted(apart) == written


@pytest.mark.parametrize("context", [{}, {"lambda": {}}, {"lambda": None}, {"lambda": {"tenant": ""}}, None], ids=str)
@pytest.mark.parametrize("route", CLOSED)
def test_whom_the_authorizer_has_not_named_is_told_nothing(
    account: Account, wire: Wire, time: Clock, route: str, context: Event | None
) -> None:
    sent = request(route, "ann", ROUTES[route]("ann", Known(), lambda choices: choices[0]))
    sent["requestContext"]["authorizer"] = context
    if context is None:
        del sent["requestContext"]["authorizer"]
    answer = call(SERVED[route][0], sent)
    assert (answer["statusCode"], document(answer)["code"]) == (500, "misconfigured")
    assert (account.tasks(), account.files(), wire.requests) == ([], {}, [])

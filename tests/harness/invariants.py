"""What must hold when everything is quiet again, whatever went wrong before."""

import collections
import hashlib
import json
import re
from collections.abc import Collection, Iterator

from darkroom import items, task
from darkroom.errors import Reason
from darkroom.task import Delivery, Status, Task
from local.simulator.jobs import Job
from local.simulator.pictures import draw
from tests.harness.expected import ODD_NUMBER, ODD_PICTURES
from tests.harness.invocation import Invocation
from tests.harness.network import REBOUND, RECEIVER, digest
from tests.harness.orders import Order
from tests.harness.world import World

#: How far a task has come. Only a claim may be given back.
RANK = {Status.ACCEPTED: 0, Status.SUBMITTING: 0, Status.RUNNING: 1, Status.COLLECTING: 2}
OVER = 3
#: What stays as it is once a task has ended.
SEALED = ("status", "images", "missing", "failure", "completed", "news", "outputs", "ticket")
#: What stands in prompts, in keys and in signed links, and must stand nowhere else.
SECRETS = re.compile(r"canary-\d+|secret-key-of|whsec_\w+|[?&](signature|X-Amz-Signature)=[^ \"]*")
#: What happens to prompts with these words, whatever we do.
FATES = {"nsfw": {"filtered", "gateway_failed"}, "crash": {"gateway_failed"}}


def violations(world: World, excuses: Collection[str] = ()) -> list[str]:
    """
    Sentences, each about something that must not be.

    excuses: codes that a task may fail with in this world beside what its own order accounts for, and what else
    expected.py excuses.
    """
    found = [*world.failures, *world.network.trespasses, *_told(world)]
    if sum(of_money(world).values()) != len(world.simulator.ledger.charges):
        found.append("something was charged for that nobody has ordered")
    for order in world.orders:
        task_id = task.name(order.tenant, order.key)
        if task_id in world.task_ids():
            found += [f"order {order.number}: {each}" for each in _of_task(world, order, task_id, excuses)]
        elif any(reply.status in (200, 201) for reply in world.replies if reply.order == order):
            found.append(f"order {order.number}: it was answered for, and is not there")
        elif _charges(world, order):
            found.append(f"order {order.number}: it was charged for, and is not there")
    return found


def endings(world: World) -> collections.Counter[str]:
    """How its tasks ended, and how many of them so."""
    found = (_task(world, each) for each in world.task_ids())
    return collections.Counter(_code(one) or str(one.status) for one in found)


def of_money(world: World) -> dict[int, int]:
    """How often each order was charged for."""
    return {order.number: _charges(world, order) for order in world.orders}


def unknown_but_paid(world: World) -> int:
    """Tasks that ended as submission_unknown and had been charged for."""
    return sum(
        _task(world, each).failure is not None and _code(_task(world, each)) == "submission_unknown"
        for order in world.orders
        if _charges(world, order) and (each := task.name(order.tenant, order.key)) in world.task_ids()
    )


def _of_task(world: World, order: Order, task_id: str, excuses: Collection[str]) -> Iterator[str]:
    found = _task(world, task_id)
    if (charges := _charges(world, order)) > 1:
        yield f"{charges} charges"
    if not found.status.terminal:
        yield f"it is {found.status} for ever"
        return
    yield from _of_history(world, task_id)
    yield from _of_replies(world, order, task_id)
    yield from _of_end(world, order, found, excuses)
    yield from _of_images(world, order, found, excuses)
    yield from _of_announcement(world, found)
    yield from _of_news(world, found)


def _of_history(world: World, task_id: str) -> Iterator[str]:
    highest, sealed = 0, None
    for change in world.history[task_id]:
        status = Status(change.item["status"]["S"])
        rank = RANK.get(status, OVER)
        if rank < highest:
            yield f"it went back to {status}"
        highest = max(highest, rank)
        seen = {name: change.item.get(name) for name in SEALED}
        if sealed not in (None, seen):
            yield "it changed after its end"
        if status.terminal:
            sealed = seen


def _of_replies(world: World, order: Order, task_id: str) -> Iterator[str]:
    shown = {reply.document["id"] for reply in world.replies if reply.order == order and reply.status in (200, 201)}
    if shown - {task_id}:
        yield f"its callers were shown the tasks {shown}"


def _of_end(world: World, order: Order, found: Task, excuses: Collection[str]) -> Iterator[str]:
    code = _code(found)
    allowed = set(excuses).union(*(codes for word, codes in FATES.items() if word in order.words.split()))
    if found.status is Status.CANCELED and not found.cancel:
        yield "it was canceled, and nobody had asked for that"
    if found.status is Status.CANCELED and any(
        job.phase(world.loop.time()) == "succeeded" for job in _jobs(world, order)
    ):
        yield "it was canceled, and the gateway has made it"
    if code == Reason.SUBMISSION_UNKNOWN.code and not _ambiguous(world, order, found.task_id):
        yield "its submission is called unknown, and nothing ambiguous had happened"
    elif found.status is Status.FAILED and code not in allowed | {Reason.SUBMISSION_UNKNOWN.code}:
        yield f"it failed as {code}: {found.failure and found.failure.message}"
    if found.failure and found.failure.may_be_billed < bool(_charges(world, order)):
        yield "it was charged for, and says that it cannot have been"
    if found.status is Status.SUCCEEDED and not _charges(world, order):
        yield "it succeeded, and nobody was paid"
    settled = found.due is None and "expires" in world.item(found.task_id)
    if not settled:
        yield "it is still due, or will never expire"


def _ambiguous(world: World, order: Order, task_id: str) -> bool:
    """Whether nobody can know what became of a POST: who held a claim is gone, or its reply was not worth having."""
    claims = dict[str, Invocation]()
    for change in world.history[task_id]:
        if change.item["status"]["S"] == Status.SUBMITTING:
            claims.setdefault(change.item["nonce"]["S"], change.by)
    posts = [post for post in world.network.posts if post.order == order.number]
    last = list(claims.values())[-1:]
    return any(claimer.disturbed for claimer in last) or not all(post.certain for post in posts[-1:])


def _of_images(world: World, order: Order, found: Task, excuses: Collection[str]) -> Iterator[str]:
    files = world.files()
    for image in found.images:
        content = files.get(image.key)
        if content is None:
            yield f"the image {image.name} is not there"
        elif (hashlib.sha256(content).hexdigest(), len(content)) != (image.sha256, image.bytes):
            yield f"the image {image.name} is not what the manifest says"
    if found.status is not Status.SUCCEEDED:
        return
    if not found.images:
        yield "it succeeded, and has no image"
    made = [hashlib.sha256(draw(output.sketch)).hexdigest() for job in _jobs(world, order) for output in job.outputs]
    if made and ODD_PICTURES not in excuses and [image.sha256 for image in found.images] != made:
        yield "its images are not those that the gateway has made for it"
    if len(found.images) != order.pictures and ODD_NUMBER not in excuses:
        yield f"it has {len(found.images)} images"
    # What a model's own words for the number are, we do not always know.
    if len(found.images) < order.more.get("num_outputs", 1) and not found.missing:
        yield "images are missing, and it does not say so"


def _of_news(world: World, found: Task) -> Iterator[str]:
    visits = [visit for visit in world.network.visits if found.task_id in visit.id]
    taken = [visit for visit in visits if visit.status and 200 <= visit.status < 300]
    if not found.webhook:
        if visits:
            yield "its receiver was told, though there is none"
        return
    if found.delivery is Delivery.DELIVERED and not taken:
        yield "its news counts as delivered, and nobody has taken it"
    if found.delivery is Delivery.GIVEN_UP and (taken or not (world.network.hopeless or REBOUND in found.webhook)):
        yield "its news was given up"
    if found.delivery in (Delivery.NONE, Delivery.PENDING):
        yield f"its news is {found.delivery} for ever"
    if len({visit.id for visit in visits}) > 1 or len({visit.body for visit in visits}) > 1:
        yield "its receiver was told different things"
    if not all(visit.signed for visit in visits):
        yield "its news was not signed as it should be"
    if not all(visit.committed for visit in visits):
        yield "its receiver was told of an end that was not on record"
    if visits and json.loads(visits[-1].body)["status"] != found.status:
        yield "its receiver was told of another end"


def _of_announcement(world: World, found: Task) -> Iterator[str]:
    announced = [one for one in world.bus.events if one.detail["prediction"]["id"] == found.task_id]
    if not announced:
        yield "its end was never announced"
    if found.task_id in world.bus.early:
        yield "an end was announced that was not on record"
    if any(one.detail != announced[0].detail for one in announced):
        yield "different things were announced"
    for one in announced:
        told = one.detail["prediction"]
        if (one.detail_type, told["status"]) != (f"Task {found.status}", found.status):
            yield "another end was announced"
        if [image["key"] for image in told["images"]] != [image.key for image in found.images]:
            yield "other images were announced"


def _told(world: World) -> Iterator[str]:
    """What was told where it must not be."""
    for line in world.log.getvalue().splitlines():
        if secret := SECRETS.search(line):
            yield f"a log line tells {secret[0]!r}"
    for execution in world.engine.executions.values():
        if secret := SECRETS.search(json.dumps(execution.events)):
            yield f"the history of {execution.name} tells {secret[0]!r}"
    if RECEIVER in json.dumps([execution.events for execution in world.engine.executions.values()]):
        yield "a history tells a webhook's address"


def _jobs(world: World, order: Order) -> list[Job]:
    """What the gateway has made, or is making, for an order."""
    wanted = digest(order.prompt)
    found = [each for each, charge in world.simulator.ledger.charges.items() if charge.prompt_sha256 == wanted]
    return [job for each in found if (job := world.simulator.jobs.get(each))]


def _charges(world: World, order: Order) -> int:
    wanted = digest(order.prompt)
    return sum(charge.prompt_sha256 == wanted for charge in world.simulator.ledger.charges.values())


def _task(world: World, task_id: str) -> Task:
    return items.from_item(world.item(task_id))


def _code(found: Task) -> str | None:
    return found.failure.code if found.failure else None

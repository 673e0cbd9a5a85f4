"""
Who of all batches' rows may be at a gateway: as many at once as the operator has said, and in an outage one.

A row enters before it is recorded, at the gateway that it goes to first, and before each POST, at the gateway that it
goes to. It leaves them all at its end.

The batches table has an item for each gateway that says who is inside, and every passage is one conditional write to
it: however many come at once, no more than the limit get in. Whoever is not let in comes again later; whoever enters
twice is inside once. Who finds it full looks after one of those inside: if that row is not under way any more, and
nobody has come to say so, as when a batch was stopped, it is put out.

A row is lost if nobody knows what became of its POST: it may be billed, so it is not sent again. When several in a row
were lost, the gateway is taken to be away: one row at a time is let in to see, after a rest that grows with each that
is lost too, and the first that the gateway answers opens it again for all.
"""

from itertools import islice
from typing import Any

from darkroom import aws, clock, items, settings, store
from darkroom.errors import NotFound

#: Milliseconds after which no row can be under way any more: a day of patience, its making, and an hour of collecting.
LONGEST_STAY_MS = 26 * 60 * 60 * 1000
#: Milliseconds within which whoever has a row in hand comes back to it.
IN_HAND_MS = 10 * 60 * 1000
#: Rows that are put out by one write: an expression of DynamoDB has 4 KB.
AT_A_TIME = 50
#: Rows lost in a row after which a gateway is taken to be away.
LOST = 3
#: Milliseconds of the first rest, and of the longest.
FIRST_REST_MS, LONGEST_REST_MS = 15_000, 5 * 60 * 1000


def enter(gateway: str, task_id: str, limit: int) -> bool:
    """Whether a row may be at the gateway, of at most `limit` at once. One that is inside may."""
    now = clock.now()
    expiry, entry, name = now + LONGEST_STAY_MS, "SET inside.#task = :expiry", {"#task": task_id}
    room = "attribute_exists(inside) AND size(inside) < :limit AND (attribute_not_exists(lost) OR lost < :lost)"
    values = {":expiry": expiry, ":limit": limit, ":lost": LOST}
    let_in, there = _write(gateway, entry, f"attribute_exists(inside.#task) OR ({room})", name, values)
    if let_in:
        return True
    if not there:
        first = {":inside": {task_id: expiry}}
        return _write(gateway, "SET inside = :inside", "attribute_not_exists(id)", values=first)[0]
    if gone := _gone(there["inside"], now):
        _put_out(gateway, gone)
        return False
    if there.get("lost", 0) < LOST or now < there["since"] + _rest(there["lost"]):
        return False
    alone = "lost = :lost AND since = :since AND size(inside) < :one"
    values = {":expiry": expiry, ":lost": there["lost"], ":since": there["since"], ":one": 1}
    return _write(gateway, entry, alone, name, values)[0]


def leave(gateway: str, task_id: str, *, lost: bool, answered: int | None) -> bool:
    """
    Make room for another row. Whether this one was inside.

    lost: nobody knows what became of its POST. answered: when the gateway answered it, ms, if it did.
    """
    inside, name = "attribute_exists(inside.#task)", {"#task": task_id}
    if lost:
        counted = "SET lost = if_not_exists(lost, :none) + :one, since = :now REMOVE inside.#task"
        return _write(gateway, counted, inside, name, {":none": 0, ":one": 1, ":now": clock.now()})[0]
    left, there = _write(gateway, "REMOVE inside.#task", inside, name)
    # An answer from before the latest loss says nothing of how the gateway is now.
    if left and there.get("lost") and answered is not None and answered > there["since"]:
        _write(gateway, "SET lost = :none", "since = :since", values={":none": 0, ":since": there["since"]})
    return left


def _rest(lost: int) -> int:
    """Milliseconds for which nobody is let in after so many rows in a row were lost."""
    return min(LONGEST_REST_MS, FIRST_REST_MS << min(lost - LOST, 8))


def _gone(inside: dict[str, int], now: int) -> dict[str, int]:
    """Who is inside, until when, and not under way any more: of those who are late some, else one at most."""
    if late := {task_id: until for task_id, until in inside.items() if until < now}:
        return dict(islice(late.items(), AT_A_TIME))
    entered_long_ago = [task_id for task_id, until in inside.items() if until < now + LONGEST_STAY_MS - IN_HAND_MS]
    if not entered_long_ago:
        return {}
    one = entered_long_ago[int(clock.chance() * len(entered_long_ago))]
    try:
        completed = store.read(one).completed
    except NotFound:  # and if it is recorded after all, it will have entered again before
        return {one: inside[one]}
    return {one: inside[one]} if completed is not None and completed < now - IN_HAND_MS else {}


def _put_out(gateway: str, gone: dict[str, int]) -> None:
    """If none of them has left or come again since."""
    names = {f"#gone{number}": task_id for number, task_id in enumerate(gone)}
    values = {f":gone{number}": until for number, until in enumerate(gone.values())}
    condition = " AND ".join(f"inside.#gone{number} = :gone{number}" for number in range(len(gone)))
    removal = ", ".join(f"inside.{name}" for name in names)
    _write(gateway, f"REMOVE {removal}", condition, names, values)


def _write(
    gateway: str,
    update: str,
    condition: str,
    names: dict[str, str] | None = None,
    values: dict[str, Any] | None = None,
) -> tuple[bool, dict[str, Any]]:
    """One conditional write: whether it was made, and what is there then. DynamoDB takes no empty names and values."""
    client = aws.dynamodb()
    more: Any = {"ExpressionAttributeNames": names} if names else {}
    more |= {"ExpressionAttributeValues": items.serialized(values)} if values else {}
    try:
        done = client.update_item(
            TableName=settings.batches_table(),
            Key={"id": {"S": f"gateway#{gateway}"}},
            UpdateExpression=update,
            ConditionExpression=condition,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **more,
        )
    except client.exceptions.ConditionalCheckFailedException as error:
        return False, items.deserialized(items.broken_by(error))
    return True, items.deserialized(done["Attributes"])

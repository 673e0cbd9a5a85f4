"""
The timings table: how long each route has taken here, as the gateways' own timestamps tell.

It only helps to ask at a better moment, so nothing here ever fails a task.
"""

from functools import lru_cache

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from darkroom import aws, clock, schedule, settings
from darkroom.route import Model

#: Milliseconds for which a warm function keeps what it has read.
MAX_AGE_MS = 60_000

logger = Logger(child=True)


def record(route: str, seconds: float) -> None:
    """One more task took `seconds` on a route."""
    try:
        aws.dynamodb().update_item(
            TableName=settings.timings_table(),
            Key={"route": {"S": route}},
            UpdateExpression="ADD #bin :one",
            ExpressionAttributeNames={"#bin": f"b{schedule.bin_of(seconds)}"},
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
    except (ClientError, BotoCoreError):
        logger.warning("a timing was not recorded", exc_info=True)


def seconds(model: Model, route: str) -> float:
    """How many seconds a model takes: what its route has taken here, or else what the catalogue says."""
    return expected(route) or model.seconds


def expected(route: str) -> float | None:
    """How many seconds a task on a route usually takes; None while too little is known."""
    return _expected(settings.timings_table(), route, clock.now() // MAX_AGE_MS)


@lru_cache(maxsize=256)
def _expected(table: str, route: str, _age: int) -> float | None:
    try:
        found = aws.dynamodb().get_item(TableName=table, Key={"route": {"S": route}})
    except (ClientError, BotoCoreError):
        logger.warning("timings could not be read", exc_info=True)
        return None
    counts = {int(name[1:]): int(value["N"]) for name, value in found.get("Item", {}).items() if name != "route"}
    return schedule.typical(counts)

"""
The sweeper: a new driver, or a new delivery, for every task that nobody came back to in time.

A task that has ended gets a driver, too, until there is an attempt to tell its receiver on record: attempts are made
after the announcement, so until then nobody can know that it was announced.
"""

from aws_lambda_powertools import Logger

from darkroom import clock, driver, metrics, store
from darkroom.answer import Failed
from darkroom.errors import Reason
from darkroom.metrics import Fact

#: Tasks of each shard that one run takes care of; the next run is a minute away.
LIMIT = 25
#: Milliseconds past its deadline after which a task can only be one whose driver crashes each time. Other drivers have
#: given up by themselves by then: on the gateway at the deadline, and on its outputs an hour after it has spoken.
HOPELESS_MS = 2 * 60 * 60 * 1000
#: Drivers that have come to it after its deadline by then. Where fewer have, it was AWS that was away.
DRIVERS = 5

logger = Logger(child=True)


def sweep() -> int:
    """How many tasks got a new driver or delivery."""
    now = clock.now()
    return sum(_sweep(str(shard), now) for shard in range(store.DUE_SHARDS))


def _sweep(shard: str, now: int) -> int:
    found = store.overdue(shard, now, LIMIT)
    rescued = sum(_rescue(task_id, now) for task_id in found)
    if len(found) == LIMIT and (left := store.count_overdue(shard, now)):
        metrics.count(Fact.OVERDUE_LEFT, left)
    return rescued


def _rescue(task_id: str, now: int) -> bool:
    try:
        return _rescue_overdue(task_id, now)
    except Exception:  # whatever is wrong with this task must not keep the others from being rescued
        logger.exception("task could not be rescued", extra={"task_id": task_id})
        store.set_aside(task_id, now + driver.GRACE_MS)
        return False


def _rescue_overdue(task_id: str, now: int) -> bool:
    task = store.read(task_id)
    # The index lags behind the table: what it says may be over.
    if task.due is None or task.due >= now:
        return False
    if (rescued := store.take_over(task, now + driver.GRACE_MS)) is None:
        return False
    hopeless = now > rescued.deadline + HOPELESS_MS and rescued.late >= DRIVERS
    if hopeless and not rescued.status.terminal and not rescued.failure:
        word = Failed(Reason.INTERNAL, "This task could not be carried to its end here. It has been logged.")
        rescued = store.hear(rescued, word, now + driver.GRACE_MS) or rescued
    if rescued.deliveries:
        metrics.count(Fact.DELIVERY_LOST)
        driver.start_delivery(rescued, 0)
    else:
        metrics.count(Fact.DRIVER_LOST)
        driver.start(rescued, 0)
    logger.warning("task had lost its driver", task_id=task_id, generation=rescued.generation, status=rescued.status)
    return True

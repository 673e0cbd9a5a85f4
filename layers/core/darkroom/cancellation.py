"""
A caller does not want a task any more.

What becomes of it is for its driver to find out, since the gateway's last word decides. But the driver may be waiting
until the pictures should be there, and what is canceled late has been paid for: so the next driver is started at once.
"""

from aws_lambda_powertools import Logger

from darkroom import clock, driver, store
from darkroom.task import Status, Task

#: Where a driver can still prevent something.
_PREVENTABLE = (Status.ACCEPTED, Status.SUBMITTING, Status.RUNNING)

logger = Logger(child=True)


def begin(task: Task) -> Task:
    """Flag a task, and have its next driver see to it now; the task after it. What has ended stays as it is."""
    flagged = store.ask_to_cancel(task)
    if flagged is None:
        return store.read(task.task_id)
    if task.cancel or flagged.status not in _PREVENTABLE:
        return flagged
    if (taken := store.take_over(flagged, clock.now() + driver.GRACE_MS)) is None:  # a driver is there, and has seen it
        return flagged
    try:
        driver.start(taken, 0)
    except Exception:  # whatever it is: the task is due, and the sweeper starts the driver
        logger.exception("driver not started", extra={"task_id": task.task_id})
    return taken

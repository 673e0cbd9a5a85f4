"""
`Prefer: wait`: a caller who is still there is answered when the task has ended, if that is soon.

Nothing depends on it: the driver carries the task to its end, and this only looks on. It is the only room that waits.
"""

from botocore.exceptions import BotoCoreError, ClientError

from darkroom import clock, store
from darkroom.task import Task

#: Seconds between two looks at the table.
PAUSE_S = 0.5


def end(task: Task, until: int) -> Task:
    """The task when it has ended, or as it is at `until` (ms)."""
    while not task.status.terminal and clock.now() + PAUSE_S * 1000 <= until:
        clock.sleep(PAUSE_S)
        try:
            task = store.read(task.task_id)
        except (ClientError, BotoCoreError):
            return task  # which is on its way: whoever asked for it has to be told so
    return task

"""
`Prefer: wait`: a caller who is still there is answered when the task has ended, if that is soon.

Nothing depends on it: the driver carries the task to its end, and this only looks on. It is the only room that waits.
"""

from botocore.exceptions import BotoCoreError, ClientError

from darkroom import clock, store
from darkroom.task import Task

#: Seconds between two looks at the table: from, by which factor each time, and up to. A look costs by the task's size.
FIRST_PAUSE_S, GROWTH, LONGEST_PAUSE_S = 0.5, 1.3, 2.0


def end(task: Task, until: int) -> Task:
    """The task when it has ended, or as it is at `until` (ms)."""
    pause = FIRST_PAUSE_S
    while not task.status.terminal and (left := (until - clock.now()) / 1000) > 0:
        clock.sleep(min(pause, left))
        pause = min(pause * GROWTH, LONGEST_PAUSE_S)
        try:
            task = store.read(task.task_id, hasty=True)
        except (ClientError, BotoCoreError):
            continue  # it is on its way: whoever asked for it has to be told so, if nothing better
    return task

"""
One visit of a driver: look at the task, post it or ask about it if that is what it needs, and say when to come again.
"""

from dataclasses import replace

from aws_lambda_powertools import Logger

from darkroom import asking, catalogue, clock, dialects, driver, posting, schedule, store, submission, timings
from darkroom.answer import Failed, Finished, Running
from darkroom.driver import Next, Step
from darkroom.errors import Reason, UnknownModel
from darkroom.route import dialect_of
from darkroom.task import Status, Task

logger = Logger(child=True)


def visit(task: Task, step: Step, *, until: int) -> tuple[Next, int]:
    """
    What the driver shall do next, and after how many seconds if that is to wait.

    until: when this invocation ends, ms.
    """
    if driver.superseded(step, task):
        return "leave", 0
    match task.status:
        case Status.ACCEPTED:
            found = _try_to_post(task, step, until)
        case Status.SUBMITTING:
            found = _wait_for_the_claim(task)
        case Status.RUNNING:
            found = _ask(task)
        case Status.COLLECTING if step.turn > 0 and task.ticket and not task.failure:
            found = _look_again(task)
        case _:
            found = "finalize", 0
    next_state, wait = found
    if next_state == "wait" and step.turn + 1 >= driver.LAST_TURN:
        store.postpone(task, clock.now() + wait * 1000)
        return "leave", 0
    if next_state == "wait":
        _keep_alive(task, wait)
    return found


def _try_to_post(task: Task, step: Step, until: int) -> tuple[Next, int]:
    if task.cancel:
        return _hear(task, Failed(Reason.CANCELED, "Canceled before any gateway had accepted it."))
    if clock.now() >= task.deadline:
        return _hear(task, _never_accepted(task))
    posted = posting.post(task, until=until)
    match posted.status:
        case Status.ACCEPTED:
            return "wait", _until(posted.deadline, posting.pause(posted) or schedule.backoff(step.turn + 1))
        case Status.SUBMITTING:
            return _wait_for_the_claim(posted)
        case Status.RUNNING if dialects.queue(dialect_of(posted.route or "")) is None:
            return _ask(posted)
        case Status.RUNNING:
            model = catalogue.catalogue().model(task.model)
            return "wait", schedule.first(submission.expected(model, posted.route or ""))
        case _:
            return "finalize", 0


def _wait_for_the_claim(task: Task) -> tuple[Next, int]:
    now = clock.now()
    if task.lease is not None and now < task.lease:
        return "wait", _until(task.lease, schedule.following((now - task.created) / 1000))
    if recovered := posting.recover(task):
        return _ask(recovered)
    message = (
        "The request was sent, but its reply was lost. The gateway may have accepted and billed it; "
        "it is not sent again, so that it cannot be billed twice."
    )
    return _hear(task, Failed(Reason.SUBMISSION_UNKNOWN, message))


def _ask(task: Task) -> tuple[Next, int]:
    overdue = clock.now() >= task.deadline
    if task.cancel:
        asking.cancel(task)
    answer = asking.answer(task)
    if not isinstance(answer, Running):
        return _hear(task, answer)
    if overdue:
        asking.cancel(task)
        return _hear(task, Failed(Reason.TIMED_OUT, "The gateway had not finished when the task's deadline passed."))
    elapsed = (clock.now() - (task.submitted or task.created)) / 1000
    return "wait", _until(task.deadline, schedule.following(elapsed))


def _look_again(task: Task) -> tuple[Next, int]:
    """Outputs could not be copied: their links may have expired, and the gateway may have new ones."""
    answer = asking.answer(task)
    outputs = answer.outputs if isinstance(answer, Finished) else task.outputs
    store.refresh(task, outputs, _collected())
    return "finalize", 0


def _hear(task: Task, word: Finished | Failed) -> tuple[Next, int]:
    """The last word. If somebody else has moved the task meanwhile, look again at once."""
    if isinstance(word, Finished):
        word = replace(word, several=_several(task, word))
    if store.hear(task, word, _collected()) is None:
        return "wait", 1
    if isinstance(word, Finished) and word.seconds is not None and task.route:
        timings.record(task.route, word.seconds)
    return "finalize", 0


def _several(task: Task, word: Finished) -> bool:
    """Whether the caller gets a list: as the model has it, so that it is the same on all of its routes."""
    try:
        output = catalogue.catalogue().model(task.model).output
    except UnknownModel:  # the catalogue has been changed meanwhile
        output = None
    return {"one": len(word.outputs) > 1, "list": True, None: word.several}[output]


def _collected() -> int:
    """When a task whose last word is known has to be collected."""
    return clock.now() + driver.COLLECT_MS + driver.GRACE_MS


def _never_accepted(task: Task) -> Failed:
    last = task.attempts[-1] if task.attempts else {}
    reason = next((reason for reason in Reason if reason.code == last.get("code")), Reason.GATEWAY_FAILED)
    detail = last.get("detail", "nothing")
    return Failed(reason, f"No gateway took the request before its deadline. The last one said: {detail}")


def _keep_alive(task: Task, wait: int) -> None:
    """Move the task's due time ahead, if the next visit comes too close to it."""
    back = clock.now() + wait * 1000
    if task.due is not None and task.due < back + driver.GRACE_MS // 3:
        store.postpone(task, back + driver.GRACE_MS)


def _until(moment: int, wait: int) -> int:
    """`wait` seconds, but not much beyond `moment` (ms)."""
    return max(1, min(wait, (moment - clock.now()) // 1000 + 1))

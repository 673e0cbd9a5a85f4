"""
One visit of a driver: look at the task, post it or ask about it if that is what it needs, and say when to come again.
"""

import json
from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger

from darkroom import asking, catalogue, clock, dialects, driver, posting, routing, schedule, store, timings
from darkroom.answer import Doubtful, Failed, Finished, Running
from darkroom.driver import Next, Step
from darkroom.errors import InvalidOrder, Reason, UnknownModel
from darkroom.route import dialect_of
from darkroom.task import Status, Task

#: Seconds for which a gateway may ask us not to ask.
LONGEST_PAUSE = 5 * 60
#: Milliseconds beyond its deadline for which a task waits for a gateway that cannot be asked, or is not believed yet.
UNHEARD_MS = 15 * 60 * 1000

logger = Logger(child=True)


def visit(task: Task, step: Step, *, until: int) -> tuple[Next, int]:
    """
    What the driver shall do next, and after how many seconds if that is to wait.

    until: when this invocation ends, ms.
    """
    if driver.superseded(step, task):
        return "leave", 0
    if step.turn == 0 and clock.now() >= task.deadline and not task.status.terminal:
        task = store.visited(task) or task
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
            pause = posting.pause(posted) or schedule.backoff(step.turn + 1, patient=posted.patient)
            return "wait", _until(posted.deadline, pause)
        case Status.SUBMITTING:
            return _wait_for_the_claim(posted)
        case Status.RUNNING if dialects.queue(dialect_of(posted.route or "")) is None:
            return _ask(posted)
        case Status.RUNNING:
            model = catalogue.catalogue().model(task.model)
            return "wait", schedule.first(timings.seconds(model, posted.route or ""))
        case _:
            return "finalize", 0


def _wait_for_the_claim(task: Task) -> tuple[Next, int]:
    now = clock.now()
    if task.lease is not None and now < task.lease:
        return "wait", _until(task.lease, schedule.following((now - task.created) / 1000))
    if recovered := posting.recover(task):
        return _ask(recovered)
    message = (
        "The request may have been sent, and what became of it is not known. The gateway may have accepted and billed "
        "it; it is not sent again, so that it cannot be billed twice."
    )
    return _hear(task, Failed(Reason.SUBMISSION_UNKNOWN, message))


def _ask(task: Task) -> tuple[Next, int]:
    if task.cancel:
        asking.cancel(task)
    answer = asking.answer(task)
    last = task.deadline
    doubt: dict[str, Any] | None = None
    elapsed = (clock.now() - (task.submitted or task.created)) / 1000
    match answer:
        case Finished() | Failed():
            return _hear(task, answer)
        case Doubtful(word, times, seconds):
            doubt = _counted(task, word)
            if doubt["times"] >= times and clock.now() - doubt["since"] >= seconds * 1000:
                return _hear(task, word)
            late = f"The task's deadline passed. The gateway's last word, said {doubt['times']} times: {word.message}"
            last, wait = task.deadline + UNHEARD_MS, schedule.in_doubt(elapsed, times, seconds)
        case Running():
            late = "The gateway had not finished when the task's deadline passed."
            wait = max(schedule.following(elapsed), min(answer.pause, LONGEST_PAUSE))
            if not answer.heard:
                late = "The gateway could not be asked any more when the task's deadline passed."
                last = task.deadline + UNHEARD_MS
    if clock.now() >= last:
        asking.cancel(task)
        return _hear(task, _out_of_time(task, late))
    if doubt:
        store.doubt(task, doubt)
    elif task.doubt:
        store.trust(task)
    return "wait", _until(task.deadline if clock.now() < task.deadline else last, wait)


def _counted(task: Task, word: Failed) -> dict[str, Any]:
    """A last word that is in doubt, with how often it has been said in a row now, and since when."""
    code, now = word.reason.code, clock.now()
    before = task.doubt if task.doubt and task.doubt["code"] == code else {"since": now, "times": 0}
    return {"code": code, "since": before["since"], "times": before["times"] + 1}


def _look_again(task: Task) -> tuple[Next, int]:
    """Outputs could not be copied: their links may have expired, and the gateway may have new ones."""
    match asking.answer(task):
        # Fewer than before are not believed: what is not among them any more would be gone without a word.
        case Finished(outputs) if len(outputs) >= len(task.outputs):
            store.refresh(task, outputs, _collected())
        case _:
            store.refresh(task, task.outputs, _collected())
    return "finalize", 0


def _hear(task: Task, word: Finished | Failed) -> tuple[Next, int]:
    """The last word. If somebody else has moved the task meanwhile, look again at once."""
    if isinstance(word, Finished):
        word = replace(word, several=_several(task, word), missing=(*word.missing, *_too_few(task, word)))
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


def _too_few(task: Task, word: Finished) -> tuple[str, ...]:
    """That there are fewer outputs than were asked for, where that is known, and nothing has been said of it yet."""
    given = len(word.outputs)
    try:
        model = catalogue.catalogue().model(task.model)
        asked = routing.asked(model, json.loads(task.input), task.route or "") or 0
    except (UnknownModel, InvalidOrder):  # the catalogue has been changed meanwhile
        return ()
    if word.missing or given >= asked:
        return ()
    return (f"The gateway gave {given} of the {asked} images that were asked for.",)


def _collected() -> int:
    """When a task whose last word is known has to be collected."""
    return clock.now() + driver.COLLECT_MS + driver.GRACE_MS


def _out_of_time(task: Task, late: str) -> Failed:
    if task.cancel_after is None:
        return Failed(Reason.TIMED_OUT, late)
    return Failed(Reason.CANCELED, f"Canceled after {task.cancel_after} seconds, as was asked. {late}")


def _never_accepted(task: Task) -> Failed:
    last = task.attempts[-1] if task.attempts else {}
    reason = next((reason for reason in Reason if reason.code == last.get("code")), Reason.GATEWAY_FAILED)
    detail = last.get("detail", "nothing")
    late = f"No gateway took the request before its deadline. The last one said: {detail}"
    return Failed(reason, late) if task.cancel_after is None else _out_of_time(task, late)


def _keep_alive(task: Task, wait: int) -> None:
    """Move the task's due time ahead, if the next visit comes too close to it."""
    back = clock.now() + wait * 1000
    if task.due is not None and task.due < back + driver.GRACE_MS // 3:
        store.postpone(task, back + driver.GRACE_MS)


def _until(moment: int, wait: int) -> int:
    """`wait` seconds, but not much beyond `moment` (ms)."""
    return max(1, min(wait, (moment - clock.now()) // 1000 + 1))

"""
One visit of a driver: look at the task, post it or ask about it if that is what it needs, and say when to come again.

To come again costs three transitions of the state machine, which is more than to stay for some seconds (decision 14).
"""

from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger

from darkroom import asking, catalogue, clock, dialects, driver, hearing, pacing, posting, schedule, store
from darkroom.answer import Doubtful, Failed, Finished, Running
from darkroom.driver import Next, Step
from darkroom.errors import CatalogueError, Reason, UnknownModel
from darkroom.route import dialect_of
from darkroom.task import Status, Task

#: Seconds for which a gateway may ask us not to ask.
LONGEST_PAUSE = 5 * 60
#: Milliseconds beyond its deadline for which a task waits for a gateway that cannot be asked, or is not believed yet.
UNHEARD_MS = 15 * 60 * 1000
#: Milliseconds to the next question, at most, for which a visit goes on; and what must be left of it by then.
STAY_MS, ROOM_MS = 2_000, 60_000
#: Milliseconds from when a gateway has accepted a request until what else its reply said is written down, too.
SETTLED_MS = 500

logger = Logger(child=True)


def visit(task: Task, step: Step, *, until: int) -> tuple[Next, Step]:
    """
    What the driver shall do next, and the step that it goes on with.

    until: when this invocation ends, ms.
    """
    late = clock.now() >= task.deadline and not task.status.terminal
    if late and step.turn == 0 and not driver.superseded(step, task):
        task = store.visited(task) or task
    next_state, after = _look(task, step, until)
    while next_state == "wait" and task.status is Status.RUNNING and (pause := _stay(after.at, until)):
        clock.sleep(pause)
        task = store.read(task.task_id)
        next_state, after = _look(task, replace(after, turn=step.turn), until)
    return next_state, after


def _stay(moment: int, until: int) -> float:
    """Seconds to a question that is worth staying for; none if it is not."""
    now = clock.now()
    return (moment - now) / 1000 if now < moment <= min(now + STAY_MS, until - ROOM_MS) else 0.0


def _look(task: Task, step: Step, until: int) -> tuple[Next, Step]:
    """What there is to do for a task now, done; what next."""
    if driver.superseded(step, task):
        return "leave", step.after(0)
    asked, early = step.asked, _early(task, step)
    match task.status:
        case Status.ACCEPTED:
            next_state, wait = _try_to_post(task, step, until)
        case Status.SUBMITTING:
            next_state, wait = _wait_for_the_claim(task)
        case Status.RUNNING if early > 0:
            next_state, wait = "wait", early
        case Status.RUNNING:
            next_state, wait, asked = _ask(task, asked)
        case Status.COLLECTING if step.turn > 0 and task.ticket and not task.failure:
            next_state, wait = _refresh(task)
        case _:
            next_state, wait = "finalize", 0
    if next_state == "wait" and step.turn + 1 >= driver.LAST_TURN and early <= 0:
        store.postpone(task, clock.now() + int(wait * 1000))
        return "leave", step.after(0)
    if next_state == "wait":
        _keep_alive(task, wait)
    return next_state, step.after(wait, asked=asked)


def _try_to_post(task: Task, step: Step, until: int) -> tuple[Next, float]:
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
            return _read(posted)
        case Status.RUNNING:
            return "wait", _first(posted, clock.chance())
        case _:
            return "finalize", 0


def _wait_for_the_claim(task: Task) -> tuple[Next, float]:
    now = clock.now()
    if task.lease is not None and now < task.lease:
        return "wait", _until(task.lease, schedule.following((now - task.created) / 1000))
    if recovered := posting.recover(task):
        return _read(recovered)
    message = (
        "The request may have been sent, and what became of it is not known. The gateway may have accepted and billed "
        "it; it is not sent again, so that it cannot be billed twice."
    )
    return _hear(task, Failed(Reason.SUBMISSION_UNKNOWN, message))


def _early(task: Task, step: Step) -> float:
    """
    Seconds until the moment at which the step was to ask. A driver that has not asked yet was started, or looked in,
    before the gateway accepted the request: so its first question is not before the first one could be from then on.
    """
    if task.status is not Status.RUNNING or not task.submitted or not step.at:
        return 0.0
    meant = step.at
    if not step.asked and dialects.queue(dialect_of(task.route or "")):
        meant = max(meant, task.submitted + max(SETTLED_MS, int(_first(task, chance=0.0) * 1000)))
    return (min(meant, task.deadline) - clock.now()) / 1000


def _first(task: Task, chance: float) -> float:
    """Seconds to the first question, from when the gateway has accepted the request."""
    try:
        known = catalogue.catalogue()
        return pacing.first(known.model(task.model), known.route(task.route or ""), chance)
    except (UnknownModel, CatalogueError):  # the catalogue has been changed meanwhile
        return schedule.following(0)


def _following(task: Task, elapsed: float, answer: Running) -> float:
    """Seconds to the next question."""
    try:
        known = catalogue.catalogue()
        wait = pacing.following(known.model(task.model), known.route(task.route or ""), elapsed, answer)
    except (UnknownModel, CatalogueError):  # the catalogue has been changed meanwhile
        wait = schedule.following(elapsed)
    if task.cancel:  # it is about to say so
        wait = min(wait, schedule.following(elapsed))
    return max(wait, min(answer.pause, LONGEST_PAUSE))


def _read(task: Task) -> tuple[Next, float]:
    """The staged reply of a synchronous gateway."""
    next_state, wait, _ = _ask(task, 0)
    return next_state, wait


def _ask(task: Task, asked: int) -> tuple[Next, float, int]:
    """
    What to do next, the seconds to wait for that, and `asked`: when the gateway last said that it was at it, ms; 0 for
    never.
    """
    now = clock.now()
    if task.cancel:
        asking.cancel(task)
    answer = asking.answer(task)
    last = task.deadline
    doubt, wait = None, 0.0
    elapsed = (clock.now() - (task.submitted or task.created)) / 1000
    match answer:
        case Finished() | Failed():
            return *_hear(task, answer, asked if dialects.queue(dialect_of(task.route or "")) else None), asked
        case Doubtful(word, times, seconds):
            doubt = _counted(task, word)
            if doubt["times"] >= times and clock.now() - doubt["since"] >= seconds * 1000:
                return *_hear(task, word), asked
            late = f"The task's deadline passed. The gateway's last word, said {doubt['times']} times: {word.message}"
            last, wait = task.deadline + UNHEARD_MS, schedule.in_doubt(elapsed, times, seconds)
        case Running():
            late = "The gateway had not finished when the task's deadline passed."
            wait = _following(task, elapsed, answer)
            asked = now if answer.heard else asked
            if not answer.heard:
                late = "The gateway could not be asked any more when the task's deadline passed."
                last = task.deadline + UNHEARD_MS
    if clock.now() >= last:
        asking.cancel(task)
        return *_hear(task, _out_of_time(task, late)), asked
    if doubt:
        store.doubt(task, doubt)
    elif task.doubt:
        store.trust(task)
    end = task.deadline if clock.now() < task.deadline else last
    return "wait", max(schedule.SHORTEST, min(wait, (end - clock.now()) / 1000)), asked


def _counted(task: Task, word: Failed) -> dict[str, Any]:
    """A last word that is in doubt, with how often it has been said in a row now, and since when."""
    code, now = word.reason.code, clock.now()
    before = task.doubt if task.doubt and task.doubt["code"] == code else {"since": now, "times": 0}
    return {"code": code, "since": before["since"], "times": before["times"] + 1}


def _refresh(task: Task) -> tuple[Next, float]:
    """Outputs could not be copied: their links may have expired, and the gateway may have new ones."""
    match asking.answer(task):
        # Fewer than before are not believed: what is not among them any more would be gone without a word.
        case Finished(outputs) if len(outputs) >= len(task.outputs):
            store.refresh(task, outputs, hearing.collected())
        case _:
            store.refresh(task, task.outputs, hearing.collected())
    return "finalize", 0


def _hear(task: Task, word: Finished | Failed, asked: int | None = None) -> tuple[Next, float]:
    """The last word. If somebody else has moved the task meanwhile, look again at once."""
    return ("finalize", 0) if hearing.hear(task, word, asked=asked) else ("wait", 1)


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


def _keep_alive(task: Task, wait: float) -> None:
    """Move the task's due time ahead, if the next visit comes too close to it."""
    back = clock.now() + int(wait * 1000)
    if task.due is not None and task.due < back + driver.GRACE_MS // 3:
        store.postpone(task, back + driver.GRACE_MS)


def _until(moment: int, wait: int) -> int:
    """`wait` seconds, but not much beyond `moment` (ms)."""
    return max(1, min(wait, (moment - clock.now()) // 1000 + 1))

"""
One visit of a driver: look at the task, ask the gateway once if that is what it needs, and say when to come again.

A question costs nothing, so any failure of one only means to ask again, until the task's deadline.
"""

from dataclasses import replace

from aws_lambda_powertools import Logger

from darkroom import (
    catalogue,
    clock,
    dialects,
    driver,
    gallery,
    http,
    keys,
    posting,
    schedule,
    store,
    submission,
    timings,
    wire,
)
from darkroom.answer import Answer, Failed, Finished, Running
from darkroom.dialects import Dialect
from darkroom.driver import Next, Step
from darkroom.errors import CatalogueError, ForbiddenAddress, NoReply, NotSent, Reason, UnknownModel
from darkroom.route import Route, dialect_of
from darkroom.task import Status, Task
from darkroom.wire import Reply, Request

#: Seconds for a question, or for asking the gateway to stop.
QUESTION_S = 10.0
#: Bytes of all outputs of a task; how often it says what is missing, and in how many characters: it is one item.
OUTPUTS_CAP, MISSING, MISSING_CAP = 64_000, 20, 500
#: Statuses of a gateway that does not know what it is asked under this address, and may under another.
UNKNOWN_THERE = (400, 404, 405, 500)
#: Bytes of an answer: it may hold pictures inline, in base64.
ANSWER_CAP = 32_000_000

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
        _cancel(task)
    answer = _answer(task)
    if not isinstance(answer, Running):
        return _hear(task, answer)
    if overdue:
        _cancel(task)
        return _hear(task, Failed(Reason.TIMED_OUT, "The gateway had not finished when the task's deadline passed."))
    elapsed = (clock.now() - (task.submitted or task.created)) / 1000
    return "wait", _until(task.deadline, schedule.following(elapsed))


def _look_again(task: Task) -> tuple[Next, int]:
    """Outputs could not be copied: their links may have expired, and the gateway may have new ones."""
    answer = _answer(task)
    outputs = answer.outputs if isinstance(answer, Finished) else task.outputs
    store.refresh(task, outputs, _collected())
    return "finalize", 0


def _answer(task: Task) -> Answer:
    """The gateway's answer; Running for whatever cannot be understood or heard."""
    dialect = dialect_of(task.route or "")
    if (queue := dialects.queue(dialect)) is None:
        return _read(task, dialects.of(dialect))
    if (route := _route(task)) is None:
        return Running()
    ticket = task.ticket or ""
    for question in queue.questions(route, ticket):
        try:
            reply = http.send(_signed(route, question), deadline=QUESTION_S, cap=ANSWER_CAP)
        except (NotSent, NoReply, ForbiddenAddress) as error:
            logger.warning("question unanswered", task_id=task.task_id, reason=type(error).__name__)
            break
        if reply.status in (401, 403):
            keys.forget()
        try:
            return _staged(task, queue.answer(reply))
        except NoReply:
            logger.warning("answer not understood", task_id=task.task_id, status=reply.status)
            if not reply.ok and reply.status not in UNKNOWN_THERE:
                break
    return Running()


def _read(task: Task, dialect: Dialect) -> Answer:
    """The answer of a synchronous dialect, from its staged reply; there is nobody to ask again."""
    try:
        return _staged(task, dialect.answer(Reply(200, {}, gallery.staged_reply(task.ticket or "") or b"")))
    except NoReply as error:
        return Failed(Reason.OUTPUT_LOST, f"The gateway's reply cannot be read, and is kept as {task.ticket}: {error}")


def _cancel(task: Task) -> None:
    """Ask the gateway to stop. Whether it does, its next answer tells."""
    queue, route = dialects.queue(dialect_of(task.route or "")), _route(task)
    if queue is None or route is None:
        return
    request = queue.cancellation(route, task.ticket or "")
    try:
        reply = http.send(_signed(route, request), deadline=QUESTION_S)
        logger.info("asked the gateway to cancel", task_id=task.task_id, status=reply.status)
    except (NotSent, NoReply, ForbiddenAddress) as error:
        logger.warning("cancellation unanswered", task_id=task.task_id, reason=type(error).__name__)


def _route(task: Task) -> Route | None:
    """None if the catalogue has lost the gateway meanwhile: then nobody can be asked."""
    try:
        return catalogue.catalogue().route(task.route or "")
    except CatalogueError:
        logger.exception("the gateway of a running task is not in the catalogue", task_id=task.task_id)
        return None


def _signed(route: Route, request: Request) -> Request:
    return request.authorized(route.gateway.credentials(keys.gateway(route.gateway.name) or ""))


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


def _staged(task: Task, answer: Answer) -> Answer:
    """
    The answer, with outputs that came inline put into the bucket: neither the table nor a step could carry them.

    Raises NoReply if none of the outputs can be decoded.
    """
    if not isinstance(answer, Finished):
        return answer
    outputs, missing, room = list[str](), [each[:MISSING_CAP] for each in answer.missing[:MISSING]], OUTPUTS_CAP
    for index, output in enumerate(answer.outputs):
        try:
            content = wire.inline(output)
        except NoReply as error:
            missing.append(str(error))
            continue
        kept = output if content is None else gallery.stage(task.task_id, index, content)
        if (room := room - len(kept.encode())) < 0:
            missing.append(f"the last {len(answer.outputs) - index} of the outputs are more than a task can hold")
            break
        outputs.append(kept)
    if not outputs:
        raise NoReply("; ".join(missing))
    return replace(answer, outputs=tuple(outputs), missing=tuple(missing))


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

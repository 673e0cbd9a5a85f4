"""
One question to the gateway that has a task, and its answer.

A question to a queue costs nothing: whatever goes wrong with one means that the gateway is still at it. A synchronous
dialect has answered already; its staged reply is read. Pictures that an answer holds inline go to the bucket before
anything else is done with them.
"""

from dataclasses import replace

from aws_lambda_powertools import Logger

from darkroom import catalogue, clock, dialects, gallery, http, keys, metrics, timings, wire
from darkroom.answer import Answer, Doubtful, Failed, Finished, Running
from darkroom.dialects import Dialect
from darkroom.errors import CatalogueError, ForbiddenAddress, NoReply, NotSent, Reason
from darkroom.metrics import Fact
from darkroom.route import Route, dialect_of
from darkroom.task import Task
from darkroom.wire import Reply, Request

#: Seconds for a question, or for asking the gateway to stop.
QUESTION_S = 10.0
#: Outputs of a task, and bytes of all of them; how often it says what is missing, and in how many characters: it is one
#: item, and so is what becomes of it when each output is an image.
OUTPUTS, OUTPUTS_CAP, MISSING, MISSING_CAP = 64, 64_000, 20, 500
#: Statuses of a gateway that does not know what it is asked under this address, and may under another.
UNKNOWN_THERE = (400, 404, 405, 410, 500)
#: If it says one of these under each of its addresses, it does not know the request.
UNKNOWN = (404, 410)
#: Statuses with which a gateway may say for how long it does not want to be asked.
BUSY = (429, 503)
#: Bytes of an answer: it may hold pictures inline, in base64.
ANSWER_CAP = 32_000_000

logger = Logger(child=True)


def answer(task: Task) -> Answer:
    """The gateway's answer; of a queue, Running for whatever cannot be understood or heard."""
    dialect = dialect_of(task.route or "")
    if (queue := dialects.queue(dialect)) is None:
        return _read(task, dialects.of(dialect))
    if (route := _route(task)) is None:
        return Running(heard=False)
    statuses = set[int]()
    for question in queue.questions(route, task.ticket or ""):
        try:
            reply = http.send(_signed(route, question), deadline=QUESTION_S, cap=ANSWER_CAP)
        except (NotSent, NoReply, ForbiddenAddress) as error:
            logger.warning("question unanswered", task_id=task.task_id, reason=type(error).__name__)
            return Running(heard=False)
        if reply.status in (401, 402, 403):
            metrics.count(Fact.GATEWAY_REFUSED, gateway=route.gateway.name)
        if reply.status in (401, 403):
            keys.forget()
        try:
            return _told(task, dialect, queue.answer(reply))
        except NoReply:
            logger.warning("answer not understood", task_id=task.task_id, status=reply.status)
        if not reply.ok and reply.status not in UNKNOWN_THERE:
            pause = reply.retry_after(clock.now()) if reply.status in BUSY else None
            if pause or reply.status == 429:
                timings.refused(route.gateway.name)
            return Running(pause=pause or 0, heard=False)
        statuses.add(reply.status)
    return _forgotten() if statuses <= set(UNKNOWN) else Running(heard=False)


def read(task: Task, reply: Reply) -> Answer:
    """A queue's answer in a reply to another request of the task's. Raises NoReply where it holds none."""
    dialect = dialect_of(task.route or "")
    return _told(task, dialect, dialects.QUEUES[dialect].answer(reply))


def cancel(task: Task) -> None:
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


def _read(task: Task, dialect: Dialect) -> Answer:
    """The answer of a synchronous dialect, from its staged reply; there is nobody to ask again."""
    try:
        answer = dialect.answer(Reply(200, {}, gallery.staged_reply(task.ticket or "") or b""))
    except NoReply as error:
        # It may be a picture in a shape that nobody knows, or a proxy's page: to post again could be to pay again.
        return Failed(Reason.SUBMISSION_UNKNOWN, f"The gateway's reply cannot be read; it is at {task.ticket}: {error}")
    try:
        return _staged(task, answer)
    except NoReply as error:
        return Failed(Reason.OUTPUT_LOST, f"The pictures cannot be decoded; the reply is at {task.ticket}: {error}")


def _forgotten() -> Doubtful:
    """A gateway that is being restarted, or whose tables lag, says so too."""
    lost = Failed(Reason.GATEWAY_LOST, "The gateway had accepted the request, and does not know it any more.")
    return Doubtful(lost, times=5, seconds=10 * 60)


def _told(task: Task, dialect: str, answer: Answer) -> Answer:
    if isinstance(answer, Running) and answer.strange:
        # Not the word: there is no telling what a gateway puts there.
        logger.warning("status not known", task_id=task.task_id, dialect=dialect)
        metrics.count(Fact.UNKNOWN_STATUS, dialect=dialect)
    return _staged(task, answer)


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
        if (room := room - len(kept.encode())) < 0 or len(outputs) == OUTPUTS:
            missing.append(f"the last {len(answer.outputs) - index} of the outputs are more than a task can hold")
            break
        outputs.append(kept)
    if not outputs:
        raise NoReply("; ".join(missing))
    return replace(answer, outputs=tuple(outputs), missing=tuple(missing[:MISSING]))


def _route(task: Task) -> Route | None:
    """None if the catalogue has lost the gateway meanwhile: then nobody can be asked."""
    try:
        return catalogue.catalogue().route(task.route or "")
    except CatalogueError:
        logger.exception("the gateway of a running task is not in the catalogue", task_id=task.task_id)
        return None


def _signed(route: Route, request: Request) -> Request:
    return request.authorized(route.gateway.credentials(keys.gateway(route.gateway.name) or ""))

"""A task or a batch has ended and was announced: one attempt to tell its receiver, or an end to its story."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import delivery, driver, store
from darkroom.task import Delivery

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    if "batch_id" in event:
        pause = delivery.attempt_of_batch(event["files"], event["turn"])
        told = {**event, "turn": event["turn"] + 1}
        return told | ({"next": "done"} if pause is None else {"next": "wait", "wait": pause})
    step = driver.step(event)
    task = store.read(step.task_id)
    if driver.superseded(step, task):
        return step.document("leave")
    if task.delivery is Delivery.NONE:
        store.settle(task)
    pause = delivery.attempt(task)
    return step.document("done") if pause is None else step.after(pause).document("wait")

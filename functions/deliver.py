"""One more attempt to tell a receiver how a task ended."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import delivery, driver, store

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    step = driver.step(event)
    task = store.read(step.task_id)
    if driver.superseded(step, task):
        return step.document("leave")
    pause = delivery.attempt(task)
    return step.document("done") if pause is None else step.after(pause).document("wait")

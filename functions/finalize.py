"""The gateway has spoken its last word: store the images, end the task, and say what is to be announced."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import announcement, collection, driver, keys, settings, store

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Raises OutputUnavailable, by that name: generation.asl.yaml then takes a fresh look at the gateway."""
    step = driver.step(event)
    task = store.read(step.task_id)
    if driver.superseded(step, task):
        return step.document("leave")
    if not task.status.terminal:
        task = collection.settle(task, keys.api_url())
        if not task.status.terminal:  # another driver has heard another last word meanwhile, and ends it by that
            return step.document("leave")
        logger.info("task ended", task_id=task.task_id, status=task.status, images=len(task.images))
    if task.due is None:
        return step.document("done")
    return step.after(0).document("deliver") | {"news": announcement.announcement(task, settings.images_bucket())}

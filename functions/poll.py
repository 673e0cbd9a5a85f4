"""A driver's visit: ask the gateway how far a task has come, and say when to ask again."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import clock, driver, inquiry, store

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    step = driver.step(event)
    until = clock.now() + context.get_remaining_time_in_millis()
    next_state, after = inquiry.visit(store.read(step.task_id), step, until=until)
    return after.document(next_state)

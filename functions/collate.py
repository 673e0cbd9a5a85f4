"""A batch has begun or is over: write what is known of its rows where whoever dropped its file looks for it."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import announcement, batches, results, settings

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    batch = batches.load(event["files"])
    if not event["over"]:
        results.begin(batch)
        return event
    news = announcement.of_batch(results.finish(batch), settings.images_bucket())
    logger.info("batch over", batch_id=batch.id, made=news["successRecordCount"], failed=news["errorRecordCount"])
    return event | {"news": news}

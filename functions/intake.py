"""A file was dropped into the inbox: read it, and start the batch that makes its rows."""

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import intake

logger = Logger()


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A message that comes to nothing comes again, and in the end to the dead letters."""
    failures = []
    for record in event["Records"]:
        try:
            intake.take(json.loads(record["body"]))
        except Exception:
            logger.exception("a dropped file could not be taken in", extra={"message_id": record["messageId"]})
            intake.put_off(record)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}

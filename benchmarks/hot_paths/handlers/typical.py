"""
Submit as one would write it today with the libraries that are made for it: a Powertools resolver that checks the body
with pydantic, boto3's resources and clients made at import, one httpx client that is kept.

It does less than Submit: it records, posts, writes down the reply and starts an execution. Nothing is claimed, no lost
reply is told from a refusal, no address is examined, no key or timing is looked up.
"""

import os
import uuid
from typing import Annotated, Any

import boto3
import httpx
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.openapi.params import Body
from pydantic import BaseModel

logger = Logger()
metrics = Metrics(namespace="bench", service="bench")
app = APIGatewayHttpResolver(enable_validation=True)
table = boto3.resource("dynamodb").Table(os.environ["TASKS_TABLE"])
s3 = boto3.client("s3")
stepfunctions = boto3.client("stepfunctions")
gateway = httpx.Client()


class Order(BaseModel):
    input: dict[str, Any]
    webhook: str | None = None


@app.post("/v1/models/<owner>/<name>/predictions")
def create(owner: str, name: str, order: Annotated[Order, Body()]) -> dict[str, Any]:
    task_id = uuid.uuid4().hex
    item = {"task_id": task_id, "model": f"{owner}/{name}", "input": order.model_dump_json(), "status": "accepted"}
    table.put_item(Item=item, ConditionExpression="attribute_not_exists(task_id)")
    reply = gateway.post(f"{os.environ['GATEWAY']}/v1/models/{owner}/{name}/predictions", json={"input": order.input})
    table.update_item(
        Key={"task_id": task_id},
        UpdateExpression="SET #status = :status, ticket = :ticket",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": "running", ":ticket": reply.json()["id"]},
    )
    stepfunctions.start_execution(
        stateMachineArn=os.environ["GENERATION_MACHINE"], name=task_id, input=f'{{"task_id": "{task_id}"}}'
    )
    return {"id": task_id, "status": "processing"}


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)

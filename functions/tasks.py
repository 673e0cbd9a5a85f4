"""A caller asks about a task, cancels it, or fetches its images."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import api, gallery, keys, links, store
from darkroom.errors import NotFound
from darkroom.task import Task

logger = Logger()
app = api.resolver()


@app.get("/v1/predictions/<task_id>")
def show(task_id: str) -> Response[str]:
    return _shown(_own(task_id))


@app.post("/v1/predictions/<task_id>/cancel")
def cancel(task_id: str) -> Response[str]:
    task = _own(task_id)
    return _shown(store.ask_to_cancel(task) or store.read(task_id))


@app.get("/v1/files/<task_id>/<name>")
def file(task_id: str, name: str, signature: str = "") -> Response[str]:
    if not links.genuine(signature, keys.link(), task_id, name):
        raise NotFound("There is no such file, or its link is not complete.")
    return api.sent(gallery.get(gallery.key(task_id, name)))


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


def _own(task_id: str) -> Task:
    """The caller's own task; what is another tenant's is not there."""
    task = store.read(task_id)
    if task.tenant != api.tenant(app.current_event):
        raise NotFound("There is no such task.")
    return task


def _shown(task: Task) -> Response[str]:
    return api.shown(200, api.prediction(task, app.current_event))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return api.answer(app, event, context)

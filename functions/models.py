"""What can be made here, and how to ask for it: models, the OpenAPI document, and whether anybody is there."""

import json
from importlib import resources
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import api, catalogue, models, resolver
from darkroom.errors import UnknownModel
from darkroom.shapes import Health, Model, Models, Version

logger = Logger()
app = resolver.app()


@app.get("/v1/models")
@resolver.replies({200: Models})
def list_models() -> Response[str]:
    """The models that have names of their own. Others can be asked for, too, where the catalogue lets them through."""
    known = [model for name, model in catalogue.catalogue().models.items() if "*" not in name]
    return resolver.shown(200, models.page(known, api.origin(app.current_event)))


@app.get("/v1/models/<owner>/<name>")
@resolver.replies({200: Model}, UnknownModel)
def show_model(owner: str, name: str) -> Response[str]:
    """One model."""
    model = catalogue.catalogue().model(f"{owner}/{name}")
    return resolver.shown(200, models.show(model, api.origin(app.current_event)))


@app.get("/v1/models/<owner>/<name>/versions/<version>")
@resolver.replies({200: Version}, UnknownModel)
def show_version(owner: str, name: str, version: str) -> Response[str]:
    """The stub of a version, for clients that ask for one."""
    return resolver.shown(200, models.version(catalogue.catalogue().model(f"{owner}/{name}"), version))


@app.get("/openapi.json")
@resolver.replies({200: dict[str, Any]})
def openapi() -> Response[str]:
    """This document."""
    text = resources.files("darkroom").joinpath("openapi.json").read_text(encoding="utf-8")
    return resolver.shown(200, {"servers": [{"url": api.origin(app.current_event)}], **json.loads(text)})


@app.get("/health")
@resolver.replies({200: Health})
def health() -> Response[str]:
    """Whether anybody is there."""
    return resolver.shown(200, {"status": "ok"})


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return resolver.answer(app, event, context)

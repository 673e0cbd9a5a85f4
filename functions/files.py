"""A file goes in or out: what callers upload for their orders, and the images that their tasks have got."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom import api, forms, gallery, keys, links, order, resolver, uploads
from darkroom.errors import BodyTooLarge, InvalidOrder, NotFound
from darkroom.labels import Form, Reservation
from darkroom.shapes import ReservedFile, UploadedFile

logger = Logger()
app = resolver.app()


@app.post("/v1/files")
@resolver.takes({"multipart/form-data": Form, "application/json": Reservation})
@resolver.replies({201: UploadedFile | ReservedFile}, InvalidOrder, BodyTooLarge)
def upload_file() -> Response[str]:
    """Upload a file as a form, or ask with JSON where to put one that is too large for that."""
    event = app.current_event
    tenant, origin, content_type = api.tenant(event), api.origin(event), event.headers.get("content-type", "")
    if api.is_form(content_type):
        received = uploads.receive(tenant, forms.parts(content_type, resolver.body(event)), origin)
        return resolver.shown(201, received, location=received["urls"]["get"])
    reserved = uploads.reserve(tenant, order.literal_json(resolver.body(event).decode()), origin)
    return resolver.shown(201, reserved, location=reserved["urls"]["get"])


@app.get("/v1/files/<file_id>")
@resolver.replies({200: UploadedFile}, NotFound)
def get_file(file_id: str) -> Response[str]:
    """What is known of a file that was uploaded."""
    event = app.current_event
    return resolver.shown(200, uploads.show(api.tenant(event), file_id, api.origin(event)))


@app.get("/v1/files/<task_id>/<name>")
@resolver.replies({200: bytes, 302: None}, NotFound)
def get_image(task_id: str, name: str, signature: str = "", key: str = "") -> Response[str]:
    """
    An image of a task, or the way to one that is large. The link is all that it takes; of a batch's picture, it says
    the key in the bucket.
    """
    if not links.genuine(signature, keys.link(), task_id, key or name):
        raise NotFound("There is no such file, or its link is not complete.")
    return resolver.sent(gallery.get(key or gallery.key(task_id, name)))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return resolver.answer(app, event, context, forms=True)

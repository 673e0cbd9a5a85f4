"""
Submit's two routes, as openapi.json tells of them.

Submit is asked often and has to be there at once, so it finds its route and checks its bodies without the libraries
that this is written with (functions/submit.py, darkroom/order.py). A test holds the two against each other: they take
the same bodies, and find the same faults in all others.
"""

from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from darkroom import order, resolver
from darkroom.errors import KeyReused, Rejected, UnknownModel
from darkroom.shapes import Prediction, Rehearsal

CREATED = {201: Prediction, 200: Prediction | Rehearsal}

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: dict[str, Any] = {
    "pattern": rf"^https://({_LABEL}\.){{1,8}}[A-Za-z]{{2,63}}(:443|:8443)?(/[!-\[\]-~]*)?$",
}
_C = order.CONTROL
_INPUT: dict[str, Any] = {"properties": {"prompt": {"type": "string", "pattern": rf"^[^{_C}]*[^\s{_C}][^{_C}]*$"}}}

app = resolver.app()


def _by(rule: order.Rule) -> AfterValidator:
    """What no schema can say is checked as Submit checks it."""

    def check(value: Any) -> Any:
        for message in rule(value).values():
            raise ValueError(message)
        return value

    return AfterValidator(check)


def _nothing_if_null(value: Any) -> Any:
    return {} if value is None else value


Input = Annotated[dict[str, Any], Field(json_schema_extra=_INPUT), _by(order.drawable)]
Webhook = Annotated[str, Field(max_length=order.ADDRESS_CAP, json_schema_extra=_ADDRESS), _by(order.address)]
Metadata = Annotated[dict[str, Any], BeforeValidator(_nothing_if_null, json_schema_input_type=dict[str, Any] | None)]


class Order(BaseModel):
    """The body of a create request: Replicate's, and `metadata`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input: Input
    webhook: Webhook | None = None
    webhook_events_filter: list[Literal["start", "output", "logs", "completed"]] | None = None
    metadata: Metadata = {}
    stream: bool | None = None
    webhook_completed: str | None = None


class VersionedOrder(Order):
    """
    The body of a create request that names what it wants itself: a model, or a version of one as `owner/name:version`.
    """

    version: Annotated[str, Field(max_length=order.VERSION_CAP)]


@app.post("/v1/models/<owner>/<name>/predictions")
@resolver.replies(CREATED, UnknownModel, KeyReused, Rejected)
def create_prediction(owner: str, name: str, order: Annotated[Order, Body()], dry_run: bool = False) -> Response[str]:
    """
    Make images. 200 for a request that is known under its header Idempotency-Key, and for dry_run, which says what
    would be sent and what it would cost.
    """
    return resolver.shown(200, {"model": f"{owner}/{name}", "order": order.model_dump(), "dry_run": dry_run})


@app.post("/v1/predictions")
@resolver.replies(CREATED, UnknownModel, KeyReused, Rejected)
def create_versioned_prediction(order: Annotated[VersionedOrder, Body()], dry_run: bool = False) -> Response[str]:
    """The same, with the model in the body: its name, owner/name:version, or the id of a version."""
    return resolver.shown(200, {"model": order.version, "order": order.model_dump(), "dry_run": dry_run})

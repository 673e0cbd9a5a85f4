"""
What callers get, as types: mypy holds the code against them, and openapi.json is made from them.

They are Replicate's, member for member, with what is ours on top.
"""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

#: How a task stands, in Replicate's words. `aborted` is one too, but its clients choke on it.
Word = Literal["starting", "processing", "succeeded", "failed", "canceled"]

#: How a task's webhook stands; `none` where there is none, or the task has not ended.
Standing = Literal["none", "pending", "delivered", "given_up"]


class Urls(TypedDict):
    """Where to ask about a prediction, and where to cancel it. There is no page for people: `web` is `get`."""

    get: str
    cancel: str
    web: str


class Metrics(TypedDict):
    """total_time: seconds from the request to the end. image_count: images that are stored."""

    total_time: float
    image_count: int


class Attempt(TypedDict):
    """
    What became of one POST to a gateway, `route` being gateway/dialect/model. At most one may have been accepted.

    status, code, detail: the gateway's answer and words. price: US dollars for an image there. retry_after: seconds for
    which the gateway wished to be left alone.
    """

    at: str
    route: str | None
    outcome: Literal["accepted", "rejected", "unavailable", "refused", "not_sent", "unknown"]
    detail: str
    status: NotRequired[int]
    code: NotRequired[str]
    price: NotRequired[str]
    retry_after: NotRequired[int]


class StoredImage(TypedDict):
    """verified: decoded to the last pixel. What cannot be (SVG, video, audio) has no size."""

    url: str
    content_type: str
    bytes: int
    width: int | None
    height: int | None
    sha256: str
    verified: bool


class Row(TypedDict):
    """Which row of which batch."""

    batch_id: str
    custom_id: str


class News(TypedDict):
    """A prediction but for what its caller sent. row: of a batch, if it is one."""

    id: str
    model: str
    version: str
    status: Word
    source: Literal["api"]
    output: str | list[str] | None
    error: str | None
    logs: str
    data_removed: bool
    created_at: str
    deadline: str
    urls: Urls
    attempts: list[Attempt]
    started_at: NotRequired[str]
    completed_at: NotRequired[str]
    metrics: NotRequired[Metrics]
    error_code: NotRequired[str]
    retryable: NotRequired[bool]
    may_be_billed: NotRequired[bool]
    missing: NotRequired[list[str]]
    images: NotRequired[list[StoredImage]]
    row: NotRequired[Row]


class Prediction(News):
    """
    A task. `version` is `hidden` for a model that was asked for by its name.

    deadline: when it is given up, or canceled if Cancel-After said so. error_code, retryable, may_be_billed: why it has
    failed, whether another try may help, and whether the gateway may have billed it. missing: why there are fewer
    images than were asked for.
    """

    metadata: dict[str, Any]
    input: dict[str, Any]


class Predictions(TypedDict):
    """A page of one's predictions, the newest first. `next` leads to the page after it; null at the end."""

    previous: None
    next: str | None
    results: list[Prediction]


class Telling(TypedDict):
    """
    One attempt at a webhook. status: what the receiver answered. error: why there was no answer. ms: how long it took.
    """

    at: str
    ms: int
    status: NotRequired[int]
    error: NotRequired[str]


class Deliveries(TypedDict):
    """
    How a task's webhook stands. webhook_id: what its header webhook-id says, at every attempt. next_attempt_at: about
    when there will be another, while it is pending.
    """

    webhook: str | None
    webhook_id: str
    status: Standing
    next_attempt_at: NotRequired[str]
    attempts: list[Telling]


class Account(TypedDict):
    """A tenant, in Replicate's words."""

    type: Literal["organization"]
    username: str
    name: str
    github_url: None


class WebhookSecret(TypedDict):
    """key: what webhooks are verified with, `whsec_…`."""

    key: str


class Version(TypedDict):
    """A stub: models have no versions here. openapi_schema says what inputs are called, as the catalogue knows them."""

    id: str
    created_at: str
    cog_version: str
    openapi_schema: dict[str, Any]


class Model(TypedDict):
    """What can be asked for. `routes` are ours: how it is made, as gateway/dialect/model, best first."""

    url: str
    owner: str
    name: str
    description: str | None
    visibility: Literal["public"]
    github_url: None
    paper_url: None
    license_url: None
    run_count: int
    cover_image_url: None
    default_example: None
    latest_version: Version
    routes: list[str]


class Models(TypedDict):
    """The models that have names of their own here; there is one page."""

    previous: None
    next: None
    results: list[Model]


class GatewayRequest(TypedDict):
    """What would be sent, but for the key and for links to uploaded files, which are made when it is."""

    method: str
    url: str
    body: dict[str, Any]


class Price(TypedDict):
    """What the catalogue says of one image, and of as many as are asked for (null: the model decides how many)."""

    currency: Literal["USD"]
    image: float
    images: int | None
    total: float | None


class Way(TypedDict):
    """One way to have it made. ready: its gateway has a key here."""

    route: str
    ready: bool
    request: GatewayRequest
    price: Price | None


class Rehearsal(TypedDict):
    """
    What a request would lead to; nothing was recorded or sent.

    input: in our words. webhook: whom the end would be told, if anybody. deadline: if it were made now. route: the
    first of `ways` that is ready, null if none is. price: of that route, null if the catalogue does not know it.
    """

    dry_run: Literal[True]
    model: str
    input: dict[str, Any]
    metadata: dict[str, Any]
    webhook: str | None
    deadline: str
    route: str | None
    price: Price | None
    ways: list[Way]


class FileUrls(TypedDict):
    """The address that says what a file is, and that stands for it in an input."""

    get: str


class UploadedFile(TypedDict):
    """
    A file that a caller uploads. The bucket forgets it soon after `expires_at`.

    size: bytes. etag: their MD5. Both are null until they have come. checksums: by `md5`, and by `sha256` where the
    bytes came through this API.
    """

    id: str
    name: str
    content_type: str
    metadata: dict[str, Any]
    created_at: str
    expires_at: str
    urls: FileUrls
    size: int | None
    etag: str | None
    checksums: dict[str, str]


class PutRequest(TypedDict):
    """The request that brings a file's bytes, all these headers with it. It has to be begun within 15 minutes."""

    method: Literal["PUT"]
    url: str
    headers: dict[str, str]


class ReservedFile(UploadedFile):
    """A file whose bytes are to come by `upload`."""

    upload: PutRequest


class Fault(TypedDict):
    """What is wrong with one part of a request."""

    field: str
    message: str


class Problem(TypedDict):
    """
    An RFC 9457 problem.

    retryable: the same request may succeed later. may_be_billed: something may have been spent. errors: every fault
    that was found. task_id: the task that it is about.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    may_be_billed: bool
    errors: NotRequired[list[Fault]]
    task_id: NotRequired[str]


class Health(TypedDict):
    status: Literal["ok"]

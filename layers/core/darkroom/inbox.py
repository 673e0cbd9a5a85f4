"""
The inbox bucket: pictures that go into a request, by reference.

An input may say `s3://<inbox>/<key>` where a gateway wants a URL. It becomes a presigned link at the moment of the
POST, so that it is as fresh as can be. A key's first folder is the tenant's name; the tenant `default` also has what
lies in no folder.
"""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from darkroom import aws, settings
from darkroom.errors import InvalidOrder

#: Seconds for which a link lives: long enough for a gateway's queue.
PRESIGNED_S = 3600

_SCHEME = "s3://"
#: The one input that may begin with anything.
_PROMPT = "prompt"


def examine(model_input: Mapping[str, Any], tenant: str) -> None:
    """Raises InvalidOrder for references to what is not there, or not this tenant's."""
    found = ((name, reference) for name, value in model_input.items() for reference in _references(name, value))
    if faults := [
        {"field": f"input.{name}", "message": fault}
        for name, reference in found
        if (fault := _fault(reference, tenant))
    ]:
        raise InvalidOrder(faults)


def presigned(model_input: Mapping[str, Any]) -> dict[str, Any]:
    """An input that was examined, with a link in place of each reference."""
    return {name: value if name == _PROMPT else _linked(value) for name, value in model_input.items()}


def _references(name: str, value: Any) -> list[str]:
    """The references in an input: itself, or some in a list."""
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str) and each.startswith(_SCHEME) and name != _PROMPT]


def _linked(value: Any) -> Any:
    match value:
        case str() if value.startswith(_SCHEME):
            return aws.s3().generate_presigned_url("get_object", Params=_place(value), ExpiresIn=PRESIGNED_S)
        case list():
            return [_linked(each) for each in value]
        case _:
            return value


def _fault(reference: str, tenant: str) -> str | None:
    bucket = settings.inbox_bucket()
    place = _place(reference)
    folder, slash, _ = place["Key"].partition("/")
    if place["Bucket"] != bucket:
        return f"only files of the inbox can be referred to: {_SCHEME}{bucket}/{tenant}/…"
    if not place["Key"] or (folder if slash else "default") != tenant:
        return f"only files of your own can be referred to: {_SCHEME}{bucket}/{tenant}/…"
    try:
        aws.s3().head_object(Bucket=place["Bucket"], Key=place["Key"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "AccessDenied", "403", "404"):
            raise
        return f"there is no file {reference}"
    return None


def _place(reference: str) -> dict[str, str]:
    bucket, _, key = reference.removeprefix(_SCHEME).partition("/")
    return {"Bucket": bucket, "Key": key}

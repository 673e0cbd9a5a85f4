"""
Pictures that go into a request, by reference: to the inbox bucket, or to a file that was uploaded here.

An input may say `s3://<inbox>/<key>`, or the address that a file got when it was uploaded, where a gateway wants a URL.
It becomes a presigned link at the moment of the POST, so that it is as fresh as can be. A key's first folder is the
tenant's name; the tenant `default` also has what lies in no folder.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from darkroom import aws, gallery, settings
from darkroom.gallery import Place

#: Seconds for which a link lives: long enough for a gateway's queue.
PRESIGNED_S = 3600
#: Files that one order may refer to.
REFERENCES = 20

_SCHEME = "s3://"
#: The address of an uploaded file, whatever our host is called: we may have several names, and a driver knows of none
#: that its caller used. The id means a file of the task's own tenant in any case; and where another host has addresses
#: of this very form, no gateway could fetch from them, since they take an API key.
_UPLOADED = re.compile(rf"https?://[^/?#]+/v1/files/(?P<id>{gallery.UPLOAD.pattern})")
#: The one input that may begin with anything.
_PROMPT = "prompt"


def faults(model_input: Mapping[str, Any], tenant: str, *, look: bool = True) -> list[dict[str, str]]:
    """
    What is wrong with an input's references: what is not this tenant's, or not there; as {"field", "message"}.

    look: whether to ask S3 what is there. Whose it is can be told without.
    """
    said = {(name, each) for name, value in model_input.items() if name != _PROMPT for each in _references(value)}
    if len(said) > REFERENCES:
        return [{"field": "input", "message": f"refers to {len(said)} files kept here; {REFERENCES} are the most"}]
    found = ((name, _fault(reference, tenant, look=look)) for name, reference in sorted(said))
    return [{"field": f"input.{name}", "message": fault} for name, fault in found if fault]


def presigned(model_input: Mapping[str, Any], tenant: str) -> dict[str, Any]:
    """An input that was examined, with a link in place of each reference to what is this tenant's."""
    return {name: value if name == _PROMPT else _linked(value, tenant) for name, value in model_input.items()}


def _references(value: Any) -> Iterator[str]:
    """All references in a value, at any depth."""
    match value:
        case str() if value.startswith(_SCHEME) or _UPLOADED.fullmatch(value):
            yield value
        case list():
            for each in value:
                yield from _references(each)
        case dict():
            yield from _references(list(value.values()))


def _linked(value: Any, tenant: str) -> Any:
    match value:
        case str() if place := _place(value, tenant):
            return aws.s3().generate_presigned_url("get_object", Params={**place}, ExpiresIn=PRESIGNED_S)
        case list():
            return [_linked(each, tenant) for each in value]
        case dict():
            return {name: _linked(each, tenant) for name, each in value.items()}
        case _:
            return value


def _fault(reference: str, tenant: str, *, look: bool) -> str | None:
    place = _place(reference, tenant)
    if place is None:
        return f"only files of your own in the inbox can be referred to: {_SCHEME}{settings.inbox_bucket()}/{tenant}/…"
    if not look:
        return None
    try:
        aws.s3().head_object(**place)
    except ClientError as error:
        if not aws.out_of_reach(error):
            raise
        return f"there is no file {reference}"
    return None


def _place(text: str, tenant: str) -> Place | None:
    """Where the tenant's own file lies that a text refers to; None if it refers to none."""
    if uploaded := _UPLOADED.fullmatch(text):
        return gallery.upload(tenant, uploaded["id"])
    if not text.startswith(_SCHEME):
        return None
    bucket, _, key = text.removeprefix(_SCHEME).partition("/")
    folder, slash, _ = key.partition("/")
    owner = folder if slash else "default"
    return {"Bucket": bucket, "Key": key} if (bucket, owner) == (settings.inbox_bucket(), tenant) and key else None

"""A file goes in or out: the images of tasks, through functions/files.py. What goes in is in test_uploads.py."""

import base64
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from darkroom import aws, gallery, items
from darkroom.conditions import Attr
from darkroom.task import Task
from tests.conftest import ORIGIN, OUTPUT, Account, Event, Wire, call, document, event, picture, step

NOBODY = "a" * 26


def ask(url: str, tenant: str | None = None) -> Event:
    """What GET answers; `url` is a path, or a link as callers get it. Without `tenant`: no authorizer."""
    parts = urlsplit(url)
    sent = event("files", rawPath=parts.path, rawQueryString=parts.query, body=None, isBase64Encoded=False)
    sent["queryStringParameters"] = dict(parse_qsl(parts.query))
    sent["requestContext"]["http"] |= {"method": "GET", "path": parts.path}
    sent["requestContext"]["authorizer"]["lambda"]["tenant"] = tenant
    if tenant is None:
        del sent["requestContext"]["authorizer"], sent["headers"]["authorization"]
    answer: Event = call("files", sent)
    return answer


def problem(answer: Event) -> tuple[int, str]:
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    assert headers["content-type"] == "application/problem+json"
    return answer["statusCode"], document(answer)["code"]


def shown_link(task: Task) -> str:
    """The link to a task's only image, as its caller sees it."""
    path = f"/v1/predictions/{task.task_id}"
    sent = event("tasks", rawPath=path)
    sent["requestContext"]["http"] |= {"path": path}
    link: str = document(call("tasks", sent))["output"]
    return link


@pytest.fixture
def link(wire: Wire, collecting: Task) -> str:
    """The link to the image of a task that has succeeded."""
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    call("finalize", step(collecting))
    return shown_link(collecting)


def test_a_link_is_all_that_it_takes_to_get_an_image(link: str) -> None:
    assert link.startswith(f"{ORIGIN}/v1/files/")
    answer = ask(link)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, True)
    assert base64.b64decode(answer["body"]) == picture()
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    assert headers["content-type"] == "image/png"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "immutable" in headers["cache-control"]


def test_a_link_stays_the_same(account: Account, link: str) -> None:
    assert shown_link(account.task()) == link


def test_a_link_that_we_did_not_make_leads_nowhere(account: Account, link: str) -> None:
    path, signature = link.split("?signature=")
    folder, name = path.rsplit("/", 1)
    forged = "A" if signature[-1] != "A" else "B"
    aws.s3().put_object(Bucket=account.bucket, Key=f"images/{NOBODY}/{name}", Body=b"the same name, of another task")
    assert ask(f"{path}?signature={signature}")["statusCode"] == 200
    for wrong in (
        *(path, f"{path}?signature=", f"{path}?signature={signature[:-1]}", f"{path}?signature=%C3%BC"),
        *(f"{path}?signature={signature[:-1]}{forged}", f"{path}?signature={signature}{forged}"),
        *(f"{folder}/{other}?signature={signature}" for other in ("task.json", name.replace("0-", "1-"))),
        f"{folder.rpartition('/')[0]}/{NOBODY}/{name}?signature={signature}",
    ):
        assert problem(ask(wrong)) == (404, "not_found")


@pytest.fixture
def link_of_row(wire: Wire, collecting: Task) -> str:
    """The link to the image of a row whose names need all the quoting that there is."""
    row = {"batch_id": "b" * 26, "custom_id": "sku+1, &2/é%", "folder": "results/shop, & co/a+b=c?#/"}
    items.change(collecting, Attr("task_id").exists(), {"row": row})
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    call("finalize", step(collecting))
    return shown_link(collecting)


def test_the_link_to_a_picture_of_a_batch_says_where_it_lies(account: Account, link_of_row: str) -> None:
    (image,) = account.task().images
    assert image.key == "results/shop, & co/a+b=c?#/images/sku%2B1%2C %262%2Fé%25-0.png"
    parts = urlsplit(link_of_row)
    assert parts.path == f"/v1/files/{account.task().task_id}/0.png"
    assert list(dict(parse_qsl(parts.query))) == ["key", "signature"]
    assert dict(parse_qsl(parts.query))["key"] == image.key
    answer = ask(link_of_row)
    assert (answer["statusCode"], base64.b64decode(answer["body"])) == (200, picture())


def test_a_link_to_a_picture_of_a_batch_opens_no_other(account: Account, link_of_row: str) -> None:
    (image,) = account.task().images
    another = f"{image.key.removesuffix('0.png')}1.png"
    aws.s3().put_object(Bucket=account.bucket, Key=another, Body=b"of another row")
    path, _, query = link_of_row.partition("?")
    signature = dict(parse_qsl(query))["signature"]
    for key in (another, "", image.key.replace("/", "//", 1), f"{image.key} "):
        assert problem(ask(f"{path}?{urlencode({'key': key, 'signature': signature})}")) == (404, "not_found")
    stranger = path.replace(account.task().task_id, NOBODY)
    assert problem(ask(f"{stranger}?{query}")) == (404, "not_found")


def test_a_large_file_is_fetched_from_the_bucket(account: Account, link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "INLINE_CAP", len(picture()))
    assert ask(link)["statusCode"] == 200
    monkeypatch.setattr(gallery, "INLINE_CAP", len(picture()) - 1)
    answer = ask(link)
    assert (answer["statusCode"], answer.get("body") or "") == (302, "")
    assert answer["headers"]["cache-control"] == "no-store"
    location = urlsplit(answer["headers"]["location"])
    assert account.bucket in f"{location.netloc}{location.path}"
    assert location.path.endswith(account.task().images[0].key)
    query = dict(parse_qsl(location.query))
    assert (query["X-Amz-Algorithm"], query["X-Amz-Expires"]) == ("AWS4-HMAC-SHA256", "300")


def test_a_file_that_was_deleted_is_not_found(account: Account, link: str) -> None:
    aws.s3().delete_object(Bucket=account.bucket, Key=account.task().images[0].key)
    assert problem(ask(link)) == (404, "not_found")


def test_an_inert_file_is_not_shown_by_a_browser(wire: Wire, collecting: Task) -> None:
    wire.on("GET", OUTPUT, httpx.Response(200, content=b"<svg onload='alert(1)'/>"))
    call("finalize", step(collecting))
    answer = ask(shown_link(collecting))
    assert answer["headers"]["Content-Type"] == "application/octet-stream"


def test_an_inert_file_is_an_attachment(wire: Wire, collecting: Task) -> None:
    wire.on("GET", OUTPUT, httpx.Response(200, content=b"<svg/>"))
    call("finalize", step(collecting))
    answer = ask(shown_link(collecting))
    assert answer["headers"]["content-disposition"] == "attachment"


@pytest.mark.usefixtures("account")
def test_a_presigned_link_is_at_the_regions_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    place = {"Bucket": "images", "Key": "a"}
    link = aws.s3.__wrapped__().generate_presigned_url("get_object", Params=place)
    assert urlsplit(link).hostname == "images.s3.eu-central-1.amazonaws.com"

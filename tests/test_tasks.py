"""A caller asks about a task, cancels it, or fetches its images: functions/tasks.py."""

import base64
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from darkroom import aws, gallery
from darkroom.task import Status, Task
from tests.conftest import (
    ORIGIN,
    OUTPUT,
    QUESTION,
    RECEIVER,
    Account,
    Event,
    Wire,
    call,
    document,
    event,
    picture,
    prediction,
    step,
)

NOBODY = "a" * 26


def ask(url: str, method: str = "GET", *, tenant: str | None = "default") -> Event:
    """What the door answers; `url` is a path, or a link as callers get it. Without `tenant`: no authorizer."""
    parts = urlsplit(url)
    sent = event("tasks", rawPath=parts.path, rawQueryString=parts.query)
    sent["queryStringParameters"] = dict(parse_qsl(parts.query))
    sent["requestContext"]["http"] |= {"method": method, "path": parts.path}
    sent["requestContext"]["authorizer"]["lambda"]["tenant"] = tenant
    if tenant is None:
        del sent["requestContext"]["authorizer"], sent["headers"]["authorization"]
    answer: Event = call("tasks", sent)
    return answer


def problem(answer: Event) -> tuple[int, str]:
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    return answer["statusCode"], document(answer)["code"]


@pytest.fixture
def link(account: Account, wire: Wire, collecting: Task) -> str:
    """The link to the image of a task that has succeeded."""
    wire.on("GET", OUTPUT, httpx.Response(200, content=picture()))
    wire.on("POST", str(collecting.webhook), httpx.Response(204))
    call("finalize", step(collecting))
    output: str = document(ask(f"/v1/predictions/{collecting.task_id}"))["output"]
    return output


def test_a_task_is_shown_as_its_submission_was(account: Account, wire: Wire, running: Task) -> None:
    answer = ask(f"/v1/predictions/{running.task_id}")
    assert (answer["statusCode"], answer["headers"]["cache-control"]) == (200, "no-store")
    shown = document(answer)
    assert (shown["id"], shown["status"], shown["output"]) == (running.task_id, "processing", None)
    assert shown["urls"] == {
        "get": f"{ORIGIN}/v1/predictions/{running.task_id}",
        "cancel": f"{ORIGIN}/v1/predictions/{running.task_id}/cancel",
    }


def test_a_cancellation_is_noted_for_the_driver(account: Account, wire: Wire, running: Task) -> None:
    answer = ask(document(ask(f"/v1/predictions/{running.task_id}"))["urls"]["cancel"], "POST")
    assert (answer["statusCode"], document(answer)["status"]) == (200, "processing")
    assert (account.task().cancel, account.task().status) == (True, Status.RUNNING)
    assert len(wire.requests) == 1


def test_a_task_that_has_ended_cannot_be_canceled(account: Account, wire: Wire, link: str) -> None:
    ended = account.task()
    answer = ask(f"/v1/predictions/{ended.task_id}/cancel", "POST")
    assert (answer["statusCode"], document(answer)["status"]) == (200, "succeeded")
    assert account.task() == ended


@pytest.mark.parametrize(("method", "door"), [("GET", ""), ("POST", "/cancel")], ids=["show", "cancel"])
def test_an_unknown_task_and_a_strangers_task_look_alike(
    account: Account, running: Task, method: str, door: str
) -> None:
    unknown = ask(f"/v1/predictions/{NOBODY}{door}", method)
    strange = ask(f"/v1/predictions/{running.task_id}{door}", method, tenant="other")
    assert problem(unknown) == problem(strange) == (404, "not_found")
    assert unknown["body"] == strange["body"]
    assert account.task() == running


@pytest.mark.parametrize(("method", "door"), [("GET", ""), ("POST", "/cancel")], ids=["show", "cancel"])
@pytest.mark.parametrize("tenant", [None, ""], ids=["no authorizer", "no tenant"])
def test_who_has_not_passed_the_authorizer_is_shown_nothing(
    account: Account, running: Task, method: str, door: str, tenant: str | None
) -> None:
    answer = ask(f"/v1/predictions/{running.task_id}{door}", method, tenant=tenant)
    assert problem(answer) == (500, "misconfigured")
    assert "lighthouse" not in answer["body"]
    assert account.task() == running


def test_a_link_is_all_that_it_takes_to_get_an_image(link: str) -> None:
    assert link.startswith(f"{ORIGIN}/v1/files/")
    answer = ask(link, tenant=None)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, True)
    assert base64.b64decode(answer["body"]) == picture()
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    assert headers["content-type"] == "image/png"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "immutable" in headers["cache-control"]


def test_a_link_stays_the_same(account: Account, link: str) -> None:
    assert document(ask(f"/v1/predictions/{account.task().task_id}"))["output"] == link


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


def test_an_inert_file_is_not_shown_by_a_browser(account: Account, wire: Wire, collecting: Task) -> None:
    wire.on("GET", OUTPUT, httpx.Response(200, content=b"<svg onload='alert(1)'/>"))
    wire.on("POST", str(collecting.webhook), httpx.Response(204))
    call("finalize", step(collecting))
    answer = ask(document(ask(f"/v1/predictions/{collecting.task_id}"))["output"])
    assert answer["headers"]["Content-Type"] == "application/octet-stream"


def test_health_needs_nobody(account: Account) -> None:
    answer = ask("/health", tenant=None)
    assert (answer["statusCode"], document(answer)) == (200, {"status": "ok"})


def test_a_task_that_is_still_processing_shows_no_error(wire: Wire, running: Task) -> None:
    wire.on("GET", QUESTION, prediction("failed", error="not yet to be told"))
    call("poll", step(running))
    shown = document(ask(f"/v1/predictions/{running.task_id}"))
    assert (shown["status"], shown["error"]) == ("processing", None)


def test_an_inert_file_is_an_attachment(wire: Wire, collecting: Task) -> None:
    wire.on("GET", OUTPUT, httpx.Response(200, content=b"<svg/>"))
    wire.on("POST", RECEIVER, httpx.Response(204))
    call("finalize", step(collecting))
    answer = ask(document(ask(f"/v1/predictions/{collecting.task_id}"))["output"])
    assert answer["headers"]["content-disposition"] == "attachment"


def test_an_unknown_path_is_404(account: Account) -> None:
    assert problem(ask("/v1/nothing")) == (404, "not_found")


@pytest.mark.usefixtures("account")
def test_a_presigned_link_is_at_the_regions_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    place = {"Bucket": "images", "Key": "a"}
    link = aws.s3.__wrapped__().generate_presigned_url("get_object", Params=place)
    assert urlsplit(link).hostname == "images.s3.eu-central-1.amazonaws.com"

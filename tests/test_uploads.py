"""Files that callers upload: darkroom/uploads.py and forms.py, through functions/files.py."""

import base64
import hashlib
import json
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from darkroom import aws, uploads
from tests.conftest import ORIGIN, Account, Clock, Event, call, document, event, template
from tests.imagen import PICTURE
from tests.test_files import ask, problem

FORM = "multipart/form-data; boundary=here"
NOBODY = "a" * 26 + ".png"
MEMBERS = ("name", "content_type", "size", "metadata")


def part(name: str, content: bytes, more: str = "") -> bytes:
    """`more`: of its head."""
    return f'--here\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"


def file(content: bytes = PICTURE, name: str = "cat.png", kind: str = "image/png") -> bytes:
    return part("content", content, f'; filename="{name}"\r\nContent-Type: {kind}')


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--here--\r\n"


def upload(body: bytes | str, *, kind: str = "", tenant: str = "default") -> Event:
    """What POST answers. Bytes are a form, text is JSON, unless `kind` says another type."""
    sent = event("files")
    sent["requestContext"]["authorizer"]["lambda"]["tenant"] = tenant
    sent["headers"]["content-type"] = kind or ("application/json" if isinstance(body, str) else FORM)
    packed = isinstance(body, bytes)
    sent |= {"body": base64.b64encode(body).decode() if isinstance(body, bytes) else body, "isBase64Encoded": packed}
    answer: Event = call("files", sent)
    return answer


def contents(account: Account) -> dict[str, bytes]:
    """The bytes of the files that were uploaded, by key, without what is written down of them."""
    return {key: content for key, content in account.files().items() if not key.endswith("/label.json")}


def uploaded(name: str = "cat.png") -> str:
    """The address of a picture of the tenant `default`."""
    address: str = document(upload(form(file(name=name))))["urls"]["get"]
    return address


def described(answer: Event) -> tuple[Any, ...]:
    assert answer["statusCode"] == 201, answer["body"]
    return tuple(document(answer)[member] for member in MEMBERS)


def faults(answer: Event) -> dict[str, str]:
    assert problem(answer) == (422, "invalid_input")
    return {fault["field"]: fault["message"] for fault in document(answer)["errors"]}


def test_a_file_is_kept_and_described_as_replicates_clients_expect(account: Account) -> None:
    answer = upload(form(file()))
    shown, md5 = document(answer), hashlib.md5(PICTURE).hexdigest()
    assert described(answer) == ("cat.png", "image/png", len(PICTURE), {})
    assert re.fullmatch(r"[a-z2-7]{26}\.png", shown["id"]), "some dialects go by the ending"
    assert (shown["etag"], shown["checksums"]) == (md5, {"md5": md5, "sha256": hashlib.sha256(PICTURE).hexdigest()})
    assert shown["urls"] == {"get": f"{ORIGIN}/v1/files/{shown['id']}"} == {"get": answer["headers"]["location"]}
    assert contents(account) == {f"uploads/default/{shown['id']}": PICTURE}
    assert document(ask(shown["urls"]["get"], "default")) == shown


def test_a_file_is_kept_for_as_long_as_it_says(account: Account) -> None:
    shown = document(upload(form(file())))
    kept = datetime.fromisoformat(shown["expires_at"]) - datetime.fromisoformat(shown["created_at"])
    rules = template()["Resources"]["ImagesBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    (days,) = [rule["ExpirationInDays"] for rule in rules if rule.get("Prefix") == "uploads/"]
    assert kept == timedelta(days=days)


def test_the_example_event_is_an_upload(account: Account) -> None:
    assert described(call("files", event("files")))[0] == "cat.png"


@pytest.mark.parametrize("content", [b"\r\n--her\r\n--\r\n", b"a\r", b"\n", b"\r\n\r\n", bytes(range(256)) * 3])
def test_bytes_stay_as_they_came(account: Account, content: bytes) -> None:
    upload(form(part("metadata", b"{}"), file(content)))
    assert list(contents(account).values()) == [content]


def test_what_stands_around_a_form_does_not_matter(account: Account) -> None:
    quoted = FORM.replace("here", '"here"').replace("multipart", "Multipart") + "; charset=utf-8"
    assert upload(b"before\r\n" + form(file()) + b"--here\r\nafter", kind=quoted)["statusCode"] == 201
    assert list(contents(account).values()) == [PICTURE]


def test_a_form_may_say_more_of_its_file(account: Account) -> None:
    more = [part("filename", "Kätzchen \U0001f431.png".encode()), part("type", b"image/webp")]
    metadata = {"who": ["Zo\u00eb", 1, None]}
    answer = upload(form(*more, file(), part("metadata", json.dumps(metadata, ensure_ascii=False).encode())))
    assert described(answer) == ("Kätzchen \U0001f431.png", "image/webp", len(PICTURE), metadata)
    assert document(ask(document(answer)["urls"]["get"], "default")) == document(answer)


def test_a_name_may_hold_any_letters(account: Account) -> None:
    assert described(upload(form(file(name="Кошка; a=b.png"))))[0] == "Кошка; a=b.png"
    mail = part("content", PICTURE, "; filename*=utf-8''cat.png")
    assert described(upload(form(mail)))[0] == "file", "so it is written in mail, and must not be in forms"


def test_a_picture_that_comes_without_a_name_or_a_type_is_known_by_its_bytes(account: Account) -> None:
    for content, kind in (
        (PICTURE, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\n\n\n\nWEBPVP8 ", "image/webp"),
        (b"words", "application/octet-stream"),
    ):
        assert described(upload(form(part("content", content))))[:2] == ("file", kind)
        assert described(upload(form(file(content, "buffer_1", "application/octet-stream"))))[1] == kind
    assert described(upload(form(file(PICTURE, kind="image/x-mine; v=1"))))[1] == "image/x-mine", "who says it knows it"


def test_the_same_bytes_are_the_same_file_whatever_their_name(account: Account) -> None:
    ids = [document(upload(form(file(name=name))))["id"] for name in ("blob_1", "blob_2")]
    assert len(set(ids)) == len(contents(account)) == 1
    others = [
        upload(form(file(PICTURE + b"."))),
        *(upload(form(file(kind=kind))) for kind in ("image/x-ours", "image/x-theirs")),
        upload(form(file()), tenant="acme"),
    ]
    assert len({*ids, *(document(other)["id"] for other in others)}) == 5


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        (form(), "content", "Field required"),
        (form(part("metadata", b"{}")), "content", "Field required"),
        (form(file(), file()), "content", "stands twice"),
        (form(file(), part("purpose", b"x")), "purpose", "the parts are content, filename, type, metadata"),
        (form(file(), part("metadata", b"[]")), "metadata", "must be a JSON object"),
        (form(file(), part("metadata", b"{'a': 1}")), "metadata", "not JSON"),
        (form(file(b"")), "content", "is empty"),
        (form(file(kind="picture")), "content_type", "match pattern"),
        (form(file(name="a" * 256)), "name", "at most 255"),
        ('{"name": "a.png"}', "content_type", "Field required"),
        ('{"content_type": "image/png"}', "name", "Field required"),
        ('{"name": "", "content_type": "image/png"}', "name", "at least 1"),
        ('{"name": "a", "content_type": "image/png", "size": 0}', "size", "greater than"),
        ('{"name": "a", "content_type": "image/png", "size": "9"}', "size", "valid integer"),
        ('{"name": "a", "content_type": "image/png", "size": 5368709121}', "size", "less than"),
        ('{"name": "a", "content_type": "image/png", "more": 1}', "more", "not permitted"),
        ('{"name": "a", "content_type": "image png"}', "content_type", "match pattern"),
        ('{"name": "a", "content_type": "image/png", "metadata": "a"}', "metadata", "valid dictionary"),
    ],
)
def test_a_fault_is_named(account: Account, body: bytes | str, field: str, words: str) -> None:
    assert words in faults(upload(body))[field]
    assert contents(account) == {}


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        (form(file())[:-4], "", (400, "malformed_body")),
        (b"", "", (400, "malformed_body")),
        (form(file()), "multipart/form-data", (400, "malformed_body")),
        (b"--here\r\nContent-Type: image/png\r\n\r\n\r\n--here--", "", (400, "malformed_body")),
        (form(file().replace(b"name=", b"name*=utf-8''", 1)), "", (400, "malformed_body")),
        (form(b"--here\r\nX: \xff\r\n\r\n\r\n"), "", (400, "malformed_body")),
        ("[]", "", (400, "malformed_body")),
        ("", "", (400, "malformed_body")),
        (PICTURE, "image/png", (415, "unsupported_body")),
        (b"a=b", "application/x-www-form-urlencoded", (415, "unsupported_body")),
    ],
)
def test_what_is_neither_a_form_nor_json_is_not_read(
    account: Account, body: bytes | str, kind: str, told: tuple[int, str]
) -> None:
    assert problem(upload(body, kind=kind)) == told
    assert contents(account) == {}


def test_a_form_is_for_this_door_alone(account: Account) -> None:
    sent = event("submit", body="")
    sent["headers"]["content-type"] = FORM
    sent |= {"body": base64.b64encode(form(file())).decode(), "isBase64Encoded": True}
    assert problem(call("submit", sent)) == (415, "unsupported_body")


def test_a_file_that_is_too_large_is_told_how_to_come(account: Account) -> None:
    assert upload(form(file(b"a" * uploads.CAP)))["statusCode"] == 201
    answer = upload(form(file(b"a" * (uploads.CAP + 1))))
    assert problem(answer) == (413, "body_too_large")
    assert '{"name": "…", "content_type": "…", "size": …}' in document(answer)["detail"]
    assert len(contents(account)) == 1


def test_the_largest_file_of_a_form_fits_into_a_functions_event() -> None:
    assert 4 * uploads.CAP / 3 < 6 * 1024 * 1024 - 64 * 1024


def test_a_large_file_goes_straight_to_the_bucket(account: Account, time: Clock) -> None:
    asked = {"name": "Größe.png", "content_type": "image/png", "size": 9_000_000, "metadata": {"a": "b"}}
    reserved = document(upload(json.dumps(asked)))
    assert {member: reserved[member] for member in MEMBERS} == {**asked, "size": None}
    waited_for = {name: value for name, value in reserved.items() if name != "upload"}
    assert document(ask(reserved["urls"]["get"], "default")) == waited_for
    assert (waited_for["etag"], waited_for["checksums"]) == (None, {})
    put = reserved["upload"]
    address = urlsplit(put["url"])
    query = dict(parse_qsl(address.query))
    assert (put["method"], query["X-Amz-Expires"]) == ("PUT", "900")
    assert address.path == f"/uploads/default/{reserved['id']}"
    signed = {"content-length", "host", *(name.lower() for name in put["headers"])}
    assert set(query["X-Amz-SignedHeaders"].split(";")) == signed
    # What S3 does with such a request; the story of it is in test_stories.py.
    kind = put["headers"]["Content-Type"]
    aws.s3().put_object(Bucket=account.bucket, Key=address.path[1:], Body=PICTURE, ContentType=kind)
    shown = document(ask(reserved["urls"]["get"], "default"))
    assert (shown["name"], shown["size"], shown["metadata"]) == ("Größe.png", len(PICTURE), {"a": "b"})
    assert shown["checksums"] == {"md5": hashlib.md5(PICTURE).hexdigest()}


def test_a_place_is_nobody_elses_and_needs_no_size(account: Account) -> None:
    asked = '{"name": "a.png", "content_type": "image/png"}'
    first, second = document(upload(asked)), document(upload(asked))
    assert first["id"] != second["id"]
    assert (first["size"], "content-length" in first["upload"]["url"]) == (None, False)


@pytest.mark.parametrize("file_id", [NOBODY, "cat.png", "a" * 27])
def test_a_file_that_is_not_there_is_404(account: Account, file_id: str) -> None:
    aws.s3().put_object(Bucket=account.bucket, Key="uploads/default/cat.png", Body=PICTURE)
    assert problem(ask(f"/v1/files/{file_id}", "default")) == (404, "not_found"), "we call nothing so"


def test_a_strangers_file_is_as_if_it_were_not_there(account: Account) -> None:
    address = document(upload(form(file())))["urls"]["get"]
    strange, unknown = ask(address, "acme"), ask(f"/v1/files/{NOBODY}", "acme")
    assert problem(strange) == problem(unknown) == (404, "not_found")
    assert strange["body"] == unknown["body"]
    assert problem(ask(address)) == (500, "misconfigured"), "no authorizer"

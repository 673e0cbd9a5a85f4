"""Pictures that go into a request, by reference to the inbox or to a file uploaded: darkroom/inbox.py, by the doors."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from darkroom import aws
from tests.conftest import GATEWAY, ORIGIN, Account, Clock, Event, Wire, document, prediction, submit
from tests.imagen import KONTEXT, KONTEXT_URL, PICTURE
from tests.test_uploads import NOBODY, faults, uploaded


def test_a_picture_of_the_inbox_is_lent_by_a_fresh_link_at_the_moment_of_the_post(
    account: Account, wire: Wire, time: Clock, cat: str
) -> None:
    wire.on("POST", KONTEXT_URL, prediction())
    submit({"input": {"prompt": cat, "image": cat}}, model=KONTEXT)
    sent = json.loads(wire.requests[0].content)["input"]
    link = httpx.URL(sent["input_image"])
    assert (link.path, "X-Amz-Signature" in link.params) == ("/default/cat.png", True)
    assert link.params["X-Amz-Expires"] == "3600"
    assert sent["prompt"] == cat, "a prompt is words, whatever it begins with"
    assert cat in account.task().input


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("s3://another-bucket/default/cat.png", "only files of your own"),
        ("s3://{inbox}/acme/cat.png", "only files of your own"),
        ("s3://{inbox}/", "only files of your own"),
        ("s3://{inbox}", "only files of your own"),
        ("s3://{inbox}/default/dog.png", "there is no file"),
    ],
)
@pytest.mark.parametrize(
    "wrap", [lambda one: [one], lambda one: one, lambda one: [[one]], lambda one: {"deep": [{"er": one}]}]
)
def test_a_reference_to_what_is_not_there_or_not_ours_is_refused_before_anything_is_spent(
    account: Account, wire: Wire, cat: str, reference: str, words: str, wrap: Callable[[Any], Any]
) -> None:
    aws.s3().put_object(Bucket=account.inbox, Key="acme/cat.png", Body=PICTURE)
    body = {"input": {"prompt": "a cat", "images": wrap(reference.format(inbox=account.inbox))}}
    answer = submit(body, model="somebody/something")
    assert (answer["statusCode"], account.tasks(), wire.requests) == (422, [], [])
    (fault,) = document(answer)["errors"]
    assert fault["field"] == "input.images"
    assert words in fault["message"]


def test_what_lies_in_no_folder_is_the_default_tenants(account: Account, wire: Wire, time: Clock) -> None:
    aws.s3().put_object(Bucket=account.inbox, Key="cat.png", Body=PICTURE)
    wire.on("POST", KONTEXT_URL, prediction())
    body = {"input": {"prompt": "a cat", "image": f"s3://{account.inbox}/cat.png"}}
    assert submit(body, model=KONTEXT, tenant="acme")["statusCode"] == 422
    assert submit(body, model=KONTEXT)["statusCode"] == 201
    assert "X-Amz-Signature" in json.loads(wire.requests[0].content)["input"]["input_image"]


def test_an_order_refers_to_no_more_files_than_can_be_looked_at(account: Account, wire: Wire, cat: str) -> None:
    references = [f"s3://{account.inbox}/default/{number}.png" for number in range(21)]
    answer = submit({"input": {"prompt": "a cat", "images": references}}, model="somebody/something")
    assert "refers to 21 files" in document(answer)["detail"]
    wire.on("POST", f"{GATEWAY}/models/somebody/something/predictions", prediction())
    assert submit({"input": {"prompt": "a cat", "images": [cat] * 30}}, model="somebody/something")["statusCode"] == 201


def order(image: Any, *, tenant: str = "default") -> Event:
    return submit({"input": {"prompt": "a cat", "image": image}}, model=KONTEXT, tenant=tenant)


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: {"deep": [[one]]}])
def test_an_uploaded_file_is_lent_by_a_fresh_link_at_the_moment_of_the_post(
    account: Account, wire: Wire, time: Clock, wrap: Callable[[Any], Any]
) -> None:
    address = uploaded()
    wire.on("POST", KONTEXT_URL, prediction())
    answer = order(wrap(address))
    assert document(answer)["input"]["image"] == wrap(address), "callers see what they sent"
    (link,) = re.findall(r'"(https://[^"]*X-Amz-Signature[^"]*)"', wire.requests[0].content.decode())
    assert urlsplit(link).path == f"/uploads/default/{address.rpartition('/')[2]}"
    assert dict(parse_qsl(urlsplit(link).query))["X-Amz-Expires"] == "3600"
    assert ORIGIN.encode() not in wire.requests[0].content


def test_an_uploaded_file_has_all_names_of_our_host(account: Account, wire: Wire, time: Clock) -> None:
    address = uploaded()
    wire.on("POST", KONTEXT_URL, prediction())
    order(address.replace("darkroom.example.com", "images.example.com:8443").replace("https", "http"))
    assert b"X-Amz-Signature" in wire.requests[0].content


@pytest.mark.parametrize("tenant", ["default", "acme"])
def test_an_order_for_a_file_that_is_not_there_or_not_ours_costs_nothing(
    account: Account, wire: Wire, tenant: str
) -> None:
    address = f"{ORIGIN}/v1/files/{NOBODY}" if tenant == "default" else uploaded()
    assert faults(order([address], tenant=tenant)) == {"input.image": f"there is no file {address}"}
    assert (account.tasks(), wire.requests) == ([], [])


@pytest.mark.parametrize(
    "address",
    ["{}/v1/files/short.png", "{}/v1/files/" + NOBODY + "/0-a.png?signature=a", "{}/v1/files/" + NOBODY + "?a", "{}/x"],
)
def test_what_only_looks_like_an_uploaded_file_is_handed_on(
    account: Account, wire: Wire, time: Clock, address: str
) -> None:
    wire.on("POST", KONTEXT_URL, prediction())
    order(address.format(ORIGIN))
    assert json.loads(wire.requests[0].content)["input"]["input_image"] == address.format(ORIGIN)


def test_who_repeats_an_upload_and_its_order_under_one_key_gets_the_same_task(
    account: Account, wire: Wire, time: Clock
) -> None:
    wire.on("POST", KONTEXT_URL, prediction())
    answers = [order(uploaded(name)) for name in ("blob_1", "blob_2")]
    assert [answer["statusCode"] for answer in answers] == [201, 200]
    assert document(answers[0])["id"] == document(answers[1])["id"]
    assert len(wire.requests) == 1

"""Pictures that go into a request, by reference to the inbox: darkroom/inbox.py, through the doors."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from darkroom import aws
from tests.conftest import GATEWAY, Account, Clock, Wire, document, prediction, submit
from tests.imagen import KONTEXT, KONTEXT_URL, PICTURE


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

"""GET /v1/predictions: darkroom/listing.py, through functions/tasks.py."""

import base64
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from darkroom import aws, items, listing, settings, store
from darkroom.task import Task, name
from tests.conftest import ORIGIN, Event, document
from tests.test_tasks import ask, problem

FIRST = 1_795_176_000_000

pytestmark = pytest.mark.usefixtures("account")


def make(number: int, *, tenant: str = "default", every: int = 1000, size: int = 0) -> list[str]:
    """Tasks, one each `every` milliseconds; their ids, the newest first."""
    made = []
    for each in range(number):
        task_id = name(tenant, f"order-{each}")
        created = FIRST + each * every
        model_input = json.dumps({"prompt": "x" * size})
        store.create(Task(task_id, tenant, "google/imagen-4-fast", model_input, "d", created, created + 9, created))
        made.append(task_id)
    return made[::-1]


def pages(query: str = "", tenant: str = "default") -> list[list[str]]:
    """The ids on each page, from the first to the last."""
    url, found = f"{ORIGIN}/v1/predictions{query}", list[list[str]]()
    while url:
        answer = ask(url, tenant=tenant)
        assert answer["statusCode"] == 200
        page = document(answer)
        assert page["previous"] is None
        found.append([prediction["id"] for prediction in page["results"]])
        url = page["next"] or ""
        assert url == "" or urlsplit(url)[:3] == ("https", "darkroom.example.com", "/v1/predictions")
    return found


def test_who_has_no_tasks_gets_an_empty_page() -> None:
    assert pages() == [[]]


def test_tasks_are_listed_as_they_are_shown() -> None:
    (task_id,) = make(1)
    listed = document(ask("/v1/predictions"))["results"]
    assert listed == [document(ask(f"/v1/predictions/{task_id}"))]


@pytest.mark.parametrize("number", [1, 99, 100, 101, 230])
def test_the_newest_come_first_a_hundred_on_a_page(number: int) -> None:
    made = make(number)
    assert pages() == [made[start : start + 100] for start in range(0, number, 100)]


@pytest.mark.parametrize("every", [0, 1])
def test_tasks_of_one_moment_are_each_listed_once(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 7)
    made = make(60, every=every)
    found = [task_id for page in pages() for task_id in page]
    assert len(found) == 60
    assert set(found) == set(made)


def test_a_task_that_is_made_meanwhile_does_not_move_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 4)
    made = make(10)
    first = document(ask("/v1/predictions"))
    store.create(Task(name("default", "late"), "default", "google/imagen-4-fast", "{}", "d", FIRST + 99_999, 0, 0))
    rest = [task_id for page in pages(first["next"].removeprefix(f"{ORIGIN}/v1/predictions")) for task_id in page]
    assert [each["id"] for each in first["results"]] + rest == made


def test_a_task_that_was_deleted_meanwhile_leaves_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 4)
    made = make(10)
    first = document(ask("/v1/predictions"))
    last_shown = first["results"][-1]["id"]
    for gone in (last_shown, made[5]):
        aws.dynamodb().delete_item(TableName=settings.tasks_table(), Key={"task_id": {"S": gone}})
    rest = [task_id for page in pages(first["next"].removeprefix(f"{ORIGIN}/v1/predictions")) for task_id in page]
    assert rest == [task_id for task_id in made[4:] if task_id != made[5]]


def test_a_page_of_large_inputs_is_cut_to_what_a_function_may_answer() -> None:
    made = make(50, size=200_000)
    answer = ask("/v1/predictions")
    assert len(answer["body"].encode()) < 5_500_000
    found = pages()
    assert [task_id for page in found for task_id in page] == made
    assert len(found) >= 3


@pytest.mark.parametrize(
    "more",
    [{"metadata": {"note": "x" * 200_000}}, {"input": json.dumps({"prompt": '"\\' * 60_000})}],
    ids=["metadata", "what is written with twice as many characters"],
)
def test_a_page_fits_into_a_response_whatever_it_is_full_of(
    more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(60)
    real = items.from_item
    monkeypatch.setattr(items, "from_item", lambda item: replace(real(item), **more))
    first = document(answer := ask("/v1/predictions"))
    assert len(json.dumps(answer, ensure_ascii=False).encode()) < 6_000_000
    listed = [each["id"] for each in first["results"]]
    assert listed == made[: len(listed)]
    assert [task_id for page in pages() for task_id in page] == made


def test_a_cursor_may_come_with_other_times_than_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 4)
    made = make(10)
    following = document(ask("/v1/predictions"))["next"]
    asked, real = list[dict[str, Any]](), aws.dynamodb().query

    def query(**parameters: Any) -> Any:
        asked.append(parameters)
        return real(**parameters)

    monkeypatch.setattr(aws.dynamodb(), "query", query)
    older = document(ask(f"{following}&created_before=2026-11-20T12:00:03Z"))["results"]
    assert [each["id"] for each in older] == made[7:]
    assert all("ExclusiveStartKey" not in parameters for parameters in asked)
    assert document(ask(f"{following}&created_after=2026-11-20T12:00:07Z"))["results"] == []


def test_a_page_ends_where_dynamodb_holds_something_back(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(40)
    real = aws.dynamodb().batch_get_item

    def throttled(RequestItems: Any) -> Any:  # noqa: N803 - boto3's name
        (table,) = RequestItems
        wanted = RequestItems[table]["Keys"]
        part: Any = {table: {**RequestItems[table], "Keys": wanted[:3]}}
        reply = real(RequestItems=part)
        return {**reply, "UnprocessedKeys": {table: {"Keys": wanted[3:]}}}

    with monkeypatch.context() as patch:
        patch.setattr(aws.dynamodb(), "batch_get_item", throttled)
        first = document(ask("/v1/predictions"))
    assert [each["id"] for each in first["results"]] == made[:3]
    assert [each for page in pages(first["next"].removeprefix(f"{ORIGIN}/v1/predictions")) for each in page] == made[3:]


def test_nothing_at_all_from_dynamodb_is_no_empty_page(monkeypatch: pytest.MonkeyPatch) -> None:
    make(2)

    def throttled(RequestItems: Any) -> Any:  # noqa: N803 - boto3's name
        return {"Responses": {}, "UnprocessedKeys": RequestItems}

    monkeypatch.setattr(aws.dynamodb(), "batch_get_item", throttled)
    answer = ask("/v1/predictions")
    assert problem(answer) == (503, "unavailable")
    assert answer["headers"]["retry-after"] == "5"


def test_each_tenant_lists_its_own() -> None:
    mine, theirs = make(3), make(5, tenant="other")
    assert (pages(), pages(tenant="other")) == ([mine], [theirs])


def test_a_cursor_of_another_tenant_leads_to_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    make(6, tenant="other")
    mine = make(6)
    theirs = document(ask("/v1/predictions", tenant="other"))["next"].removeprefix(ORIGIN)
    assert {task_id for page in pages(theirs.removeprefix("/v1/predictions")) for task_id in page} <= set(mine)


def test_a_time_bounds_what_is_listed_on_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    made = make(10)
    query = urlencode({"created_after": "2026-11-20T12:00:02Z", "created_before": "2026-11-20T13:00:08+01:00"})
    assert pages(f"?{query}") == [made[2:4], made[4:6], made[6:7]]


def test_there_is_nothing_that_was_made_on_a_web_site() -> None:
    make(1)
    assert pages("?source=web") == [[]]


def encoded(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


GOOD: Event = {"places": {}, "after": None, "before": None}


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "ü",
        "%00",
        "e30=",
        base64.b64encode(b"[" * 600).decode(),
        base64.b64encode(b"\xff\xfe").decode(),
        encoded([]),
        encoded(None),
        encoded({**GOOD, "more": 1}),
        encoded({**GOOD, "places": []}),
        encoded({**GOOD, "places": {"4": [1, "a" * 26]}}),
        encoded({**GOOD, "places": {"0": [1]}}),
        encoded({**GOOD, "places": {"0": ["1", "a" * 26]}}),
        encoded({**GOOD, "places": {"0": [1, "A" * 26]}}),
        encoded({**GOOD, "places": {"0": [1, 1]}}),
        encoded({**GOOD, "places": {"0": None}}),
        encoded({**GOOD, "after": True}),
        encoded({**GOOD, "before": -1}),
        encoded({**GOOD, "before": 10**20}),
        encoded(GOOD) + "A" * 9000,
    ],
)
def test_a_cursor_that_is_none_of_ours_leads_nowhere(cursor: str) -> None:
    assert problem(ask(f"/v1/predictions?{urlencode({'cursor': cursor})}")) == (404, "not_found")


def test_every_fault_of_a_time_is_told_at_once() -> None:
    answer = ask("/v1/predictions?created_after=yesterday&created_before=2026-99-01T00:00:00Z")
    assert [fault["field"] for fault in document(answer)["errors"]] == ["created_after", "created_before"]
    assert ask("/v1/predictions?source=api")["statusCode"] == 422

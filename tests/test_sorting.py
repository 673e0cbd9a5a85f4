"""Intake's rows: which can be made, where they go first, and what that would cost."""

import json

import pytest

from darkroom import batches, catalogue, http
from darkroom.errors import ForbiddenAddress
from tests.catalogue_text import GOOD
from tests.conftest import MODEL, Account, Clock, Wire
from tests.dropping import batch, begun, drop, lines, manifest, put, refused, rows_of


@pytest.fixture(autouse=True)
def _still(time: Clock, wire: Wire) -> None:
    """Time stands still, and nobody is asked anything over the wire."""


# ---- Rows -----------------------------------------------------------------------------------------------------------
def test_a_bad_row_never_stops_the_file(account: Account) -> None:
    rows = [
        b'{"custom_id": "ok-1", "input": {"prompt": "a hat"}}',
        b"",
        b"no JSON",
        b'{"custom_id": "nan", "input": {"prompt": "a hat", "strength": NaN}}',
        b'["a list"]',
        b"\xff\xfe",
        b'{"custom_id": "large", "input": {"prompt": "' + b"x" * 9_000_000 + b'"}}',
        b'{"custom_id": "unknown", "model": "nobody", "input": {"prompt": "a hat"}}',
        b'{"custom_id": "unsayable", "input": {"prompt": "a hat", "aspect_ratio": "7:1"}}',
        b'{"custom_id": "../../etc/passwd", "input": {"prompt": "a hat"}}',
        b'{"custom_id": "' + b"x" * 300 + b'", "input": {"prompt": "a hat"}}',
    ]
    drop(account, content=b"\n".join(rows))
    assert [row["custom_id"] for row in lines(account, "rows")] == ["ok-1", "../../etc/passwd"]
    assert refused(account) == [
        (3, "malformed_row"),
        (4, "malformed_row"),
        (5, "malformed_row"),
        (6, "not_utf8"),
        (7, "row_too_large"),
        (8, "unknown_model"),
        (9, "invalid_input"),
        (11, "invalid_input"),
    ]
    assert len(account.files()[f"{batch(account).files}errors.jsonl"]) < 20_000
    said = manifest(account)
    assert [error["line"] for error in said["errors"]] == [3, 4, 5, 6, 7, 8, 9, 11]
    assert begun(account)[batch(account).id]["rows"] == 2


def test_a_bad_row_is_kept_as_it_came_with_what_is_wrong_with_it(account: Account) -> None:
    row = {"custom_id": "sku-1", "method": "POST", "body": {"prompt": ""}}
    drop(account, content=json.dumps(row).encode())
    (line,) = lines(account, "errors")
    assert {name: value for name, value in line.items() if name != "error"} == row
    assert line["error"].items() >= {"code": "invalid_input", "message": "input: prompt is empty", "line": 1}.items()
    assert (line["error"]["retryable"], line["error"]["may_be_billed"]) == (False, False)


def test_the_manifest_shows_the_first_errors_and_counts_them_all(account: Account) -> None:
    drop(account, content=b"what?\n" * 30)
    said = manifest(account)
    assert [error["line"] for error in said["errors"]] == list(range(1, 21))
    assert (said["totalRecordCount"], said["errorRecordCount"]) == (30, 30)
    assert begun(account)[batch(account).id]["rows"] == 0


@pytest.mark.parametrize("first", ["a hat", ""])
def test_a_custom_id_of_an_earlier_line_is_an_error_row_even_if_that_was_bad(account: Account, first: str) -> None:
    rows = [
        {"custom_id": "2", "input": {"prompt": first}},
        {"input": {"prompt": "two"}},
        {"input": {"prompt": "three"}},
    ]
    drop(account, content="\n".join(map(json.dumps, rows)).encode())
    assert refused(account)[-1] == (2, "duplicate_custom_id")
    assert [row["custom_id"] for row in lines(account, "rows")][-1] == "3"


def test_rows_may_refer_to_what_is_their_tenants_own_only(account: Account) -> None:
    rows = [
        {"model": "google/nano-banana", "input": {"prompt": "x", "image_input": [f"s3://{account.inbox}/{key}"]}}
        for key in ("shop/not-yet-there.png", "default/cat.png", "cat.png")
    ]
    drop(account, content="\n".join(map(json.dumps, rows)).encode())
    assert [row["line"] for row in lines(account, "rows")] == [1]
    assert refused(account) == [(2, "invalid_input"), (3, "invalid_input")]


def test_a_forbidden_webhook_is_an_error_row_and_its_host_is_looked_up_once(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = list[str]()

    def examine(url: str) -> None:
        looked_up.append(url)
        if "127" in url:
            raise ForbiddenAddress("not there")

    monkeypatch.setattr(http, "examine", examine)
    hosts = ["https://a.example.com", "https://127.0.0.1", *(f"https://{n}.example.com" for n in range(50))]
    rows = [{"input": {"prompt": "x"}, "webhook": f"{host}/{n}?s=1"} for host in hosts for n in range(2)]
    drop(account, content="\n".join(map(json.dumps, rows)).encode())
    assert refused(account) == [(3, "invalid_input"), (4, "invalid_input")]
    assert looked_up[:2] == ["https://a.example.com", "https://127.0.0.1"]
    assert len(looked_up) == len(set(looked_up)) == 20


def test_a_row_that_is_too_large_with_its_defaults_is_an_error_row(account: Account) -> None:
    put(account, "shop/_defaults.json", {"model": MODEL, "metadata": {"x": "y" * 200_000}})
    rows = [{"input": {"prompt": "x"}}, {"input": {"prompt": "x"}, "metadata": {"z": "y" * 100_000}}]
    drop(account, content="\n".join(map(json.dumps, rows)).encode(), default=None)
    assert refused(account) == [(2, "row_too_large")]


def test_a_column_of_a_table_is_blamed_by_its_own_name(account: Account) -> None:
    drop(account, "shop/mugs.csv", b"prompt,count,aspect_ratio\na mug,9,1:1\na mug,,7:1\n")
    messages = [line["error"]["message"] for line in lines(account, "errors")]
    assert [message.partition(": no route")[0] for message in messages] == ["count (num_images)", "aspect_ratio"]


def test_an_input_of_a_row_in_json_is_blamed_as_that(account: Account) -> None:
    drop(account, content=b'{"input": {"prompt": "a mug", "num_images": 9}}')
    assert lines(account, "errors")[0]["error"]["message"].startswith("input.num_images: no route")


def test_all_faults_of_a_row_are_told_on_one_line(account: Account) -> None:
    drop(account, content=b'{"input": {"prompt": ""}, "size": 1}')
    assert lines(account, "errors")[0]["error"]["message"] == "input: prompt is empty; size: is not known here"


def test_a_sidecars_rows_are_about_its_picture(account: Account) -> None:
    drop(account, "shop/cat.png.txt", b"the cat in a hat\n", default="black-forest-labs/flux-kontext-pro")
    found = batch(account)
    assert found.picture == f"s3://{account.inbox}/shop/cat.png"
    assert found.folder == "results/shop/cat.png/"
    ordered = batches.order(found, next(rows_of(found)))
    assert ordered.order.input == {"prompt": "the cat in a hat", "image": found.picture}


# ---- Gateways and prices --------------------------------------------------------------------------------------------
def test_rows_go_first_to_a_gateway_that_has_a_key(account: Account) -> None:
    account.delete("gateways/vectornode")
    account.put("gateways/replicate", "key")
    drop(account)
    assert {row["gateway"] for row in rows_of(batch(account))} == {"replicate"}
    assert batch(account).price == {"currency": "USD", "total": 0.04, "unpriced": 0}
    assert manifest(account)["cost"] == {"currency": "USD", "estimated": 0.04, "unpriced": 0}


def test_rows_that_no_gateway_with_a_key_could_make_are_error_rows_that_may_be_tried_again(account: Account) -> None:
    account.delete("gateways/vectornode")
    drop(account)
    assert refused(account) == [(1, "no_gateway_key"), (2, "no_gateway_key")]
    assert all(line["error"]["retryable"] for line in lines(account, "errors"))
    assert batch(account).rows == 0


def test_what_rows_cost_of_which_nobody_knows_the_price_is_not_said(account: Account) -> None:
    drop(account)
    assert batch(account).price == {"currency": "USD", "total": None, "unpriced": 2}


def test_images_are_counted_and_rows_without_a_price_too(account: Account) -> None:
    account.delete("gateways/vectornode")
    account.put("gateways/replicate", "key")
    flux = "black-forest-labs/flux-schnell"
    rows = [{"model": flux, "input": {"prompt": "x", "num_images": 4}}, {"input": {"prompt": "x"}}]
    rows += [{"model": "someone/something", "input": {"prompt": "x"}}]
    drop(account, content="\n".join(map(json.dumps, rows)).encode())
    assert batch(account).price == {"currency": "USD", "total": 0.032, "unpriced": 1}
    assert batch(account).limits == {"replicate": 10}


def test_two_rows_of_a_model_may_go_to_two_gateways_since_not_all_can_do_the_same(account: Account) -> None:
    account.put("gateways/quickrouter", "key")
    account.put("gateways/tokaify", "key")
    inputs = [{"prompt": "x"}, {"prompt": "x", "person_generation": "dont_allow"}]
    rows = [{"model": "google/imagen-4", "input": each} for each in inputs]
    drop(account, content="\n".join(map(json.dumps, rows)).encode())
    first, second = (row["gateway"] for row in rows_of(batch(account)))
    assert (first, second) == ("quickrouter", "tokaify")
    assert set(batch(account).limits) == {first, second}


def test_no_more_are_under_way_than_a_batchs_gateways_allow_together(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for gateway in ("one", "two"):
        account.put(f"gateways/{gateway}", "key")
    stocked = catalogue.Catalogue(GOOD)
    monkeypatch.setattr(catalogue, "catalogue", lambda: stocked)
    rows = [{"model": model, "input": {"prompt": "x"}} for model in ("owner/model", "owner/other", "owner/third")]
    drop(account, content="\n".join(map(json.dumps, rows)).encode())
    assert batch(account).limits == {"two": 3, "one": 10}
    assert begun(account)[batch(account).id]["concurrency"] == 13

"""Where dropped files and what comes of them lie."""

from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from darkroom import filing

BATCH = filing.batch_id("inbox", "shop/spring.jsonl", "v1")


@pytest.mark.parametrize(
    ("key", "form"),
    [
        ("a.jsonl", "jsonl"),
        ("shop/Spring Sale/1.CSV", "csv"),
        ("shop/a.b.Txt", "txt"),
        ("shop/cat.png.json", "json"),
        (".csv", "csv"),
        ("shop/défauts +1.jsonl", "jsonl"),
        *((key, None) for key in ("", "a", "jsonl", "shop.csv/a", "shop/", "shop.csv/", "shop/cat.png", "a.json ")),
        *((f"a.{ending}", None) for ending in sorted(filing.MISTAKEN)),
        ("_defaults.json", None),
        ("shop/_defaults.json", None),
        ("shop/my_defaults.json", "json"),
    ],
)
def test_the_ending_says_the_form(key: str, form: str | None) -> None:
    assert filing.form(key) == form


@pytest.mark.parametrize(
    ("key", "picture"),
    [
        ("shop/cat.png.json", "shop/cat.png"),
        ("cat.JPEG.txt", "cat.JPEG"),
        ("a b+c/猫.webp.TXT", "a b+c/猫.webp"),
        ("cat.png.csv", None),
        ("cat.png.jsonl", None),
        ("cat.json", None),
        ("shop.png/cat.json", None),
        ("shop/.png.json", None),
        ("cat.png", None),
    ],
)
def test_a_sidecar_is_named_after_its_picture(key: str, picture: str | None) -> None:
    assert filing.picture(key) == picture


@pytest.mark.parametrize(("key", "tenant"), [("shop/a/b.csv", "shop"), ("b.csv", "default"), ("/b.csv", "default")])
def test_the_first_folder_is_the_tenant(key: str, tenant: str) -> None:
    assert filing.tenant(key) == tenant


def test_defaults_count_up_to_the_tenants_folder_and_the_nearest_comes_first() -> None:
    assert filing.defaults("shop/a/b/c.csv") == (
        "shop/a/b/_defaults.json",
        "shop/a/_defaults.json",
        "shop/_defaults.json",
    )


def test_whatever_lies_in_no_folder_is_for_the_tenant_default_alone() -> None:
    assert filing.defaults("c.csv") == ("_defaults.json",)
    assert filing.defaults("default/c.csv") == ("default/_defaults.json", "_defaults.json")
    assert "_defaults.json" not in filing.defaults("shop/c.csv")


def test_another_version_is_another_batch_and_other_tasks() -> None:
    places = [("inbox", "a.csv", "1"), ("inbox", "a.csv", "2"), ("inbox", "b.csv", "1"), ("inbox2", "a.csv", "1")]
    assert len({filing.batch_id(*place) for place in places}) == 4
    assert len({filing.row_key(*place, "7") for place in places}) == 4
    assert filing.row_key("inbox", "shop/a b.csv", "v1", "sku-7") == "inbox/shop/a b.csv@v1#sku-7"
    assert len(BATCH) == 26
    assert set(BATCH) <= set("abcdefghijklmnopqrstuvwxyz234567")


@pytest.mark.parametrize(
    ("key", "folder"),
    [
        ("shop/spring/cards.jsonl", "results/shop/spring/cards/"),
        ("cards.v2.csv", "results/cards.v2/"),
        ("shop/cat.png.json", "results/shop/cat.png/"),
        ("Été +1/ß.txt", "results/Été +1/ß/"),
        (".csv", "results/.csv/"),
        ("shop//a.csv", "results/shop//a/"),
        ("shop/../../a.csv", "results/shop/%2E%2E/%2E%2E/a/"),
        ("shop/...csv", "results/shop/%2E%2E/"),
        # The batch of shop.csv has its pictures and its records there.
        ("shop/images.csv", "results/shop/images_/"),
        ("shop/records.csv", "results/shop/records_/"),
    ],
)
def test_results_lie_where_the_file_lay(key: str, folder: str) -> None:
    assert filing.folder(key) == folder


def test_results_of_a_file_with_an_endless_name_lie_under_a_short_one() -> None:
    longest = "shop/" + "é" * 247 + ".csv"
    assert len(filing.folder(longest).encode()) == 508
    for key in ("shop/" + "é" * 250 + ".csv", "shop/" + "a/" * 260 + "b.csv", "t" * 600 + "/a.csv"):
        folder = filing.folder(key)
        assert folder.startswith(f"results/{key[:4]}")
        assert folder.endswith("/")
        assert len(folder.encode()) <= 512
        assert filing.another_folder(key, BATCH, "20261121T180211Z") != folder
    assert len({filing.folder("shop/" + "a" * 600 + each) for each in ("1.csv", "2.csv")}) == 2


def test_a_taken_folder_has_one_beside_it_for_each_batch() -> None:
    beside = filing.another_folder("shop/cards.jsonl", BATCH, "20261121T180211Z")
    assert beside == f"results/shop/cards@20261121T180211Z-{BATCH[:6]}/"


ANY_ID = some.text(min_size=1, max_size=60).filter(lambda text: max(text) < "\ud800" or min(text) > "\udfff")


@given(ANY_ID)
@example("..")
@example("/")
@example("a/../b")
@example("\0")
@example("%2E")
@example("📷 sale.")
@example("sku 1+2%")
@example("\u0301")
def test_a_custom_id_can_be_read_off_its_file(custom_id: str) -> None:
    try:
        safe = filing.safe(custom_id)
    except ValueError:
        return
    assert unquote(safe) == custom_id
    assert not safe.startswith(".")
    assert not {"/", "\\", "\0", "\n", "?", "#", "+", "*", ":", '"'} & set(safe)
    assert len(safe.encode()) <= filing.NAME_CAP


@given(ANY_ID, ANY_ID)
@example("a/b", "a%2Fb")
@example(".a", "%2Ea")
def test_two_custom_ids_never_have_the_same_file(one: str, other: str) -> None:
    if one != other and max(len(one), len(other)) < 20:
        assert filing.safe(one) != filing.safe(other)


def test_what_people_call_their_rows_stays_readable() -> None:
    for custom_id in ("sku-7", "Été 2026", "灯台_1", "v1.2", "a."):
        assert filing.safe(custom_id) == custom_id
    assert filing.safe("../a") == "%2E.%2Fa"
    assert filing.safe("📷") == "%F0%9F%93%B7"


@pytest.mark.parametrize(("custom_id", "times"), [("a", 256), ("é", 128), ("/", 85)])
def test_a_name_is_measured_in_bytes(custom_id: str, times: int) -> None:
    assert unquote(filing.safe(custom_id * times)) == custom_id * times
    with pytest.raises(ValueError, match="longer than 256 bytes"):
        filing.safe(custom_id * (times + 1))

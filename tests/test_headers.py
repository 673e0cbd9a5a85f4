"""What callers say in headers: darkroom/headers.py."""

import pytest

from darkroom.errors import InvalidOrder
from darkroom.headers import LONGEST_WAIT_S, cancel_after, idempotency_key, wait


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (None, None),
        ("order-1", "order-1"),
        ('"order-1"', "order-1"),
        ("  order-1 ", "order-1"),
        ('a"b', 'a"b'),
        ("~!" * 127 + "x", "~!" * 127 + "x"),
    ],
)
def test_an_idempotency_key_is_taken_with_or_without_quotes(header: str | None, key: str | None) -> None:
    assert idempotency_key(header) == key


@pytest.mark.parametrize("header", ["", " ", '"', '""', '" "', "a b", "a\tb", "a\x7f", "ä", "x" * 256])
def test_an_idempotency_key_that_could_be_mistaken_is_refused(header: str) -> None:
    with pytest.raises(InvalidOrder) as caught:
        idempotency_key(header)
    assert [fault["field"] for fault in caught.value.more["errors"]] == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("wait", LONGEST_WAIT_S),
        ("wait=1", 1),
        ("wait=60", LONGEST_WAIT_S),
        ("Wait = 7", 7),
        ('wait="7"', 7),
        ("respond-async, wait=10", 10),
        ("wait=10; foo=bar", 10),
        ("wait=0", 0),
        ("respond-async", None),
        ("waiting", None),
        ("wait=", None),
        ("wait=-1", None),
        ("wait=soon", None),
        ("wait=1e3", None),
        ("wait=" + "9" * 5000, None),
    ],
)
def test_a_preference_to_wait_is_understood_and_what_is_not_is_no_preference(
    header: str | None, seconds: int | None
) -> None:
    assert wait(header) == seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("5", 5),
        ("90s", 90),
        ("5m", 300),
        ("1h", 3600),
        ("1h30m45s", 5445),
        ("0h0m5s", 5),
        (" 24h ", 86_400),
    ],
)
def test_cancel_after_is_a_time_as_replicate_writes_it(header: str | None, seconds: int | None) -> None:
    assert cancel_after(header) == seconds


@pytest.mark.parametrize(
    "header",
    ["", "0", "4", "4s", "-5", "5 m", "m", "1.5h", "5m1h", "5x", "soon", "24h1s", "86401", "9" * 5000, "\u0665m"],
)
def test_a_time_that_cannot_be_meant_is_refused(header: str) -> None:
    with pytest.raises(InvalidOrder) as caught:
        cancel_after(header)
    (fault,) = caught.value.faults
    assert fault["field"] == "Cancel-After"
    assert "1h30m45s" in fault["message"]

"""What comes over a wire is not to be trusted: Retry-After and bodies of every kind."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from darkroom.errors import NoReply
from darkroom.wire import Reply, Request, json_request

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def wish(value: str | None) -> int | None:
    reply = Reply(429, {} if value is None else {"retry-after": value}, b"")
    return reply.retry_after(round(NOW.timestamp() * 1000))


@pytest.mark.parametrize(("value", "seconds"), [("0", 0), ("17", 17), (" 5 ", 5), ("3600", 3600), ("86400", 3600)])
def test_a_gateway_may_ask_for_a_pause_of_up_to_an_hour(value: str, seconds: int) -> None:
    assert wish(value) == seconds


@pytest.mark.parametrize(("ahead", "seconds"), [(90, 90), (0, 0), (-3600, 0), (86_400, 3600)])
def test_a_gateway_may_name_the_moment(ahead: int, seconds: int) -> None:
    assert wish(format_datetime(NOW + timedelta(seconds=ahead), usegmt=True)) == seconds


def test_a_moment_may_be_named_in_any_time_zone() -> None:
    assert wish("Fri, 20 Nov 2026 20:00:30 +0800") == 30


@pytest.mark.parametrize("value", [None, "", " ", "soon", "-5", "1.5", "1e3", "17s", "Fri, 32 Nov 2026 12:00:00 GMT"])
def test_a_wish_that_cannot_be_understood_is_none(value: str | None) -> None:
    assert wish(value) is None


@given(some.integers(min_value=0, max_value=10**12))
def test_every_number_of_seconds_is_kept_or_capped(seconds: int) -> None:
    assert wish(str(seconds)) == min(seconds, 3600)


def test_a_2xx_is_ok_and_nothing_else_is() -> None:
    assert {status for status in range(100, 600) if Reply(status, {}, b"").ok} == set(range(200, 300))


@pytest.mark.parametrize("body", [b"", b" ", b"<html>", b"[]", b"[{}]", b"7", b"null", b'"{}"', b"{", b"{}{}", b"\xff"])
def test_a_body_that_is_no_json_object_is_no_reply(body: bytes) -> None:
    with pytest.raises(NoReply, match="status 200"):
        Reply(200, {}, body).document()


def test_a_complaint_about_a_body_does_not_repeat_it() -> None:
    for body in (b"secret", b'["secret"]'):
        with pytest.raises(NoReply) as caught:
            Reply(200, {}, body).document()
        assert "secret" not in str(caught.value)


@given(some.dictionaries(some.text(), some.text() | some.integers() | some.booleans() | some.none()))
def test_what_is_sent_as_json_is_read_as_it_was(document: dict[str, object]) -> None:
    request = json_request("POST", "https://peer.example/", document)
    assert request.headers == {"content-type": "application/json"}
    assert Reply(200, {}, request.body).document() == document == json.loads(request.body)


def test_json_goes_out_in_utf_8_and_not_in_escapes() -> None:
    assert json_request("POST", "https://peer.example/", {"prompt": "灯台"}).body == '{"prompt": "灯台"}'.encode()


def test_credentials_come_with_a_copy() -> None:
    bare = Request("GET", "https://peer.example/", {"accept": "*/*", "authorization": "somebody"})
    signed = bare.authorized("Bearer key")
    assert signed.headers == {"accept": "*/*", "authorization": "Bearer key"}
    assert bare.headers["authorization"] == "somebody"
    assert (signed.method, signed.url, signed.body) == (bare.method, bare.url, bare.body)

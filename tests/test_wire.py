"""What comes over a wire is not to be trusted: Retry-After and bodies of every kind."""

import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from darkroom.errors import NoReply
from darkroom.wire import Reply, Request, data_uri, inline, json_request
from tests.replies import anything

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


@pytest.mark.parametrize("value", [None, "", " ", "soon", "-5", "1e3", "17s", "Fri, 32 Nov 2026 12:00:00 GMT"])
def test_a_wish_that_cannot_be_understood_is_none(value: str | None) -> None:
    assert wish(value) is None


@given(some.integers(min_value=0, max_value=10**12))
def test_every_number_of_seconds_is_kept_or_capped(seconds: int) -> None:
    assert wish(str(seconds)) == min(seconds, 3600)


def test_a_2xx_is_ok_and_nothing_else_is() -> None:
    assert {status for status in range(100, 600) if Reply(status, {}, b"").ok} == set(range(200, 300))


@pytest.mark.parametrize(
    "body", [b"", b" ", b"<html>", b"[]", b"[{}, {}]", b"[[{}]]", b"7", b"null", b'"{}"', b"{", b"{}{}", b"\xff{}"]
)
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


def test_the_only_object_in_a_list_is_the_document() -> None:
    assert Reply(400, {}, b'[{"error": {}}]').document() == {"error": {}}


def test_a_byte_order_mark_is_no_obstacle() -> None:
    assert Reply(200, {}, b'\xef\xbb\xbf{"a": 1}').document() == {"a": 1}


BROKEN_TEXTS = {
    "cut in the middle of a character": (b'{"logs": "\xe7\x81", "a": 1}', "\ufffd"),
    "in another encoding": ('{"logs": "错误", "a": 1}'.encode("gbk"), None),
    "half a character, escaped": (b'{"logs": "\\uD83D", "a": 1}', "?"),
    "half a character, as it is": (b'{"logs": "\xed\xa0\xbd", "a": 1}', None),
}


@pytest.mark.parametrize(("body", "logs"), BROKEN_TEXTS.values(), ids=BROKEN_TEXTS)
def test_a_broken_text_costs_nothing_but_itself(body: bytes, logs: str | None) -> None:
    document = Reply(200, {}, body).document()
    assert document["a"] == 1
    assert document["logs"].encode()
    assert logs in (None, document["logs"])


def test_whole_characters_that_were_escaped_stay_whole() -> None:
    assert Reply(200, {}, b'{"logs": "\\ud83d\\ude00"}').document() == {"logs": "\U0001f600"}


@pytest.mark.parametrize("levels", [150, 1_000, 3_000, 100_000])
def test_a_document_that_would_exhaust_its_readers_is_none(levels: int) -> None:
    with pytest.raises(NoReply, match="status 200"):
        Reply(200, {}, b'{"a": ' + b"[" * levels + b"]" * levels + b"}").document()


def test_a_deep_document_is_read() -> None:
    assert Reply(200, {}, b'{"a": ' + b"[" * 90 + b"]" * 90 + b"}").document()


def test_a_number_may_be_larger_than_any_machine_has() -> None:
    assert Reply(200, {}, b'{"seed": 16510644661374190000}').document() == {"seed": 16510644661374190000}


HINTS: list[tuple[str, object, int | None]] = [
    ("Replicate's", {"detail": "Request was throttled.", "status": 429, "retry_after": 5}, 5),
    ("a fraction", {"retry_after": 2.25}, 3),
    ("a word", {"retry_after": "7"}, 7),
    ("none", {"detail": "Your rate limit resets in ~30s."}, None),
    ("null", {"retry_after": None}, None),
    ("no number", {"retry_after": True}, None),
    ("no list", {"error": {"details": {"retryDelay": "7s"}}}, None),
    ("no object", {"error": "slow down"}, None),
    ("Google's", {"error": {"details": [{"reason": "RATE_LIMIT_EXCEEDED"}, {"retryDelay": "34.07s"}]}}, 35),
    ("Google's, in a list", [{"error": {"details": [{"retryDelay": "3s"}]}}], 3),
    ("a day", {"retry_after": 86_400}, 3_600),
    ("too much", {"retry_after": 10**400}, 3_600),
    ("less than nothing", {"retry_after": -5}, None),
]


@pytest.mark.parametrize(("document", "seconds"), [each[1:] for each in HINTS], ids=[each[0] for each in HINTS])
def test_a_gateway_may_ask_for_a_pause_in_the_body_of_an_error(document: object, seconds: int | None) -> None:
    assert Reply(429, {}, json.dumps(document).encode()).retry_after(0) == seconds


def test_a_header_is_heard_before_a_body_and_a_success_asks_for_nothing_in_its_body() -> None:
    body = b'{"retry_after": 5}'
    assert Reply(429, {"retry-after": "9"}, body).retry_after(0) == 9
    assert Reply(429, {"retry-after": "soon"}, body).retry_after(0) == 5
    assert Reply(200, {}, body).retry_after(0) is None
    assert Reply(429, {}, b"").retry_after(0) is None


@given(anything)
def test_every_wish_is_a_number_of_seconds_within_the_hour_or_none(found: Reply) -> None:
    assert found.retry_after(0) in (None, *range(3601))


INLINE = {
    "as it should be": "data:image/png;base64,+/+/aGk=",
    "without a type": "data:;base64,+/+/aGk=",
    "without padding": "data:;base64,+/+/aGk",
    "in lines": "data:;base64,+/+/\r\naGk=\n",
    "in the alphabet of URLs": "data:;base64,-_-_aGk=",
    "percent-encoded": "data:;base64,%2B/%2B/aGk%3D",
    "not in base64": "data:image/png,%fb%ff%bfhi",
}


@pytest.mark.parametrize("uri", INLINE.values(), ids=INLINE)
def test_an_inline_picture_is_decoded_however_it_is_written(uri: str) -> None:
    assert inline(uri) == b"\xfb\xff\xbfhi"


@pytest.mark.parametrize("uri", ["data:;base64,a", "data:;base64,aGk=aGk=", "data:;base64,a!Gk", "data:;base64,\ud800"])
def test_an_inline_picture_that_is_none_is_told_so(uri: str) -> None:
    with pytest.raises(NoReply):
        inline(uri)


def test_what_lies_elsewhere_is_not_inline() -> None:
    assert inline("https://files.example/a.png") is None


@given(some.binary())
def test_base64_with_and_without_a_head_is_the_same_picture(content: bytes) -> None:
    encoded = base64.b64encode(content).decode()
    assert inline(data_uri(encoded)) == inline(data_uri(f"data:image/png;base64,{encoded}")) == content


def test_json_goes_out_in_utf_8_and_not_in_escapes() -> None:
    assert json_request("POST", "https://peer.example/", {"prompt": "灯台"}).body == '{"prompt": "灯台"}'.encode()


def test_credentials_come_with_a_copy() -> None:
    bare = Request("GET", "https://peer.example/", {"accept": "*/*", "authorization": "somebody"})
    signed = bare.authorized({"authorization": "Bearer key", "x-goog-api-key": "key"})
    assert signed.headers == {"accept": "*/*", "authorization": "Bearer key", "x-goog-api-key": "key"}
    assert bare.headers["authorization"] == "somebody"
    assert (signed.method, signed.url, signed.body) == (bare.method, bare.url, bare.body)


@pytest.mark.parametrize(("headers", "seconds"), [({"retry-after": "1.5"}, 2), ({"retry-after-ms": "1200"}, 2)])
def test_a_wish_may_be_finer_than_a_second(headers: dict[str, str], seconds: int) -> None:
    assert Reply(429, headers, b"").retry_after(0) == seconds


@pytest.mark.parametrize(("status", "seconds"), [(429, 7), (200, None), (503, None)])
def test_the_end_of_a_limit_is_a_wish_where_the_limit_was_the_reason(status: int, seconds: int | None) -> None:
    assert Reply(status, {"ratelimit-reset": "7"}, b"").retry_after(0) == seconds

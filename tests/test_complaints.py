"""What gateways say when they say no: every shape, and one reason for each, whatever language the message is in."""

import json
from typing import Any

import pytest
from hypothesis import given

from darkroom import complaints
from darkroom.answer import Failed
from darkroom.errors import Reason
from darkroom.wire import Reply
from tests.replies import anything, reply, understood

THROTTLED = "Request was throttled. Your rate limit resets in ~5s."
MODERATION = {"type": "image_generation_user_error", "code": "moderation_blocked", "param": None}


def relay(code: str = "", kind: str = "new_api_error") -> dict[str, Any]:
    """The body of a relay of the one-api family."""
    return {"error": {"message": "出错了", "type": kind, "param": "", "code": code}}


def google(status: str, *reasons: str, code: int = 400) -> dict[str, Any]:
    """A google.rpc.Status."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason} for reason in reasons]
    return {"error": {"code": code, "message": "no", "status": status, "details": details}}


def detail(kind: str) -> dict[str, Any]:
    """What fal's models complain about."""
    return {"detail": [{"loc": ["body", "prompt"], "msg": "no", "type": kind, "url": "https://docs.example/errors"}]}


REASONS: list[tuple[str, int, Any, Reason]] = [
    # Replicate: problem documents, decided by their status
    ("no key", 401, {"title": "Unauthenticated", "detail": "no", "status": 401}, Reason.GATEWAY_AUTH),
    ("no header", 401, {"detail": "Authorization header required"}, Reason.GATEWAY_AUTH),
    ("no credit", 402, {"title": "Insufficient credit", "detail": "no", "status": 402}, Reason.GATEWAY_CREDIT),
    ("not allowed", 403, {"detail": "no", "status": 403}, Reason.GATEWAY_AUTH),
    ("no such model", 404, {"detail": "no", "status": 404}, Reason.MODEL_UNAVAILABLE),
    ("gone", 410, b"", Reason.MODEL_UNAVAILABLE),
    ("too large", 413, {"detail": "no"}, Reason.INVALID_INPUT),
    ("no JSON", 415, {"detail": "no"}, Reason.INVALID_INPUT),
    ("a wrong input", 422, {"title": "Input validation failed", "invalid_fields": [{}]}, Reason.INVALID_INPUT),
    ("too early", 425, b"", Reason.RATE_LIMITED),
    ("throttled", 429, {"detail": THROTTLED, "status": 429, "retry_after": 5}, Reason.RATE_LIMITED),
    ("an inner error", 500, {"detail": "no", "status": 500}, Reason.GATEWAY_FAILED),
    # proxies
    ("throttled by a proxy", 429, b"", Reason.RATE_LIMITED),
    ("a proxy's page", 502, b"<html>502 Bad Gateway</html>", Reason.GATEWAY_FAILED),
    ("a proxy's own status", 524, b"<html></html>", Reason.GATEWAY_FAILED),
    ("moved", 302, b"", Reason.GATEWAY_FAILED),
    # relays
    ("a relay's key", 401, relay(), Reason.GATEWAY_AUTH),
    ("a relay's ban", 403, relay(), Reason.GATEWAY_AUTH),
    ("a relay's credit", 403, relay("insufficient_user_quota"), Reason.GATEWAY_CREDIT),
    ("a relay's deposit", 403, relay("pre_consume_token_quota_failed"), Reason.GATEWAY_CREDIT),
    ("a relay's credit as 429", 429, relay("insufficient_user_quota", "insufficient_quota"), Reason.GATEWAY_CREDIT),
    ("a relay's credit by type", 429, relay("", "insufficient_quota"), Reason.GATEWAY_CREDIT),
    ("a relay's saturation", 429, relay(), Reason.RATE_LIMITED),
    ("a relay's upstream", 429, relay("bad_response_status_code", "upstream_error"), Reason.RATE_LIMITED),
    ("a relay without a channel", 503, relay("model_not_found"), Reason.MODEL_UNAVAILABLE),
    ("a relay's overload", 503, relay(), Reason.GATEWAY_FAILED),
    ("a relay's upstream down", 502, relay("do_request_failed", "upstream_error"), Reason.GATEWAY_FAILED),
    ("a relay's panic", 500, relay("", "new_api_panic"), Reason.GATEWAY_FAILED),
    ("a relay's request", 400, relay("invalid_request"), Reason.INVALID_INPUT),
    ("a relay's words", 400, relay("sensitive_words_detected"), Reason.FILTERED),
    ("a relay's guard", 403, relay("prompt_blocked"), Reason.FILTERED),
    ("a relay's path", 404, relay("", "invalid_request_error"), Reason.MODEL_UNAVAILABLE),
    ("flat credit", 403, {"code": "quota_not_enough", "message": "额度不足", "data": None}, Reason.GATEWAY_CREDIT),
    ("flat, of no meaning", 400, {"code": "task_not_exist", "message": "没有", "data": None}, Reason.INVALID_INPUT),
    ("flat, with a number", 500, {"code": 500, "message": "错误"}, Reason.GATEWAY_FAILED),
    # OpenAI
    ("OpenAI's key", 401, relay("invalid_api_key", "invalid_request_error"), Reason.GATEWAY_AUTH),
    ("OpenAI's limit", 429, relay("rate_limit_exceeded", "requests"), Reason.RATE_LIMITED),
    ("OpenAI's credit", 429, relay("insufficient_quota", "insufficient_quota"), Reason.GATEWAY_CREDIT),
    ("OpenAI's budget", 400, relay("billing_hard_limit_reached", "invalid_request_error"), Reason.GATEWAY_CREDIT),
    ("OpenAI's model", 404, relay("model_not_found", "invalid_request_error"), Reason.MODEL_UNAVAILABLE),
    ("OpenAI's model as 400", 400, relay("model_not_found", "invalid_request_error"), Reason.MODEL_UNAVAILABLE),
    ("OpenAI's moderation", 400, {"error": {"message": "no", **MODERATION}}, Reason.FILTERED),
    ("OpenAI's policy", 400, relay("content_policy_violation", "invalid_request_error"), Reason.FILTERED),
    # fal
    ("fal's key", 401, {"detail": "no"}, Reason.GATEWAY_AUTH),
    ("fal's lock", 403, {"detail": "no"}, Reason.GATEWAY_AUTH),
    ("fal's policy", 422, detail("content_policy_violation"), Reason.FILTERED),
    ("fal's validation", 422, detail("missing"), Reason.INVALID_INPUT),
    ("fal without a picture", 422, detail("no_media_generated"), Reason.GATEWAY_FAILED),
    ("fal's downstream", 400, detail("downstream_service_error"), Reason.GATEWAY_FAILED),
    ("fal's runner", 503, {"detail": "no", "error_type": "runner_disconnected"}, Reason.GATEWAY_FAILED),
    ("fal's request", 400, {"detail": "no", "error_type": "bad_request"}, Reason.INVALID_INPUT),
    # Google
    ("Google's key", 400, google("INVALID_ARGUMENT", "API_KEY_INVALID"), Reason.GATEWAY_AUTH),
    ("Google's place", 400, google("FAILED_PRECONDITION"), Reason.GATEWAY_AUTH),
    ("Google's permission", 403, google("PERMISSION_DENIED", "SERVICE_DISABLED"), Reason.GATEWAY_AUTH),
    ("Google's billing", 403, google("PERMISSION_DENIED", "BILLING_DISABLED"), Reason.GATEWAY_CREDIT),
    ("Google's token", 401, google("UNAUTHENTICATED"), Reason.GATEWAY_AUTH),
    ("Google's model", 404, google("NOT_FOUND"), Reason.MODEL_UNAVAILABLE),
    ("Google's quota", 429, google("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"), Reason.RATE_LIMITED),
    ("Google's input", 400, google("INVALID_ARGUMENT"), Reason.INVALID_INPUT),
    ("Google's overload", 503, google("UNAVAILABLE"), Reason.GATEWAY_FAILED),
    ("Google's, in a list", 400, [google("INVALID_ARGUMENT", "API_KEY_INVALID")], Reason.GATEWAY_AUTH),
    ("Google's, relayed as 500", 500, google("RESOURCE_EXHAUSTED"), Reason.RATE_LIMITED),
    # codes say more than the statuses that relays put on them
    ("a key, as 400", 400, relay("invalid_api_key"), Reason.GATEWAY_AUTH),
    ("a limit, as 403", 403, relay("rate_limit_exceeded"), Reason.RATE_LIMITED),
    ("a downstream, as 422", 422, detail("downstream_service_unavailable"), Reason.GATEWAY_FAILED),
    ("a token, as 400", 400, google("UNAUTHENTICATED"), Reason.GATEWAY_AUTH),
    ("a permission, as 400", 400, google("PERMISSION_DENIED"), Reason.GATEWAY_AUTH),
    ("a limit that is a permission", 403, google("PERMISSION_DENIED", "RATE_LIMIT_EXCEEDED"), Reason.RATE_LIMITED),
    ("a model, as 400", 400, google("NOT_FOUND"), Reason.MODEL_UNAVAILABLE),
    ("an input, as 500", 500, google("INVALID_ARGUMENT"), Reason.INVALID_INPUT),
    # none of these
    ("an unknown status", 418, b"", Reason.GATEWAY_FAILED),
    ("codes of the wrong type", 404, {"error": {"code": ["model_not_found"], "details": 7}}, Reason.MODEL_UNAVAILABLE),
]
CASES = pytest.mark.parametrize(
    ("status", "body", "reason"), [each[1:] for each in REASONS], ids=[r[0] for r in REASONS]
)


@CASES
def test_there_is_one_reason_for_each_complaint(status: int, body: Any, reason: Reason) -> None:
    assert complaints.read(reply(body, status)).reason is reason


MESSAGES = [
    "该令牌额度已用尽 [sk-…]",
    "当前分组上游负载已饱和",
    "用户额度不足, 剩余额度: 0.00",
    "model not found; rate limit exceeded; invalid api key; NSFW content detected; insufficient credit",
    "",
]


@pytest.mark.parametrize("message", MESSAGES, ids=range(len(MESSAGES)))
@CASES
def test_a_message_decides_nothing(status: int, body: Any, reason: Reason, message: str) -> None:
    assert complaints.read(reply(_with_message(body, message), status)).reason is reason


def _with_message(body: Any, message: str) -> Any:
    """The same complaint in other words."""
    match body:
        case bytes():
            return f"<html>{message}</html>".encode()
        case list():
            return [_with_message(each, message) for each in body]
        case dict():
            told = {name: _with_message(value, message) for name, value in body.items()}
            return (
                told | {name: message for name in ("message", "msg", "title") if name in told} | _detail(told, message)
            )
        case _:
            return body


def _detail(told: dict[str, Any], message: str) -> dict[str, Any]:
    return {"detail": message} if isinstance(told.get("detail"), str) else {}


def test_a_header_tells_the_type_where_the_body_does_not() -> None:
    found = reply(b"<html>", 422, x_fal_error_type="content_policy_violation")
    assert complaints.read(found).reason is Reason.FILTERED


def test_the_most_telling_code_is_heard_first() -> None:
    """Why a key is refused is in the details of a status that only says that something was wrong with the request."""
    found = reply({**google("INVALID_ARGUMENT", "API_KEY_INVALID"), "code": "model_not_found"}, 400)
    assert complaints.codes(found) == ("API_KEY_INVALID", "INVALID_ARGUMENT", "model_not_found")


WORDS: list[tuple[str, Any, str]] = [
    ("problem details", {"title": "Insufficient credit", "detail": "You have no credit."}, "You have no credit."),
    ("a title only", {"title": "Unauthenticated", "status": 401}, "Unauthenticated"),
    ("a relay's", {"error": {"message": "该令牌额度已用尽", "type": "new_api_error"}}, "该令牌额度已用尽"),
    ("a word", {"error": "model not found"}, "model not found"),
    ("flat", {"code": "quota_not_enough", "message": "用户额度不足", "data": None}, "用户额度不足"),
    ("a nested detail", {"detail": {"message": "no such model"}}, "no such model"),
    ("empty words before full ones", {"detail": "", "error": {}, "message": "saturated"}, "saturated"),
    ("white space around", {"detail": " no \n"}, "no"),
    ("a list", {"detail": [{"msg": "too small"}, {"msg": ""}, {"msg": "too large"}]}, "too small; too large"),
    (
        "a list that says where",
        {"detail": [{"loc": ["body", "image_urls", 0], "msg": "not found"}, {"loc": [], "msg": "flagged"}]},
        "body.image_urls.0: not found; flagged",
    ),
    (
        "a list without words",
        {"detail": [{"type": "x"}], "title": "Input validation failed"},
        "Input validation failed",
    ),
    ("wrapped in a list", [{"error": {"message": "model is shut down"}}], "model is shut down"),
    ("a page", b"<html>502 Bad Gateway</html>", "<html>502 Bad Gateway</html>"),
    ("plain text", "请求过于频繁".encode(), "请求过于频繁"),
    ("nothing", b"", "no reason given"),
    ("white space", b" \r\n", "no reason given"),
    ("an empty object", {}, "no reason given"),
    ("no words in it", {"error": {"code": 7}, "message": 7}, "no reason given"),
    ("no UTF-8", b"\xff\xfe oops", "\ufffd\ufffd oops"),
]


@pytest.mark.parametrize(("body", "words"), [each[1:] for each in WORDS], ids=[each[0] for each in WORDS])
def test_the_gateways_own_words_are_found_in_every_shape(body: Any, words: str) -> None:
    assert complaints.read(reply(body, 400)).message == complaints.words(reply(body, 400)) == words


def test_a_page_in_place_of_words_is_cut_short() -> None:
    assert len(complaints.words(reply(b"x" * 100_000, 502))) == 256


@given(anything)
def test_whatever_is_said_there_is_a_reason_and_a_message(found: Reply) -> None:
    assert isinstance(understood(complaints.read, found), Failed)


@given(anything)
def test_codes_are_words_whatever_stands_in_their_place(found: Reply) -> None:
    assert all(code and isinstance(code, str) for code in complaints.codes(found))
    json.dumps(complaints.codes(found), ensure_ascii=False).encode(errors="surrogatepass")


@pytest.mark.parametrize(
    ("document", "status", "counts"),
    [
        ({"error": {"code": "bad_response_status_code", "param": "524"}}, 429, 524),
        ({"error": {"code": "bad_response_status_code", "param": "400"}}, 500, 400),
        ({"error": {"code": "bad_response_status_code"}}, 400, 400),
        ({"error": {"code": "bad_response_status_code", "param": "soon"}}, 429, 429),
        ({"error": {"code": "bad_response_body"}}, 404, 502),
        ({"error": {"code": "do_request_failed"}}, 429, 502),
        ({"error": {"code": "invalid_value", "param": "524"}}, 400, 400),
        ({"detail": "no"}, 422, 422),
    ],
)
def test_the_upstreams_status_counts_where_a_relay_tells_it(document: Any, status: int, counts: int) -> None:
    assert complaints.status(reply(document, status)) == counts


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("violation_fee.grok.csam", Reason.FILTERED),
        ("InputImageSensitiveContentDetected.PrivacyInformation", Reason.FILTERED),
        ("InputTextSensitiveContentDetected", Reason.FILTERED),
        ("content_filter", Reason.FILTERED),
        ("contentFilter", Reason.FILTERED),
        ("PUBLIC_ERROR_UNSAFE_GENERATION", Reason.FILTERED),
        ("AccountOverdueError", Reason.GATEWAY_CREDIT),
        ("billing_not_active", Reason.GATEWAY_CREDIT),
        ("entitlement_total_limit_exceeded", Reason.GATEWAY_CREDIT),
    ],
)
def test_a_code_counts_more_than_its_status(code: str, reason: Reason) -> None:
    assert complaints.read(reply({"error": {"code": code, "message": "no"}}, 403)).reason is reason


def test_the_inner_code_of_an_error_is_the_more_telling_one() -> None:
    error = {"code": "content_policy", "innererror": {"code": "ResponsibleAIPolicyViolation"}, "message": "no"}
    assert complaints.read(reply({"error": error}, 400)).reason is Reason.FILTERED

"""
What gateways say when they say no: one taxonomy over all of them.

Decided by codes where there are any, else by the status, and never by the words: those are for people, change without
notice and are Chinese at some gateways. The shapes: a problem document or `{"detail"}` (Replicate, fal), a list of
`{"type", "msg"}` in `detail` (fal), google.rpc.Status (Google), `{"error": {"message", "type", "code"}}` (OpenAI and
the relays of the one-api family), and these relays' flat `{"code", "message"}`. Of a code with dots in it, what stands
before the first one counts.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from darkroom.answer import Failed
from darkroom.errors import NoReply, Reason
from darkroom.wire import Reply, objects

_CODES = {
    # The relays of the one-api family; some of these are OpenAI's, too.
    "insufficient_user_quota": Reason.GATEWAY_CREDIT,
    "insufficient_quota": Reason.GATEWAY_CREDIT,
    "pre_consume_token_quota_failed": Reason.GATEWAY_CREDIT,
    "quota_not_enough": Reason.GATEWAY_CREDIT,
    "model_not_found": Reason.MODEL_UNAVAILABLE,
    "entitlement_total_limit_exceeded": Reason.GATEWAY_CREDIT,
    "sensitive_words_detected": Reason.FILTERED,
    "prompt_blocked": Reason.FILTERED,
    "violation_fee": Reason.FILTERED,  # a fee for every try
    # OpenAI
    "billing_hard_limit_reached": Reason.GATEWAY_CREDIT,
    "billing_not_active": Reason.GATEWAY_CREDIT,
    "invalid_api_key": Reason.GATEWAY_AUTH,
    "rate_limit_exceeded": Reason.RATE_LIMITED,
    "moderation_blocked": Reason.FILTERED,
    # OpenAI's models at Azure and at ByteDance's Ark
    "content_filter": Reason.FILTERED,
    "contentFilter": Reason.FILTERED,
    "ResponsibleAIPolicyViolation": Reason.FILTERED,
    "InputTextSensitiveContentDetected": Reason.FILTERED,
    "InputImageSensitiveContentDetected": Reason.FILTERED,
    "OutputImageSensitiveContentDetected": Reason.FILTERED,
    "AccountOverdueError": Reason.GATEWAY_CREDIT,
    # OpenAI's and fal's
    "content_policy_violation": Reason.FILTERED,
    # fal: its errors of the model come with statuses that say the rest
    "no_media_generated": Reason.GATEWAY_FAILED,
    "downstream_service_error": Reason.GATEWAY_FAILED,
    "downstream_service_unavailable": Reason.GATEWAY_FAILED,
    # google.rpc: the reason of an ErrorInfo, or a Status
    "API_KEY_INVALID": Reason.GATEWAY_AUTH,
    "UNAUTHENTICATED": Reason.GATEWAY_AUTH,
    "BILLING_DISABLED": Reason.GATEWAY_CREDIT,
    "PERMISSION_DENIED": Reason.GATEWAY_AUTH,
    "FAILED_PRECONDITION": Reason.GATEWAY_AUTH,  # not from this place, or not without an account for billing
    "RATE_LIMIT_EXCEEDED": Reason.RATE_LIMITED,
    "RESOURCE_EXHAUSTED": Reason.RATE_LIMITED,
    "PUBLIC_ERROR_UNSAFE_GENERATION": Reason.FILTERED,
    "NOT_FOUND": Reason.MODEL_UNAVAILABLE,
    "INVALID_ARGUMENT": Reason.INVALID_INPUT,
}
_STATUSES = {
    400: Reason.INVALID_INPUT,
    401: Reason.GATEWAY_AUTH,
    402: Reason.GATEWAY_CREDIT,
    403: Reason.GATEWAY_AUTH,
    404: Reason.MODEL_UNAVAILABLE,
    405: Reason.MODEL_UNAVAILABLE,
    410: Reason.MODEL_UNAVAILABLE,
    413: Reason.INVALID_INPUT,
    415: Reason.INVALID_INPUT,
    422: Reason.INVALID_INPUT,
    425: Reason.RATE_LIMITED,
    429: Reason.RATE_LIMITED,
}


#: What relays of the one-api family say when they have lost an upstream's reply to a request that they handed on.
_LOST = {
    "bad_response", "bad_response_body", "read_response_body_failed", "empty_response", "do_request_failed",
    "channel:response_time_exceeded",
}  # fmt: skip


def read(reply: Reply) -> Failed:
    """What a reply that is an error complains about: the reason, and the gateway's own words."""
    reason = known(codes(reply)) or _STATUSES.get(status(reply), Reason.GATEWAY_FAILED)
    return Failed(reason, words(reply))


def of_accepted(reply: Reply) -> Reason:
    """Why a request that was accepted has failed: what is wrong with it, or else that it just has."""
    reason = read(reply).reason
    return reason if reason in (Reason.FILTERED, Reason.INVALID_INPUT) else Reason.GATEWAY_FAILED


def known(codes: Iterable[str]) -> Reason | None:
    """What the first of the codes that are known means."""
    return next((reason for code in codes if (reason := _CODES.get(code.partition(".")[0]))), None)


def status(reply: Reply) -> int:
    """
    The status that counts. A relay may answer with one that its operator has chosen, and tell the upstream's in
    `param`, or that it has lost the upstream's reply (502).
    """
    found = codes(reply)
    upstream = parameter(reply) or ""
    if "bad_response_status_code" in found and re.fullmatch(r"[1-5]\d\d", upstream, re.ASCII):
        return int(upstream)
    return 502 if _LOST & set(found) else reply.status


def codes(reply: Reply) -> tuple[str, ...]:
    """All codes in a reply, the most telling first."""
    found = [*_codes(_document(reply)), reply.headers.get("x-fal-error-type")]
    return tuple(code for code in found if isinstance(code, str) and code)


def parameter(reply: Reply) -> str | None:
    """The parameter that an error is about, where it says so (OpenAI)."""
    error = _document(reply).get("error")
    name = error.get("param") if isinstance(error, dict) else None
    return name if isinstance(name, str) else None


def title(reply: Reply) -> Any:
    """The title of a problem document: a name for the kind of problem, not words about this one (RFC 9457)."""
    return _document(reply).get("title")


def words(reply: Reply) -> str:
    """What a reply says to people. Never empty."""
    try:
        document = reply.document()
    except NoReply:
        return reply.body[:256].decode(errors="replace").strip() or "no reason given"
    told = (said(document.get(name)) for name in ("detail", "error", "message", "title"))
    return next(filter(None, told), "no reason given")


def said(told: Any) -> str:
    """The words in what may be words, an object that holds some, or a list of such."""
    match told:
        case str():
            return told.strip()
        case {"loc": [_, *_] as place, "msg": str() as text}:
            return f"{'.'.join(map(str, place))}: {text.strip()}"
        case dict():
            return next((text for name in ("message", "msg", "detail") if (text := said(told.get(name)))), "")
        case list():
            return "; ".join(text for each in told if (text := said(each)))
        case _:
            return ""


def _document(reply: Reply) -> dict[str, Any]:
    try:
        return reply.document()
    except NoReply:
        return {}


def _codes(document: dict[str, Any]) -> Iterator[Any]:
    error = document.get("error")
    if isinstance(error, dict):
        yield from (each.get("reason") for each in objects(error.get("details")))
        inner = error.get("innererror") or error.get("inner_error")
        yield inner.get("code") if isinstance(inner, dict) else None
        yield from (error.get("code"), error.get("type"), error.get("status"))
    yield from (each.get("type") for each in objects(document.get("detail")))
    yield from (document.get("code"), document.get("error_type"))

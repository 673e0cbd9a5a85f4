"""What the gateways have in common below every mount: the habits of new-api, the open relay that they descend from.

A bad key gets the relay's own error, whatever protocol the caller speaks; a path that the relay does not know gets 200
and the page of its web interface, as HTML; every reply carries a request id. From the source of new-api.
"""

import dataclasses
from http import HTTPStatus

from local.simulator.chance import Chance
from local.simulator.exchange import Reply, as_json

WEB_INTERFACE = b'<!doctype html><html lang="en"><title>Gateway</title><div id="root"></div></html>'


def refusal() -> Reply:
    """401 in the words of new-api: invalid token."""
    message = "\u65e0\u6548\u7684\u4ee4\u724c"
    return as_json(401, {"error": {"message": message, "type": "new_api_error"}})


def invalid_url(method: str, path: str) -> Reply:
    """404: the relay's own routes have no such path. Where it has no routes at all, it shows its web page instead."""
    return _error(404, f"Invalid URL ({method} {path})", kind="invalid_request_error")


def invalid_request(message: str) -> Reply:
    """400: the relay itself cannot make sense of the request."""
    return _error(400, message, code="invalid_request")


def upstream_failed(status: int) -> Reply:
    """The upstream's status, and nothing of what it said."""
    message, code = f"bad response status code {status}", "bad_response_status_code"
    return _error(status, message, kind="upstream_error", code=code)


def no_channel(model: str) -> Reply:
    """503: no upstream that sells the model, or none that works at present."""
    message = (
        f"\u5f53\u524d\u5206\u7ec4 default \u4e0b\u5bf9\u4e8e\u6a21\u578b {model} "
        "\u65e0\u53ef\u7528\u6e20\u9053 (distributor)"
    )
    return _error(503, message, code="model_not_found")


def bad_day(model: str) -> Reply | None:
    """What a relay answers instead of relaying, for models whose owner is the name of such a day; else None.

    `busy/…` finds no upstream, `saturated/…` one that is at its limit, `limited/…` a caller who asks too often, which
    is 429 without a word, and `unpaid/…` one whose credit is used up.
    """
    match model.partition("/"):
        case "busy", "/", _:
            return no_channel(model)
        case "saturated", "/", _:
            message = (
                "\u5f53\u524d\u5206\u7ec4\u4e0a\u6e38\u8d1f\u8f7d\u5df2\u9971\u548c\uff0c\u8bf7\u7a0d\u540e\u518d\u8bd5"
            )
            return _error(429, message, kind="upstream_error", code="bad_response_status_code")
        case "limited", "/", _:
            return Reply(429)
        case "unpaid", "/", _:
            message = "\u7528\u6237\u989d\u5ea6\u4e0d\u8db3, \u5269\u4f59\u989d\u5ea6: \uff040.000000"
            return _error(403, message, code="insufficient_user_quota")
        case _:
            return None


def web_page() -> Reply:
    """200 and a page, which is not what anybody asked for."""
    return Reply(200, WEB_INTERFACE, {"Content-Type": "text/html; charset=utf-8"})


def signed(reply: Reply, chance: Chance) -> Reply:
    """The reply with a request id of the relay."""
    return dataclasses.replace(reply, headers={**reply.headers, "X-Oneapi-Request-Id": chance.hex(12)})


def error(status: int) -> Reply:
    """Any error of that status: of what it has no words for, the relay tells the status, and no more."""
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return refusal()
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Reply(status)
        case _:
            return upstream_failed(status)


def _error(status: int, message: str, *, kind: str = "new_api_error", code: str = "") -> Reply:
    return as_json(status, {"error": {"message": message, "type": kind, "param": "", "code": code}})

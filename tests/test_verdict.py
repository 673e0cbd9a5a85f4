"""What is known of a POST by its reply: darkroom/verdict.py. What comes of it, test_outcomes.py has."""

import pytest

from darkroom import verdict
from darkroom.errors import Reason
from darkroom.verdict import Verdict
from darkroom.wire import Reply

REFUSALS = {Reason.RATE_LIMITED, Reason.GATEWAY_AUTH, Reason.GATEWAY_CREDIT}


@pytest.mark.parametrize("reason", Reason)
def test_only_what_is_documented_as_not_accepted_may_be_tried_again(reason: Reason) -> None:
    found = {status: verdict.of(Reply(status, {}, b""), reason) for status in range(300, 600)}
    certain = Verdict.REFUSED if reason in REFUSALS else Verdict.REJECTED
    if reason is Reason.MODEL_UNAVAILABLE:
        certain = Verdict.UNAVAILABLE
    uncertain = {408, 409, 424, 499, *range(500, 600)}
    assert {status for status in found if found[status] is Verdict.UNKNOWN} == uncertain
    assert {found[status] for status in {*range(300, 500)} - uncertain} == {certain}
    assert verdict.of(Reply(503, {}, b'{"error": {"code": "model_not_found"}}'), reason) is Verdict.REFUSED

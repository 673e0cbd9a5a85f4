"""The harness would notice: the design is broken on purpose, and it does."""

import pytest

from tests.harness.hunt import hunt
from tests.harness.stack import Stack
from tests.harness.variants import VARIANTS

#: Those that are found soon enough for every run of the tests; `make simulate` hunts for all of them.
CHEAP = (
    "post_before_record",
    "post_again_after_an_error",
    "post_again_after_the_lease",
    "lose_against_oneself",
    "news_in_a_second_write",
    "over_at_the_end",
    "rescue_by_delivery",
    "tell_before_the_end",
    "log_the_prompt",
)


@pytest.mark.parametrize("variant", CHEAP)
def test_a_broken_design_is_noticed(stack: Stack, variant: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        VARIANTS[variant](patch)
        assert hunt(stack, stories=20), f"{variant} was not noticed"

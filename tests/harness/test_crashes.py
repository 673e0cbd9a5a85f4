"""Every effect of a task's life, crashed in every way; `make simulate` has the pairs of them."""

import pytest

from tests.harness.crashes import LIVES, singles
from tests.harness.invariants import endings, violations
from tests.harness.mishaps import Mishap
from tests.harness.stack import Stack

#: Where nobody can know whether the gateway has accepted: between the claim and the ticket, or what stands for it.
BETWEEN = 5


@pytest.mark.parametrize("life", LIVES)
def test_no_crash_costs_money_or_pictures_twice(stack: Stack, life: str) -> None:
    unknown = list[str]()
    for crash in singles(stack, LIVES[life]):
        world = LIVES[life].lived(stack, crash)
        assert violations(world) == [], crash
        if endings(world)["submission_unknown"]:
            unknown += [f"{mishap.value}: {world.effects[index].name}" for index, mishap in crash.items()]
        else:
            assert endings(world) == {"succeeded": 1}, crash
    assert len(unknown) == BETWEEN, unknown


def test_what_is_killed_does_no_more_and_is_repeated_by_who_has_started_it(stack: Stack) -> None:
    life = LIVES["replicate"]
    calm = [effect.name for effect in life.lived(stack, {}).effects]
    first_question = calm.index("http.question")
    world = life.lived(stack, {first_question: Mishap.KILLED_AFTER})
    names = [effect.name for effect in world.effects]
    assert names[: first_question + 1] == calm[: first_question + 1]
    assert names[first_question + 1 : first_question + 3] == ["dynamodb.GetItem", "http.question"]
    assert world.effects[first_question + 1].at > world.effects[first_question].at


def test_a_reply_of_aws_that_is_lost_is_asked_for_again_by_the_sdk(stack: Stack) -> None:
    life = LIVES["replicate"]
    claim = [effect.name for effect in life.lived(stack, {}).effects].index("dynamodb.UpdateItem")
    world = life.lived(stack, {claim: Mishap.REPLY_LOST})
    lost, *later = world.effects[claim:]
    repeated = next(effect for effect in later if effect.function == lost.function)
    assert (lost.function, repeated.name) == ("submit", "dynamodb.UpdateItem")
    assert (endings(world), len(world.network.posts)) == ({"succeeded": 1}, 1)

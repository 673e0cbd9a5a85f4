"""Which routes of a model can do what is asked, and whose turn it is."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.catalogue import catalogue
from darkroom.errors import InvalidOrder
from darkroom.inputs import Vocabulary, Word
from darkroom.route import Gateway, Model, Route
from darkroom.routing import Way, asked, turn, ways
from darkroom.verdict import Verdict

GATEWAY = Gateway("g", "https://g.example", "Authorization: Bearer {key}", {"replicate": "", "fal": ""})
NOW = 1_795_176_000_000
UNAVAILABLE = Verdict.UNAVAILABLE.value


def model(*vocabularies: Vocabulary) -> Model:
    """A model with one route for each vocabulary: a, b, …"""
    routes = (Route(GATEWAY, "fal", letter, words) for letter, words in zip("abcdef", vocabularies, strict=False))
    return Model("owner/model", 4.0, None, tuple(routes))


def native(found: tuple[Way, ...]) -> dict[str, dict[str, Any]]:
    return {way.route.model: way.native_input for way in found}


def faults(wanted: Model, asked: Mapping[str, Any]) -> dict[str, str]:
    """What a caller is told, by field."""
    with pytest.raises(InvalidOrder) as caught:
        ways(wanted, asked)
    problem = caught.value.problem()
    assert problem["status"] == 422
    found = {fault["field"]: fault["message"] for fault in problem["errors"]}
    assert len(found) == len(problem["errors"])
    return found


FOUR: Vocabulary = {"prompt": Word("prompt"), "num_images": Word("n", most=4), "seed": Word("seed")}
TWO: Vocabulary = {"prompt": Word("text"), "num_images": Word("num_outputs", most=2, default=1)}
SINGLE: Vocabulary = {"prompt": Word("prompt"), "output_format": Word("format", {"jpg": "jpeg", "png": "png"})}


# Ways


def test_every_route_that_can_do_it_is_a_way_in_the_catalogues_order() -> None:
    assert native(ways(model(SINGLE, FOUR, TWO), {"prompt": "A pier."})) == {
        "a": {"prompt": "A pier."},
        "b": {"prompt": "A pier."},
        "c": {"text": "A pier.", "num_outputs": 1},
    }
    found = ways(model(TWO, SINGLE, FOUR), {"prompt": "A pier."})
    assert [way.route.vocabulary for way in found] == [TWO, SINGLE, FOUR]


@pytest.mark.parametrize(
    ("asked", "routes"),
    [
        ({"num_images": 1}, "abc"),
        ({"num_images": 2}, "bc"),
        ({"num_outputs": 2}, "bc"),
        ({"n": 3}, "b"),
        ({"seed": 7}, "b"),
        ({"format": "jpg"}, "a"),
        ({"output_format": "jpeg"}, "a"),
        ({"output_format": None, "num_images": 2, "seed": None}, "bc"),
        ({"anything": {"else": True}}, "abc"),
    ],
    ids=str,
)
def test_a_route_that_cannot_do_it_is_left_out(asked: dict[str, Any], routes: str) -> None:
    assert "".join(native(ways(model(SINGLE, FOUR, TWO), asked))) == routes


def test_what_no_route_knows_goes_to_all_of_them_untouched() -> None:
    unknown: dict[str, Any] = {"steps": 4, "loras": [{"path": "a"}], "mask": None}
    for found in native(ways(model(SINGLE, FOUR), unknown)).values():
        assert found == unknown


def test_a_route_without_words_gets_what_the_caller_says_as_the_caller_says_it() -> None:
    asked = {"num_outputs": 2, "format": "jpeg", "seed": None, "text": "A pier."}
    assert native(ways(model(None), asked)) == {"a": asked}
    assert native(ways(model(SINGLE, None, TWO), asked)) == {"b": asked}
    assert native(ways(model(None, TWO), {"num_images": 2})) == {
        "a": {"num_images": 2},
        "b": {"num_outputs": 2},
    }


def test_a_route_with_an_empty_table_takes_nothing_that_another_has_a_word_for() -> None:
    assert native(ways(model({}, TWO), {"prompt": "A pier."})) == {"b": {"text": "A pier.", "num_outputs": 1}}
    assert native(ways(model({}), {"prompt": "A pier."})) == {"a": {"prompt": "A pier."}}


def test_each_way_has_an_input_of_its_own() -> None:
    asked = {"prompt": "A pier."}
    one, other = ways(model(None, None), asked)
    one.native_input["prompt"] = "changed"
    assert (asked, other.native_input) == ({"prompt": "A pier."}, {"prompt": "A pier."})


def test_where_no_route_can_the_caller_is_told_what_each_could() -> None:
    assert faults(model(SINGLE, FOUR, TWO, SINGLE), {"num_images": 5}) == {
        "input.num_images": "no route of this model does all that is asked: "
        "makes 1 image in one call (g/fal/a, g/fal/d); "
        "takes a whole number, 1 to 4, in one call (g/fal/b); "
        "takes a whole number, 1 to 2, in one call (g/fal/c)"
    }


def test_where_the_routes_can_do_different_things_the_caller_is_told_of_each() -> None:
    assert faults(model(SINGLE, FOUR), {"n": 2, "format": "png", "steps": 4}) == {
        "input.num_images": "no route of this model does all that is asked: makes 1 image in one call (g/fal/a)",
        "input.output_format": "no route of this model does all that is asked: does not take it (g/fal/b)",
    }


def test_a_contradiction_is_nobodys_to_do() -> None:
    assert list(faults(model(FOUR, TWO, None), {"num_images": 2, "num_outputs": 3})) == ["input.num_outputs"]


# What the shipped catalogue makes of the gateways' own examples


@pytest.mark.parametrize(
    ("name", "asked", "route", "sent"),
    [
        (
            "google/imagen-4-fast",
            {"aspect_ratio": "4:3", "output_format": "jpg", "safety_filter_level": "block_only_high"},
            "vectornode/replicate/google/imagen-4-fast",
            {"aspect_ratio": "4:3", "output_format": "jpg", "safety_filter_level": "block_only_high"},
        ),
        (
            "google/imagen-4",
            {"aspect_ratio": "16:9", "output_format": "jpg", "safety_filter_level": "block_medium_and_above"},
            "quickrouter/replicate/google/imagen-4",
            {"aspect_ratio": "16:9", "output_format": "jpg", "safety_filter_level": "block_medium_and_above"},
        ),
        (
            "google/imagen-4",
            {"aspect_ratio": "1:1", "num_images": 1, "resolution": "1K"},
            "quickrouter/fal/fal-ai/imagen4/preview",
            {"aspect_ratio": "1:1", "num_images": 1, "resolution": "1K"},
        ),
        (
            "google/imagen-4",
            {"aspect_ratio": "1:1", "num_images": 3, "image_size": "2K"},
            "quickrouter/fal/fal-ai/imagen4/preview",
            {"aspect_ratio": "1:1", "num_images": 3, "resolution": "2K"},
        ),
        (
            "google/imagen-4",
            {"sampleCount": 1, "aspectRatio": "16:9", "imageSize": "2K", "personGeneration": "dont_allow"},
            "tokaify/gemini/imagen-4.0-generate-001:predict",
            {"sampleCount": 1, "aspectRatio": "16:9", "imageSize": "2K", "personGeneration": "dont_allow"},
        ),
        (
            "google/imagen-4",
            {},
            "tokaify/gemini/imagen-4.0-generate-001:predict",
            {"sampleCount": 1},
        ),
        (
            "google/imagen-4",
            {"aspect_ratio": "9:16", "resolution": "2K", "num_images": None},
            "tokaify/openai/imagen-4.0-generate-001",
            {"size": "1024x1792", "quality": "hd", "n": 1},
        ),
        (
            "google/imagen-4",
            {"size": "1792x1024", "quality": "standard", "n": 2},
            "tokaify/gemini/imagen-4.0-generate-001:predict",
            {"aspectRatio": "16:9", "imageSize": "1K", "sampleCount": 2},
        ),
        (
            "black-forest-labs/flux-schnell",
            {"num_images": 4, "output_format": "webp", "go_fast": True},
            "vectornode/replicate/black-forest-labs/flux-schnell",
            {"num_outputs": 4, "output_format": "webp", "go_fast": True},
        ),
        (
            "black-forest-labs/flux-kontext-pro",
            {"image": "https://a.example/a.png", "output_format": "jpg"},
            "vectornode/fal/fal-ai/flux-pro/kontext",
            {"image_url": "https://a.example/a.png", "output_format": "jpeg"},
        ),
        (
            "black-forest-labs/flux-kontext-pro",
            {"image_url": "https://a.example/a.png", "output_format": "jpeg"},
            "vectornode/replicate/black-forest-labs/flux-kontext-pro",
            {"input_image": "https://a.example/a.png", "output_format": "jpg"},
        ),
        (
            "bytedance/seedream-4",
            {"image_input": ["https://a.example/a.png"], "size": "4K"},
            "vectornode/replicate/bytedance/seedream-4",
            {"image_input": ["https://a.example/a.png"], "size": "4K"},
        ),
        (
            "somebody/something",
            {"num_outputs": 2, "refine": "no_refiner", "mask": None},
            "vectornode/replicate/somebody/something",
            {"num_outputs": 2, "refine": "no_refiner", "mask": None},
        ),
    ],
)
def test_what_a_shipped_route_is_told(name: str, asked: dict[str, Any], route: str, sent: dict[str, Any]) -> None:
    asked, sent = ({"prompt": "A pier in fog, from above.", **each} for each in (asked, sent))
    found = {way.route.name: way.native_input for way in ways(catalogue().model(name), asked)}
    assert found[route] == sent


def test_the_first_example_goes_to_its_gateway_first_and_several_images_to_one_that_makes_them() -> None:
    fast = catalogue().model("google/imagen-4-fast")
    assert ways(fast, {"prompt": "A pier."})[0].route.name == "vectornode/replicate/google/imagen-4-fast"
    several = ways(fast, {"prompt": "A pier.", "num_images": 2})
    assert {way.route.dialect for way in several} == {"gemini", "openai", "fal"}
    assert "takes a whole number, 1 to 4, in one call" in faults(fast, {"num_images": 5})["input.num_images"]


# Turns


def way(letter: str) -> Way:
    return Way(Route(GATEWAY, "fal", letter), {})


ABC = [way("a"), way("b"), way("c")]


def attempt(letter: str, outcome: str = "refused", ago: float = 0, **more: Any) -> dict[str, Any]:
    """What became of a POST on a route, some seconds ago."""
    return {"route": f"g/fal/{letter}", "outcome": outcome, "at": NOW - round(1000 * ago), **more}


def whose(attempts: list[dict[str, Any]], now: int = NOW) -> tuple[str | None, int | None]:
    found, pause = turn(ABC, attempts, now)
    return (found.route.model if found else None), pause


def test_the_first_has_the_first_turn() -> None:
    assert whose([]) == ("a", 0)


def test_after_one_that_refuses_or_cannot_be_reached_it_is_the_next_ones_turn_at_once() -> None:
    for outcome in ("refused", "not_sent", UNAVAILABLE):
        assert whose([attempt("a", outcome)]) == ("b", 0)
        assert whose([attempt("a", outcome), attempt("b", outcome)]) == ("c", 0)


def test_what_was_tried_elsewhere_or_nowhere_is_nobodys_attempt() -> None:
    nowhere = {"route": None, "outcome": "not_sent", "detail": "no key", "at": NOW}
    assert whose([nowhere, attempt("ab"), {**attempt("a"), "route": "h/fal/a"}]) == ("a", 0)


def test_when_all_have_refused_the_first_that_may_be_asked_again_says_how_long_to_wait() -> None:
    refused = [
        attempt("a", ago=0.5, retry_after=30),
        attempt("b", ago=0.25, retry_after=7),
        attempt("c", retry_after=9),
    ]
    assert whose(refused) == (None, 7)
    assert whose(refused, NOW + 6_749) == (None, 1)
    assert whose(refused, NOW + 6_750) == ("b", 0)


def test_whoever_has_waited_longest_has_its_turn_again_first() -> None:
    refused = [attempt("c", ago=2), attempt("b", ago=1), attempt("a")]
    assert whose(refused, NOW + 1_999) == (None, 1)
    assert whose(refused, NOW + 2_000) == ("c", 0)
    assert whose([*refused, attempt("c", ago=-2)], NOW + 6_000) == ("b", 0)


def test_of_those_that_have_waited_equally_long_the_catalogues_first_comes_first() -> None:
    assert whose([attempt(letter) for letter in "cba"], NOW + 2_000) == ("a", 0)


def test_one_that_wishes_to_be_left_alone_is_passed_over() -> None:
    refused = [attempt("a", ago=2, retry_after=60), attempt("b", ago=1), attempt("c")]
    assert whose(refused, NOW + 2_000) == ("b", 0)


def test_after_the_first_round_there_is_one_turn_at_a_time_and_ever_more_seldom() -> None:
    attempts, now, pauses = list[dict[str, Any]](), NOW, list[int]()
    while now < NOW + 30 * 60 * 1000:
        found, pause = turn(ABC, attempts, now)
        if found is None:
            assert pause is not None
            pauses.append(pause)
            now += 1000 * pause
        else:
            attempts.append({**attempt(found.route.model), "at": now})
    assert pauses[:8] == [2, 4, 8, 16, 32, 60, 60, 60]
    assert len(attempts) < 40  # all of them stand in one item of the table


@pytest.mark.parametrize(
    ("tries", "retry_after", "pause"),
    [
        (1, None, 2),
        (1, 0, 2),
        (1, 1, 2),
        (1, 3, 3),
        (1, 3600, 3600),
        (2, None, 4),
        (2, 3, 4),
        (3, None, 8),
        (3, 9, 9),
        (9, 59, 60),
        (9, 61, 61),
    ],
)
def test_a_route_that_refused_is_left_alone_as_long_as_it_asks_for_and_longer_each_time(
    tries: int, retry_after: int | None, pause: int
) -> None:
    more: dict[str, Any] = {} if retry_after is None else {"retry_after": retry_after}
    attempts = [attempt("a", ago=100 + tries - n, retry_after=500) for n in range(1, tries)] + [attempt("a", **more)]
    assert turn([way("a")], attempts, NOW) == (None, pause)
    assert turn([way("a")], attempts, NOW + 1000 * pause - 1) == (None, 1)
    assert turn([way("a")], attempts, NOW + 1000 * pause) == (way("a"), 0)
    assert turn([way("a")], attempts, NOW + 1000 * pause + 999_999) == (way("a"), 0)


def test_one_that_does_not_have_the_model_has_no_turn_any_more() -> None:
    gone = [attempt("a", UNAVAILABLE, ago=3600), attempt("b", ago=1, retry_after=5), attempt("c", UNAVAILABLE)]
    assert whose(gone) == (None, 4)
    assert whose(gone, NOW + 10**9) == ("b", 0)


def test_one_that_refused_first_and_then_has_not_the_model_is_done_with() -> None:
    assert turn(ABC[:1], [attempt("a", ago=60), attempt("a", UNAVAILABLE, ago=50)], NOW) == (None, None)


def test_where_nobody_has_the_model_or_can_do_it_there_is_never_a_turn() -> None:
    gone = [attempt(letter, UNAVAILABLE, ago=3600) for letter in "abc"]
    assert whose(gone) == (None, None)
    assert turn([], [], NOW) == (None, None)
    assert turn([], [attempt("a")], NOW) == (None, None)


ATTEMPTS = st.lists(
    st.builds(
        attempt,
        st.sampled_from("abcd"),
        st.sampled_from(["refused", "not_sent", UNAVAILABLE]),
        st.integers(0, 300),
        retry_after=st.integers(0, 100),
    )
)


@given(ATTEMPTS)
def test_whoever_waits_as_long_as_told_finds_somebodys_turn_and_not_before(attempts: list[dict[str, Any]]) -> None:
    attempts = sorted(attempts, key=lambda each: int(each["at"]))
    found, pause = turn(ABC, attempts, NOW)
    assert (found is not None) == (pause == 0)
    if pause:
        assert turn(ABC, attempts, NOW + 1000 * (pause - 1))[0] is None
        assert turn(ABC, attempts, NOW + 1000 * pause)[0] is not None
    if pause is None:
        assert turn(ABC, attempts, NOW + 10**9) == (None, None)


# How many


@pytest.mark.parametrize(
    ("said", "route", "number"),
    [
        ({"num_images": 3}, "g/fal/a", 3),
        ({"num_outputs": 2}, "g/fal/a", 2),
        ({"n": 2}, "g/fal/b", 2),
        ({}, "g/fal/a", None),
        ({"num_images": None}, "g/fal/a", None),
        ({}, "g/fal/b", 1),
        ({"num_images": 1}, "g/fal/c", None),
        ({"num_images": 4}, "g/fal/d", None),
        ({"num_images": 4}, "g/fal/gone", None),
        ({"num_images": "4"}, "g/fal/a", None),
        ({"num_images": True}, "g/fal/a", None),
    ],
    ids=str,
)
def test_how_many_images_were_asked_for_is_known_where_the_route_has_a_word_for_it(
    said: dict[str, Any], route: str, number: int | None
) -> None:
    assert asked(model(FOUR, TWO, SINGLE, None), said, route) == number

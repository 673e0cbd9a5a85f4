"""What an input is called on a route: one vocabulary for callers, whatever a gateway calls things."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom import inputs
from darkroom.errors import InvalidOrder
from darkroom.inputs import Unsayable, Vocabulary, Word, canonical, translate

RATIOS = ("1:1", "16:9")
FAL: Mapping[str, Word] = {
    "prompt": Word("prompt"),
    "aspect_ratio": Word("aspect_ratio", dict(zip(RATIOS, RATIOS, strict=True))),
    "num_images": Word("num_images", most=4),
    "output_format": Word("output_format", {"jpg": "jpeg", "png": "png"}),
    "seed": Word("seed"),
}
REPLICATE: Mapping[str, Word] = {
    "prompt": Word("prompt"),
    "aspect_ratio": Word("aspect_ratio"),
    "num_images": Word("num_outputs", most=2),
    "output_format": Word("output_format", {"jpg": "jpg", "png": "png"}),
    "resolution": Word("image_size", {"1K": "1K", "2K": "2K"}),
}
GEMINI: Mapping[str, Word] = {
    "prompt": Word("prompt"),
    "num_images": Word("sampleCount", most=4, default=1),
    "resolution": Word("imageSize", {"1K": "1K", "2K": "2K"}),
}
OPENAI: Mapping[str, Word] = {
    "prompt": Word("prompt"),
    "aspect_ratio": Word("size", {"1:1": "1024x1024", "16:9": "1792x1024"}),
    "resolution": Word("quality", {"1K": "standard", "2K": "hd"}),
}
ALL: tuple[Vocabulary, ...] = (FAL, REPLICATE, GEMINI, OPENAI, None)
KNOWN = inputs.names(ALL)


def complaints(said: dict[str, Any], vocabulary: Mapping[str, Word]) -> dict[str, str]:
    with pytest.raises(Unsayable) as caught:
        translate(said, vocabulary, KNOWN)
    return dict(caught.value.complaints)


# In our words


def test_all_that_any_route_has_a_word_for_is_known() -> None:
    assert {"prompt", "aspect_ratio", "num_images", "output_format", "seed", "resolution"} == KNOWN
    assert inputs.names([None]) == inputs.names([]) == frozenset()


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ({"num_images": 2}, {"num_images": 2}),
        ({"num_outputs": 2}, {"num_images": 2}),
        ({"sampleCount": 2}, {"num_images": 2}),
        ({"image_size": "2K"}, {"resolution": "2K"}),
        ({"imageSize": "2K"}, {"resolution": "2K"}),
        ({"quality": "hd"}, {"resolution": "2K"}),
        ({"resolution": "hd"}, {"resolution": "2K"}),
        ({"size": "1792x1024"}, {"aspect_ratio": "16:9"}),
        ({"aspect_ratio": "1792x1024"}, {"aspect_ratio": "16:9"}),
        ({"size": "16:9"}, {"aspect_ratio": "16:9"}),
        ({"output_format": "jpeg"}, {"output_format": "jpg"}),
        ({"output_format": "jpg"}, {"output_format": "jpg"}),
        ({"output_format": "gif"}, {"output_format": "gif"}),
    ],
    ids=str,
)
def test_callers_may_use_our_words_or_those_of_any_route(given: dict[str, Any], ours: dict[str, Any]) -> None:
    assert canonical(given, ALL) == ours


@pytest.mark.parametrize(
    "unknown",
    [
        {"negative_prompt": "rain"},
        {"loras": [{"path": "a", "scale": 0.5}]},
        {"image_prompt": None},
        {"Num_Images": 2},
        {"num_outputs ": 2},
        {"": 1},
    ],
    ids=str,
)
def test_what_no_route_has_a_word_for_stays_as_it_is(unknown: dict[str, Any]) -> None:
    assert canonical(unknown, ALL) == unknown
    assert translate(unknown, OPENAI, KNOWN) == unknown
    assert canonical({"num_outputs": 2, "output_format": "jpeg"}, [None]) == {"num_outputs": 2, "output_format": "jpeg"}


@pytest.mark.parametrize("value", [["a"], {"width": 1024, "height": 1024}, 1.5, True, 7], ids=str)
def test_a_value_that_is_no_routes_is_left_for_the_routes_to_judge(value: Any) -> None:
    assert canonical({"output_format": value, "seed": value}, ALL) == {"output_format": value, "seed": value}


@pytest.mark.parametrize(
    "given",
    [
        {"num_images": 2, "num_outputs": 3},
        {"num_outputs": 3, "num_images": 2},
        {"sampleCount": 1, "num_outputs": 2},
        {"num_images": 1, "num_outputs": True},
        {"num_images": True, "num_outputs": 1},
        {"output_format": "jpeg", "resolution": "2K", "quality": "standard"},
    ],
    ids=str,
)
def test_one_thing_is_said_once(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidOrder) as caught:
        canonical(given, ALL)
    (fault,) = caught.value.more["errors"]
    assert fault["field"] == f"input.{list(given)[-1]}"
    assert fault["message"].startswith("is said twice, as ")
    assert fault["message"].endswith("say it once")


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ({"num_images": 2, "num_outputs": 2, "sampleCount": 2}, {"num_images": 2}),
        ({"resolution": "2K", "quality": "hd"}, {"resolution": "2K"}),
        ({"num_images": None, "num_outputs": 2}, {"num_images": 2}),
        ({"num_outputs": 2, "num_images": None}, {"num_images": 2}),
        ({"sampleCount": None, "seed": None, "prompt": None}, {}),
    ],
    ids=str,
)
def test_the_same_in_other_words_is_no_contradiction_and_null_is_not_said(
    given: dict[str, Any], ours: dict[str, Any]
) -> None:
    assert canonical(given, ALL) == ours


def test_our_own_names_mean_what_they_say() -> None:
    theirs = {"picture": Word("image"), "image": Word("mask")}
    assert canonical({"image": "a", "mask": "a", "picture": "b"}, [theirs]) == {"image": "a", "picture": "b"}
    elsewhere = {"image": Word("url")}
    assert canonical({"image": "a"}, [{"picture": Word("image")}, elsewhere]) == {"image": "a"}
    assert canonical({"image": "a"}, [elsewhere, {"picture": Word("image")}]) == {"image": "a"}


def test_of_two_routes_that_mean_different_things_by_a_word_the_first_is_heard() -> None:
    one: Vocabulary = {"resolution": Word("size")}
    two: Vocabulary = {"aspect_ratio": Word("size")}
    assert canonical({"size": "2K"}, [one, two]) == {"resolution": "2K"}
    assert canonical({"size": "2K"}, [two, None, one]) == {"aspect_ratio": "2K"}


def test_a_value_of_ours_is_never_taken_for_a_routes() -> None:
    crossed: Vocabulary = {"speed": Word("speed", {"fast": "quick", "quick": "turbo"})}
    assert canonical({"speed": "quick"}, [crossed]) == {"speed": "quick"}
    assert canonical({"speed": "turbo"}, [crossed]) == {"speed": "quick"}
    plain: Vocabulary = {"speed": Word("speed", {"turbo": "turbo"})}
    assert canonical({"speed": "turbo"}, [crossed, plain]) == {"speed": "turbo"}


# In a route's words


@pytest.mark.parametrize(
    ("vocabulary", "native"),
    [
        (FAL, {"prompt": "A pier.", "aspect_ratio": "16:9", "num_images": 1}),
        (REPLICATE, {"prompt": "A pier.", "aspect_ratio": "16:9", "num_outputs": 1}),
        (OPENAI, {"prompt": "A pier.", "size": "1792x1024"}),
    ],
    ids=["fal", "replicate", "openai"],
)
def test_every_route_is_told_in_its_own_words(vocabulary: Mapping[str, Word], native: dict[str, Any]) -> None:
    said = {"prompt": "A pier.", "aspect_ratio": "16:9", "num_images": 1}
    assert translate(said, vocabulary, KNOWN) == native


def test_a_value_is_called_what_the_route_calls_it() -> None:
    said = {"output_format": "jpg"}
    assert translate(said, FAL, KNOWN) == {"output_format": "jpeg"}
    assert translate(said, REPLICATE, KNOWN) == {"output_format": "jpg"}


def test_a_value_of_an_input_that_takes_any_is_handed_on_as_it_is() -> None:
    for value in (0, -1, 2**64, "7", True, 1.5, ["a"], {"a": None}):
        native = translate({"seed": value}, FAL, KNOWN)
        assert (native["seed"], type(native["seed"])) == (value, type(value))


def test_a_default_is_said_where_the_caller_says_nothing() -> None:
    assert translate({}, GEMINI, KNOWN) == {"sampleCount": 1}
    assert translate(canonical({"num_images": None}, ALL), GEMINI, KNOWN) == {"sampleCount": 1}
    assert translate({"num_images": 3}, GEMINI, KNOWN) == {"sampleCount": 3}
    assert translate({}, FAL, KNOWN) == {}
    assert complaints({"num_images": 5}, GEMINI) == {"num_images": "takes a whole number, 1 to 4, in one call"}


def test_a_default_is_said_in_the_routes_words_too() -> None:
    vocabulary = {"resolution": Word("quality", {"1K": "standard", "2K": "hd"}, default="2K")}
    assert translate({}, vocabulary, KNOWN) == {"quality": "hd"}
    assert translate({"resolution": "1K"}, vocabulary, KNOWN) == {"quality": "standard"}
    assert translate({}, {"safe": Word("check", default=False)}, KNOWN) == {"check": False}


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_route_makes_as_many_as_it_can_in_one_call(count: int) -> None:
    assert translate({"num_images": count}, FAL, KNOWN) == {"num_images": count}


@pytest.mark.parametrize("count", [0, -1, 5, 10**30, 2.0, 1.5, True, False, "2", "", [2], {}], ids=repr)
def test_a_count_is_a_whole_number_from_one_to_what_the_route_makes(count: Any) -> None:
    assert complaints({"num_images": count}, FAL) == {"num_images": "takes a whole number, 1 to 4, in one call"}
    assert complaints({"num_images": count}, REPLICATE) == {"num_images": "takes a whole number, 1 to 2, in one call"}


def test_one_image_may_be_left_unsaid_where_there_is_no_word_for_it() -> None:
    assert translate({"num_images": 1, "prompt": "A pier."}, OPENAI, KNOWN) == {"prompt": "A pier."}


@pytest.mark.parametrize("count", [0, 2, 1.0, True, "1", [1]], ids=repr)
def test_any_other_number_of_images_may_not(count: Any) -> None:
    assert complaints({"num_images": count}, OPENAI) == {"num_images": "makes 1 image in one call"}


@pytest.mark.parametrize("name", sorted(inputs.COMMON - {inputs.COUNT}))
def test_a_common_name_that_no_route_has_a_word_for_is_refused_and_never_ignored(name: str) -> None:
    with pytest.raises(Unsayable) as caught:
        translate({name: "a"}, {"prompt": Word("prompt")}, frozenset({"prompt"}))
    assert caught.value.complaints == {name: "does not take it"}


def test_one_image_is_made_whether_or_not_any_route_has_a_word_for_it() -> None:
    words, known = {"prompt": Word("prompt")}, frozenset({"prompt"})
    assert translate({"num_images": 1}, words, known) == {}
    with pytest.raises(Unsayable):
        translate({"num_images": 2}, words, known)


@pytest.mark.parametrize("value", ["2:1", "", " 1:1", "1:1 ", "1:1\n", 1, True, 1.5, ["1:1"], {"1:1": 1}], ids=repr)
def test_a_value_that_is_not_on_the_list_says_which_are(value: Any) -> None:
    assert complaints({"aspect_ratio": value}, FAL) == {"aspect_ratio": "takes 16:9, 1:1"}
    assert complaints({"aspect_ratio": value}, OPENAI) == {"aspect_ratio": "takes 16:9, 1:1"}


@pytest.mark.parametrize(
    ("values", "good", "bad"),
    [
        ([1, 2], [1, 2], [True, "1", 1.0, 3, None]),
        ([0.5, 1.5], [0.5], ["0.5", 1, True]),
        ([True, False], [True, False], [1, 0, "true"]),
        (["1", "2"], ["1"], [1, 2]),
    ],
    ids=["numbers", "fractions", "truths", "words"],
)
def test_a_truth_value_is_no_number_and_a_number_no_word(values: list[Any], good: list[Any], bad: list[Any]) -> None:
    word = Word("w", {value: value for value in values})
    for value in good:
        (native,) = translate({"w": value}, {"w": word}, KNOWN).values()
        assert (native, type(native)) == (value, type(value))
    for value in bad:
        assert complaints({"w": value}, {"w": word})["w"].startswith("takes ")


def test_a_routes_number_is_not_taken_for_a_truth_value() -> None:
    vocabulary: Vocabulary = {"tolerance": Word("level", {"strict": 1, "loose": 6})}
    assert canonical({"level": 1}, [vocabulary]) == {"tolerance": "strict"}
    assert canonical({"level": True}, [vocabulary]) == {"tolerance": True}


def test_a_value_may_be_anything_in_a_routes_words() -> None:
    vocabulary: Vocabulary = {"aspect_ratio": Word("image_size", {"1:1": {"width": 1024, "height": 1024}})}
    assert vocabulary
    native = {"image_size": {"width": 1024, "height": 1024}}
    assert translate({"aspect_ratio": "1:1"}, vocabulary, KNOWN) == native
    assert canonical(native, [vocabulary]) == {"aspect_ratio": "1:1"}


def test_what_only_another_route_has_a_word_for_cannot_be_said() -> None:
    assert complaints({"seed": 1}, OPENAI) == {"seed": "does not take it"}
    assert complaints({"seed": 1}, {}) == {"seed": "does not take it"}
    assert translate({"steps": 1}, OPENAI, KNOWN) == {"steps": 1}


def test_all_that_a_route_cannot_do_is_told_at_once() -> None:
    said = {"prompt": "A pier.", "seed": 1, "num_images": 2, "aspect_ratio": "2:1", "steps": 4}
    with pytest.raises(Unsayable, match=r"^seed: does not take it; num_images: makes 1 image in one call; ") as caught:
        translate(said, OPENAI, KNOWN)
    assert list(caught.value.complaints) == ["seed", "num_images", "aspect_ratio"]


def test_what_was_handed_in_is_not_changed() -> None:
    given = {"num_outputs": 2, "loras": [{"path": "a"}], "seed": None}
    before = json.dumps(given)
    translate(canonical(given, ALL), FAL, KNOWN)
    assert json.dumps(given) == before


# Whatever a caller says

PLAIN = st.none() | st.booleans() | st.integers(-1, 6) | st.sampled_from([1.0, "1:1", "16:9", "jpg", "2K", "hd", ""])
VALUES = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(st.sampled_from("ab"), PLAIN, max_size=2)
NAMES = sorted(KNOWN | {word.name for vocabulary in ALL if vocabulary for word in vocabulary.values()} | {"steps", "x"})
SAID = st.dictionaries(st.sampled_from(NAMES), VALUES)


@st.composite
def vocabularies(draw: st.DrawFn) -> Mapping[str, Word]:
    """As the catalogue lets them be: each input under a name of its own."""
    ours = draw(st.lists(st.sampled_from(sorted(KNOWN)), unique=True))
    theirs = draw(st.permutations(NAMES))
    tables = st.none() | st.dictionaries(st.sampled_from(["1:1", "jpg", 1, 2]), st.sampled_from(["jpeg", "hd", 1, 6]))
    most = st.none() | st.integers(1, 4)
    return {our: Word(their, draw(tables), draw(most)) for our, their in zip(ours, theirs, strict=False)}


@given(SAID, vocabularies())
def test_nothing_is_lost_without_a_complaint(said: dict[str, Any], vocabulary: Mapping[str, Word]) -> None:
    # What canonical makes of an input: no name in it is one that a route has for another thing.
    known = KNOWN | set(vocabulary)
    said = {name: value for name, value in said.items() if name in known or name in ("steps", "x")}
    vocabulary = {name: word for name, word in vocabulary.items() if word.name not in ("steps", "x")}
    complained = set[str]()
    try:
        translate(said, vocabulary, known)
    except Unsayable as error:
        complained = set(error.complaints)
    assert complained <= set(said)
    said = {name: value for name, value in said.items() if name not in complained}
    native = translate(said, vocabulary, known)
    unsaid = [name for name in said if name == "num_images" and name not in vocabulary]
    assert all(said[name] == 1 for name in unsaid)
    assert len(native) == len(said) - len(unsaid)
    for name in set(said) - set(unsaid):
        word = vocabulary.get(name, Word(name))
        assert word.name in native
        assert repr(native[word.name]) == repr(word.values[said[name]] if word.values is not None else said[name])


@given(SAID, st.lists(vocabularies(), max_size=3))
def test_what_has_been_put_into_our_words_stays_so(given: dict[str, Any], known: list[Vocabulary]) -> None:
    try:
        once = canonical(given, known)
    except InvalidOrder:
        return
    assert repr(canonical(once, known)) == repr(once)


@given(SAID)
def test_in_our_words_an_input_says_all_that_it_said(given: dict[str, Any]) -> None:
    try:
        said = canonical(given, ALL)
    except InvalidOrder:
        return
    spoken = {name for name, value in given.items() if value is not None or name in ("steps", "x")}
    words = [(our, word.name) for vocabulary in ALL if vocabulary for our, word in vocabulary.items()]
    ours = {name: our for our, their in words for name in (our, their)}
    assert set(said) == {ours.get(name, name) for name in spoken}


def test_what_a_route_needs_has_to_be_said_or_the_route_cannot_do_it() -> None:
    words = {"prompt": Word("prompt"), "image": Word("image_url", required=True)}
    with pytest.raises(Unsayable) as caught:
        translate({"prompt": "A pier."}, words, frozenset(words))
    assert caught.value.complaints == {"image": "needs it"}
    said = {"prompt": "A pier.", "image": "https://example.com/a.png"}
    assert translate(said, words, frozenset(words)) == {"prompt": "A pier.", "image_url": "https://example.com/a.png"}


@pytest.mark.parametrize("name", sorted(inputs.COMMON))
def test_a_common_name_that_is_null_is_not_said(name: str) -> None:
    assert canonical({"prompt": "A pier.", name: None}, [{"prompt": Word("prompt")}]) == {"prompt": "A pier."}

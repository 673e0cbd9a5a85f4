"""What the values of parameters may be. Each check raises Problem in OpenAI's words for what cannot be."""

from collections.abc import Callable

from local.simulator.openai import problems

Check = Callable[[str, object], None]
"""Looks at a parameter's name and its value."""


def text(longest: int | None = None) -> Check:
    """A string, of `longest` characters at most."""

    def check(name: str, value: object) -> None:
        if not isinstance(value, str):
            raise problems.invalid_type(name, "a string", _given(value))
        if longest is not None and len(value) > longest:
            raise problems.too_long(name, len(value), longest)

    return check


def one_of(*choices: str) -> Check:
    """One of several words."""

    def check(name: str, value: object) -> None:
        if not isinstance(value, str):
            raise problems.invalid_type(name, f"one of {', '.join(choices)}", _given(value))
        if value not in choices:
            raise problems.invalid_value(name, value, choices)

    return check


def whole(least: int, most: int) -> Check:
    """A whole number within bounds."""

    def check(name: str, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise problems.invalid_type(name, "an integer", _given(value))
        if value < least:
            raise problems.out_of_bounds(name, value, least, above=False)
        if value > most:
            raise problems.out_of_bounds(name, value, most, above=True)

    return check


def no_stream(name: str, value: object) -> None:
    """False: streams are not simulated, and a caller who asks for one had better hear of it."""
    if value is not False:
        raise problems.does_not_fit("This simulator does not stream images.", name)


def _given(value: object) -> str:
    """The JSON type of a value, as OpenAI writes it."""
    match value:
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"

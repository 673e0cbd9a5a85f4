"""Reading the body of a request: JSON, and in it what Google's servers accept for one and the same thing."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from local.simulator.gemini import problems


def document(body: bytes) -> dict[str, Any]:
    """The object in the body. Raises Problem where there is none."""
    try:
        read = json.loads(body)
        # Half of a surrogate pair can be written in JSON, and is no text for anybody behind it.
        json.dumps(read, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise problems.invalid("Invalid JSON payload received. The body is not JSON.") from error
    if not isinstance(read, dict):
        raise problems.invalid("Invalid JSON payload received. Root element must be a message.")
    return read


def message(value: object, where: str, known: Collection[str]) -> dict[str, Any]:
    """An object whose members may be written as `imageConfig` or `image_config`, and are no others than the `known`.

    `where` is how its place is written in an error.
    """
    if not isinstance(value, dict):
        raise problems.invalid(f"Invalid value at '{where}' (TYPE_MESSAGE), {json.dumps(value)}")
    members = {camel(name): member for name, member in value.items()}
    for name in value:
        if camel(name) not in known:
            raise problems.unknown_name(name, where)
    return members


def camel(name: str) -> str:
    """`image_config` as `imageConfig`."""
    first, *others = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)


def choice(wish: Mapping[str, Any], name: str, choices: Collection[str], default: str) -> str:
    """A member that is one of the `choices`, in any case."""
    value = wish.get(name, default)
    for known in choices:
        if isinstance(value, str) and value.lower() == known.lower():
            return known
    raise problems.invalid(f"{name} must be one of {', '.join(choices)}, not {json.dumps(value)}.")

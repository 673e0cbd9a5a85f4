"""The least that a function can be."""

from typing import Any


def handler(_: dict[str, Any], __: Any) -> dict[str, Any]:
    return {}

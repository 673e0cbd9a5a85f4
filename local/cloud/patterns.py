"""Patterns of events: which of what is put on EventBridge's bus a rule is meant for.

The operators that are known are exact values, prefix, suffix, equals-ignore-case and anything-but; all else is refused.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from collections.abc import Callable
from typing import Any

from local.cloud.errors import CloudError

Pattern = dict[str, Any]
_Test = Callable[[str, str], bool]
_TEXT: dict[str, _Test] = {"prefix": str.startswith, "suffix": str.endswith, "equals-ignore-case": str.__eq__}


def check(pattern: Any, where: str = "EventPattern") -> None:
    """Raise CloudError for what is not known here."""
    if not isinstance(pattern, dict) or not pattern:
        raise CloudError(f"{where} is no pattern: it takes names of fields.")
    for name, wanted in pattern.items():
        if isinstance(wanted, list):
            for one in wanted:
                _check_one(one, f"{where}.{name}")
        elif name.startswith("$"):
            raise CloudError(f"{where} has the operator {name}, which is not known here.")
        else:
            check(wanted, f"{where}.{name}")


def matches(pattern: Pattern, event: dict[str, Any]) -> bool:
    """Whether every field of the pattern is there, and is, or holds, one of what is wanted."""
    for name, wanted in pattern.items():
        if name not in event:
            return False
        value = event[name]
        if isinstance(wanted, dict):
            if not isinstance(value, dict) or not matches(wanted, value):
                return False
        else:
            values = value if isinstance(value, list) else [value]
            if not any(_fits(one, each) for one in wanted for each in values):
                return False
    return True


def _check_one(wanted: Any, where: str) -> None:
    match wanted:
        case {"anything-but": str() | int() | float()}:
            return
        case {"anything-but": list(each)} if not any(isinstance(one, dict | list) for one in each):
            return
        case {"prefix": str()} | {"suffix": str()} | {"equals-ignore-case": str()}:
            known = len(wanted) == 1
        case {"prefix": {"equals-ignore-case": str()}} | {"suffix": {"equals-ignore-case": str()}}:
            known = len(wanted) == 1
        case _:
            known = not isinstance(wanted, dict | list)
    if not known:
        raise CloudError(f"{where} has an operator that is not known here: {wanted}.")


def _fits(wanted: Any, value: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(type(wanted) is type(value) and wanted == value)
    ((operator, argument),) = wanted.items()
    if operator == "anything-but":
        return value not in (argument if isinstance(argument, list) else [argument])
    if not isinstance(value, str):
        return False
    text: str = argument["equals-ignore-case"] if isinstance(argument, dict) else argument
    if isinstance(argument, dict) or operator == "equals-ignore-case":
        value, text = value.lower(), text.lower()
    return _TEXT[operator](value, text)

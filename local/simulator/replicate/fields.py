"""What one input of a model may be, and what is complained about where it is not."""

from dataclasses import dataclass
from typing import Literal

from local.simulator.replicate.problems import Complaint


@dataclass(frozen=True)
class Field:
    """What one input may be; `choices` empty and bounds None allow everything of that kind."""

    kind: Literal["string", "integer", "boolean", "array"] = "string"
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None

    def complaint(self, name: str, value: object) -> Complaint | None:
        """What is wrong with the value, if anything is."""
        given = _kind(value)
        where = f"input.{name}"
        if given != self.kind:
            description = f"Invalid type. Expected: {self.kind}, given: {given}"
            return {"type": "invalid_type", "field": where, "description": description}
        if self.choices and value not in self.choices:
            allowed = ", ".join(f'"{choice}"' for choice in self.choices)
            description = f"{where} must be one of the following: {allowed}"
            return {"type": "enum", "field": where, "description": description}
        if self.least is not None and isinstance(value, int) and value < self.least:
            description = f"Must be greater than or equal to {self.least}"
            return {"type": "number_gte", "field": where, "description": description}
        if self.most is not None and isinstance(value, int) and value > self.most:
            description = f"Must be less than or equal to {self.most}"
            return {"type": "number_lte", "field": where, "description": description}
        return None


def _kind(value: object) -> str:
    """The JSON type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"

"""What an input may be, and the complaint where it is not.

The types `one_of`, `greater_than_equal` and `less_than_equal` are from fal's list of errors; a missing input and one
of the wrong kind read as pydantic writes them, whose words the list follows. Unlike pydantic, nothing is converted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from local.simulator.fal.failures import Complaint, complaint

Kind = Literal["string", "integer", "number", "boolean", "list"]
PYTHON: Mapping[Kind, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
}
TYPES: Mapping[Kind, str] = {
    "string": "string_type",
    "integer": "int_type",
    "number": "float_type",
    "boolean": "bool_type",
    "list": "list_type",
}
PRESETS = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
"""Pixels by the names of sizes."""
SHORTEST_SIDE, LONGEST_SIDE = 64, 4096
"""Pixels: as far as the simulator cares to draw; fal's own bounds are not recorded."""


@dataclass(frozen=True)
class Field:
    """What one input may be; `choices` empty and bounds None allow everything of that kind."""

    kind: Kind = "string"
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None

    def complaints(self, way: list[str], value: object) -> list[Complaint]:
        """What is wrong with the value at the end of a way into the body, if anything is."""
        if not isinstance(value, PYTHON[self.kind]) or (isinstance(value, bool) and self.kind != "boolean"):
            return [complaint(way, TYPES[self.kind], f"Input should be a valid {self.kind}", value)]
        if self.choices and value not in self.choices:
            return [
                complaint(way, "one_of", f"Input should be {_either(self.choices)}", value, _expected(self.choices))
            ]
        if self.least is not None and isinstance(value, int) and value < self.least:
            message = f"Input should be greater than or equal to {self.least}"
            return [complaint(way, "greater_than_equal", message, value, {"ge": self.least})]
        if self.most is not None and isinstance(value, int) and value > self.most:
            message = f"Input should be less than or equal to {self.most}"
            return [complaint(way, "less_than_equal", message, value, {"le": self.most})]
        return []


class Size:
    """The name of a size, or an object with `width` and `height`."""

    name = Field(choices=tuple(PRESETS))
    side = Field("integer", least=SHORTEST_SIDE, most=LONGEST_SIDE)

    def complaints(self, way: list[str], value: object) -> list[Complaint]:
        """What is wrong with the value, if anything is."""
        if not isinstance(value, dict):
            return self.name.complaints(way, value)
        found: list[Complaint] = []
        for side in ("width", "height"):
            if side in value:
                found += self.side.complaints([*way, side], value[side])
            else:
                found.append(missing([*way, side], value))
        return found


def missing(way: list[str], parent: object) -> Complaint:
    """The complaint about an input that is not in `parent`."""
    return complaint(way, "missing", "Field required", parent)


def _either(choices: tuple[str, ...]) -> str:
    *others, last = (f"'{choice}'" for choice in choices)
    return f"{', '.join(others)} or {last}" if others else last


def _expected(choices: tuple[str, ...]) -> dict[str, list[str]]:
    return {"expected": list(choices)}

"""What can befall an effect, and who decides it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Mishap(Enum):
    KILLED_BEFORE = "killed before"  # nothing was done, and the process is gone
    KILLED_AFTER = "killed after"  # it was done, and the process is gone
    REPLY_LOST = "reply lost"  # it was done, and the process does not know
    OUT_OF_REACH = "out of reach"  # nothing was done, and the process knows


#: What an effect is crossed with when crash points are enumerated.
CRASHES = (Mishap.KILLED_BEFORE, Mishap.KILLED_AFTER, Mishap.REPLY_LOST)


@dataclass(frozen=True)
class Effect:
    """A call of AWS or an exchange over the network: the `index`-th in its world, at `at` (s), by `function`."""

    index: int
    at: float
    function: str
    name: str

    def __str__(self) -> str:
        return f"{self.index:4} {self.at:10.3f} {self.function:8} {self.name}"


class Fortune(Protocol):
    """Decides what befalls whom."""

    def latency(self, effect: Effect, /) -> float:
        """How long it takes until the effect happens, s."""

    def befalls(self, effect: Effect) -> Mishap | None:
        """What goes wrong with it."""


@dataclass(frozen=True)
class Planned:
    """Mishaps at some effects, by their index; everything else is well and takes no time."""

    mishaps: Mapping[int, Mishap]

    def latency(self, _: Effect, /) -> float:
        return 0.0

    def befalls(self, effect: Effect) -> Mishap | None:
        return self.mishaps.get(effect.index)


CALM = Planned({})

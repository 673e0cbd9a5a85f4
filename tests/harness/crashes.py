"""
Every effect of a task's life x every way to crash there, and pairs of them.

What happens after the first crash is another life with other effects, so the second is chosen among those.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.harness.mishaps import CRASHES, Mishap, Planned
from tests.harness.network import RECEIVER
from tests.harness.orders import Order
from tests.harness.stack import Stack
from tests.harness.world import World


@dataclass(frozen=True)
class Life:
    """A task whose life is crashed, and the gateway that it is made by."""

    gateway: str
    model: str
    more: dict[str, Any] = field(default_factory=dict)
    receiver: str | None = RECEIVER

    def lived(self, stack: Stack, mishaps: Mapping[int, Mishap], **world: Any) -> World:
        """The life with these mishaps, and all that was done to save it."""
        order = Order(1, self.model, self.more, receiver=self.receiver)
        return World(stack, Planned(mishaps), gateways=(self.gateway,), **world).run(lambda it: it.insist(order))


#: One of each dialect; of one of them nobody is told.
LIVES = {
    "replicate": Life("vectornode", "black-forest-labs/flux-schnell", {"num_outputs": 2}),
    "fal": Life("fal", "fal-ai/imagen4/preview/fast"),
    "gemini": Life("google", "google/nano-banana", receiver=None),
    "openai": Life("openai", "openai/gpt-image-2"),
}

Crash = Mapping[int, Mishap]


def singles(stack: Stack, life: Life) -> Iterator[Crash]:
    """One crash each."""
    for index in range(len(life.lived(stack, {}).effects)):
        for mishap in CRASHES:
            yield {index: mishap}


def seconds(stack: Stack, life: Life, first: Crash) -> Iterator[Crash]:
    """The first crash with each that could follow."""
    (at,) = first
    for index in range(at + 1, len(life.lived(stack, first).effects)):
        for mishap in CRASHES:
            yield {**first, index: mishap}

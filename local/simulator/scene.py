"""What a fault has before it: a request, the work that it asks for, and whoever would do it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from local.simulator.clock import Clock
from local.simulator.exchange import Lens, Lost, Queue, Reply, Step
from local.simulator.jobs import Jobs


@dataclass
class Scene:
    """`work` gives the reply as it would be if nothing went wrong, with the jobs seen through a lens.

    `error` gives an error of a status in the words of whoever is asked, `queue` is theirs; `seconds` are the fault's. A
    fault that finds nothing to spoil leaves the caller `spared`, and goes on waiting.
    """

    method: str
    host: str
    path: str
    step: Step | None
    queue: Queue | None
    error: Callable[[int], Reply]
    work: Callable[[Lens], Awaitable[Reply]]
    clock: Clock
    jobs: Jobs
    seconds: float
    spared: bool = False

    def spare(self, reply: Reply) -> Reply:
        """The reply as it is: there is nothing in it to spoil."""
        self.spared = True
        return reply


Deed = Callable[[Scene], Awaitable[Reply | Lost]]
"""What happens in a scene: what the caller gets in the end."""

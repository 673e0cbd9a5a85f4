"""How busy a machine is: by how much longer than it was to each of many short sleeps has lasted."""

import statistics
import time
from threading import Event, Thread
from typing import Self

from benchmarks.clients.figures import quantile

#: Seconds of a sleep.
BEAT = 0.05


class Pulse:
    """Beats between `with` and its end."""

    def __init__(self) -> None:
        self._late, self._over = list[float](), Event()
        self._beating = Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._beating.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._beating.join()

    def late(self) -> dict[str, float]:
        """Seconds."""
        late = sorted(self._late)
        return {"beats": len(late), "mean": statistics.fmean(late), "p99": quantile(late, 0.99)}

    def _beat(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            time.sleep(BEAT)
            self._late.append(time.monotonic() - began - BEAT)

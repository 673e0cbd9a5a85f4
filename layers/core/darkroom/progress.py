"""How far a task has come, as its logs tell: models print progress bars there, `45%|████▌     | 9/20 [00:03<00:04]`."""

import re
from typing import Any

from darkroom.wire import objects

_BAR = re.compile(r"\b(\d{1,2})%\|")


def share(logs: Any) -> float | None:
    """
    The share of the work that is done, by the last bar in `logs`, which are a text or a list of {"message"}; None where
    they tell none, or nothing or all of it.
    """
    text = logs if isinstance(logs, str) else "".join(str(each.get("message")) for each in objects(logs))
    bars = _BAR.findall(text[-4000:])
    return int(bars[-1]) / 100 or None if bars else None

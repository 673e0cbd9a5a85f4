"""A function that imports one library, LIBRARY in the environment, and does nothing with it."""

import importlib
import os
from typing import Any

importlib.import_module(os.environ["LIBRARY"])


def handler(_: dict[str, Any], __: Any) -> dict[str, Any]:
    return {}

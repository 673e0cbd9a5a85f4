"""
What schemathesis cannot know: nearly every model needs a prompt, and a gateway that gets none rejects the order. And an
empty list in a form sends nothing, so that what was to be wrong is right.
"""

from typing import Any

import schemathesis


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    if isinstance(body, dict) and isinstance(body.get("input"), dict):
        return {**body, "input": {"prompt": "a lighthouse in a storm", **body["input"]}}
    return body


@schemathesis.hook
def filter_body(context: schemathesis.HookContext, body: Any) -> bool:
    return not (isinstance(body, dict) and "content" in body and [] in body.values())

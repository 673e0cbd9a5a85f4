"""What schemathesis cannot know: nearly every model needs a prompt, and a gateway that gets none rejects the order."""

from typing import Any

import schemathesis


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    if isinstance(body, dict) and isinstance(body.get("input"), dict):
        return {**body, "input": {"prompt": "a lighthouse in a storm", **body["input"]}}
    return body

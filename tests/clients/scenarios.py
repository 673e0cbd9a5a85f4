"""
What callers do with the next of Replicate's clients for Python, each thing by its name: scenarios.py <name> <argument>

Prints what came of it as JSON. REPLICATE_API_TOKEN, REPLICATE_BASE_URL and SSL_CERT_FILE are all that it is told.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

MODEL = "google/imagen-4-fast"
INPUT = {"prompt": "a lighthouse in a storm"}
#: Another version of it than mypy sees.
client: Any = importlib.import_module("replicate").Replicate()


def run(_: str) -> Any:
    return {"bytes": len(client.run(MODEL, input=INPUT).read())}


def large(argument: str) -> Any:
    ref, model_input = json.loads(argument)
    output = client.run(ref, input=model_input)
    return {"bytes": len((output[0] if isinstance(output, list) else output).read())}


def poll(_: str) -> Any:
    return {"bytes": len(client.run(MODEL, input=INPUT, wait=False).read())}


def version(_: str) -> Any:
    version = client.models.get(model_owner="google", model_name="imagen-4-fast").latest_version
    return {"bytes": len(client.run(f"{MODEL}:{version.id}", input=INPUT).read())}


def create(_: str) -> Any:
    created = client.models.predictions.create(model_owner="google", model_name="imagen-4-fast", input=INPUT)
    ended = client.predictions.wait(created.id)
    return {"created": created.status, "ended": ended.status}


def cancel(_: str) -> Any:
    created = client.predictions.create(version=MODEL, input={"prompt": "a slow sea"})
    client.predictions.cancel(prediction_id=created.id)
    return {"status": client.predictions.wait(created.id).status}


def listed(_: str) -> Any:
    made = [client.predictions.create(version="x/y", input={}).id for _ in range(3)]
    return {"made": made, "seen": [prediction.id for prediction in client.predictions.list()]}


def file(path: str) -> Any:
    with Path(path).open("rb") as picture:
        output = client.run("black-forest-labs/flux-kontext-pro", input={**INPUT, "input_image": picture})
    return {"bytes": len(output.read())}


def fails(_: str) -> Any:
    return {"output": client.run(MODEL, input={"prompt": "something nsfw"})}


def refused(_: str) -> Any:
    return {"output": client.run(MODEL, input={"prompt": ""})}


def account(_: str) -> Any:
    return {"username": client.account.get().username}


def secret(_: str) -> Any:
    return {"key": client.webhooks.default.secret.get().key}


if __name__ == "__main__":
    try:
        print(json.dumps(globals()[sys.argv[1]](sys.argv[2])))
    except Exception as error:
        print(json.dumps({"error": str(error), "status": getattr(error, "status_code", None)}))

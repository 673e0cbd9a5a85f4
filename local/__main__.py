"""
The local cloud's command.

    python -m local demo    one task from POST to picture to webhook, two dropped files, then the end
    python -m local up      keep it running until Ctrl-C
"""

import argparse
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

from local.cloud.errors import CloudError

ROOT = Path(__file__).parent.parent
WELCOME = """
Darkroom is running at {url}

Be its caller, in another terminal:

export DARKROOM_URL={url}
export DARKROOM_API_KEY={key}
export DARKROOM_WEBHOOK_SECRET={secret}

With replicate 1.x for Python (the other clients want another base URL: docs/api.md):

export REPLICATE_BASE_URL={url}
export REPLICATE_API_TOKEN={key}

Webhooks may go to this machine, as http://127.0.0.1:…

Make a picture:

curl -X POST {url}/v1/models/google/imagen-4-fast/predictions \\
  -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
  -d '{{"input": {{"prompt": "A lighthouse in a storm", "aspect_ratio": "4:3"}}}}'

Look at it (with the id from the reply in place of ID):

curl {url}/v1/predictions/ID -H 'Authorization: Bearer {key}'

Be its operator:

export AWS_ENDPOINT_URL={aws} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=us-east-1
.venv/bin/python operate.py tenant shop --stack {stack}
aws s3 cp cat.png s3://{inbox}/default/

Orders refer to that picture as s3://{inbox}/default/cat.png

Drop a file of prompts, and see what comes of it:

printf 'prompt,model\\nA kettle,google/imagen-4-fast\\nA teapot,google/imagen-4-fast\\n' > kettles.csv
aws s3 cp kettles.csv s3://{inbox}/default/
aws s3 ls --recursive s3://{images}/results/default/kettles/

Ctrl-C ends it.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local", description="Darkroom on a laptop.")
    parser.add_argument("act", choices=["demo", "up"])
    parser.add_argument("--port", type=int, default=0, help="of the API; 0 takes any that is free")
    parser.add_argument("--built", type=Path, help="run what sam build made in this folder, instead of the sources")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    try:
        _run(arguments.act, arguments.port, arguments.built)
    except CloudError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _run(act: str, port: int, built: Path | None) -> None:
    # Here, since they take a second to import: by now Ctrl-C ends everything in good order.
    from local import demo, demo_batch
    from local.installation import STACK, Installation

    print("Starting the local cloud" + (f" with what sam build made in {built}" if built else ""), flush=True)
    interpreter = _find_python() if built else sys.executable
    image = built.parent / "image" if built else None
    with Installation(api_port=port, built=built, interpreter=interpreter, image=image) as darkroom:
        if act == "demo":
            demo.show(darkroom, ROOT / "demo")
            demo_batch.show(darkroom, ROOT / "demo")
            return
        print(
            WELCOME.format(
                url=darkroom.api_url,
                key=darkroom.api_key,
                secret=darkroom.webhook_secret,
                aws=darkroom.cloud.aws_endpoint,
                stack=STACK,
                inbox=darkroom.cloud.outputs["InboxBucket"],
                images=darkroom.cloud.outputs["ImagesBucket"],
            ),
            flush=True,
        )
        with suppress(KeyboardInterrupt):
            signal.pause()


def _find_python() -> str:
    """The interpreter for what sam build made: a 3.13 with nothing installed that could stand in for the layers."""
    found = subprocess.run([ROOT / "local" / "find-python", "3.13"], capture_output=True, text=True, check=False)
    if found.returncode:
        raise CloudError(found.stderr.strip())
    return shutil.which(found.stdout.strip()) or found.stdout.strip()


def _end(_signal: int, _frame: FrameType | None) -> None:
    """Once: whoever presses Ctrl-C again while everything is being stopped would leave half of it running."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

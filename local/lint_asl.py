"""
The command `python -m local.lint_asl FILE…`: what SAM's own lint leaves out, the state machines' definitions.

Each file becomes the Definition of a plain template, where cfn-lint does look: at targets, ends, fields and types of
states. Runs in the SAM CLI's environment, which has cfn-lint.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml


def main(files: list[str]) -> int:
    """The exit status of cfn-lint over all files."""
    with tempfile.TemporaryDirectory() as folder:
        templates = [_wrap(Path(file), Path(folder)) for file in files]
        return subprocess.run([Path(sys.executable).with_name("cfn-lint"), *templates], check=False).returncode


def _wrap(file: Path, folder: Path) -> Path:
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "RoleArn": "arn:aws:iam::123456789012:role/machine",
            "Definition": _measured(yaml.safe_load(_filled(file))),
        },
    }
    template = folder / f"{file.stem}.json"
    template.write_text(json.dumps({"Resources": {"Machine": machine}}))
    return template


def _filled(file: Path) -> str:
    """The definition with a partition, or some ARN, in place of each substitution."""
    text = file.read_text().replace("${Partition}", "aws")
    return re.sub(r"\$\{(\w+)\}", r"arn:aws:lambda:us-east-1:123456789012:function:\1", text)


def _measured(definition: dict[str, Any]) -> dict[str, Any]:
    """The definition with a number where a map computes its concurrency: cfn-lint knows of no expression there."""
    states = {
        name: state | {"MaxConcurrency": 1} if "MaxConcurrency" in state else state
        for name, state in definition["States"].items()
    }
    return definition | {"States": states}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""
Darkroom as a contestant: the real template in the local cloud, in real time, with a catalogue of its own.

Each contestant is a gateway of that catalogue, with a model of its own, so that several prices of a question run side
by side, and each learns for itself. What has been learnt at a gateway can be handed to others: so one warms up for all.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from benchmarks.clients.gateways import INPUTS, KEY, PICTURE, QUICK, REPLICATE
from local.cloud.cloud import Cloud
from local.cloud.functions import host as functions_host

ROOT = Path(__file__).parents[2]
STACK = "darkroom-bench"
SOURCES = ("template.yaml", "operate.py", "functions", "layers", "statemachines")
#: Processes of a function at most. A Poll that stays with a task has one to itself, on Lambda as here.
WORKERS = 48
#: Seconds after the last task has begun in which all have to have ended.
PATIENCE = 180


@dataclass(frozen=True)
class Contestant:
    """
    A gateway of ours, by its name.

    upstream: the host that speaks its protocol. price: seconds of lag that a question is worth; None for the default.
    """

    name: str
    upstream: str
    price: float | None = None
    model: str = PICTURE

    @property
    def title(self) -> str:
        return f"Darkroom, {self.upstream}" + (f", {self.price:g} s a question" if self.price else "")

    @property
    def alias(self) -> str:
        """The name of its model here."""
        return f"bench/{self.name}"


@dataclass(frozen=True)
class Made:
    """A task of a contestant's that has succeeded. Times are seconds since 1970."""

    contestant: str
    job: str
    answered: float
    completed: float


def in_turn(
    contestants: Sequence[Contestant], rounds: int, pause: float, after: float = 0.0
) -> Iterator[tuple[float, Contestant]]:
    """So many orders of each, one every `pause` seconds, the first of them so many seconds after the beginning."""
    everybody = (each for _ in range(rounds) for each in contestants)
    return ((after + number * pause, each) for number, each in enumerate(everybody))


class Stack:
    """
    Runs between `with` and its end.

    address: of the gateways. expected: how long a picture takes, as the catalogue has it, s.
    """

    def __init__(self, address: str, contestants: Sequence[Contestant], expected: float) -> None:
        self._address = address
        self._contestants = {each.alias: each for each in contestants}
        self._expected = expected
        self._started = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            self._folder = folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="darkroom-bench-")))
            _copy(folder)
            text = _catalogue(list(self._contestants.values()), self._expected)
            (folder / "layers/core/darkroom/catalogue.toml").write_text(text)
            functions_host.MAX_WORKERS = WORKERS
            self.cloud = started.enter_context(Cloud(folder / "template.yaml", STACK, simulator_url=self._address))
            for each in self._contestants.values():
                self._operate("gateway-key", each.name, stdin=KEY)
            _, key = re.findall(r": +(\S+)", self._operate("tenant", "default"))
            headers = {"authorization": f"Bearer {key}"}
            self._api = started.enter_context(httpx.Client(base_url=self.cloud.api_url, headers=headers, timeout=60))
            self._started = started.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._started.close()

    def run(self, orders: Iterable[tuple[float, Contestant]]) -> list[Made]:
        """Have tasks made, each at its moment, s from now; what came of each when all have ended."""
        begin = time.monotonic()

        def order(moment: float, each: Contestant) -> str:
            time.sleep(max(0.0, begin + moment - time.monotonic()))
            body = {"input": INPUTS[each.upstream]}
            task_id = self._api.post(f"/v1/models/{each.alias}/predictions", json=body).raise_for_status().json()["id"]
            return str(task_id)

        with ThreadPoolExecutor(WORKERS) as together:
            ids = list(together.map(order, *zip(*orders, strict=True)))
        deadline = time.monotonic() + PATIENCE
        while any(one.status == "RUNNING" for one in self.cloud.executions("Generation")):
            if time.monotonic() > deadline:
                raise SystemExit("Some tasks have not ended.")
            time.sleep(0.5)
        items = {item["task_id"]["S"]: item for item in self._scan("TasksTable")}
        return [self._made(items[task_id]) for task_id in ids]

    def hand_over(self, teacher: Contestant, pupils: Sequence[Contestant]) -> int:
        """Let others start with what has been learnt at one gateway: from how many tasks."""
        learnt = 0
        dynamodb, table = self.cloud.client("dynamodb"), self.cloud.resources["TimingsTable"]
        for item in self._scan("TimingsTable"):
            for pupil in pupils:
                route = item["route"]["S"].replace(f"{teacher.name}/", f"{pupil.name}/")
                if route != item["route"]["S"]:
                    dynamodb.put_item(TableName=table, Item={**item, "route": {"S": route}})
                    learnt = round(float(item["n"]["N"]))
        return learnt

    def _made(self, item: dict[str, Any]) -> Made:
        if item["status"]["S"] != "succeeded":
            raise SystemExit(f"A task has {item['status']['S']}: {item.get('failure')}")
        answered, completed = (int(item[name]["N"]) / 1000 for name in ("answered", "completed"))
        name = self._contestants[item["model"]["S"]].name
        return Made(name, item["ticket"]["S"], answered, completed)

    def _scan(self, table: str) -> list[dict[str, Any]]:
        pages = self.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=self.cloud.resources[table])
        return [item for page in pages for item in page["Items"]]

    def _operate(self, *words: str, stdin: str = "") -> str:
        command = [sys.executable, str(self._folder / "operate.py"), *words, "--stack", STACK]
        environment = {**os.environ, **self.cloud.environment}
        return subprocess.run(command, input=stdin, capture_output=True, text=True, env=environment, check=True).stdout


def _copy(folder: Path) -> None:
    """The sources, so that another catalogue can lie among them."""
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)


def _catalogue(contestants: Sequence[Contestant], expected: float) -> str:
    """catalogue.toml with a gateway and a model for each of them."""
    lines = []
    for each in contestants:
        dialect, path, scheme = ("replicate", "/v1", "Bearer") if each.upstream == REPLICATE else ("fal", "", "Key")
        seconds = expected / 4 if each.model == QUICK else expected
        lines += [
            f"[gateways.{each.name}]",
            f'url = "https://{each.name}.{each.upstream}"',
            f'dialects = {{ {dialect} = "{path}" }}',
            f'auth = "Authorization: {scheme} {{key}}"',
            *([f"question = {each.price}"] if each.price is not None else []),
            f'[models."{each.alias}"]',
            f"seconds = {seconds:g}",
            f'routes = [{{ gateway = "{each.name}", dialect = "{dialect}", model = "{each.model}" }}]',
        ]
    return "\n".join(lines) + "\n"

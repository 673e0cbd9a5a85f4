"""
More of the harness than the tests run; `make simulate N=20000 SEED=0` runs all of it.

    schedules --number 20000 --seed 0     so many random stories, from this seed on
    crashes [--pairs] [--life replicate]  every crash of each life, or every pair of them
    variants [--number 1000]              every broken variant of the design: is it noticed?
    story SEED                            one story, effect by effect

What was violated is printed with the seed, or with the crashes, that show it again; then the exit status is 1.
"""

import argparse
import collections
import itertools
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto import mock_aws

from tests.harness import crashes, stack, world
from tests.harness.hunt import hunt
from tests.harness.invariants import endings, unknown_but_paid, violations
from tests.harness.schedules import schedule
from tests.harness.variants import UNNOTICED, VARIANTS

_stack: stack.Stack


@dataclass
class Tally:
    """What so many worlds came to."""

    worlds: int = 0
    tasks: collections.Counter[str] = field(default_factory=collections.Counter)
    paid: int = 0
    violated: list[str] = field(default_factory=list)

    def add(self, told: world.World, name: str, found: list[str]) -> None:
        self.worlds += 1
        self.tasks.update(endings(told))
        self.paid += unknown_but_paid(told)
        self.violated += [f"{name}: {each}" for each in found]

    def merge(self, other: "Tally") -> None:
        self.worlds += other.worlds
        self.tasks += other.tasks
        self.paid += other.paid
        self.violated += other.violated


def main() -> int:
    """Run what is asked for, on all processors; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness", description="Crashes and random stories.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    stories = kinds.add_parser("schedules", help="random stories")
    stories.add_argument("--number", type=int, default=20_000)
    stories.add_argument("--seed", type=int, default=0)
    crashed = kinds.add_parser("crashes", help="every effect of a life, crashed")
    crashed.add_argument("--pairs", action="store_true")
    crashed.add_argument("--life", choices=crashes.LIVES, action="append")
    broken = kinds.add_parser("variants", help="the design, broken on purpose")
    broken.add_argument("--number", type=int, default=1000, help="random stories that each is looked for in")
    story = kinds.add_parser("story", help="one random story, effect by effect")
    story.add_argument("seed", type=int)
    wish = parser.parse_args()
    if wish.kind == "story":
        return _told(wish.seed)
    if wish.kind == "variants":
        return _hunted(wish.number)
    if wish.kind == "schedules":
        return _spread(_stories, [(first, last) for first, last in _chunks(wish.seed, wish.number)])
    lives = wish.life or list(crashes.LIVES)
    if wish.pairs:
        return _spread(_pairs, list(itertools.chain.from_iterable(_firsts(life) for life in lives)))
    return _spread(_singles, [(life,) for life in lives])


def _spread(work: Callable[..., Tally], portions: list[Any]) -> int:
    """Each portion of the work in one of as many processes as there are processors; what it came to, in the end."""
    began, sum_ = time.monotonic(), Tally()
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), _begin) as pool:
        for number, tally in enumerate(pool.imap_unordered(_Unpacked(work), portions), 1):
            sum_.merge(tally)
            for line in tally.violated:
                print(line, flush=True)
            if number * 10 // len(portions) > (number - 1) * 10 // len(portions):
                print(f"{number / len(portions):4.0%}: {sum_.worlds:,} worlds", flush=True)
    seconds = time.monotonic() - began
    print(f"{sum_.worlds:,} worlds in {seconds:,.0f} s, {sum_.worlds / seconds:.1f} a second")
    for ending, number in sum_.tasks.most_common():
        print(f"{number:9,} {ending}")
    tasks = sum_.tasks.total() or 1
    print(f"paid for and unknown: {sum_.paid:,} of {tasks:,} tasks, {100 * sum_.paid / tasks:.2f} %")
    print(f"violations: {len(sum_.violated):,}")
    return 1 if sum_.violated else 0


@dataclass(frozen=True)
class _Unpacked:
    work: Callable[..., Tally]

    def __call__(self, portion: tuple[Any, ...]) -> Tally:
        return self.work(*portion)


def _begin() -> None:
    """A process gets a moto of its own."""
    global _stack
    stack.environment()
    mock_aws().start()
    _stack = stack.Stack()


def _stories(first: int, last: int) -> Tally:
    tally = Tally()
    for seed in range(first, last):
        planned = schedule(seed)
        try:
            told = planned.told(_stack)
        except Exception as error:  # the other stories are still to be told
            tally.violated.append(f"seed {seed}: {error!r}")
            continue
        tally.add(told, f"seed {seed}", violations(told, planned.excuses))
    return tally


def _singles(life: str) -> Tally:
    return _crashed(life, crashes.singles(_stack, crashes.LIVES[life]))


def _pairs(life: str, first: crashes.Crash) -> Tally:
    return _crashed(life, crashes.seconds(_stack, crashes.LIVES[life], first))


def _crashed(life: str, found: Iterator[crashes.Crash]) -> Tally:
    tally = Tally()
    for crash in found:
        told = crashes.LIVES[life].lived(_stack, crash)
        befell = {str(told.effects[index]).strip(): mishap.value for index, mishap in crash.items()}
        tally.add(told, f"{life} {befell}", violations(told))
    return tally


def _firsts(life: str) -> list[tuple[str, crashes.Crash]]:
    """The first crashes of pairs. Found out here, so that each is a portion by itself."""
    with multiprocessing.get_context("spawn").Pool(1, _begin) as pool:
        return [(life, crash) for crash in pool.apply(_all_singles, (life,))]


def _all_singles(life: str) -> list[crashes.Crash]:
    return list(crashes.singles(_stack, crashes.LIVES[life]))


def _hunted(number: int) -> int:
    """Whether all variants are noticed but those that cannot be."""
    missed = list[str]()
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), _begin) as pool:
        for name, found in pool.imap_unordered(_hunt, [(name, number) for name in VARIANTS]):
            reason = UNNOTICED.get(name)
            print(f"{name}: {found or f'not noticed: {reason}'}", flush=True)
            missed += [name] if not found and not reason else []
    print(f"{len(VARIANTS)} variants, {len(missed)} of them not noticed, and nobody knows why")
    return 1 if missed else 0


def _hunt(portion: tuple[str, int]) -> tuple[str, str | None]:
    name, number = portion
    with pytest.MonkeyPatch.context() as patch:
        VARIANTS[name](patch)
        return name, hunt(_stack, number)


def _told(seed: int) -> int:
    _begin()
    planned = schedule(seed)
    print(planned)
    told = planned.told(_stack, trace=lambda line: print(line, file=sys.stderr))
    print(told.log.getvalue())
    found = violations(told, planned.excuses)
    print("\n".join([*(f"{ending}: {number}" for ending, number in endings(told).items()), *found]))
    return 1 if found else 0


def _chunks(seed: int, number: int, size: int = 25) -> Iterator[tuple[int, int]]:
    for first in range(seed, seed + number, size):
        yield first, min(first + size, seed + number)

"""A gateway's last word: written down, with what it lacks, and what it teaches of how long tasks take."""

import json
from dataclasses import replace

from darkroom import catalogue, clock, driver, routing, store, timings
from darkroom.answer import Failed, Finished
from darkroom.errors import InvalidOrder, UnknownModel
from darkroom.task import Task


def hear(task: Task, word: Finished | Failed, *, asked: int | None = None) -> Task | None:
    """
    The task, collecting; None if somebody else has moved it meanwhile.

    asked: if this answers a question, when the gateway last said that it was still at it, ms, or 0 if it never has.
    What was told unasked teaches nothing of when to ask.
    """
    if isinstance(word, Finished):
        word = replace(word, several=_several(task, word), missing=(*word.missing, *_too_few(task, word)))
    heard = store.hear(task, word, collected())
    if heard and isinstance(word, Finished) and asked is not None:
        _learn(task, word, asked)
    return heard


def collected() -> int:
    """When a task whose last word is known has to be collected."""
    return clock.now() + driver.COLLECT_MS + driver.GRACE_MS


def _learn(task: Task, word: Finished, asked: int) -> None:
    if task.submitted is None or task.route is None:
        return
    still, over = max(0, asked - task.submitted) / 1000, (clock.now() - task.submitted) / 1000
    took = (still, over) if word.seconds is None else min(max(word.seconds, still), over)
    try:
        model = catalogue.catalogue().model(task.model)
    except UnknownModel:  # the catalogue has been changed meanwhile
        return
    timings.record(model, task.route, took, word.ran)


def _several(task: Task, word: Finished) -> bool:
    """Whether the caller gets a list: as the model has it, so that it is the same on all of its routes."""
    try:
        output = catalogue.catalogue().model(task.model).output
    except UnknownModel:  # the catalogue has been changed meanwhile
        output = None
    return {"one": len(word.outputs) > 1, "list": True, None: word.several}[output]


def _too_few(task: Task, word: Finished) -> tuple[str, ...]:
    """That there are fewer outputs than were asked for, where that is known, and nothing has been said of it yet."""
    given = len(word.outputs)
    try:
        model = catalogue.catalogue().model(task.model)
        asked = routing.asked(model, json.loads(task.input), task.route or "") or 0
    except (UnknownModel, InvalidOrder):  # the catalogue has been changed meanwhile
        return ()
    if word.missing or given >= asked:
        return ()
    return (f"The gateway gave {given} of the {asked} images that were asked for.",)

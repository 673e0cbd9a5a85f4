"""Jobs as a house shows them that has lost its memory, or cannot count: nothing becomes of the jobs themselves."""

import base64
import dataclasses
import math
from collections.abc import Callable, Sequence

from local.simulator.exchange import PLAIN, Lens, Lost, Reply
from local.simulator.jobs import INLINE, Job, Output
from local.simulator.pictures import CONTENT_TYPES, Sketch, draw
from local.simulator.scene import Deed, Scene
from local.simulator.strangers import METADATA

Change = Callable[[Job, Scene], Sequence[Output]]
"""The outputs of a job that has succeeded, as they are shown; those that it has where there is nothing to change."""
SIDE = 2048
METADATA_URL = f"http://{METADATA}/latest/meta-data/"


class _Changed(Lens):
    """Other outputs; `used` tells whether any were shown."""

    def __init__(self, change: Change, scene: Scene) -> None:
        self.used = False
        self._change = change
        self._scene = scene

    def outputs(self, job: Job) -> Sequence[Output]:
        changed = self._change(job, self._scene)
        self.used = self.used or tuple(changed) != job.outputs
        return changed


class _Young(Lens):
    """Jobs at their beginning; `used` tells whether any was older."""

    def __init__(self, scene: Scene) -> None:
        self.used = False
        self._now = scene.clock.now()

    def job(self, job: Job) -> Job:
        self.used = self.used or job.phase(self._now) != "queued"
        return dataclasses.replace(job, started=math.inf, finished=math.inf, deadline=math.inf, canceled=math.inf)


class _Unknown(Lens):
    """No jobs."""

    def job(self, _job: Job) -> None:
        return None


def showing(change: Change) -> Deed:
    """A success, with other outputs than the job has."""

    async def happen(scene: Scene) -> Reply | Lost:
        lens = _Changed(change, scene)
        reply = await scene.work(lens)
        return reply if lens.used else scene.spare(reply)

    return happen


async def regressed(scene: Scene) -> Reply:
    """The job as it was when it was new."""
    lens = _Young(scene)
    reply = await scene.work(lens)
    return reply if lens.used else scene.spare(reply)


async def missing(scene: Scene) -> Reply:
    """What the house says of a job that it has never heard of; where it is not asked about a job, 404 all the same."""
    return await scene.work(_Unknown()) if scene.step in ("poll", "cancel") else scene.error(404)


async def forgotten(scene: Scene) -> Reply:
    """What the house says when it has forgotten all its jobs, for the seconds of the fault as its clock counts them."""
    scene.jobs.forget(scene.seconds)
    return await scene.work(PLAIN)


def none(_job: Job, _scene: Scene) -> Sequence[Output]:
    return ()


def fewer(job: Job, _scene: Scene) -> Sequence[Output]:
    """One is missing, if there is another."""
    return job.outputs[:-1] or job.outputs


def more(job: Job, scene: Scene) -> Sequence[Output]:
    """One that nobody has asked for."""
    return (*job.outputs, scene.jobs.another(job))


def inline(job: Job, _scene: Scene) -> Sequence[Output]:
    """The files themselves in place of their addresses."""
    return tuple(dataclasses.replace(output, url=_data(output.sketch)) for output in job.outputs)


def metadata(job: Job, _scene: Scene) -> Sequence[Output]:
    """An address where a machine finds its own credentials."""
    return tuple(dataclasses.replace(output, url=METADATA_URL) for output in job.outputs)


def large(job: Job, _scene: Scene) -> Sequence[Output]:
    """Four pictures of 2K that do not compress, if they go into the reply."""
    if not all(output.url.startswith(INLINE) for output in job.outputs):
        return job.outputs
    return tuple(Output(INLINE, Sketch("grainy", SIDE, SIDE, "png", number)) for number in range(4))


def _data(sketch: Sketch) -> str:
    return f"data:{CONTENT_TYPES[sketch.format]};base64,{base64.b64encode(draw(sketch)).decode()}"

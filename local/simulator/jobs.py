"""Jobs: queued, then running, then ended, at times that are drawn when a job is made.

A job is a function of time: nothing runs in the background, and asking twice at the same instant gives the same
answer. Durations are lognormal, which is what queues and models look like from outside: many near the median, a few
much longer. They depend on the seed and on how many jobs were made before, and on nothing else.

A prompt decides how its job ends, and when, so that a demonstration needs no other switch. These words count, in any
case, as whole words:

    nsfw    refused at the end of the run, as a safety filter does
    crash   crashed at the end of the run, as a machine that was taken away does
    slow    runs a hundred times as long, so that there is time to cancel it

Any other prompt succeeds; `blank` and `grainy` make its pictures plainer (`pictures.py`). The files of a job exist for
an hour after its end, or for as long as its house keeps them.
"""

import dataclasses
import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local.simulator.clock import Clock
from local.simulator.ledger import Ledger
from local.simulator.pictures import Sketch

Phase = Literal["queued", "running", "succeeded", "refused", "crashed", "canceled", "aborted"]

QUEUE_MEDIAN_SECONDS = 0.3
SPREAD = 0.35
"""Sigma of the lognormal distributions of queue and run."""
SLOW = 100
INLINE = "inline:"
KEPT_SECONDS = 3600.0
"""Replicate's documentation: input, output, logs and files go one hour after completion. The gateways say the same."""


@dataclass(frozen=True)
class Output:
    """A file that a job will have made when it has succeeded: where it is offered, and what is on it."""

    url: str
    sketch: Sketch


@dataclass
class Job:
    """One job. `queue_seconds` and `run_seconds` are as drawn, at speed 1; the rest are instants of the clock.

    `unknown_until` is when its house remembers it again, if it has forgotten it.
    """

    id: str
    number: int
    model: str
    inputs: Mapping[str, Any]
    outputs: tuple[Output, ...]
    fate: Phase
    queue_seconds: float
    run_seconds: float
    created: float
    started: float
    finished: float
    kept: float
    deadline: float = math.inf
    canceled: float = math.inf
    unknown_until: float = -math.inf

    @property
    def ended(self) -> float:
        """The instant of its end, as far as is known by now."""
        return min(self.finished, self.deadline, self.canceled)

    def phase(self, now: float) -> Phase:
        """Where it is. A deadline before the start aborts, a later one cancels (Replicate's changelog, 2025-10-16)."""
        if now < self.ended:
            return "queued" if now < self.started else "running"
        if self.ended == self.finished:
            return self.fate
        return "aborted" if self.ended == self.deadline < self.started else "canceled"

    def removed(self, now: float) -> bool:
        """Whether its data is gone."""
        return now >= self.ended + self.kept


class Jobs:
    """All jobs since the simulator started, over all keys: they are taken for keys of one account."""

    def __init__(self, clock: Clock, seed: int, ledger: Ledger) -> None:
        self._clock = clock
        self._seed = seed
        self._ledger = ledger
        self._jobs: dict[str, Job] = {}
        self._makers: dict[str, tuple[Job, Sketch]] = {}
        self._expired: set[str] = set()

    def create(
        self,
        job_id: str,
        *,
        model: str,
        prompt: str,
        inputs: Mapping[str, Any],
        outputs: tuple[Output, ...],
        median_seconds: float,
        key: str,
        cancel_after: float = math.inf,
        kept: float = KEPT_SECONDS,
        ending: Phase | None = None,
    ) -> Job:
        """A new job, charged to `key`; `ending` is its fate where that is not for the prompt to decide.

        `cancel_after` is its deadline in seconds from now, `kept` for how many seconds its files exist after its end.
        """
        number = len(self._jobs)
        draw = random.Random(f"{self._seed}/{number}")
        queue_seconds = draw.lognormvariate(math.log(QUEUE_MEDIAN_SECONDS), SPREAD)
        run_seconds = draw.lognormvariate(math.log(median_seconds), SPREAD) * (SLOW if "slow" in _words(prompt) else 1)
        created = self._clock.now()
        started = created + self._clock.lasting(queue_seconds)
        job = Job(
            id=job_id,
            number=number,
            model=model,
            inputs=inputs,
            outputs=outputs,
            fate=ending or fate(prompt),
            queue_seconds=queue_seconds,
            run_seconds=run_seconds,
            created=created,
            started=started,
            finished=started + self._clock.lasting(run_seconds),
            kept=self._clock.lasting(kept),
            deadline=created + self._clock.lasting(cancel_after),
        )
        self._jobs[job_id] = job
        for output in outputs:
            self._offer(job, output)
        self._ledger.charge(job_id, self._clock.rfc3339(created), model, prompt, key)
        return job

    def get(self, job_id: str) -> Job | None:
        """The job of that id, if there is one, whether or not its house knows."""
        return self._jobs.get(job_id)

    def known(self, job_id: str) -> Job | None:
        """The job of that id, if there is one that its house knows of."""
        job = self._jobs.get(job_id)
        return job if job and job.unknown_until <= self._clock.now() else None

    def newest_first(self) -> list[Job]:
        """All that their houses know of."""
        now = self._clock.now()
        return [job for job in reversed(self._jobs.values()) if job.unknown_until <= now]

    def forget(self, seconds: float) -> None:
        """Let the houses forget all jobs of until now, for so many seconds."""
        until = self._clock.now() + self._clock.lasting(seconds)
        for job in self._jobs.values():
            job.unknown_until = until

    def cancel(self, job: Job) -> None:
        """End the job now; one that has ended stays as it is."""
        now = self._clock.now()
        if now < job.ended:
            job.canceled = now

    def picture(self, url: str) -> Sketch | None:
        """What is on the file at `url`, as long as it exists: its job has succeeded, not too long ago."""
        job, sketch = self._makers.get(url, (None, None))
        now = self._clock.now()
        return sketch if job and job.phase(now) == "succeeded" and not job.removed(now) else None

    def another(self, job: Job) -> Output:
        """One more file of a job, where it offers those that it was asked for."""
        last = job.outputs[-1]
        output = Output(_beside(last.url, "more"), dataclasses.replace(last.sketch, number=len(job.outputs)))
        self._offer(job, output)
        return output

    def expire(self, url: str) -> bool:
        """Offer a file at another address from now on; whether there is such a file."""
        job, sketch = self._makers.get(url, (None, None))
        if not job or not sketch or not self.picture(url):
            return False
        del self._makers[url]
        self._expired.add(url)
        fresh = Output(_beside(url, "again"), sketch)
        job.outputs = tuple(fresh if output.url == url else output for output in job.outputs)
        self._offer(job, fresh)
        return True

    def expired(self, url: str) -> bool:
        """Whether a file was offered at `url`, and is no more."""
        return url in self._expired

    def _offer(self, job: Job, output: Output) -> None:
        self._makers[output.url] = job, output.sketch


def inline(job_id: str, sketch: Sketch) -> Output:
    """A file that goes into the reply: nobody can fetch it anywhere, its address only tells it from others."""
    return Output(f"{INLINE}{job_id}/{sketch.number}", sketch)


def _beside(url: str, word: str) -> str:
    """Another address for another name of a file."""
    place, _, name = url.rpartition("/")
    stem, dot, kind = name.partition(".")
    return f"{place}/{stem}-{word}{dot}{kind}"


def fate(prompt: str) -> Phase:
    """How a job with this prompt ends, if nobody stops it."""
    words = _words(prompt)
    if "nsfw" in words:
        return "refused"
    return "crashed" if "crash" in words else "succeeded"


def _words(prompt: str) -> set[str]:
    return set(re.findall(r"\w+", prompt.lower()))

"""Who stands at which host: the upstreams, and the gateways.

An upstream has a host of its own. The gateways of an installation are told of by its catalogue, of which only the facts
are read that a gateway's page would tell: its host, the path below which it speaks which protocol, the header that it
wants its key in, and what it sells. At every other host stands a gateway like the documented ones.
"""

import tomllib
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.simulator import fal, gemini, openai, replicate
from local.simulator.chance import Chance
from local.simulator.clock import Clock
from local.simulator.exchange import Dialect, Reply, Request, Step
from local.simulator.jobs import Jobs

ANY_GATEWAY = ""
"""The house at every host that has no house of its own."""
BEARER = "Authorization: Bearer {key}"

Mounts = Mapping[str, Dialect]
"""Dialects by the path that they are mounted at, without a slash at its end; the first that fits answers."""


def houses(clock: Clock, jobs: Jobs, chance: Chance, catalogue: Path | None = None) -> dict[str, Mounts]:
    """All of them, by host."""
    google = gemini.Upstream(clock, jobs, chance)
    upstreams: dict[str, Mounts] = {
        "api.replicate.com": {"/v1": replicate.Upstream(clock, jobs, chance)},
        "api.openai.com": {"/v1": openai.Upstream(clock, jobs, chance)},
        "queue.fal.run": {"": fal.Upstream(clock, jobs, chance)},
        "generativelanguage.googleapis.com": {"/v1beta": google, "/v1": google},
    }
    like_the_documented = {"replicate": "/replicate/v1", "fal": "", "gemini": "/v1beta", "openai": "/v1"}
    anybody = _mounts(clock, jobs, chance, like_the_documented, BEARER, ())
    return {**_told(clock, jobs, chance, catalogue), **upstreams, ANY_GATEWAY: anybody}


def _told(clock: Clock, jobs: Jobs, chance: Chance, catalogue: Path | None) -> dict[str, Mounts]:
    """The gateways of a catalogue."""
    document = _read(catalogue.read_text(encoding="utf-8")) if catalogue else {}
    routes = [route for model in document.get("models", {}).values() for route in model["routes"]]
    found = {}
    for name, gateway in document.get("gateways", {}).items():
        sold = [(str(route["dialect"]), str(route["model"])) for route in routes if route["gateway"] == name]
        mounts = _mounts(clock, jobs, chance, gateway["dialects"], gateway.get("auth", BEARER), sold)
        found[str(urlsplit(gateway["url"]).hostname)] = mounts
    return found


@lru_cache(maxsize=4)
def _read(catalogue: str) -> Mapping[str, Any]:
    return tomllib.loads(catalogue)


def _mounts(
    clock: Clock,
    jobs: Jobs,
    chance: Chance,
    paths: Mapping[str, str],
    auth: str,
    sold: Collection[tuple[str, str]],
) -> Mounts:
    """
    The longest path first, since the first that fits answers. `sold`: dialects and models; fal's begin with an owner.
    """
    mounts: dict[str, Dialect] = {}
    for dialect, path in paths.items():
        models = {model for spoken, model in sold if spoken == dialect}
        match dialect:
            case "replicate":
                mounts[path] = replicate.Gateway(clock, jobs, chance)
            case "gemini":
                mounts[path] = gemini.Gateway(clock, jobs, chance)
            case "openai":
                mounts[path] = openai.Gateway(clock, jobs, chance, models)
            case "fal":
                owners = {"fal-ai", *(model.partition("/")[0] for model in models if "/" in model)}
                mounts |= {f"{path}/{owner}": fal.Gateway(clock, jobs, chance, owner) for owner in owners}
    if auth != BEARER:
        mounts = {path: _Keyed(dialect, auth) for path, dialect in mounts.items()}
    return dict(sorted(mounts.items(), key=lambda mount: len(mount[0]), reverse=True))


class _Keyed:
    """A dialect at a gateway that wants its key in a header of its own."""

    def __init__(self, dialect: Dialect, auth: str) -> None:
        self._dialect = dialect
        self.queue = dialect.queue
        self._header, _, template = auth.partition(": ")
        self._before, _, self._after = template.partition("{key}")

    async def answer(self, request: Request) -> Reply:
        return await self._dialect.answer(request)

    def refuse(self) -> Reply:
        return self._dialect.refuse()

    def step(self, method: str, path: str, /) -> Step | None:
        return self._dialect.step(method, path)

    def error(self, status: int, /) -> Reply:
        return self._dialect.error(status)

    def credential(self, headers: Mapping[str, str], _query: Mapping[str, str], /) -> str:
        value = headers.get(self._header, "")
        if value.startswith(self._before) and value.endswith(self._after):
            return value.removeprefix(self._before).removesuffix(self._after)
        return ""

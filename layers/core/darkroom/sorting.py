"""
The rows of one file, judged one after the other: which can be made, where they go first, and what that would cost.

A row is judged by all that can be told without asking anybody: whether a picture that it refers to is there is seen
when its turn comes.
"""

import hashlib
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from darkroom import batches, catalogue, filing, http, manifests, posting, rehearsal, rows, submission, tables
from darkroom.batches import Batch, Stored
from darkroom.errors import CallerError, ForbiddenAddress, NoGatewayKey
from darkroom.order import BODY_CAP
from darkroom.route import Gateway
from darkroom.rows import Defaults
from darkroom.sheets import Fault, Line
from darkroom.streams import Upload

#: Hosts of webhooks that are looked up for one file: each may take seconds. Whoever posts to one looks it up again, and
#: goes only where it may.
HOSTS_CAP = 20
#: Characters of what is wrong with a row.
MESSAGE_CAP = 1000
#: Models that are remembered from row to row.
MODELS_CAP = 256


class Sorter:
    """
    Writes good rows to `good`, where each stands there to `index`, and bad ones to `bad`.

    errors: the first bad rows, as a manifest shows them.
    """

    def __init__(self, batch: Batch, defaults: Defaults, good: Upload, index: Upload, bad: Upload) -> None:
        self.errors = list[dict[str, Any]]()
        self._batch, self._defaults = batch, defaults
        self._good, self._index, self._bad = good, index, bad
        self._rows = self._refused = self._unpriced = 0
        self._total = 0.0
        self._inherited = len(rows.written(batch.defaults))
        self._name = tables.column if filing.form(batch.key) == "csv" else str
        self._seen = set[bytes]()
        self._limits = dict[str, int]()
        self._hosts = dict[str, str | None]()
        self._model = lru_cache(MODELS_CAP)(catalogue.catalogue().model)
        self._known = lru_cache(MODELS_CAP)(batches.known)

    def sort(self, line: Line) -> None:
        custom_id = rows.custom_id(line.document, line.number)
        if fault := line.fault or self._fault(line, custom_id):
            self._refuse(line, custom_id, fault)
            return
        try:
            gateway = self._judge(line)
        except CallerError as error:
            self._refuse(line, custom_id, Fault(error.code, rows.complaint(error, self._name)[:MESSAGE_CAP]))
            return
        except NoGatewayKey as error:
            self._refuse(line, custom_id, Fault(error.code, str(error)), retryable=True)
            return
        self._limits[gateway.name] = gateway.concurrency
        stored = Stored(line=line.number, custom_id=custom_id, gateway=gateway.name, document=line.document)
        written = rows.written(stored) + b"\n"
        place = {"line": line.number, "offset": self._good.position, "length": len(written)}
        self._good.write(written)
        self._index.write(rows.written(place) + b"\n")
        self._rows += 1

    def found(self) -> Batch:
        """The batch, with what its rows have turned out to be."""
        nothing_known = self._rows > 0 and self._unpriced == self._rows
        return replace(
            self._batch,
            rows=self._rows,
            bad=self._refused,
            limits=self._limits,
            price={
                "currency": "USD",
                "total": None if nothing_known else round(self._total, 6),
                "unpriced": self._unpriced,
            },
        )

    def _fault(self, line: Line, custom_id: str) -> Fault | None:
        """What is wrong with a row, whatever it asks for."""
        if self._repeated(custom_id):
            return Fault("duplicate_custom_id", "An earlier line has this custom_id.")
        if self._inherited + len(rows.written(line.document)) > BODY_CAP:
            return Fault("row_too_large", f"With its defaults, the row is larger than {BODY_CAP // 1024} KB.")
        return None

    def _judge(self, line: Line) -> Gateway:
        """The gateway that a row goes to first. Raises InvalidOrder, UnknownModel, NoGatewayKey."""
        row = rows.read(line.document, line.number, self._defaults, self._batch.picture, self._known)
        model = self._model(row.model)
        ways = submission.examined(row.order, model, self._batch.tenant, look=False, examine=self._examine)
        if (first := next(posting.payable(ways), None)) is None:
            raise NoGatewayKey("No gateway that could make this has a key here yet. The operator can put one.")
        price = rehearsal.price_of(first, model, row.order.input)
        total = price["total"] if price else None
        self._total += total or 0
        self._unpriced += total is None
        return first.route.gateway

    def _refuse(self, line: Line, custom_id: str, fault: Fault, *, retryable: bool = False) -> None:
        error = {"code": fault.code, "message": fault.message, "retryable": retryable, "may_be_billed": False}
        self._bad.write(rows.written(rows.with_error(line.document, line.number, error, self._batch.picture)) + b"\n")
        self._refused += 1
        if len(self.errors) < manifests.ERRORS_SHOWN:
            told = {"line": line.number, "custom_id": custom_id, "code": fault.code, "message": fault.message}
            self.errors.append(told)

    def _repeated(self, custom_id: str) -> bool:
        digest = hashlib.blake2b(custom_id.encode(), digest_size=16).digest()
        before = len(self._seen)
        self._seen.add(digest)
        return len(self._seen) == before

    def _examine(self, url: str) -> None:
        parts = urlsplit(url)
        host = f"{parts.scheme}://{parts.netloc}"
        if host not in self._hosts and len(self._hosts) < HOSTS_CAP:
            self._hosts[host] = _complaint(host)
        if complaint := self._hosts.get(host):
            raise ForbiddenAddress(complaint)


def _complaint(url: str) -> str | None:
    try:
        http.examine(url)
    except ForbiddenAddress as error:
        return str(error)
    return None

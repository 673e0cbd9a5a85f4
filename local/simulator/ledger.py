"""What was requested and what was charged: the gateway's side of the story, for tests to compare with ours.

A charge is a job that was made, whatever became of the reply: that is what a gateway puts on the bill. Replicate does
not bill a prediction that was aborted before it started; it is listed all the same, because the question here is how
often work was accepted.
"""

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Charge:
    """One job: when it was accepted, what for, and which key pays."""

    at: str
    model: str
    prompt_sha256: str
    key: str


@dataclass(frozen=True)
class Line:
    """One request. `status` is None where there was no answer, `astray` is a request to a stranger."""

    at: str
    method: str
    host: str
    path: str
    status: int | None
    authorized: bool
    leaked_key: bool
    astray: bool


@dataclass
class Ledger:
    """Charges by job, and requests in the order of their answers, without those to the control door and /health."""

    charges: dict[str, Charge] = field(default_factory=dict)
    requests: list[Line] = field(default_factory=list)

    def charge(self, job_id: str, at: str, model: str, prompt: str, key: str) -> None:
        """Put a new job on the bill. The prompt itself is not kept."""
        self.charges[job_id] = Charge(at, model, hashlib.sha256(prompt.encode()).hexdigest(), key)

    def note(self, line: Line) -> None:
        """Remember a request."""
        self.requests.append(line)

    def statement(self) -> dict[str, Any]:
        """All of it, and how many requests went `astray` or carried a key to where none belongs (`leaked_keys`)."""
        return {
            "charges": {job_id: asdict(charge) for job_id, charge in self.charges.items()},
            "requests": [asdict(line) for line in self.requests],
            "astray": sum(line.astray for line in self.requests),
            "leaked_keys": sum(line.leaked_key for line in self.requests),
        }

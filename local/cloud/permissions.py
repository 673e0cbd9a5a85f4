"""
Who may do what: the statements of the template's roles, held against what functions and state machines do.

A function's processes sign with its logical id as their access key, so that a request tells whose it is, and so does
S3's client for a state machine; anybody else is the operator, who may do everything. What functions used is kept, for
tests that look for what is granted in vain.
"""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from local.cloud.buckets import asked_for, where

Statement = dict[str, Any]

_SIGNER = re.compile(r"Credential=(\w+)/|X-Amz-Credential=(\w+)%2F")
_SERVICES = {"DynamoDB_20120810": "dynamodb", "AmazonSSM": "ssm", "AWSStepFunctions": "states", "AmazonSQS": "sqs"}
# By method and what the query is about: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
_OBJECT_ACTIONS: dict[tuple[str, frozenset[str]], str] = {
    ("GET", frozenset()): "s3:GetObject",
    ("HEAD", frozenset()): "s3:GetObject",
    ("GET", frozenset({"versionId"})): "s3:GetObjectVersion",
    ("HEAD", frozenset({"versionId"})): "s3:GetObjectVersion",
    ("GET", frozenset({"uploadId"})): "s3:ListMultipartUploadParts",
    ("PUT", frozenset()): "s3:PutObject",
    ("PUT", frozenset({"partNumber", "uploadId"})): "s3:PutObject",
    ("POST", frozenset({"uploads"})): "s3:PutObject",
    ("POST", frozenset({"uploadId"})): "s3:PutObject",
    ("DELETE", frozenset()): "s3:DeleteObject",
    ("DELETE", frozenset({"versionId"})): "s3:DeleteObjectVersion",
    ("DELETE", frozenset({"uploadId"})): "s3:AbortMultipartUpload",
}
_LISTING = {
    "list-type",
    "prefix",
    "delimiter",
    "max-keys",
    "continuation-token",
    "start-after",
    "encoding-type",
    "marker",
}


@dataclass(frozen=True)
class Act:
    """What somebody does: `who` is the logical id of a function or of a state machine."""

    who: str
    action: str  # dynamodb:PutItem
    resource: str  # an ARN, without its region and account


@dataclass
class Permissions:
    """`used` is every act of a function that was allowed."""

    used: set[Act] = field(default_factory=set)
    _roles: dict[str, list[Statement]] = field(default_factory=dict)
    _granted: dict[str, list[Statement]] = field(default_factory=dict)
    _machines: dict[str, str] = field(default_factory=dict)  # ARN to logical id

    def define(self, role: str, statements: list[Statement]) -> None:
        """A role, by its ARN."""
        self._roles[role] = statements

    def extend(self, role: str, statements: list[Statement]) -> None:
        """More statements for a role, by its name; whoever has taken it has them too."""
        (found,) = (kept for arn, kept in self._roles.items() if arn.rsplit("/", 1)[1] == role)
        found += statements

    def grant(self, who: str, role: str, machine_arn: str | None = None) -> None:
        """Let a function, or a state machine, take a role."""
        self._granted[who] = self._roles[role]
        if machine_arn:
            self._machines[machine_arn] = who

    def machine(self, arn: str) -> str:
        """The logical id of a state machine."""
        return self._machines[arn]

    def granted(self) -> Iterator[Act]:
        """Every action that some function may take, with the pattern of the resources on which it may."""
        for who in self._granted.keys() - self._machines.values():
            yield from self._allowed(who)

    def permits(self, machine_arn: str, action: str, resource: str) -> bool:
        """Whether a state machine may do something to what an ARN names."""
        act = Act(self._machines[machine_arn], action, _placeless(resource))
        return any(covers(allowed, act) for allowed in self._allowed(act.who))

    def refuse(self, environ: dict[str, Any]) -> Act | None:
        """The act that a request (WSGI's) must not do; None if it may."""
        signed = _SIGNER.search(environ.get("HTTP_AUTHORIZATION", "") + environ.get("QUERY_STRING", ""))
        who = (signed[1] or signed[2]) if signed else ""
        if who not in self._granted:
            return None
        allowed = list(self._allowed(who))
        acts = [Act(who, action, resource) for action, resource in _asked(environ)]
        for act in acts:
            if not any(covers(one, act) for one in allowed):
                return act
        if who not in self._machines.values():
            self.used.update(acts)
        return None

    def _allowed(self, who: str) -> Iterator[Act]:
        for statement in self._granted[who]:
            for action in _several(statement["Action"]):
                for resource in _several(statement["Resource"]):
                    yield Act(who, action, _placeless(resource))


def covers(allowed: Act, act: Act) -> bool:
    """Whether what is granted allows an act."""
    same = (allowed.who, allowed.action) == (act.who, act.action)
    return same and fnmatchcase(act.resource, allowed.resource)


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _placeless(arn: str) -> str:
    """arn:aws:dynamodb:us-east-1:123456789012:table/tasks is dynamodb:table/tasks: there is one region and account."""
    _, _, service, _, _, resource = arn.split(":", 5)
    return f"{service}:{resource}"


def _asked(environ: dict[str, Any]) -> list[tuple[str, str]]:
    """The actions of a request, each with its resource."""
    target, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
    if service := _SERVICES.get(target):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        return [(f"{service}:{operation}", _resource(service, json.loads(body)))]
    bucket, key = where(environ)
    method, about = environ["REQUEST_METHOD"], frozenset(asked_for(environ))
    if not key:
        listed = method in ("GET", "HEAD") and about <= _LISTING
        return [("s3:ListBucket" if listed else f"{method} {sorted(about)}", f"s3:{bucket}")]
    asked = [(_OBJECT_ACTIONS.get((method, about), f"{method} {sorted(about)}"), f"s3:{bucket}/{key}")]
    if source := environ.get("HTTP_X_AMZ_COPY_SOURCE"):
        copied, _, version = source.removeprefix("/").partition("?versionId=")
        asked.append(("s3:GetObjectVersion" if version else "s3:GetObject", f"s3:{unquote(copied)}"))
    if method == "PUT" and "HTTP_IF_MATCH" in environ:  # it says what is there
        asked.append(("s3:GetObject", f"s3:{bucket}/{key}"))
    return asked


def _resource(service: str, parameters: dict[str, Any]) -> str:
    match service:
        case "dynamodb":
            index = f"/index/{parameters['IndexName']}" if "IndexName" in parameters else ""
            table = parameters.get("TableName") or next(iter(parameters.get("RequestItems", {})), "")
            return f"dynamodb:table/{table}{index}"
        case "ssm":
            return f"ssm:parameter{parameters.get('Name', '')}"
        case "sqs":
            return f"sqs:{parameters.get('QueueUrl', '').rsplit('/', 1)[-1]}"
        case _:
            return _placeless(parameters.get("stateMachineArn", ":::::"))

"""
Who may do what: the statements of the template's roles, held against each request that a function makes.

A function's processes sign with its logical id as their access key, so that a request tells whose it is; anybody else
is the operator, who may do everything. What was used is kept, for tests that look for what is granted in vain.
"""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

Statement = dict[str, Any]

_SIGNER = re.compile(r"Credential=(\w+)/|X-Amz-Credential=(\w+)%2F")
_SERVICES = {"DynamoDB_20120810": "dynamodb", "AmazonSSM": "ssm", "AWSStepFunctions": "states"}
_OBJECT_ACTIONS = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "DELETE": "s3:DeleteObject"}


@dataclass(frozen=True)
class Act:
    """What somebody does: `who` is a function's logical id."""

    who: str
    action: str  # dynamodb:PutItem
    resource: str  # an ARN, without its region and account


@dataclass
class Permissions:
    """`used` is every act that was allowed."""

    used: set[Act] = field(default_factory=set)
    _roles: dict[str, list[Statement]] = field(default_factory=dict)
    _granted: dict[str, list[Statement]] = field(default_factory=dict)

    def define(self, role: str, statements: list[Statement]) -> None:
        """A role, by its ARN."""
        self._roles[role] = statements

    def grant(self, who: str, role: str) -> None:
        """Let a function take a role."""
        self._granted[who] = self._roles[role]

    def granted(self) -> Iterator[Act]:
        """Every action that some function may take, with the pattern of the resources on which it may."""
        for who, statements in self._granted.items():
            for statement in statements:
                for action in _several(statement["Action"]):
                    for resource in _several(statement["Resource"]):
                        yield Act(who, action, _placeless(resource))

    def refuse(self, environ: dict[str, Any]) -> Act | None:
        """The act that a request (WSGI's) must not do; None if it may."""
        signed = _SIGNER.search(environ.get("HTTP_AUTHORIZATION", "") + environ.get("QUERY_STRING", ""))
        who = (signed[1] or signed[2]) if signed else ""
        if who not in self._granted:
            return None
        act = Act(who, *_asked(environ))
        if any(covers(allowed, act) for allowed in self.granted()):
            self.used.add(act)
            return None
        return act


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


def _asked(environ: dict[str, Any]) -> tuple[str, str]:
    """The action and the resource of a request."""
    target, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
    if service := _SERVICES.get(target):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        return f"{service}:{operation}", _resource(service, json.loads(body))
    bucket_and_key = unquote(environ["PATH_INFO"]).lstrip("/")
    return _OBJECT_ACTIONS.get(environ["REQUEST_METHOD"], environ["REQUEST_METHOD"]), f"s3:{bucket_and_key}"


def _resource(service: str, parameters: dict[str, Any]) -> str:
    match service:
        case "dynamodb":
            index = f"/index/{parameters['IndexName']}" if "IndexName" in parameters else ""
            table = parameters.get("TableName") or next(iter(parameters.get("RequestItems", {})), "")
            return f"dynamodb:table/{table}{index}"
        case "ssm":
            return f"ssm:parameter{parameters.get('Name', '')}"
        case _:
            return _placeless(parameters.get("stateMachineArn", ":::::"))

"""The OpenAPI document: made from the code, the same as what is served, and valid."""

import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from local import openapi
from tests.conftest import ORIGIN, call, document, event, template

pytestmark = pytest.mark.usefixtures("account")


def served() -> dict[str, Any]:
    sent = event("models", rawPath="/openapi.json")
    sent["requestContext"]["http"]["path"] = "/openapi.json"
    return document(call("models", sent))


def test_the_document_is_what_the_code_says() -> None:
    assert openapi.FILE.read_text(encoding="utf-8") == openapi.text(), "make openapi writes it anew"


def test_what_is_served_names_our_own_host() -> None:
    found = served()
    assert found.pop("servers") == [{"url": ORIGIN}]
    assert found == json.loads(openapi.text())


def test_every_route_of_the_template_is_in_it_and_no_other() -> None:
    routed = template()["Resources"]["Api"]["Properties"]["Body"]["paths"]
    told = served()["paths"]
    assert {path: set(methods) for path, methods in told.items()} == {
        path: set(methods) - {"options"} for path, methods in routed.items()
    }


def test_who_needs_no_key_is_told_so() -> None:
    opened = {
        path for path, methods in served()["paths"].items() for each in methods.values() if each.get("security") == []
    }
    assert opened == {"/health", "/openapi.json", "/v1/files/{task_id}/{name}"}


def test_every_error_is_a_problem_but_what_http_api_says_itself() -> None:
    for methods in served()["paths"].values():
        for operation in methods.values():
            for status, reply in operation["responses"].items():
                kinds = set(reply.get("content", {}))
                if status in ("401", "403"):
                    assert kinds == {"application/json"}
                elif status >= "400":
                    assert kinds == {"application/problem+json"}


def test_it_is_openapi() -> None:
    OpenAPIV31SpecValidator(served()).validate()

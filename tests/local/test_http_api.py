from collections.abc import Iterator

import httpx
import pytest

from local.cloud.cloud import Cloud
from local.cloud.http import server as http_api
from tests.local.conftest import eventually


@pytest.fixture
def caller(cloud: Cloud) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=cloud.api_url, timeout=20) as client:
        yield client


def refusal(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/json"
    return response.status_code, response.json()["message"]


def test_a_request_reaches_its_function_as_an_event(caller: httpx.Client, cloud: Cloud) -> None:
    event = caller.post("/open/a%20b/c?x=1&x=2", json={"n": 1}, headers={"Cookie": "k=v"}).json()
    assert (event["routeKey"], event["rawPath"], event["rawQueryString"]) == (
        "ANY /open/{proxy+}",
        "/open/a b/c",
        "x=1&x=2",
    )
    assert event["pathParameters"] == {"proxy": "a b/c"}
    assert event["queryStringParameters"] == {"x": "1,2"}
    assert event["cookies"] == ["k=v"]
    assert event["body"] == '{"n":1}'
    context = event["requestContext"]
    assert context["http"]["method"] == "POST"
    assert f"http://{context['domainName']}" == cloud.api_url
    assert context["apiId"] == cloud.resources["Api"]
    assert "authorizer" not in context


def test_a_response_reaches_its_caller(caller: httpx.Client) -> None:
    response = caller.get("/open/cookies")
    assert (response.status_code, response.text, response.headers["x-two"]) == (201, "made", "2")
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2; Path=/"]
    assert caller.get("/open/bare").json() == {"bare": True}
    picture = caller.get("/open/binary")
    assert (picture.content, picture.headers["content-type"]) == (b"\x89PNG", "image/png")


def test_the_faults_of_a_function_are_nobodys_business(caller: httpx.Client) -> None:
    assert refusal(caller.get("/open/raise")) == (500, "Internal Server Error")
    assert refusal(caller.get("/open/malformed")) == (500, "Internal Server Error")


def test_where_no_route_is_nothing_is_found(caller: httpx.Client) -> None:
    assert refusal(caller.get("/")) == (404, "Not Found")
    assert refusal(caller.post("/closed/x", headers={"Authorization": "good"})) == (404, "Not Found")


def test_a_body_may_have_ten_megabytes(caller: httpx.Client) -> None:
    assert refusal(caller.post("/nowhere", content=b"x" * (10 * 1024 * 1024 + 1))) == (413, "Request Entity Too Large")
    assert refusal(caller.post("/nowhere", content=b"x" * (10 * 1024 * 1024))) == (404, "Not Found")
    assert refusal(caller.post("/open/x", content=b"x" * (6 * 1024 * 1024))) == (413, "Request Entity Too Large")
    assert caller.post("/open/bare", content=b"x" * 1024 * 1024).status_code == 200


def test_a_caller_waits_thirty_seconds_and_the_function_goes_on(
    caller: httpx.Client, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_api, "INTEGRATION_SECONDS", 0.2)
    assert refusal(caller.get("/open/slow")) == (503, "Service Unavailable")
    eventually(lambda: "went on to its end" in cloud.log_lines("Echo"))


def asked(cloud: Cloud) -> int:
    return sum(line.startswith("asked") for line in cloud.log_lines("Authorize"))


def test_without_a_key_the_authorizer_is_not_even_asked(caller: httpx.Client, cloud: Cloud) -> None:
    before = asked(cloud)
    assert refusal(caller.get("/closed/x")) == (401, "Unauthorized")
    assert refusal(caller.get("/closed/x", headers={"Authorization": ""})) == (401, "Unauthorized")
    assert asked(cloud) == before


def test_an_answer_of_the_authorizer_is_kept(caller: httpx.Client, cloud: Cloud) -> None:
    first = caller.get("/closed/x?q=1", headers={"Authorization": "good"})
    before = asked(cloud)
    again = caller.get("/closed/y", headers={"Authorization": "good"})
    assert asked(cloud) == before
    context = again.json()["requestContext"]["authorizer"]["lambda"]
    assert context == first.json()["requestContext"]["authorizer"]["lambda"]
    assert context["tenant"] == "somebody"
    question = context["asked"]
    assert (question["version"], question["type"], question["identitySource"]) == ("2.0", "REQUEST", ["good"])
    assert question["routeArn"].endswith("/$default/GET/closed/x")
    assert (question["routeKey"], question["pathParameters"]) == ("GET /closed/{name}", {"name": "x"})


def test_a_refusal_is_kept_too(caller: httpx.Client, cloud: Cloud) -> None:
    assert refusal(caller.get("/closed/x", headers={"Authorization": "bad"})) == (403, "Forbidden")
    before = asked(cloud)
    assert refusal(caller.get("/closed/x", headers={"Authorization": "bad"})) == (403, "Forbidden")
    assert asked(cloud) == before


@pytest.mark.parametrize("key", ["strange", "raises"])
def test_an_authorizer_that_fails_lets_nobody_in(caller: httpx.Client, cloud: Cloud, key: str) -> None:
    assert refusal(caller.get("/closed/x", headers={"Authorization": key})) == (500, "Internal Server Error")
    before = asked(cloud)
    assert refusal(caller.get("/closed/x", headers={"Authorization": key})) == (500, "Internal Server Error")
    assert asked(cloud) == before + 1

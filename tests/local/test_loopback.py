"""What leaves a function: to this machine as it is, to anywhere else as a request to the simulator."""

import json
import time

import httpx
import pytest

from local.cloud.cloud import Cloud
from local.cloud.errors import FunctionFailed
from local.cloud.functions.loopback import Loopback


def test_a_gateway_is_the_simulator_under_its_own_name(cloud: Cloud) -> None:
    reply = cloud.invoke("Outbound", {"url": "https://api.replicate.com/v1/models?a=b"})
    assert json.loads(reply["body"]) == {"host": "api.replicate.com", "path": "/v1/models?a=b"}


def test_this_machine_is_reached_as_it_is(cloud: Cloud, simulator: str) -> None:
    reply = cloud.invoke("Outbound", {"url": f"{simulator}/hook"})
    assert json.loads(reply["body"]) == {"host": simulator.removeprefix("http://"), "path": "/hook"}


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://127.1/",
        "https://printer.local/",
        "http://api.replicate.com/",
        "https://api.replicate.com:22/",
    ],
)
def test_what_production_refuses_is_refused(cloud: Cloud, url: str) -> None:
    with pytest.raises(FunctionFailed) as failure:
        cloud.invoke("Outbound", {"url": url})
    assert failure.value.payload["errorType"] == "ForbiddenAddress"


def test_a_public_address_is_the_simulator_too(cloud: Cloud) -> None:
    assert json.loads(cloud.invoke("Outbound", {"url": "https://1.1.1.1/x"})["body"])["host"] == "1.1.1.1"


def test_a_connection_that_was_not_to_be_was_not_sent_anything(cloud: Cloud) -> None:
    with pytest.raises(FunctionFailed) as failure:
        cloud.invoke("Outbound", {"url": "https://api.replicate.com/network/refused"})
    assert failure.value.payload["errorType"] == "NotSent"


@pytest.mark.parametrize(
    ("how", "error", "seconds"),
    [
        ("refused", httpx.ConnectError, 0.0),
        ("untrusted", httpx.ConnectError, 0.0),
        ("unreachable", httpx.ConnectTimeout, 0.3),
    ],
)
def test_a_connection_fails_as_the_simulator_says(
    simulator: str, how: str, error: type[httpx.TransportError], seconds: float
) -> None:
    timeout = httpx.Timeout(5, connect=0.3).as_dict()
    request = httpx.Request("GET", f"https://api.replicate.com/network/{how}", extensions={"timeout": timeout})
    started = time.monotonic()
    with Loopback(simulator) as way, pytest.raises(error) as raised:
        way.handle_request(request)
    assert type(raised.value) is error
    assert time.monotonic() - started >= seconds

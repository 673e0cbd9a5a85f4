import asyncio
import json

import pytest

from local.cloud import schedules
from local.cloud.errors import CloudError
from local.cloud.functions.worker import Result
from local.cloud.schedules import Schedules, period


@pytest.mark.parametrize(
    ("expression", "seconds"), [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(1 day)", 86_400)]
)
def test_a_rate_is_a_number_of_seconds(expression: str, seconds: int) -> None:
    assert period(expression) == seconds


@pytest.mark.parametrize("expression", ["cron(0 12 * * ? *)", "rate(soon)", "at(2030-01-01T00:00:00)"])
def test_other_schedules_are_refused(expression: str) -> None:
    with pytest.raises(CloudError, match="not a schedule"):
        period(expression)


def test_a_rule_fires_again_and_again_whatever_its_function_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "AT_LEAST", 0)
    events: list[dict[str, object]] = []
    slept: list[float] = []

    async def invoke(function: str, payload: bytes) -> Result:
        assert function == "arn:sweep"
        events.append(json.loads(payload))
        if len(events) == 1:
            raise RuntimeError("once")
        await asyncio.sleep(60)
        return Result(b"null")

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0.001)

    async def story() -> None:
        made = Schedules("1", invoke, sleep)
        made.add("arn:rule", "rate(1 minute)", "arn:sweep")
        await made.start()
        while len(events) < 3:
            await asyncio.sleep(0.001)
        await made.stop()

    asyncio.run(story())
    assert set(slept) == {60}
    event = events[0]
    assert (event["source"], event["detail-type"], event["resources"]) == (
        "aws.events",
        "Scheduled Event",
        ["arn:rule"],
    )

"""A webhook secret is changed while webhooks go out: operate.py, functions/account.py, functions/deliver.py."""

import io
import json
import re
from datetime import UTC, datetime, tzinfo

import httpx
import pytest
import standardwebhooks.webhooks
from hypothesis import given
from hypothesis import strategies as st
from replicate.webhook import InvalidSignatureError, Webhooks, WebhookSigningSecret
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

import operate
from darkroom import aws, keys, rotation
from darkroom.rotation import Secrets
from tests.conftest import CREATE, RECEIVER, WEBHOOK_SECRET, Account, Clock, Wire, call, conclude, event, order, submit
from tests.test_redelivery import ask

HOUR = 3_600


class Stack:
    """A stack whose secret is rotated, whose webhooks are sent again, and whose receiver asks for the secret."""

    def __init__(self, account: Account, wire: Wire, time: Clock, patch: pytest.MonkeyPatch) -> None:
        self.account, self.wire, self.time, self.patch = account, wire, time, patch

    def operate(self, *words: str) -> tuple[int, str]:
        """The exit status and what was printed. What functions know already stays known to them."""
        printed = io.StringIO()
        self.patch.setattr("sys.argv", ["operate.py", "--stack", self.account.stack, "webhook-secret", *words])
        self.patch.setattr("sys.stdout", printed)
        self.patch.setattr("sys.stderr", printed)
        return operate.main(), printed.getvalue()

    def rotate(self, *words: str) -> str:
        """The new secret."""
        status, printed = self.operate("default", "--rotate", *words)
        assert status == 0
        (secret,) = re.findall(r"^webhook secret: (whsec_\S{32})$", printed, re.MULTILINE)
        return str(secret)

    def shown(self) -> str:
        """What a receiver is told to verify with, by a function that has just been started and knows nothing yet."""
        sent = event("account", rawPath="/v1/webhooks/default/secret")
        sent["requestContext"]["http"]["path"] = sent["rawPath"]
        with self.patch.context() as started:
            started.setattr(keys, "_parameter", keys._parameter.__wrapped__)
            key: str = json.loads(call("account", sent)["body"])["key"]
        return key

    def told(self) -> httpx.Request:
        """The next webhook that goes out."""
        task = self.account.task()
        assert ask(task.task_id, "redeliver")["statusCode"] == 202
        step = {"v": 1, "task_id": task.task_id, "generation": task.generation + 1, "wait": 0, "turn": 0}
        assert call("deliver", step)["next"] == "done"
        return self.wire.sent("POST", RECEIVER)[-1]


@pytest.fixture
def stack(account: Account, wire: Wire, time: Clock, monkeypatch: pytest.MonkeyPatch) -> Stack:
    class Moment(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Moment":
            return cls.fromtimestamp(time.now / 1000, tz)

    # Standard Webhooks' verifier looks at the clock on the wall.
    monkeypatch.setattr(standardwebhooks.webhooks, "datetime", Moment)
    wire.on("POST", CREATE, httpx.Response(422, json={"detail": "no"}))
    wire.on("POST", RECEIVER, httpx.Response(204))
    submit(order(webhook=RECEIVER))
    conclude(account.task())
    return Stack(account, wire, time, monkeypatch)


def believed(told: httpx.Request, secret: str) -> bool:
    """By a receiver that was written for Standard Webhooks, and by one for Replicate; they agree."""
    try:
        Webhooks.validate(request=told, secret=WebhookSigningSecret(key=secret))
    except InvalidSignatureError:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(told.content, dict(told.headers))
        return False
    Webhook(secret).verify(told.content, dict(told.headers))
    return True


def test_during_an_overlap_either_secret_verifies_and_after_it_the_new_one_alone(stack: Stack) -> None:
    new = stack.rotate()
    assert new != WEBHOOK_SECRET
    for hours, before in ((0.1, True), (12, True), (11.8, True), (0.2, False), (1000, False)):
        stack.time.forward(hours * HOUR)
        told = stack.told()
        assert (believed(told, new), believed(told, WEBHOOK_SECRET)) == (True, before)
        assert len(told.headers["webhook-signature"].split(" ")) == 1 + before


def test_the_newest_signature_comes_first(stack: Stack) -> None:
    new = stack.rotate()
    stack.time.forward(61)
    told = stack.told()
    newest, before = told.headers["webhook-signature"].split(" ")
    for secret, signature in ((new, newest), (WEBHOOK_SECRET, before)):
        moment = datetime.fromtimestamp(int(told.headers["webhook-timestamp"]), UTC)
        assert Webhook(secret).sign(told.headers["webhook-id"], moment, told.content.decode()) == signature


def test_a_receiver_that_asks_for_the_secret_at_any_time_believes_whatever_comes_from_then_on(stack: Stack) -> None:
    """Functions that have just read the old secret know no other for a minute, and sign with that alone."""
    assert stack.shown() == WEBHOOK_SECRET
    asked = {stack.shown()}
    stack.told()
    new = stack.rotate("--overlap", "1")
    for _ in range(12):
        asked.add(stack.shown())
        told = stack.told()
        assert all(believed(told, secret) for secret in asked)
        stack.time.forward(20)
    assert asked == {WEBHOOK_SECRET, new}
    assert stack.shown() == new


def test_the_new_secret_is_shown_only_when_every_function_has_read_it() -> None:
    assert rotation.READ_MS >= 2 * keys.MAX_AGE_MS


def test_an_overlap_has_the_hours_that_it_is_given(stack: Stack) -> None:
    stack.rotate("--overlap", "2")
    stack.time.forward(2 * HOUR - 1)
    assert believed(stack.told(), WEBHOOK_SECRET)
    stack.time.forward(1)
    assert not believed(stack.told(), WEBHOOK_SECRET)


def test_a_secret_that_leaked_signs_no_more_within_a_minute(stack: Stack) -> None:
    new = stack.rotate("--overlap", "0")
    keys.forget()
    told = stack.told()
    assert (believed(told, new), believed(told, WEBHOOK_SECRET), stack.shown()) == (True, False, new)


def test_a_third_secret_does_not_push_out_one_that_was_promised_to_sign(stack: Stack) -> None:
    second = stack.rotate()
    status, printed = stack.operate("default", "--rotate")
    assert (status, "--overlap 0" in printed, "whsec_" in printed) == (1, True, False)
    keys.forget()
    assert believed(stack.told(), second)
    assert believed(stack.told(), WEBHOOK_SECRET)
    third = stack.rotate("--overlap", "0")
    keys.forget()
    assert [believed(stack.told(), secret) for secret in (third, second, WEBHOOK_SECRET)] == [True, False, False]


def test_when_an_overlap_is_over_the_next_may_begin(stack: Stack) -> None:
    second = stack.rotate("--overlap", "1")
    stack.time.forward(HOUR)
    third = stack.rotate("--overlap", "1")
    keys.forget()
    assert [believed(stack.told(), secret) for secret in (third, second, WEBHOOK_SECRET)] == [True, True, False]


def test_what_stands_is_shown_to_the_operator(stack: Stack) -> None:
    assert stack.operate("default") == (0, f"webhook secret: {WEBHOOK_SECRET}\n")
    new = stack.rotate()
    status, printed = stack.operate("default")
    assert status == 0
    assert printed.splitlines()[0] == f"webhook secret: {new}"
    assert re.fullmatch(
        rf"one before: +{re.escape(WEBHOOK_SECRET)} +signs, too, until \S+ \S+Z", printed.splitlines()[1]
    )
    stack.time.forward(24 * HOUR)
    assert stack.operate("default") == (0, f"webhook secret: {new}\n")


@pytest.mark.parametrize("words", [("nobody", "--rotate"), ("default", "--rotate", "--overlap", "-1")], ids=str)
def test_what_cannot_be_rotated_stays_as_it_is(stack: Stack, words: tuple[str, ...]) -> None:
    status, printed = stack.operate(*words)
    assert (status, printed.count("\n")) == (1, 1)
    keys.forget()
    assert stack.shown() == WEBHOOK_SECRET


@pytest.mark.parametrize("held", ["hunter2", "whsec_YQ whsec_Yg hunter2 6"])
def test_what_is_no_secret_is_replaced_and_signs_nothing(stack: Stack, held: str) -> None:
    stack.account.put("tenants/default/webhook-secret", held)
    for words in ((), ("--rotate",)):
        status, printed = stack.operate("default", *words)
        assert (status, "--rotate --overlap 0" in printed, "hunter2" in printed) == (1, True, False)
    new = stack.rotate("--overlap", "0")
    keys.forget()
    told = stack.told()
    assert (believed(told, new), len(told.headers["webhook-signature"].split(" "))) == (True, 1)


def test_a_rotated_secret_is_still_stored_encrypted(stack: Stack) -> None:
    stack.rotate()
    name = f"/{stack.account.stack}/tenants/default/webhook-secret"
    assert aws.ssm().get_parameter(Name=name)["Parameter"]["Type"] == "SecureString"


@given(st.builds(Secrets, st.just("whsec_YQ=="), st.sampled_from(["", "whsec_Yg"]), st.integers(0), st.integers(0)))
def test_what_was_written_is_read(held: Secrets) -> None:
    assert rotation.read(str(held)) == (held if held.before else Secrets(held.current))


def test_a_secret_of_the_version_before_is_a_secret() -> None:
    assert rotation.read(f"{WEBHOOK_SECRET}\n").signing(0) == (WEBHOOK_SECRET,)
    a, b = "whsec_YQ==", "whsec_Yg"
    times = ("", "1", "1 2 3", "soon later", "-1 2", "1 b")
    secrets = ("", "whsec_", "whsec_a", "whsec_a-b_", "whsec_YQ!=", "YQ==")
    for broken in (*(f"{a} {b} {each}" for each in times), *secrets, *(f"{a} {each} 1 2" for each in secrets[1:])):
        with pytest.raises(ValueError, match="this is neither a webhook secret nor two with their times"):
            rotation.read(broken)

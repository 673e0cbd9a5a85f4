"""The operator's command: operate.py."""

import io
import re

import pytest

import operate
from darkroom import aws, catalogue, keys, settings
from tests.conftest import Account, Clock, call, event


class Operator:
    """Types commands, and reads what they print."""

    def __init__(self, stack: str, patch: pytest.MonkeyPatch, screen: pytest.CaptureFixture[str]) -> None:
        self._stack = stack
        self._patch = patch
        self._screen = screen

    def __call__(self, *words: str, stdin: str = "") -> tuple[int, str, str]:
        """The exit status, and what was written to standard output and to standard error."""
        self._patch.setattr("sys.argv", ["operate.py", "--stack", self._stack, *words])
        self._patch.setattr("sys.stdin", io.StringIO(stdin))
        self._screen.readouterr()
        status = operate.main()
        keys.forget()
        return status, *self._screen.readouterr()


@pytest.fixture
def run(account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Operator:
    # A plain String, as template.yaml makes it.
    name = f"/{account.stack}/tenants-table"
    aws.ssm().put_parameter(Name=name, Value=settings.tenants_table(), Type="String", Overwrite=True)
    return Operator(account.stack, monkeypatch, capsys)


def kind(account: Account, parameter: str) -> str:
    return aws.ssm().get_parameter(Name=f"/{account.stack}/{parameter}")["Parameter"]["Type"]


def printed_key(printed: str) -> str:
    found = re.search(r"^API key: +(\S+)$", printed, re.MULTILINE)
    assert found
    return found[1]


def tenant_of(printed: str) -> str | None:
    """The tenant whom the printed key lets in."""
    sent = event("authorize")
    sent["headers"]["authorization"] = f"Bearer {printed_key(printed)}"
    tenant: str | None = call("authorize", sent).get("context", {}).get("tenant")
    return tenant


def test_the_key_of_a_gateway_is_stored_encrypted_and_not_shown(account: Account, run: Operator) -> None:
    status, out, err = run("gateway-key", "quickrouter", stdin="  sk-42\n")
    assert (status, keys.gateway("quickrouter"), kind(account, "gateways/quickrouter")) == (0, "sk-42", "SecureString")
    assert "sk-42" not in out + err


def test_the_key_of_a_gateway_can_be_replaced(account: Account, run: Operator) -> None:
    assert keys.gateway("vectornode") == "vectornode-key"
    assert run("gateway-key", "vectornode", stdin="new")[0] == 0
    assert keys.gateway("vectornode") == "new"


def test_a_gateway_that_the_catalogue_does_not_know_is_named_in_one_sentence(run: Operator) -> None:
    status, out, err = run("gateway-key", "vectornoed", stdin="key")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "'vectornoed'" in err
    assert f"Known: {', '.join(catalogue.catalogue().gateways)}." in err
    assert keys.gateway("vectornoed") is None


@pytest.mark.parametrize("stdin", ["", "\n", "  \n"])
def test_no_key_is_no_key(run: Operator, stdin: str) -> None:
    status, out, err = run("gateway-key", "replicate", stdin=stdin)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert keys.gateway("replicate") is None


def test_a_new_tenant_gets_a_secret_and_a_key_that_lets_them_in(account: Account, run: Operator) -> None:
    status, out, _ = run("tenant", "shop")
    assert (status, kind(account, "tenants/shop/webhook-secret")) == (0, "SecureString")
    assert f"webhook secret: {keys.webhook_secret('shop')}" in out
    assert tenant_of(out) == "shop"


def test_the_first_tenant_makes_the_link_key_and_no_other_changes_it(account: Account, run: Operator) -> None:
    account.delete("link-key")
    run("tenant", "first")
    made = keys.link()
    assert (len(made) >= 32, kind(account, "link-key")) == (True, "SecureString")
    run("tenant", "second")
    assert keys.link() == made


def test_a_tenant_is_made_once(run: Operator) -> None:
    run("tenant", "shop")
    secret = keys.webhook_secret("shop")
    status, out, err = run("tenant", "shop")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "operate.py api-key shop" in err
    assert keys.webhook_secret("shop") == secret


@pytest.mark.parametrize("name", ["Shop", "a/b", "", "a" * 33, "-a", "ü"])
def test_a_name_that_cannot_be_a_tenants_is_refused(run: Operator, name: str) -> None:
    status, out, err = run("tenant", "--", name)
    assert (status, out) == (1, "")
    assert "1 to 32 characters" in err


def test_a_tenant_can_have_another_key(run: Operator) -> None:
    _, first, _ = run("tenant", "shop")
    status, second, _ = run("api-key", "shop")
    assert (status, tenant_of(first), tenant_of(second)) == (0, "shop", "shop")
    assert second.strip() not in first


def test_nobody_gets_a_key_for_a_tenant_that_is_not_there(run: Operator) -> None:
    status, out, err = run("api-key", "nobody")
    assert (status, out) == (1, "")
    assert "operate.py tenant nobody" in err
    assert aws.dynamodb().scan(TableName=settings.tenants_table())["Count"] == 0


def test_keys_are_listed_with_all_that_tells_them_apart_and_without_the_key(run: Operator, time: Clock) -> None:
    first = printed_key(run("tenant", "shop")[1])
    time.forward(3600)
    second = printed_key(run("api-key", "shop", "--note", "the night shift")[1])
    other = printed_key(run("tenant", "other")[1])
    time.forward(86400)
    run("revoke-key", first)
    status, out, err = run("api-keys")
    assert (status, err) == (0, "")
    assert [re.split(r"  +", line) for line in out.splitlines()] == [
        ["id", "tenant", "made", "revoked", "note"],
        [other.split("_")[1], "other", "2026-11-20 13:00Z"],
        [first.split("_")[1], "shop", "2026-11-20 12:00Z", "2026-11-21 13:00Z"],
        [second.split("_")[1], "shop", "2026-11-20 13:00Z", "the night shift"],
    ]
    assert not any(key.split("_")[2][:16] in out for key in (first, second, other))
    assert run("api-keys", "other")[1].splitlines()[1:] == [out.splitlines()[1]]


def test_more_keys_than_a_page_of_the_table_holds_are_all_listed(
    run: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("tenant", "shop")
    whole = aws.dynamodb().scan
    monkeypatch.setattr(aws.dynamodb(), "scan", lambda **asked: whole(**asked, Limit=1))
    run("api-key", "shop")
    assert len(run("api-keys", "shop")[1].splitlines()) == 3


@pytest.mark.parametrize("whole", [True, False], ids=["the whole key", "its id"])
def test_a_key_that_is_revoked_lets_nobody_in_and_others_still_do(run: Operator, whole: bool) -> None:
    first, second = run("tenant", "shop")[1], run("api-key", "shop")[1]
    key = printed_key(first)
    status, out, err = run("revoke-key", key if whole else key.split("_")[1])
    assert (status, err, key.split("_")[1] in out, "60 seconds" in out) == (0, "", True, True)
    assert (tenant_of(first), tenant_of(second)) == (None, "shop")


def test_a_key_that_is_revoked_twice_was_revoked_when_it_was(run: Operator, time: Clock) -> None:
    key = printed_key(run("tenant", "shop")[1])
    run("revoke-key", key)
    listed = run("api-keys")[1]
    time.forward(3600)
    assert run("revoke-key", key)[0] == 0
    assert run("api-keys")[1] == listed


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("aaaaaaaa", "There is no API key 'aaaaaaaa'."),
        ("shop", "neither the id of an API key"),
        ("key#aaaaaaaa", "neither the id of an API key"),
        ("darkroom_aaaaaaaa_0", "neither the id of an API key"),
        ("", "neither the id of an API key"),
    ],
)
def test_what_is_no_key_cannot_be_revoked(run: Operator, name: str, sentence: str) -> None:
    _, made, _ = run("tenant", "shop")
    status, out, err = run("revoke-key", name)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert sentence in err
    assert tenant_of(made) == "shop"
    assert len(run("api-keys")[1].splitlines()) == 2


@pytest.mark.parametrize("words", [[], ["api-key"], ["gateway-keys", "replicate"]], ids=str)
def test_a_command_that_is_none_explains_itself(run: Operator, words: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run(*words)
    assert left.value.code == 2


def test_the_catalogue_is_listed_without_aws(run: Operator) -> None:
    status, out, err = run("catalogue")
    assert (status, err) == (0, "")
    assert "google/imagen-4-fast\n    vectornode/replicate/google/imagen-4-fast\n" in out
    assert "replicate/replicate/google/imagen-4-fast   $0.02 an image\n" in out

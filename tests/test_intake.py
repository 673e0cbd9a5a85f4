"""intake: from a file that was dropped into the inbox to a batch that runs."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, get_args
from urllib.parse import quote_plus, unquote_plus

import pytest
from botocore.exceptions import ClientError

from darkroom import aws, batches, filing, http, keys, manifests, streams
from tests.conftest import MODEL, Account, Clock, Event, Wire, call, event, picture, template
from tests.dropping import KEY, SPRING, batch, begun, collate, drop, fault, lines, manifest, put, refused, rows_of, told


@pytest.fixture(autouse=True)
def _still(time: Clock, wire: Wire) -> None:
    """Time stands still, and nobody is asked anything over the wire."""


@pytest.fixture
def put_off(account: Account) -> Iterator[list[int]]:
    """For how many seconds messages were put off."""
    seconds: list[int] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        assert params["ReceiptHandle"] == event("intake")["Records"][0]["receiptHandle"]
        seconds.append(params["VisibilityTimeout"])

    events = aws.sqs().meta.events
    events.register("provide-client-params.sqs.ChangeMessageVisibility", note)
    yield seconds
    events.unregister("provide-client-params.sqs.ChangeMessageVisibility", note)


@contextmanager
def at(when: str, nth: int, act: Callable[[], object]) -> Iterator[None]:
    """At the nth request to AWS, something happens: `before-call` or `after-call`."""
    calls = 0

    def count(**_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == nth:
            act()

    clients = (aws.s3(), aws.ssm(), aws.stepfunctions())
    for client in clients:
        client.meta.events.register(when, count)
    yield
    for client in clients:
        client.meta.events.unregister(when, count)


def _die() -> None:
    raise RuntimeError("killed")


# ---- What a batch is begun with -------------------------------------------------------------------------------------
def test_a_dropped_file_becomes_a_batch_under_its_own_name(account: Account) -> None:
    drop(account)
    ((name, execution),) = begun(account).items()
    found = batch(account)
    assert name == found.id == execution["batch_id"]
    assert found.files.startswith(f"batches/{found.id}/")
    assert execution == {
        "v": 1,
        "batch_id": found.id,
        "files": found.files,
        "bucket": account.bucket,
        "rows": 2,
        "concurrency": 10,
        "wait": 0,
        "turn": 0,
    }
    assert (found.tenant, found.key, found.size, found.rows, found.bad) == ("shop", KEY, len(SPRING), 2, 0)
    assert {row["gateway"] for row in rows_of(found)} == {"vectornode"}
    assert found.limits == {"vectornode": 10}


def test_nothing_of_a_prompt_travels(account: Account) -> None:
    drop(account)
    assert "hat" not in json.dumps(begun(account))


def test_every_row_is_found_where_the_index_says(account: Account) -> None:
    rows = [{"custom_id": f"größe-{n}", "input": {"prompt": f"ein Hut, {'sehr ' * n}groß"}} for n in range(20)]
    drop(account, content="\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode())
    found = batch(account)
    assert [(row["line"], row["custom_id"], row["document"]) for row in rows_of(found)] == [
        (number, row["custom_id"], row) for number, row in enumerate(rows, 1)
    ]
    assert [place["line"] for place in lines(account, "index")] == list(range(1, 21))
    ordered = batches.order(found, list(rows_of(found))[3])
    assert (ordered.model, ordered.order.input) == (MODEL, rows[3]["input"])


def test_the_manifest_says_from_the_start_how_many_rows_there_are(account: Account) -> None:
    drop(account, content=SPRING + b'{"custom_id": "sku-3", "input": {"prompt": ""}}\n')
    said = manifest(account)
    counts = ("totalRecordCount", "processedRecordCount", "successRecordCount", "errorRecordCount")
    assert [said[name] for name in counts] == [3, 1, 0, 1]
    assert said["status"] == "validating"
    assert said["source"] | {"etag": "", "version_id": ""} == {
        "bucket": account.inbox, "key": KEY, "version_id": "", "etag": "", "size": batch(account).size
    }  # fmt: skip
    (error,) = said["errors"]
    assert (error["line"], error["custom_id"], error["code"]) == (3, "sku-3", "invalid_input")
    assert "prompt is empty" in error["message"]
    assert said["concurrency"] == {"vectornode": 10}
    assert said["results"]["images"] == "results/shop/spring/images/"


# ---- Once, whatever is repeated -------------------------------------------------------------------------------------
def test_an_event_that_comes_twice_begins_one_batch(account: Account) -> None:
    message = drop(account)
    before = batch(account).files
    assert call("intake", message) == {"batchItemFailures": []}
    assert batch(account).files == before


@pytest.mark.parametrize("status", ["in_progress", "completed", "failed"])
def test_a_file_that_is_under_way_or_over_is_not_read_again(account: Account, status: str) -> None:
    message = drop(account)
    assert manifests.update(batch(account), lambda there: there | {"status": status})
    before = account.files()
    assert call("intake", message) == {"batchItemFailures": []}
    assert account.files() == before


def test_of_two_runs_at_once_one_begins_the_batch(account: Account) -> None:
    put(account, "shop/_defaults.json", {"model": MODEL})
    message = told(account, KEY, put(account, KEY, SPRING))
    others = list[Event]()
    with at("before-call", 6, lambda: others.append(call("intake", message))):
        assert call("intake", message) == {"batchItemFailures": []}
    assert others == [{"batchItemFailures": []}]
    runs = {name.split("/")[2] for name in account.files() if name.startswith("batches/")}
    assert len(runs) == 2
    assert batch(account).files.split("/")[2] in runs
    assert len(lines(account, "rows")) == 2
    assert [name for name in account.files() if name.startswith("results/")] == ["results/shop/spring/manifest.json"]


@pytest.mark.parametrize("when", ["before-call", "after-call"])
def test_a_run_that_dies_anywhere_is_made_good_by_the_next(
    account: Account, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each request in turn: before it is made, or when it has been and its reply is lost."""
    monkeypatch.setattr(streams, "PIECE", 60)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    put(account, "shop/_defaults.json", {"model": MODEL})
    content, effect, died = SPRING + b'{"input": {"prompt": 1}}\n', 0, True
    while died:
        effect += 1
        key = f"shop/{effect}.jsonl"
        version = put(account, key, content)
        with at(when, effect, _die):
            died = bool(call("intake", told(account, key, version))["batchItemFailures"])
        keys.forget()
        assert call("intake", told(account, key, version, 2)) == {"batchItemFailures": []}
        found = batches.load(begun(account)[filing.batch_id(account.inbox, key, version)]["files"])
        assert [row["custom_id"] for row in rows_of(found)] == ["sku-1", "sku-2"]
        assert len(list(streams.lines(account.bucket, f"{found.files}errors.jsonl"))) == found.bad == 1
    assert effect > 20
    assert len(begun(account)) == effect


def test_an_overwritten_file_is_another_batch_with_a_folder_of_its_own(account: Account) -> None:
    drop(account)
    drop(account, content=SPRING.replace(b"hat", b"scarf"))
    assert len(begun(account)) == 2
    (folder,) = {batches.load(one["files"]).folder for one in begun(account).values()} - {"results/shop/spring/"}
    assert re.fullmatch(r"results/shop/spring@\d{8}T\d{6}Z-[a-z2-7]{6}/", folder)
    assert manifest(account, folder)["source"]["version_id"] != manifest(account)["source"]["version_id"]


def test_files_that_differ_in_their_ending_have_a_folder_each(account: Account) -> None:
    drop(account)
    message = drop(account, "shop/spring.csv", b"prompt\na hat\n")
    drop(account, "shop/spring.txt", b"a hat\n")
    before = begun(account)
    assert call("intake", message) == {"batchItemFailures": []}
    assert len({batches.load(one["files"]).folder for one in before.values()}) == len(before) == 3
    assert begun(account) == before


def test_what_was_dropped_is_read_even_if_it_has_been_overwritten_and_deleted_since(account: Account) -> None:
    put(account, "shop/_defaults.json", {"model": MODEL})
    version = put(account, KEY, SPRING)
    put(account, KEY, b"something else")
    aws.s3().delete_object(Bucket=account.inbox, Key=KEY)
    assert call("intake", told(account, KEY, version)) == {"batchItemFailures": []}
    assert batch(account).rows == 2


def test_of_a_version_that_is_gone_for_good_nothing_is_made(account: Account, time: Clock) -> None:
    version = put(account, KEY, SPRING)
    aws.s3().delete_object(Bucket=account.inbox, Key=KEY, VersionId=version)
    message = told(account, KEY, version, since=time.now)
    time.forward(10 * 60)
    assert call("intake", message) == {"batchItemFailures": []}
    assert not begun(account)
    assert not account.files()


def test_a_version_that_is_not_there_yet_is_looked_for_again(account: Account, time: Clock, put_off: list[int]) -> None:
    version = put(account, KEY, SPRING)
    aws.s3().delete_object(Bucket=account.inbox, Key=KEY, VersionId=version)
    time.forward(6 * 60)
    message = told(account, KEY, version, receives=4, since=time.now - 6 * 60 * 1000)
    assert call("intake", message)["batchItemFailures"]
    assert put_off == [240]


def test_a_version_that_goes_while_it_is_being_read_is_told_so(account: Account) -> None:
    version = put(account, KEY, SPRING)
    message = told(account, KEY, version)
    with at("before-call", 2, lambda: aws.s3().delete_object(Bucket=account.inbox, Key=KEY, VersionId=version)):
        assert call("intake", message) == {"batchItemFailures": []}
    collate(account)
    assert (manifest(account)["status"], manifest(account)["error"]["code"]) == ("failed", "file_deleted")


# ---- What else can go wrong -----------------------------------------------------------------------------------------
def test_a_fault_of_ours_brings_the_message_again_ever_later(account: Account, put_off: list[int]) -> None:
    version = put(account, KEY, SPRING)
    for receives in (1, 2, 4):
        with at("before-call", 2, _die):
            answer = call("intake", told(account, KEY, version, receives))
        assert answer == {"batchItemFailures": [{"itemIdentifier": event("intake")["Records"][0]["messageId"]}]}
    assert put_off == [60, 120, 240]
    assert not begun(account)


def test_it_is_logged_once_without_what_is_in_the_file(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    put(account, "shop/_defaults.json", {"model": MODEL})
    message = told(account, KEY, put(account, KEY, SPRING))
    with at("before-call", 6, _die):
        assert call("intake", message)["batchItemFailures"]
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    assert "hat" not in caplog.text


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"detail": {"bucket": {"name": "inbox"}}}'])
def test_a_message_that_nobody_understands_comes_again_until_it_is_a_dead_letter(
    account: Account, put_off: list[int], body: str
) -> None:
    message = event("intake")
    message["Records"][0]["body"] = body
    assert call("intake", message)["batchItemFailures"]
    assert put_off == [60]


def test_what_may_not_be_read_is_not_taken_for_gone(account: Account, put_off: list[int]) -> None:
    def forbid() -> None:
        raise ClientError({"Error": {"Code": "403"}}, "HeadObject")

    message = told(account, KEY, put(account, KEY, SPRING))
    with at("before-call", 1, forbid):
        assert call("intake", message)["batchItemFailures"]
    assert put_off


# ---- Names ----------------------------------------------------------------------------------------------------------
NAMES = [
    "shop/my file.jsonl",
    "shop/a+b.jsonl",
    "shop/größe 100%.jsonl",
    "shop/a%20b.jsonl",
    "shop/🎩/ö&ü=?.JSONL",
    "shop/%.jsonl",
]


@pytest.mark.parametrize("key", NAMES)
@pytest.mark.parametrize("encoded", [False, True])
def test_a_file_is_found_whatever_it_is_called(account: Account, key: str, encoded: bool) -> None:
    put(account, "shop/_defaults.json", {"model": MODEL})
    version = put(account, key, SPRING)
    put(account, unquote_plus(key), b"another file, which the event is not about")
    name = quote_plus(key, safe="/") if encoded else key
    assert call("intake", told(account, name, version)) == {"batchItemFailures": []}
    found = batch(account)
    assert (found.key, found.version, found.rows) == (key, version, 2)
    assert found.folder == filing.folder(key)
    assert manifest(account, found.folder)["source"]["key"] == key


def test_a_file_from_before_there_were_versions_is_taken_by_its_name_as_it_is(account: Account) -> None:
    put(account, "shop/_defaults.json", {"model": MODEL})
    versions = aws.s3().put_bucket_versioning
    versions(Bucket=account.inbox, VersioningConfiguration={"Status": "Suspended"})
    for key, content in {"shop/a+b.jsonl": SPRING, "shop/a b.jsonl": b"another file"}.items():
        aws.s3().put_object(Bucket=account.inbox, Key=key, Body=content)
    versions(Bucket=account.inbox, VersioningConfiguration={"Status": "Enabled"})
    message = told(account, "shop/a+b.jsonl", "null")
    body = json.loads(message["Records"][0]["body"])
    del body["detail"]["object"]["version-id"]
    message["Records"][0]["body"] = json.dumps(body)
    assert call("intake", message) == {"batchItemFailures": []}
    assert (batch(account).key, batch(account).version_id, batch(account).rows) == ("shop/a+b.jsonl", "null", 2)
    assert batch(account).version == f"null-{batch(account).etag}", "the next file under this key has the same version"


@pytest.mark.parametrize("key", ["shop/cat.png", "shop/_defaults.json", "shop/", "shop/jsonl", "shop/notes.md"])
def test_what_is_no_file_of_orders_starts_nothing(account: Account, key: str) -> None:
    drop(account, key, b'{"model": "google/imagen-4-fast"}', default=None)
    assert not begun(account)
    assert not account.files()


@pytest.mark.parametrize("ending", [*sorted(filing.MISTAKEN), "XLSX"])
def test_whoever_drops_a_file_of_another_kind_is_told_what_can_be_read(account: Account, ending: str) -> None:
    assert fault(account, f"shop/spring.{ending}", b"whatever") == "unsupported_format"
    assert ".jsonl" in manifest(account)["error"]["message"]


def test_the_rule_hears_of_just_the_files_that_intake_has_something_to_say_of() -> None:
    rule = template()["Resources"]["InboxEvents"]["Properties"]
    suffixes = {each["suffix"]["equals-ignore-case"] for each in rule["EventPattern"]["detail"]["object"]["key"]}
    assert suffixes == {f".{ending}" for ending in (*get_args(filing.Form), *filing.MISTAKEN)}


# ---- Defaults -------------------------------------------------------------------------------------------------------
def test_the_nearest_defaults_count_alone(account: Account) -> None:
    put(account, "_defaults.json", {"model": "nobody/reads-this"})
    put(account, "shop/_defaults.json", {"model": "nobody/reads-this-either", "metadata": {"season": "none"}})
    put(account, "shop/2027/_defaults.json", {"model": MODEL, "input": {"aspect_ratio": "4:3"}})
    drop(account, "shop/2027/hats/spring.jsonl", default=None)
    found = batch(account)
    assert found.defaults == {"model": MODEL, "input": {"aspect_ratio": "4:3"}}
    ordered = batches.order(found, next(rows_of(found)))
    assert ordered.order.input == {"aspect_ratio": "4:3", "prompt": "a hat"}
    assert ordered.order.metadata == {}


def test_nobody_hears_of_the_defaults_of_another_tenant_or_of_none(account: Account) -> None:
    put(account, "_defaults.json", {"model": MODEL})
    drop(account, default=None)
    assert refused(account) == [(1, "invalid_input"), (2, "invalid_input")]


def test_a_file_that_was_mended_or_only_tried_before_has_the_folder_of_its_name(account: Account) -> None:
    for content, defaults in ((b"", {}), (SPRING, {"dry_run": True}), (SPRING, {})):
        before = begun(account)
        put(account, "shop/_defaults.json", {"model": MODEL, **defaults})
        message = told(account, KEY, put(account, KEY, content))
        assert call("intake", message) == {"batchItemFailures": []}
        ((batch_id, execution),) = (one for one in begun(account).items() if one[0] not in before)
        assert manifest(account)["batch_id"] == batch_id
        for over in (False, True):
            call("collate", {**execution, "over": over})
    # What comes again of a version whose folder has been passed on starts nothing, and says nothing there.
    assert call("intake", told(account, KEY, batches.load(next(iter(before.values()))["files"]).version))
    assert len(begun(account)) == 3
    assert manifest(account)["batch_id"] == batch_id
    assert call("intake", told(account, KEY, put(account, KEY, SPRING))) == {"batchItemFailures": []}
    assert manifest(account)["batch_id"] == batch_id, "it was made, so it stays"


def test_a_file_in_no_folder_is_the_default_tenants(account: Account) -> None:
    put(account, "_defaults.json", {"model": MODEL})
    drop(account, "spring.jsonl", default=None)
    assert (batch(account).tenant, batch(account).rows, batch(account).folder) == ("default", 2, "results/spring/")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"modell": "x"}', b'{"model": 3}', b'{"webhook": "https://127.0.0.1/"}', b"\xff", b" " * 300_000],
)
def test_defaults_that_cannot_be_used_are_named(
    account: Account, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "transport", http.Public)
    put(account, "shop/_defaults.json", content)
    message = told(account, "shop/hats/spring.jsonl", put(account, "shop/hats/spring.jsonl", SPRING))
    assert call("intake", message) == {"batchItemFailures": []}
    collate(account)
    said = manifest(account, "results/shop/hats/spring/")
    assert (said["status"], said["error"]["code"]) == ("failed", "invalid_defaults")
    assert "shop/_defaults.json" in said["error"]["message"]
    assert "\n" not in said["error"]["message"]


def test_a_dry_run_starts_a_batch_without_rows(account: Account) -> None:
    put(account, "shop/_defaults.json", {"model": MODEL, "dry_run": True})
    drop(account, content=SPRING + b"what?\n", default=None)
    ((_, execution),) = begun(account).items()
    assert execution["rows"] == 0
    assert execution["concurrency"] > 0
    assert (batch(account).rows, batch(account).bad, batch(account).dry_run) == (2, 1, True)
    assert manifest(account)["dry_run"] is True


# ---- Files of which nothing can be made -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "content", "code"),
    [
        ("shop/spring.jsonl", b"", "empty_file"),
        ("shop/spring.txt", b"# nothing\n\n", "empty_file"),
        ("shop/spring.jsonl", picture(), "not_text"),
        ("shop/spring.txt", picture(), "not_text"),
        ("shop/spring.csv", SPRING.decode().encode("utf-16"), "wrong_encoding"),
        ("shop/spring.jsonl", SPRING.decode().encode("utf-16-le"), "wrong_encoding"),
        ("shop/spring.csv", b"sku-1,a hat\nsku-2,a coat\n", "no_header"),
        ("shop/spring.json", b'[{"input": {"prompt": "a hat"}}, {"input"', "malformed_file"),
    ],
)
def test_a_file_of_which_nothing_can_be_made_is_told_so(account: Account, key: str, content: bytes, code: str) -> None:
    assert fault(account, key, content) == code


def test_a_file_that_turns_out_bad_at_its_end_leaves_no_rows_behind(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filing, "ROWS_CAP", 100)
    monkeypatch.setattr(streams, "PIECE", 1000)
    assert fault(account, KEY, SPRING * 51) == "too_many_rows"
    assert "Uploads" not in aws.s3().list_multipart_uploads(Bucket=account.bucket)


def test_a_file_that_is_too_large_is_not_even_read(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filing, "BYTES_CAP", len(SPRING) - 1)
    monkeypatch.setattr(streams, "chunks", None)
    assert fault(account, KEY, SPRING) == "file_too_large"


@pytest.mark.parametrize("defaults", [{"model": MODEL}, {"modell": MODEL}])
def test_a_late_run_says_nothing_of_a_batch_that_has_begun_meanwhile(account: Account, defaults: Event) -> None:
    put(account, "shop/_defaults.json", {"model": MODEL})
    message = told(account, KEY, put(account, KEY, SPRING))

    def overtake() -> None:
        call("intake", message)
        assert manifests.update(batch(account), lambda there: there | {"status": "in_progress"})
        put(account, "shop/_defaults.json", defaults)

    with at("before-call", 3, overtake):
        assert call("intake", message) == {"batchItemFailures": []}
    assert manifest(account)["status"] == "in_progress"
    assert manifest(account)["error"] is None


def test_a_byte_order_mark_is_no_fault(account: Account) -> None:
    drop(account, content=b"\xef\xbb\xbf" + SPRING)
    assert (batch(account).rows, batch(account).bad) == (2, 0)

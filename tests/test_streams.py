"""Files that are too large to hold: written in parts, read in pieces, whole or not there at all."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from darkroom import aws, streams
from tests.conftest import Account

#: The smallest part that S3 takes in a file of several, so that tests are fast.
PART = 5 * 1024 * 1024


@pytest.fixture(autouse=True)
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PIECE", PART)


@pytest.fixture
def asked(account: Account) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """What S3 is asked for, and with what."""
    requests: list[tuple[str, dict[str, Any]]] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        requests.append((model.name, dict(params)))

    events = aws.s3().meta.events
    events.register("provide-client-params.s3", note)
    yield requests
    events.unregister("provide-client-params.s3", note)


def written(account: Account, *contents: bytes) -> bytes:
    with streams.Upload(account.bucket, "batches/a/rows.jsonl", "application/x-ndjson") as file:
        for content in contents:
            file.write(content)
    return account.files()["batches/a/rows.jsonl"]


def unfinished(account: Account) -> list[Any]:
    return list(aws.s3().list_multipart_uploads(Bucket=account.bucket).get("Uploads", []))


def test_a_small_file_is_put_at_once(account: Account, asked: list[Any]) -> None:
    assert written(account, b"one\n", b"two\n") == b"one\ntwo\n"
    assert [name for name, _ in asked if name not in ("ListObjectsV2", "GetObject")] == ["PutObject"]


def test_a_file_with_nothing_in_it_is_there(account: Account) -> None:
    assert written(account) == b""


def test_a_large_file_goes_in_parts_of_which_one_is_held(account: Account, asked: list[Any]) -> None:
    line = b"x" * 1_000_000
    assert written(account, *[line] * 13) == line * 13
    sent = [len(params["Body"]) for name, params in asked if name == "UploadPart"]
    assert sum(sent) == 13_000_000
    assert len(sent) == 3
    assert max(sent) < PART + len(line)
    assert not unfinished(account)


def test_where_a_file_is_being_written_is_known(account: Account) -> None:
    with streams.Upload(account.bucket, "file", "text/plain") as file:
        assert file.position == 0
        file.write(b"x" * PART)
        file.write("é".encode())
        assert file.position == PART + 2


@pytest.mark.parametrize("size", [10, PART + 10])
def test_of_a_file_that_was_not_written_to_its_end_nothing_is_there(account: Account, size: int) -> None:
    def write() -> None:
        with streams.Upload(account.bucket, "file", "text/plain") as file:
            file.write(b"x" * size)
            raise KeyError("something else went wrong")

    with pytest.raises(KeyError, match="something else"):
        write()
    assert not account.files()
    assert not unfinished(account)


def test_a_part_that_s3_does_not_take_leaves_nothing_behind(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "InternalError"}}, "CompleteMultipartUpload")

    monkeypatch.setattr(aws.s3(), "complete_multipart_upload", refuse)
    with pytest.raises(ClientError, match="InternalError"):
        written(account, b"x" * PART)
    assert not account.files()
    assert not unfinished(account)


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 2 * PART])
def test_a_file_is_read_in_pieces(account: Account, size: int) -> None:
    content = bytes(index % 251 for index in range(size))
    aws.s3().put_object(Bucket=account.bucket, Key="file", Body=content)
    found = list(streams.chunks(account.bucket, "file"))
    assert b"".join(found) == content
    assert max(map(len, found), default=0) <= PART


def test_a_version_is_read_whatever_lies_there_meanwhile(account: Account) -> None:
    old = b"old" * PART
    version = aws.s3().put_object(Bucket=account.inbox, Key="file", Body=old)["VersionId"]
    reading = streams.chunks(account.inbox, "file", version)
    found = next(reading)
    aws.s3().put_object(Bucket=account.inbox, Key="file", Body=b"new" * PART)
    aws.s3().delete_object(Bucket=account.inbox, Key="file")
    assert found + b"".join(reading) == old


def test_two_files_are_never_read_as_one(account: Account) -> None:
    aws.s3().put_object(Bucket=account.bucket, Key="file", Body=b"old" * PART)
    reading = streams.chunks(account.bucket, "file")
    next(reading)
    aws.s3().put_object(Bucket=account.bucket, Key="file", Body=b"new" * PART)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        next(reading)


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_lines_are_whole_wherever_a_piece_ends(account: Account, end: bytes) -> None:
    expected = [b"a" * (PART - 3), b"", b"bcd", "é".encode() * PART, b"last"]
    aws.s3().put_object(Bucket=account.bucket, Key="file", Body=b"\n".join(expected) + end)
    assert list(streams.lines(account.bucket, "file")) == expected

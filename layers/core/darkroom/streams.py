"""
Files in S3 that are too large to hold: written and read a piece at a time.

The rule: never more than a piece or two in memory, and a file is there as a whole or not at all.
"""

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypedDict

from darkroom import aws

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

#: Bytes of a piece: S3 takes parts of 5 MB and more, 10,000 at the most.
PIECE = 8_000_000


class _Same(TypedDict, total=False):
    """What makes S3 answer two questions about one file."""

    VersionId: str
    IfMatch: str


class Upload:
    """
    A file of S3, as long as it is being written: `with Upload(…) as file: file.write(b"…")`. It appears under its key
    when all of it is there; if anything is raised, never.

    position: bytes that were written so far.
    """

    def __init__(self, bucket: str, key: str, content_type: str) -> None:
        self.position = 0
        self._bucket, self._key, self._content_type = bucket, key, content_type
        self._ahead = bytearray()
        self._upload: str | None = None
        self._parts: list[CompletedPartTypeDef] = []

    def write(self, content: bytes) -> None:
        self._ahead += content
        self.position += len(content)
        if len(self._ahead) >= PIECE:
            self._send()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._end()
                self._upload = None
        finally:
            if self._upload is not None:
                aws.s3().abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._upload)

    def _send(self) -> None:
        if self._upload is None:
            begun = aws.s3().create_multipart_upload(Bucket=self._bucket, Key=self._key, ContentType=self._content_type)
            self._upload = begun["UploadId"]
        number = len(self._parts) + 1
        sent = aws.s3().upload_part(
            Bucket=self._bucket, Key=self._key, UploadId=self._upload, PartNumber=number, Body=bytes(self._ahead)
        )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        self._ahead.clear()

    def _end(self) -> None:
        if self._upload is None:
            aws.s3().put_object(
                Bucket=self._bucket, Key=self._key, ContentType=self._content_type, Body=bytes(self._ahead)
            )
            return
        if self._ahead:
            self._send()
        aws.s3().complete_multipart_upload(
            Bucket=self._bucket, Key=self._key, UploadId=self._upload, MultipartUpload={"Parts": self._parts}
        )


def chunks(bucket: str, key: str, version: str | None = None) -> Iterator[bytes]:
    """
    A file, a piece at a time, each by a request of its own: no connection is open while a piece is being worked at. All
    are of the same ETag, or S3 says 412.
    """
    start, size = 0, 1
    same: _Same = {"VersionId": version} if version else {}
    while start < size:
        try:
            got = aws.s3().get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{start + PIECE - 1}", **same)
        except aws.s3().exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "InvalidRange":  # the file is empty
                return
            raise
        with got["Body"] as body:
            yield body.read()
        same = {**same, "IfMatch": got["ETag"]}
        start, size = start + PIECE, int(got["ContentRange"].rpartition("/")[2])


def lines(bucket: str, key: str) -> Iterator[bytes]:
    """The lines of a file of ours, without their ends; the last one may lack its own."""
    ahead = b""
    for chunk in chunks(bucket, key):
        *whole, ahead = (ahead + chunk).split(b"\n")
        yield from whole
    if ahead:
        yield ahead

"""
From a gateway's outputs to images in the bucket.

Each output is spooled to disk, looked at, and put under a key that its bytes determine, so that doing it again is
harmless. What it is, its bytes say: never a header, and never a file name. Images are decoded to the last pixel, which
is how a file that was cut short is found out.
"""

import hashlib
import io
import json
import re
import tempfile
import warnings
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import IO, Any

from PIL import Image as Picture

from darkroom import clock, driver, ending, gallery, http, store
from darkroom.answer import Failed
from darkroom.errors import OutputUnavailable, Reason
from darkroom.task import Image, Task

#: Bytes and pixels of what is decoded (larger pictures are stored without a look inside); bytes of what is stored.
DECODE_CAP = 40_000_000
PIXEL_CAP = 50_000_000
OUTPUT_CAP = 250_000_000
#: Bytes that are digested at a time: enough to be worth handing over to a thread.
BLOCK = 1_000_000
#: Seconds for the copying of one output, and milliseconds for all of them: less than Finalize may take.
COPY_S = 60.0
COLLECT_MS = 240_000
#: How long gateways keep outputs, ms: after that, one that could not be copied is lost.
OUTPUT_LIFE_MS = 60 * 60 * 1000

_FORMATS = {"PNG": ("image/png", "png"), "JPEG": ("image/jpeg", "jpg"), "WEBP": ("image/webp", "webp")}
# Pillow's name for a JPEG with more pictures behind the first, as some cameras and editors make it.
_FORMATS["MPO"] = _FORMATS["JPEG"]
_MAGIC = re.compile(rb"\x89PNG|\xff\xd8\xff|RIFF.{4}WEBP", re.DOTALL)
_PAGE = re.compile(rb"\s*<(!doctype html|html|head|body)\b", re.IGNORECASE)


def settle(task: Task, origin: str) -> Task:
    """
    End a task that is `collecting`, with all its images stored, or with the reason why there are none.

    origin: our own scheme and host, for links.
    Raises OutputUnavailable: an output cannot be had now. What could be is stored, and nothing is lost by trying again.
    """
    if task.failure:
        return ending.end(task, (), origin)
    images, missing, spoiled = _collect(task)
    if missing and not _lost(task):
        raise OutputUnavailable("; ".join(missing))
    missing = (*missing, *spoiled)
    if not images:
        word = Failed(
            Reason.OUTPUT_LOST, f"The images were made, but could not be copied in time: {'; '.join(missing)}"
        )
        heard = store.hear(task, word, clock.now() + driver.GRACE_MS)
        return ending.end(heard or store.read(task.task_id), (), origin)
    _put_record(task, images)
    return ending.end(task, images, origin, (*task.missing, *missing))


def _collect(task: Task) -> tuple[tuple[Image, ...], tuple[str, ...], tuple[str, ...]]:
    """The outputs that were stored, why others could not be now, and why some never will: what is staged stays so."""
    images, missing, spoiled = [], [] if task.outputs else ["the gateway's outputs are not on record"], list[str]()
    until = clock.now() + COLLECT_MS
    for index, output in enumerate(task.outputs):
        try:
            images.append(_store(task, index, output, (until - clock.now()) / 1000))
        except OutputUnavailable as error:
            (spoiled if gallery.staged(output) else missing).append(str(error))
    return tuple(images), tuple(missing), tuple(spoiled)


def _put_record(task: Task, images: tuple[Image, ...]) -> None:
    """Beside a task's images goes a record of how they came to be, in a form that outlives the table."""
    told = ("task_id", "model", "route", "ticket", "metadata", "created", "submitted", "answered")
    document = {name: getattr(task, name) for name in told} | {
        "input": json.loads(task.input),
        "images": [asdict(image) for image in images],
    }
    record = json.dumps(document, ensure_ascii=False, indent=2).encode()
    gallery.put(
        gallery.record(task),
        io.BytesIO(record),
        content_type="application/json",
        sha256=hashlib.sha256(record).digest(),
    )


def _lost(task: Task) -> bool:
    """Whether a task's outputs have been out of reach for so long that the gateway has deleted them."""
    return task.answered is not None and clock.now() - task.answered > OUTPUT_LIFE_MS


def _store(task: Task, index: int, output: str, remaining: float) -> Image:
    """One output, within `remaining` seconds. Raises OutputUnavailable."""
    with tempfile.TemporaryFile() as file, ThreadPoolExecutor(1) as beside:
        spool = _Spool(file, beside)
        if gallery.staged(output):
            gallery.read(output, spool.write)
        else:
            http.fetch(output, spool.write, deadline=min(COPY_S, remaining), cap=OUTPUT_CAP)
        size, sha256 = file.tell(), spool.sha256()
        content_type, extension, dimensions = _look_at(file, size)
        file.seek(0)
        said: dict[str, Any] = {"content_type": content_type, "sha256": sha256.digest(), "inert": dimensions is None}
        key = gallery.put_image(task, index, extension, file, **said)
    width, height = dimensions or (None, None)
    return Image(key, content_type, size, sha256.hexdigest(), dimensions is not None, width, height)


class _Spool:
    """A file that is written, and its digest, which is made beside that: on another core, if there is one."""

    def __init__(self, file: IO[bytes], beside: Executor) -> None:
        self._file, self._beside = file, beside
        self._sha256 = hashlib.sha256()
        self._pieces, self._size = list[bytes](), 0
        self._under_way: Future[None] | None = None

    def write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= BLOCK:
            self._catch_up()
            pieces, self._pieces, self._size = self._pieces, list[bytes](), 0
            self._under_way = self._beside.submit(self._digest, pieces)

    def sha256(self) -> "hashlib._Hash":
        """Of all that was written."""
        self._catch_up()
        self._digest(self._pieces)
        return self._sha256

    def _catch_up(self) -> None:
        if self._under_way:
            self._under_way.result()

    def _digest(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._sha256.update(piece)


def _look_at(file: IO[bytes], size: int) -> tuple[str, str, tuple[int, int] | None]:
    """Content type, extension, and width and height if it is an image that was decoded. Raises OutputUnavailable."""
    unseen = "application/octet-stream", "bin", None
    file.seek(0)
    head = file.read(512)
    if not head or _PAGE.match(head):
        raise OutputUnavailable("an output is empty, or a web page in place of a picture")
    if not _MAGIC.match(head) or size > DECODE_CAP:
        return unseen
    try:
        with warnings.catch_warnings():
            # Pillow only warns of the smaller decompression bombs; we look at the pixels ourselves.
            warnings.simplefilter("ignore", Picture.DecompressionBombWarning)
            file.seek(0)
            with Picture.open(file, formats=["PNG", "JPEG", "WEBP"]) as picture:
                if picture.width * picture.height > PIXEL_CAP:
                    return unseen
                picture.load()
                content_type, extension = _FORMATS[str(picture.format)]
                return content_type, extension, picture.size
    except Picture.DecompressionBombError:
        return unseen
    except Exception as error:  # there is no telling what a decoder makes of a file that is broken, or made to break it
        raise OutputUnavailable(f"an output is not a whole picture: {type(error).__name__}") from error

"""What can be wrong with a file: gone, cut short, something else than a picture, or far more than one."""

import dataclasses
import io
import zlib
from functools import cache
from http import HTTPStatus

from PIL import Image

from local.simulator import files
from local.simulator.deeds import Spoil
from local.simulator.exchange import PLAIN, Reply
from local.simulator.lenses import METADATA_URL
from local.simulator.scene import Scene

ZEROS = 200_000_000
"""Bytes that the bomb unpacks to."""
SIDE = 12_000
"""Pixels of the bomb that is a picture."""
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("https://elsewhere.example/")</script></svg>'


async def expired(scene: Scene) -> Reply:
    """403 at this address from now on; whoever asks about the job again is told another one."""
    if scene.jobs.expire(f"https://{scene.host}{scene.path}"):
        return files.error(HTTPStatus.FORBIDDEN)
    return scene.spare(await scene.work(PLAIN))


def cut(*, announced: bool) -> Spoil:
    """The first half; who was told the length knows that there was more."""
    return lambda reply, _: dataclasses.replace(reply, cut=len(reply.body) // 2, announced=announced)


def mislabelled(reply: Reply, _scene: Scene) -> Reply:
    """The file, as if it were text."""
    return dataclasses.replace(reply, headers={**reply.headers, "Content-Type": "text/plain; charset=utf-8"})


def svg(_scene: Scene) -> Reply:
    """A picture that is a program."""
    return Reply(HTTPStatus.OK, SVG, {"Content-Type": "image/svg+xml"})


def gzip_bomb(reply: Reply, _scene: Scene) -> Reply:
    """Much more than is sent, once it is unpacked."""
    return dataclasses.replace(reply, body=_packed(), headers={**reply.headers, "Content-Encoding": "gzip"})


def picture_bomb(_scene: Scene) -> Reply:
    """Much more than is sent, once it is decoded."""
    return Reply(HTTPStatus.OK, _enormous(), {"Content-Type": "image/png"})


def to_metadata(_scene: Scene) -> Reply:
    """The way to where a machine finds its own credentials."""
    return Reply(HTTPStatus.FOUND, b"", {"Location": METADATA_URL})


@cache
def _packed() -> bytes:
    """Zeros, as gzip packs them."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    piece = bytes(1_000_000)
    return b"".join(packer.compress(piece) for _ in range(ZEROS // len(piece))) + packer.flush()


@cache
def _enormous() -> bytes:
    """A black picture of a bit a pixel."""
    file = io.BytesIO()
    Image.new("1", (SIDE, SIDE)).save(file, "PNG")
    return file.getvalue()

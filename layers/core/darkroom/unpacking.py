"""
Bodies that a server has packed although it was asked not to: some do, and what they packed may have been paid for.

A few packed bytes can stand for a thousand times as many others. So they are unpacked a piece at a time, whoever counts
the pieces stops when it is enough, and what grows as no picture and no reply does is not unpacked to its end.
"""

import zlib
from collections.abc import Iterator

#: Bytes of a piece.
PIECE = 65_536
#: Bytes from which a body is looked at as a bomb, and how many times its packed size it then may have.
SUSPECT, GROWTH = 10_000_000, 100

_AS_IT_IS = ("", "identity")
_GZIP = ("gzip", "x-gzip")
_DEFLATE = "deflate"


class Unpacker:
    """Undoes one Content-Encoding. Whatever is wrong with a body is a ValueError, an EOFError or a zlib.error."""

    def __init__(self, encoding: str) -> None:
        """encoding: the header's value. Raises ValueError for one that cannot be undone here."""
        self._encoding = encoding.strip().lower()
        if self._encoding not in (*_AS_IT_IS, *_GZIP, _DEFLATE):
            raise ValueError("an encoding that was not asked for")
        self._stream: zlib._Decompress | None = None
        self._packed = self._unpacked = 0

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What the next chunk of a body stands for; of what is not packed, the chunk."""
        if self._encoding in _AS_IT_IS:
            yield chunk
            return
        self._packed += len(chunk)
        while chunk:
            stream = self._stream = self._stream or self._begun(chunk)
            while piece := stream.decompress(chunk, PIECE):
                self._unpacked += len(piece)
                if self._unpacked > max(SUSPECT, GROWTH * self._packed):
                    raise ValueError("a bomb")
                yield piece
                chunk = stream.unconsumed_tail
            # A body may consist of several streams, one after the other.
            chunk, self._stream = (stream.unused_data, None) if stream.eof else (b"", stream)

    def end(self) -> None:
        """The body is over. Raises EOFError if that cannot be."""
        if self._stream is not None:
            raise EOFError("the body ends before what was packed does")

    def _begun(self, chunk: bytes) -> "zlib._Decompress":
        if self._encoding in _GZIP:
            return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        # By the standard it is wrapped as zlib does it; some send it bare.
        wrapped = chunk[0] & 0x0F == zlib.DEFLATED
        return zlib.decompressobj(wbits=zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)

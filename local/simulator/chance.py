"""Names that nobody can guess: of jobs, files and requests.

They come from one source of chance: from the system's, no name was ever used before; from a seeded one, the same calls
give the same names again.
"""

import base64
import random
import uuid


class Chance:
    """Names in the forms that the houses give them."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    def letters(self, count: int, alphabet: str) -> str:
        """So many letters of an alphabet."""
        return "".join(self._source.choices(alphabet, k=count))

    def hex(self, size: int) -> str:
        """So many bytes, two digits each."""
        return self._source.randbytes(size).hex()

    def base64(self, size: int) -> str:
        """So many bytes, as an address may have them."""
        return base64.urlsafe_b64encode(self._source.randbytes(size)).decode()

    def uuid(self) -> str:
        """A random UUID."""
        return str(uuid.UUID(bytes=self._source.randbytes(16), version=4))

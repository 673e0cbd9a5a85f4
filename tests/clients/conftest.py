"""
Replicate's own clients against the local cloud, which speaks https here as AWS does: they take an output for a file
only then. Nothing is changed in them but the base URL and the key; that the certificate is good, the environment says.
"""

import io
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from PIL import Image

from local.installation import Installation
from local.receiver import Receiver

MODEL = "google/imagen-4-fast"
#: A model that takes a picture.
KONTEXT = "black-forest-labs/flux-kontext-pro"
#: What makes a picture that is too large to come through a function. Its model has a name of three parts, which the
#: clients take for no name; but it can be said as a version.
LARGE = "fal-ai/flux-1:fal-ai~flux-1~schnell"
LARGE_INPUT = {"prompt": "grainy", "image_size": {"width": 4096, "height": 2048}, "output_format": "png"}


@dataclass(frozen=True)
class Darkroom:
    """url: without /v1. certificate: the file with which to trust it."""

    installation: Installation
    url: str
    key: str
    certificate: Path


@pytest.fixture(scope="package")
def darkroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Darkroom]:
    authority = trustme.CA()
    certificate = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        patch.setenv("NODE_EXTRA_CA_CERTS", str(certificate))
        with Installation(speed=10, tls=tls) as installation:
            yield Darkroom(installation, installation.api_url, installation.api_key, certificate)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture of one's own."""
    path = tmp_path / "cat.png"
    Image.new("RGB", (64, 48), "navy").save(path, "PNG")
    return path


def is_picture(content: bytes) -> bool:
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        return opened.width > 0

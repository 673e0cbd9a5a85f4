"""The official client of fal at work, unmodified: over TLS, and led to the simulator by its own settings.

It reads them when it is imported, so that each story is told in a process of its own.
"""

import asyncio
import datetime
import ipaddress
import json
import ssl
import sys
import textwrap
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local.simulator.server import application
from tests.simulator.conftest import Json

HERE = "127.0.0.1"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and the certificate of this address, which vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HERE)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HERE))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, pkcs8, plain) + signed.public_bytes(serialization.Encoding.PEM)
    )
    return file


def told(certificate: Path, story: str, *, speed: float = 100, mount: str = "/queue.fal.run") -> Json:
    """What a story leaves in `said`, when it is told by a process in which `fal_client` is the official one."""

    async def telling() -> Json:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        server = TestServer(application(speed=speed, keys=["simulator-key"]), host=HERE)
        await server.start_server(ssl=context)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                f"import json, fal_client\nsaid = {{}}\n{textwrap.dedent(story)}\nprint(json.dumps(said))",
                env={
                    "FAL_KEY": "simulator-key",
                    "FAL_QUEUE_RUN_HOST": f"{HERE}:{server.port}{mount}",
                    "SSL_CERT_FILE": str(certificate),
                },
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                out, complaints = await asyncio.wait_for(process.communicate(), 30)
            finally:
                if process.returncode is None:
                    process.kill()
        finally:
            await server.close()
        assert process.returncode == 0, complaints.decode()
        said: Json = json.loads(out)
        return said

    return asyncio.run(telling())


def test_it_subscribes_and_sees_a_request_through(certificate: Path) -> None:
    said = told(
        certificate,
        """
        seen = []
        result = fal_client.subscribe(
            "fal-ai/imagen4/preview", {"prompt": "a boat", "num_images": 2}, with_logs=True, on_queue_update=seen.append
        )
        said["urls"] = [image["url"] for image in result["images"]]
        said["seed"] = result["seed"]
        said["last"] = type(seen[-1]).__name__
        said["logs"] = [line["message"] for line in seen[-1].logs]
        said["metrics"] = seen[-1].metrics
        """,
    )
    assert len({url for url in said["urls"] if url.startswith("https://v3b.fal.media/")}) == 2
    assert said["seed"] >= 2**63
    assert said["last"] == "Completed"
    assert said["logs"]
    assert said["metrics"]["inference_time"] > 0


@pytest.mark.parametrize("endpoint", ["fal-ai/imagen4/preview/fast", "workflows/someone/else", "comfy/someone/else/at"])
def test_it_finds_a_request_again_by_its_id(certificate: Path, endpoint: str) -> None:
    said = told(
        certificate,
        f"""
        id = fal_client.submit("{endpoint}", {{"prompt": "a boat"}}).request_id
        said["images"] = len(fal_client.result("{endpoint}", id)["images"])
        said["status"] = type(fal_client.status("{endpoint}", id)).__name__
        """,
    )
    assert said == {"images": 1, "status": "Completed"}


def test_it_runs_without_blocking(certificate: Path) -> None:
    said = told(
        certificate,
        """
        import asyncio

        async def story():
            handle = await fal_client.submit_async("fal-ai/flux-lora", {"prompt": "a boat"})
            said["prompt"] = (await handle.get())["prompt"]

        asyncio.run(story())
        """,
    )
    assert said == {"prompt": "a boat"}


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        ({"prompt": "nsfw"}, 422, "content_policy_violation"),
        ({"prompt": "crash"}, 500, "downstream_service_unavailable"),
        ({}, 422, "missing"),
    ],
)
def test_it_raises_what_went_wrong(certificate: Path, arguments: Json, code: int, kind: str) -> None:
    said = told(
        certificate,
        f"""
        handle = fal_client.submit("fal-ai/imagen4/preview", {arguments})
        try:
            handle.get()
        except fal_client.FalClientHTTPError as failure:
            said["code"] = failure.status_code
            said["detail"] = failure.message
        said["status"] = handle.status().error_type
        """,
    )
    assert (said["code"], said["status"]) == (code, kind)
    assert said["detail"][0]["type"] == kind


def test_it_cancels_and_is_not_left_waiting(certificate: Path) -> None:
    said = told(
        certificate,
        """
        handle = fal_client.submit("fal-ai/imagen4/preview", {"prompt": "a boat"})
        said["position"] = handle.status().position
        handle.cancel()
        try:
            handle.get()
        except fal_client.FalClientHTTPError as failure:
            said["got"] = [failure.status_code, failure.error_type]
        try:
            handle.cancel()
        except fal_client.FalClientHTTPError as failure:
            said["again"] = failure.status_code
        """,
        speed=0.1,
    )
    assert said == {"position": 0, "got": [499, "client_cancelled"], "again": 400}


def test_its_process_ends_when_its_patience_does(certificate: Path) -> None:
    said = told(
        certificate,
        """
        try:
            fal_client.subscribe("fal-ai/imagen4/preview/ultra", {"prompt": "a boat"}, client_timeout=1.1)
        except fal_client.FalClientTimeoutError as failure:
            said["error"] = fal_client.status("fal-ai/imagen4", failure.request_id).error_type
        """,
        speed=1,
    )
    assert said == {"error": "client_cancelled"}


def test_a_gateway_does_not_know_its_kind_of_key(certificate: Path) -> None:
    said = told(
        certificate,
        """
        try:
            fal_client.submit("fal-ai/imagen4/preview", {"prompt": "a boat"})
        except fal_client.FalClientHTTPError as failure:
            said["code"] = failure.status_code
        """,
        mount="",
    )
    assert said == {"code": 401}

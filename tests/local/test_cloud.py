import socket
from compileall import compile_file
from pathlib import Path
from py_compile import PycInvalidationMode

import pytest

from local.cloud.cloud import Cloud
from local.cloud.errors import CloudError, FunctionFailed
from tests.local.conftest import FIXTURES, eventually


def test_a_taken_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(CloudError, match=f"^Port {port} of this machine is taken"),
            Cloud(FIXTURES / "template.yaml", "s", simulator_url="http://127.0.0.1:9", api_port=port),
        ):
            pass


def test_a_rule_of_the_template_fires(cloud: Cloud) -> None:
    eventually(lambda: len(list(cloud.logs.glob("Echo/*.log"))) > 0)


def test_logs_stay_where_they_were_wanted(tmp_path: Path, simulator: str) -> None:
    with Cloud(FIXTURES / "template.yaml", "s", simulator_url=simulator, logs=tmp_path / "logs") as cloud:
        cloud.invoke("Echo", {"do": "print", "text": "kept"})
    assert [file.read_text() for file in (tmp_path / "logs" / "Echo").iterdir()] == ["kept\n"]


def built(folder: Path, layer: str | None) -> Path:
    """What `sam build` leaves: artefacts beside a template that points at them."""
    (folder / "Echo").mkdir()
    (folder / "Echo" / "app.py").write_text(
        "import dependency\ndef handler(event, context): return dependency.__file__"
    )
    (folder / "Libraries" / "python").mkdir(parents=True)
    if layer is not None:
        (folder / "Libraries" / "python" / "dependency.py").write_text(layer)
    (folder / "template.yaml").write_text("""
Transform: AWS::Serverless-2016-10-31
Resources:
  Libraries: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: Libraries}}
  Echo:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: Echo, Handler: app.handler, Runtime: python3.13, Layers: [!Ref Libraries]}
""")
    return folder


def test_a_built_function_sees_its_artefacts(tmp_path: Path, simulator: str) -> None:
    artefacts = built(tmp_path, "")
    with Cloud(Path("ignored"), "s", simulator_url=simulator, built=artefacts) as cloud:
        assert cloud.invoke("Echo", {}) == str(artefacts / "Libraries" / "python" / "dependency.py")


def test_a_built_function_runs_the_bytecode_that_it_came_with(tmp_path: Path, simulator: str) -> None:
    artefacts = built(tmp_path, "__file__ = 'of the bytecode'")
    (module,) = artefacts.rglob("dependency.py")
    compile_file(module, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    module.write_text("")
    with Cloud(Path("ignored"), "s", simulator_url=simulator, built=artefacts) as cloud:
        assert cloud.invoke("Echo", {}) == "of the bytecode"
    assert not (artefacts / "Echo" / "__pycache__").exists()


def test_a_package_that_the_layer_lacks_is_missing(tmp_path: Path, simulator: str) -> None:
    with Cloud(Path("ignored"), "s", simulator_url=simulator, built=built(tmp_path, None)) as cloud:
        with pytest.raises(FunctionFailed) as failure:
            cloud.invoke("Echo", {})
        assert failure.value.payload["errorType"] == "Runtime.ImportModuleError"

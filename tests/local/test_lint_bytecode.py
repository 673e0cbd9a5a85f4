"""What `make template` holds built layers against: the bytecode that Lambda takes as it is."""

import compileall
from pathlib import Path
from py_compile import PycInvalidationMode

import pytest

from local import lint_bytecode

COMPLAINTS = {
    "not of this source": lambda layer: (layer / "module.py").write_text("x = 2\n"),
    "has no bytecode": lambda layer: (layer / "another.py").write_text(""),
    "has no source": lambda layer: (layer / "module.py").unlink(),
}


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    (tmp_path / "module.py").write_text("x = 1\n")
    compiled(tmp_path, PycInvalidationMode.UNCHECKED_HASH)
    (tmp_path / "module.toml").write_text("")
    return tmp_path


def compiled(folder: Path, mode: PycInvalidationMode) -> None:
    assert compileall.compile_dir(folder, quiet=1, force=True, invalidation_mode=mode)


def test_a_layer_with_its_bytecode_is_good(layer: Path) -> None:
    assert list(lint_bytecode.lint(layer)) == []


@pytest.mark.parametrize("mode", [PycInvalidationMode.TIMESTAMP, PycInvalidationMode.CHECKED_HASH])
def test_bytecode_that_would_be_held_against_its_source_is_complained_of(
    layer: Path, mode: PycInvalidationMode
) -> None:
    compiled(layer, mode)
    assert "or unchecked" in "".join(lint_bytecode.lint(layer))


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_bytecode_and_sources_that_do_not_belong_together_are_complained_of(layer: Path, complaint: str) -> None:
    COMPLAINTS[complaint](layer)
    assert any(complaint in line for line in lint_bytecode.lint(layer))


def test_a_folder_without_modules_is_complained_of(tmp_path: Path) -> None:
    assert list(lint_bytecode.lint(tmp_path)) == [f"{tmp_path}: there is no module"]

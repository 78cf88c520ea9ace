"""The manifest: valid, the same at the repository's top, and everything in it exists."""

from importlib import import_module
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_cellseg

PACKAGE = Path(napari_cellseg.__file__).parent
TOP = Path(__file__).parent.parent / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(PACKAGE / "napari.yaml")


@pytest.mark.skipif(not TOP.exists(), reason="not run from a checkout")
def test_top_level_file_is_the_package_manifest() -> None:
    assert TOP.read_bytes() == (PACKAGE / "napari.yaml").read_bytes()
    assert TOP.is_symlink()


def test_manifest_is_valid(manifest: PluginManifest) -> None:
    assert manifest.name == "napari-cellseg"
    ids = [command.id for command in manifest.contributions.commands]
    assert len(set(ids)) == len(ids)
    assert all(command.title.startswith("CellSeg") for command in manifest.contributions.commands)


def test_menus_and_samples_name_commands(manifest: PluginManifest) -> None:
    ids = {command.id for command in manifest.contributions.commands}
    menus = manifest.contributions.menus
    assert {item.command for item in menus["napari/layers/segment"]} >= {"napari-cellseg.segment"}
    assert {item.command for items in menus.values() for item in items} <= ids
    assert {sample.command for sample in manifest.contributions.sample_data} <= ids
    assert len(manifest.contributions.sample_data) >= 5


def test_files_stay_with_naparis_own_reader(manifest: PluginManifest) -> None:
    readers = manifest.contributions.readers
    assert {name for reader in readers for name in reader.filename_patterns} == {
        "dataset.json",
        "dataset.yaml",
        "*.json",
    }
    assert not any(reader.accepts_directories for reader in readers)


def test_commands_without_qt_exist(manifest: PluginManifest) -> None:
    for command in manifest.contributions.commands:
        module, name = command.python_name.split(":")
        if ".widgets." not in module:
            assert callable(getattr(import_module(module), name))


@pytest.mark.qt
def test_commands_with_qt_exist(manifest: PluginManifest) -> None:
    for command in manifest.contributions.commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(import_module(module), name))

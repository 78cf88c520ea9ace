"""Settings that every test shares: fixed seeds, no user folder touched."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(autouse=True)
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder in place of the user's data and settings folders."""
    folder = tmp_path / "user"
    monkeypatch.setenv("NAPARI_CELLSEG_HOME", str(folder))
    return folder

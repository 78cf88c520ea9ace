"""Settings that every test shares: fixed seeds, no user folder touched."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(autouse=True)
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder in place of the user's data and settings folders."""
    folder = tmp_path / "user"
    monkeypatch.setenv("NAPARI_CELLSEG_HOME", str(folder))
    return folder


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[object, str, str]]:
    """Call the command line; returns exit code, stdout and stderr, without progress however long it takes."""
    from napari_cellseg.cli import main, terminal

    monkeypatch.setattr(terminal, "QUIET_SECONDS", float("inf"))

    def call(*arguments: object) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as done:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return done.value.code, out, err

    return call


@pytest.fixture
def qtbot(qtbot):
    """The one of pytest-qt, but patient: a busy machine compiles kernels for longer than its 5 seconds."""
    qtbot.waitUntil = partial(qtbot.waitUntil, timeout=60_000)
    return qtbot

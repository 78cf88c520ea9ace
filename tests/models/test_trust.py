"""Pickles are opened only where the user trusts them, as they were when that was said."""

import os

import pytest

from napari_cellseg.errors import MissingDependencyError, ModelError, UntrustedFileError
from napari_cellseg.models.registry import find_model
from napari_cellseg.models.trust import check_trusted, trust_file, trusted_path
from napari_cellseg.models.ultralytics_import import QT_VARIABLES, unchanged_qt


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CELLSEG_HOME", str(tmp_path / "home"))


def test_a_pickle_must_be_trusted_first(tmp_path):
    weights = tmp_path / "cells µ.pt"
    weights.write_bytes(b"one")
    with pytest.raises(UntrustedFileError, match="can run any code") as caught:
        check_trusted(weights)
    assert caught.value.path == str(weights)
    trust_file(weights)
    check_trusted(weights)
    copy = tmp_path / "copy.pt"
    copy.write_bytes(b"one")
    check_trusted(copy)
    weights.write_bytes(b"two")
    with pytest.raises(UntrustedFileError):
        check_trusted(weights)


def test_other_files_need_no_trust(tmp_path):
    (tmp_path / "cells.onnx").write_bytes(b"x")
    check_trusted(tmp_path / "cells.onnx")


def test_a_damaged_list_trusts_nothing(tmp_path):
    weights = tmp_path / "a.pt"
    weights.write_bytes(b"one")
    trust_file(weights)
    trusted_path().write_text("[1, 2")
    with pytest.raises(UntrustedFileError):
        check_trusted(weights)
    trust_file(weights)
    check_trusted(weights)


def test_the_registry_asks_before_it_opens_a_pickle(tmp_path):
    weights = tmp_path / "a.pt"
    weights.write_bytes(b"not a pickle at all")
    with pytest.raises(UntrustedFileError):
        find_model(weights)
    trust_file(weights)
    with pytest.raises((ModelError, MissingDependencyError)) as caught:
        find_model(weights)
    assert not isinstance(caught.value, UntrustedFileError)


def test_qt_is_left_as_it_was(monkeypatch):
    monkeypatch.setenv(QT_VARIABLES[0], "mine")
    monkeypatch.delenv(QT_VARIABLES[1], raising=False)
    with unchanged_qt():
        for name in QT_VARIABLES:
            os.environ[name] = "opencv's"
    assert os.environ[QT_VARIABLES[0]] == "mine"
    assert QT_VARIABLES[1] not in os.environ

"""Previews of a run."""

from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.errors import TrainingError
from napari_cellseg.training.runs.previews import Preview, read_previews, write_previews
from napari_cellseg.training.runs.run import RunFolder


def _preview(image: str, epoch: int, colour: bool = False) -> Preview:
    rng = np.random.default_rng(epoch)
    picture = rng.integers(0, 256, (12, 9, 3) if colour else (12, 9)).astype(np.uint8)
    truth, found = rng.integers(0, 5, (2, 12, 9)).astype(np.int32)
    return Preview(image, picture, truth, found, epoch, "model-1")


def test_what_was_written_last_is_read(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert read_previews(run) == []
    write_previews(run, [_preview("a/b", 1), _preview("é", 1, colour=True), _preview("c", 1)])
    write_previews(run, [_preview("a/b", 2), _preview("é", 2, colour=True)])
    found = read_previews(run)
    assert [(p.image, p.epoch, p.network) for p in found] == [("a/b", 2, "model-1"), ("é", 2, "model-1")]
    for preview, wanted in zip(found, [_preview("a/b", 2), _preview("é", 2, colour=True)], strict=True):
        for name in ("picture", "truth", "found"):
            np.testing.assert_array_equal(getattr(preview, name), getattr(wanted, name))
            assert getattr(preview, name).dtype == getattr(wanted, name).dtype


def test_a_damaged_preview_is_told(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    write_previews(run, [_preview("a", 1)])
    (run.previews / "000.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(TrainingError, match=r"000\.npz' cannot be read"):
        read_previews(run)

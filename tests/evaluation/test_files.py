"""Predictions and truths on the disk."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_cellseg.errors import CellSegWarning, ImageError, OptionError
from napari_cellseg.evaluation.evaluating import evaluate
from napari_cellseg.evaluation.files import image_name, pair_label_files


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two predictions as TIFF with their tables, two truths as PNG."""
    prediction, truth = tmp_path / "prediction", tmp_path / "truth"
    prediction.mkdir()
    truth.mkdir()
    for k, name in enumerate(("A172_1", "BV2_1")):
        labels = np.zeros((20, 30), np.uint16)
        labels[2:9, 2:9], labels[12:18, 5:12] = 300, 2
        iio.imwrite(truth / f"{name}_mask.png", labels)
        labels[12:18, 5:12] = 2 * (k == 0)
        tifffile.imwrite(prediction / f"{name}_labels.tif", labels.astype(np.int32))
        ids = np.unique(labels)[1:]
        table = pd.DataFrame({"index": ids, "confidence": np.linspace(0.5, 0.9, len(ids)), "class": "cell"})
        table.to_csv(prediction / f"{name}_features.csv", index=False)
    return prediction, truth


def test_folders_are_paired_by_name(folders: tuple[Path, Path]) -> None:
    files = pair_label_files(*folders)
    report = evaluate(files.predictions, files.truths, confidence=files.confidences, pattern="{line}_")
    assert report.images["image"].tolist() == ["A172_1", "BV2_1"]
    assert report.images["line"].tolist() == ["A172", "BV2"]
    assert report.images["recall"].tolist() == [1.0, 0.5]
    assert report.summary["mAP50"] == pytest.approx(76 / 101)


def test_two_files_are_a_pair_whatever_their_names(folders: tuple[Path, Path]) -> None:
    files = pair_label_files(folders[0] / "BV2_1_labels.tif", folders[1] / "A172_1_mask.png")
    assert list(files.truths) == ["A172_1"]
    assert evaluate(files.predictions, files.truths).summary["recall"] == 0.5


def test_without_every_table_there_are_no_confidences(folders: tuple[Path, Path]) -> None:
    (folders[0] / "BV2_1_features.csv").write_text("index,area\n1,2\n")
    assert pair_label_files(*folders).confidences is None
    (folders[0] / "BV2_1_features.csv").unlink()
    assert pair_label_files(*folders).confidences is None


@pytest.mark.parametrize("confidence", [[0.5], [0.5, np.nan], [0.5, "by hand"]])
def test_objects_drawn_by_hand_leave_out_the_confidences(
    folders: tuple[Path, Path], confidence: list
) -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[2:8, 3:12], labels[12:18, 5:12] = 1, 2
    tifffile.imwrite(folders[0] / "BV2_1_labels.tif", labels)
    table = pd.DataFrame({"index": [1, 2][: len(confidence)], "confidence": confidence})
    table.to_csv(folders[0] / "BV2_1_features.csv", index=False)
    with pytest.warns(CellSegWarning, match=r"'BV2_1_features.csv' has none for 1 of the objects .* 2\."):
        files = pair_label_files(*folders)
    assert files.confidences is None


def test_what_does_not_pair_is_said(folders: tuple[Path, Path], tmp_path: Path) -> None:
    prediction, truth = folders
    with pytest.raises(OptionError, match="both be folders"):
        pair_label_files(prediction, truth / "A172_1_mask.png")
    tifffile.imwrite(prediction / "C_pred.tif", np.zeros((4, 4), np.uint8))
    with pytest.warns(CellSegWarning, match="1 predictions have no truth"):
        pair_label_files(prediction, truth)
    tifffile.imwrite(prediction / "C_labels.tif", np.zeros((4, 4), np.uint8))
    with pytest.raises(OptionError, match=r"C_labels.tif' and 'C_pred.tif"):
        pair_label_files(prediction, truth)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(OptionError, match="2 have none, for example 'A172_1'"):
        pair_label_files(empty, truth)
    with pytest.raises(OptionError, match="no label images"):
        pair_label_files(truth, empty)
    with pytest.raises(ImageError, match="no file"):
        evaluate(*(getattr(pair_label_files("x.tif", "y.tif"), k) for k in ("predictions", "truths")))


def test_a_colour_picture_is_no_label_image(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    colours = np.random.default_rng(0).integers(0, 255, (9, 9, 3)).astype(np.uint8)
    iio.imwrite(path, colours)
    files = pair_label_files(path, path)
    with pytest.raises(OptionError, match="colour picture"):
        evaluate(files.predictions, files.truths)


@pytest.mark.parametrize(
    "file, name",
    [
        ("a_labels.tif", "a"),
        ("a.ome.tif", "a"),
        ("a_GT.png", "a"),
        ("_mask.png", "_mask"),
        ("b_1.npy", "b_1"),
    ],
)
def test_names_of_images(file: str, name: str) -> None:
    assert image_name(Path(file)) == name

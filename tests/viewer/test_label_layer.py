"""Labels lie on their image, whatever its dimensions."""

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_cellseg.viewer.feature_rows import rows_by_id, write_rows
from napari_cellseg.viewer.label_layer import LabelGeometry, make_labels_layer, replace_labels
from napari_cellseg.viewer.layer_image import read_layer


def labels_on(image: Image, axes: str | None = None) -> tuple[Labels, np.ndarray]:
    read = read_layer(image, axes)
    geometry = LabelGeometry.of(read)
    labels = np.zeros([read.sizes[a] for a in geometry.labels_axes], np.int32)
    return make_labels_layer(labels, geometry, image, "labels"), labels


@pytest.mark.parametrize(
    "shape, axes, rgb, expected",
    [
        ((20, 30), "YX", False, (20, 30)),
        ((20, 30, 3), "YXS", True, (20, 30)),
        ((3, 20, 30), "CYX", False, (20, 30)),
        ((3, 5, 20, 30), "CZYX", False, (5, 20, 30)),
        ((5, 3, 20, 30), "TCYX", False, (5, 1, 20, 30)),
        ((20, 30, 5), "YXZ", False, (20, 30, 5)),
    ],
)
def test_a_pixel_of_the_image_is_the_same_pixel_of_the_labels(
    shape: tuple[int, ...], axes: str, rgb: bool, expected: tuple[int, ...]
) -> None:
    ndim = len(shape) - rgb
    steps = np.arange(1, ndim + 1) / 4
    image = Image(
        np.zeros(shape, np.uint8), rgb=rgb, scale=steps, translate=steps * 10,
        units=["µm"] * ndim, axis_labels=[a.lower() for a in axes[:ndim]],
    )  # fmt: skip
    layer, labels = labels_on(image, axes)
    assert layer.data.shape == expected
    assert np.shares_memory(layer.data, labels)
    viewer = ViewerModel()
    viewer.add_layer(image)
    viewer.add_layer(layer)
    for pixel in (np.zeros(ndim), np.array(shape[:ndim]) - 1):
        world = np.asarray(image.data_to_world(pixel))
        found = np.round(layer.world_to_data(world[-layer.ndim :])).astype(int)
        kept = [i for i, a in enumerate(axes[:ndim]) if not (a == "C" and i == 0)]
        wanted = [0 if axes[i] == "C" else int(pixel[i]) for i in kept]
        assert found.tolist() == wanted


def test_rotation_and_shear_are_taken_over() -> None:
    image = Image(np.zeros((3, 20, 30)), rotate=[0, 0, 30], shear=[0, 0, 0.2], axis_labels=("c", "y", "x"))
    layer, _ = labels_on(image)
    world = np.asarray(image.data_to_world((0, 7, 9)))
    assert layer.world_to_data(world[-2:]) == pytest.approx((7, 9))


def test_units_and_axis_labels() -> None:
    image = Image(
        np.zeros((2, 20, 30)), axis_labels=("c", "y", "x"), units=("pixel", "µm", "µm"), scale=(1, 0.5, 0.5)
    )
    layer, _ = labels_on(image)
    assert layer.axis_labels == ("y", "x")
    assert [str(u) for u in layer.units] == ["micrometer", "micrometer"]


def test_replaced_data_have_no_history() -> None:
    layer = Labels(np.zeros((10, 10), np.int32))
    layer.data_setitem((np.array([1]), np.array([1])), 5)
    replace_labels(layer, np.full((10, 10), 7, np.int32))
    layer.undo()
    assert (layer.data == 7).all()
    assert layer.editable


def test_rows_follow_the_ids() -> None:
    rows = rows_by_id(
        pd.DataFrame({"index": [2, 4], "confidence": [0.5, 0.6], "class": ["a", "b"]}), np.arange(6)
    )
    assert rows["index"].tolist() == list(range(6))
    assert rows["class"].tolist() == ["", "", "a", "", "b", ""]
    assert rows["status"].astype(str).tolist() == ["", "", "predicted", "", "predicted", ""]


def test_sparse_ids_get_compact_rows() -> None:
    layer = Labels(np.array([[0, 3, 100_000_000]]))
    said = write_rows(layer, pd.DataFrame({"index": [3, 100_000_000]}))
    assert "renumbered" in said
    assert layer.features["index"].tolist() == [0, 3, 100_000_000]
    assert write_rows(layer, pd.DataFrame({"index": [3]})) == ""
    assert layer.features["index"].tolist() == [0, 1, 2, 3]

"""What of the viewer's layers becomes part of a dataset."""

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes

from napari_cellseg.datasets.annotation import object_table
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import CellSegError
from napari_cellseg.events import drain
from napari_cellseg.viewer.dataset_adding import (
    AddChoices,
    AddRequest,
    AddWhat,
    adding,
    make_request,
    request_sentence,
    suggested_name,
)
from napari_cellseg.viewer.dataset_layers import open_sample
from napari_cellseg.viewer.dataset_regions import reviewed_mask
from napari_cellseg.viewer.layer_image import read_layer

STATUSES = ["accepted", "predicted", "edited"]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.create(tmp_path / "set", ["cell"])


def layers(viewer: ViewerModel, shape: tuple[int, ...] = (40, 60), **options: object) -> tuple[Image, Labels]:
    """Three squares on each plane: accepted, predicted, edited."""
    pixels = np.random.default_rng(0).integers(0, 4000, shape).astype(np.uint16)
    labels = np.zeros(shape, np.int32)
    for number in range(3):
        labels[..., 10:20, 5 + 18 * number : 15 + 18 * number] = number + 1
    image = viewer.add_image(pixels, name="field", **options)
    found = viewer.add_labels(labels, name="cells", **options)
    found.features = object_table([1, 2, 3], status=STATUSES, confidence=0.9)
    return image, found


def request_of(viewer: ViewerModel, shapes: Shapes | None = None, **choices: object) -> AddRequest:
    image, labels = viewer.layers["field"], viewer.layers["cells"]
    return make_request(viewer, image, labels, shapes, AddChoices(**{"name": "field", **choices}))


def test_a_whole_plane(viewer: ViewerModel, dataset: Dataset) -> None:
    image, labels = layers(viewer, scale=(0.5, 0.5), units=("µm", "µm"))
    request = request_of(viewer, group="plate 1", split="val")
    assert request_sentence(request) == (
        "'field', 60 × 40 pixels: 3 objects, 1 not reviewed. Those count as right: accept or delete them "
        "before, where they are not."
    )
    assert "'field' is in the dataset already: adding replaces it" in request_sentence(request, ["field"])
    (added,) = drain(adding(dataset, request))
    sample = dataset.sample(added.name)
    assert (sample.pixels() == image.data).all()
    assert (sample.annotation.labels == labels.data).all()
    assert sample.annotation.objects["status"].tolist() == STATUSES
    assert (sample.split, sample.origin.group, sample.origin.pixel_size) == ("val", "plate 1", 0.5)
    assert sample.ignored is None


def test_accepted_objects_only(viewer: ViewerModel, dataset: Dataset) -> None:
    image, labels = layers(viewer)
    request = request_of(viewer, what=AddWhat.ACCEPTED)
    sentence = request_sentence(request)
    assert "46 × 10 pixels: 2 objects accepted or edited, 1 other not reviewed: blanked out" in sentence
    (added,) = drain(adding(dataset, request))
    sample = dataset.sample(added.name)
    assert sample.origin.region == (10, 5, 20, 51)
    assert sample.annotation.objects["index"].tolist() == [1, 3]
    assert (sample.pixels() == image.data[10:20, 5:51]).all()
    assert (sample.ignored == (labels.data[10:20, 5:51] == 2)).all()
    labels.features = object_table([1, 2, 3], status="predicted")
    with pytest.raises(CellSegError, match="No object was accepted yet"):
        request_sentence(request_of(viewer, what=AddWhat.ACCEPTED))


def test_an_image_of_a_dataset_that_is_added_again_keeps_what_is_known(
    viewer: ViewerModel, dataset: Dataset
) -> None:
    layers(viewer, scale=(0.5, 0.5), units=("µm", "µm"))
    drain(adding(dataset, request_of(viewer, what=AddWhat.ACCEPTED, group="plate 1")))
    before = dataset.sample("field")
    labels = open_sample(viewer, dataset.folder, before, before.pixels())
    (image,) = [layer for layer in viewer.layers if isinstance(layer, Image) and layer.visible]
    drain(adding(dataset, make_request(viewer, image, labels, None, AddChoices(name="copy"))))
    copy = dataset.sample(dataset.names[0])
    assert (copy.ignored == before.ignored).all()
    assert copy.origin == before.origin


def test_a_reviewed_region(viewer: ViewerModel, dataset: Dataset) -> None:
    image, labels = layers(viewer, scale=(0.5, 0.5))
    shapes = viewer.add_shapes(scale=(0.5, 0.5))
    shapes.add_rectangles([[5, 2], [30, 29]])
    request = request_of(viewer, shapes, what=AddWhat.REGION)
    assert "2 objects, 1 not reviewed" in request_sentence(request)
    assert "1 object cut by its border" in request_sentence(request)
    (added,) = drain(adding(dataset, request))
    sample = dataset.sample(added.name)
    y0, x0, y1, x1 = sample.origin.region
    assert added.name == f"field_y{y0:04d}_x{x0:04d}"
    assert (sample.pixels() == image.data[y0:y1, x0:x1]).all()
    assert (sample.annotation.labels == labels.data[y0:y1, x0:x1]).all()
    assert sample.ignored is None


def test_outside_of_a_drawn_polygon_nothing_is_taught(viewer: ViewerModel, dataset: Dataset) -> None:
    _, labels = layers(viewer)
    shapes = viewer.add_shapes()
    shapes.add_polygons([[0, 0], [0, 40], [39, 0]])
    shapes.add_lines([[0, 0], [39, 59]])
    request = request_of(viewer, shapes, what=AddWhat.REGION)
    sample = dataset.sample(drain(adding(dataset, request))[0].name)
    height, width = sample.annotation.shape
    mask = request.mask[:height, :width]
    assert (sample.ignored == ~mask).all()
    assert (sample.annotation.labels == np.where(mask, labels.data[:height, :width], 0)).all()


def test_selected_shapes_and_ellipses(viewer: ViewerModel) -> None:
    image, _ = layers(viewer)
    shapes = viewer.add_shapes()
    shapes.add_rectangles([[0, 0], [5, 5]])
    shapes.add_ellipses(np.array([[10, 10], [10, 50], [30, 50], [30, 10]]))
    shapes.selected_data = {1}
    mask = reviewed_mask(image, read_layer(image), shapes)
    assert not mask[:6, :6].any()
    assert mask[20, 30]
    assert not mask[11, 11]
    assert abs(mask.sum() - np.pi * 10 * 20) < 40
    shapes.selected_data = set()
    assert reviewed_mask(image, read_layer(image), shapes)[3, 3]


def test_regions_of_one_image_do_not_replace_each_other(viewer: ViewerModel, dataset: Dataset) -> None:
    layers(viewer)
    shapes = viewer.add_shapes()
    for corner in ((0, 0), (0, 30)):
        shapes.add_rectangles(np.array([corner, (25, corner[1] + 25)]))
        shapes.selected_data = {len(shapes.data) - 1}
        drain(adding(dataset, request_of(viewer, shapes, what=AddWhat.REGION)))
    assert len(dataset) == 2


def test_the_shown_plane_or_all_planes_of_a_stack(viewer: ViewerModel, dataset: Dataset) -> None:
    image, _ = layers(viewer, (4, 40, 60), axis_labels=("t", "y", "x"))
    viewer.dims.set_current_step(0, 2)
    (added,) = drain(adding(dataset, request_of(viewer)))
    assert added.name == "field_t002"
    assert (dataset.sample("field_t002").pixels() == image.data[2]).all()
    request = request_of(viewer, all_planes=True)
    assert "And 3 other planes of the stack, in one group." in request_sentence(request)
    added = drain(adding(dataset, request))
    assert [one.updated for one in added] == [False, False, True, False]
    assert dataset.names == ("field_t000", "field_t001", "field_t002", "field_t003")
    assert {dataset.record(name).origin.group for name in dataset.names} == {"field"}
    assert len({dataset.record(name).split for name in dataset.names}) == 1


def test_planes_without_an_accepted_object_are_left_out(viewer: ViewerModel, dataset: Dataset) -> None:
    _, labels = layers(viewer, (4, 40, 60), axis_labels=("t", "y", "x"))
    labels.data = np.where(np.arange(4)[:, None, None] < 2, np.where(labels.data == 2, 2, 0), labels.data)
    request = request_of(viewer, all_planes=True, what=AddWhat.ACCEPTED)
    sentence = request_sentence(request)
    assert sentence.startswith("'field_t002', 46 × 10 pixels: 2 objects accepted or edited")
    assert "And what is accepted in 3 other planes of the stack" in sentence
    assert [one.name for one in drain(adding(dataset, request))] == ["field_t002", "field_t003"]


def test_channels_and_colours_are_kept(viewer: ViewerModel, dataset: Dataset) -> None:
    _, labels = layers(viewer)
    two = viewer.add_image(np.random.default_rng(1).random((2, 40, 60)), axis_labels=("c", "y", "x"))
    rgb = viewer.add_image(np.random.default_rng(1).integers(0, 9, (40, 60, 3), np.uint8), rgb=True)
    for name, image, shape in (("two", two, (40, 60, 2)), ("rgb", rgb, (40, 60, 3))):
        request = make_request(viewer, image, labels, None, AddChoices(name=name))
        drain(adding(dataset, request))
        assert dataset.sample(name).pixels().shape == shape


def test_labels_without_a_table_count_as_reviewed(viewer: ViewerModel, dataset: Dataset) -> None:
    _, labels = layers(viewer)
    labels.features = {}
    assert "3 objects, all reviewed" in request_sentence(request_of(viewer))


def test_labels_of_another_image_are_explained(viewer: ViewerModel) -> None:
    layers(viewer, (4, 40, 60), axis_labels=("t", "y", "x"))
    viewer.layers["cells"].data = viewer.layers["cells"].data[0]
    with pytest.raises(CellSegError, match="'cells' has 40 × 60 pixels, the image 4 × 40 × 60"):
        request_of(viewer)


def test_names_come_from_the_file_or_the_layer(viewer: ViewerModel, tmp_path: Path) -> None:
    image, labels = layers(viewer)
    assert suggested_name(image, labels) == "field"
    path = tmp_path / "plate 1_A01.ome.tif"
    path.touch()
    image.metadata["path"] = str(path)
    assert suggested_name(image, labels) == "plate 1_A01"
    image.metadata.clear()
    image.name = "a/b: c"
    assert suggested_name(image, labels) == "a_b_ c"

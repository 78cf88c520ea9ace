"""Which part of the image is meant."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_cellseg.errors import OptionError
from napari_cellseg.images.reading import PixelSize
from napari_cellseg.viewer.choices import SegmentChoices, make_request
from napari_cellseg.viewer.layer_image import read_layer
from napari_cellseg.viewer.run_on import RunOn, add_region_layer, choose_part


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def test_current_plane_of_a_scaled_stack(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((4, 5, 20, 30)), scale=(2, 3, 0.5, 0.5))
    viewer.dims.set_current_step((0, 1), (2, 3))
    part = choose_part(viewer, layer, read_layer(layer), RunOn.PLANE)
    assert part.planes == (2 * 5 + 3,)
    assert part.region is None


def test_current_plane_beside_a_channel_axis(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((4, 2, 20, 30)), axis_labels=("t", "c", "y", "x"))
    viewer.dims.set_current_step((0, 1), (3, 1))
    assert choose_part(viewer, layer, read_layer(layer), RunOn.PLANE).planes == (3,)


def test_visible_field(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((100, 200)))
    layer.corner_pixels = np.array([[10, 20], [39, 79]])
    part = choose_part(viewer, layer, read_layer(layer), RunOn.VISIBLE)
    assert part.region == (slice(10, 40), slice(20, 80))
    assert part.pixels(read_layer(layer)) == 30 * 60


def test_visible_field_needs_the_flat_view(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((4, 100, 200)))
    viewer.dims.ndisplay = 3
    with pytest.raises(OptionError, match="2-D"):
        choose_part(viewer, layer, read_layer(layer), RunOn.VISIBLE)


def test_region_is_the_box_of_the_shapes_in_image_pixels(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((3, 100, 200)), scale=(1, 0.5, 0.5), translate=(0, 5, 5))
    shapes = add_region_layer(viewer, layer)
    image = read_layer(layer)
    with pytest.raises(OptionError, match="no shape"):
        choose_part(viewer, layer, image, RunOn.SHAPES, shapes)
    shapes.add_rectangles([[10, 20], [29.5, 80]])
    part = choose_part(viewer, layer, image, RunOn.SHAPES, shapes)
    assert part.region == (slice(10, 30), slice(20, 81))
    assert part.planes == (1,)
    shapes.selected_data = {0}
    shapes.remove_selected()
    shapes.add_rectangles([[500, 500], [600, 600]])
    with pytest.raises(OptionError, match="outside"):
        choose_part(viewer, layer, image, RunOn.SHAPES, shapes)


def test_size_in_micrometres(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((100, 200)))
    image = read_layer(layer)
    choices = SegmentChoices(size_by="micrometres", size=10, pixel_size=PixelSize(0.5, 0.5))
    assert make_request(viewer, layer, image, choices).arguments["diameter"] == pytest.approx(20)
    with pytest.raises(OptionError, match="pixel size is unknown"):
        make_request(viewer, layer, image, SegmentChoices(size_by="micrometres"))


def test_link_only_on_all_planes_of_a_z_stack(viewer: ViewerModel) -> None:
    layer = viewer.add_image(np.zeros((3, 100, 200)))
    image = read_layer(layer)
    every = SegmentChoices(link_z=True, run_on=RunOn.ALL)
    assert make_request(viewer, layer, image, every).arguments["link"] == "z"
    plane = SegmentChoices(link_z=True, run_on=RunOn.PLANE)
    assert make_request(viewer, layer, image, plane).arguments["link"] is None
    time = read_layer(layer, "TYX")
    assert make_request(viewer, layer, time, every).arguments["link"] is None

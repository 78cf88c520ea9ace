"""Labels coloured by the classes of a dataset."""

import numpy as np
from napari.layers import Labels

from napari_cellseg.datasets.annotation import object_table
from napari_cellseg.viewer.dataset_classes import CLASS_COLOURS, ClassColours, class_colour

NAMES = ("cell", "dead")


def layer_of(classes: list[str]) -> Labels:
    layer = Labels(np.repeat(np.arange(len(classes) + 1), 4).reshape(2, -1))
    layer.features = object_table(range(1, len(classes) + 1), classes=classes)
    return layer


def colours_of(layer: Labels) -> list[str]:
    labels = np.arange(1, layer.data.max() + 1)
    found = np.round(np.asarray(layer.colormap.map(labels)) * 255).astype(int)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b, _ in found]


def test_objects_have_the_colour_of_their_class_and_get_it_again_after_a_change() -> None:
    layer = layer_of(["cell", "dead", "other", "cell"])
    before = layer.colormap
    colours = ClassColours(layer, NAMES)
    assert colours_of(layer) == [class_colour(0), class_colour(1), "#ffffff", class_colour(0)]
    layer.features = layer.features.assign(**{"class": ["dead"] * 4})
    assert colours_of(layer) == [class_colour(1)] * 4
    colours.close()
    assert layer.colormap is before
    layer.features = layer.features.assign(**{"class": ["cell"] * 4})
    assert layer.colormap is before


def test_colours_of_somebody_else_stay() -> None:
    layer = layer_of(["cell", "dead"])
    colours = ClassColours(layer, NAMES)
    other = Labels(np.zeros((2, 2), int)).colormap
    layer.colormap = other
    assert not colours.shown
    layer.features = layer.features.assign(**{"class": ["dead"] * 2})
    assert layer.colormap is other
    colours.close()
    assert layer.colormap is other


def test_labels_without_a_table_and_more_classes_than_colours() -> None:
    bare = Labels(np.arange(4).reshape(2, 2))
    ClassColours(bare, NAMES)
    assert colours_of(bare) == ["#ffffff"] * 3
    names = [f"class {k}" for k in range(len(CLASS_COLOURS) + 1)]
    layer = layer_of(names)
    ClassColours(layer, names)
    assert colours_of(layer) == [*CLASS_COLOURS, CLASS_COLOURS[0]]

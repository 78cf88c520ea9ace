"""What the layers of unfinished work are found by again."""

from napari.layers import Image, Labels

from napari_cellseg.review.image_key import ImageKey, array_key, file_key, labels_key
from napari_cellseg.viewer.pixel_size import source_path


def image_key(layer: Image) -> ImageKey:
    """What an image is found by again: its file, or its name and pixels.

    Raises
    ------
    JournalError
        Where its file cannot be read.
    """
    path = source_path(layer)
    data = layer.data[0] if layer.multiscale else layer.data
    return file_key(path) if path is not None else array_key(data, layer.name)


def labels_layer_key(layer: Labels) -> ImageKey:
    """What labels without an image are found by again: the path of their file, or their name and pixels."""
    path = source_path(layer)
    return labels_key(path) if path is not None else array_key(layer.data, layer.name)

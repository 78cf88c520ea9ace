"""The demonstration: a real image, segmented, in napari or in a folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.cli.terminal import run_job
from napari_cellseg.outputs import make_folder, replacing

NAME = "immunohistochemistry"
"""Image of scikit-image that is shown: stained tissue, which lies inside its wheel."""

OUTLINE, SHADE = (255, 230, 0), (0, 0, 0)
"""Colours of the outlines in the overlay and of the line around them, RGB."""


def demo_image() -> NDArray[np.uint8]:
    """The image of the demonstration, (Y, X, 3) uint8; nothing is downloaded."""
    import skimage.data

    image: NDArray[np.uint8] = getattr(skimage.data, NAME)()
    return image


def show_demo(device: str = "auto") -> None:
    """Open napari with the image and the Segment dock, and start segmenting; returns when it is closed.

    Parameters
    ----------
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    """
    import napari

    from napari_cellseg.viewer.choices import SegmentChoices

    viewer = napari.Viewer(title="napari-cellseg")
    viewer.add_image(demo_image(), name=NAME.capitalize(), rgb=True)
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "CellSeg segment")
    dock.panel.show_choices(SegmentChoices(device=device))
    dock.panel.start()
    napari.run()


def write_demo(folder: Path, device: str = "auto") -> Iterator[str]:
    """Segment the image and write it, its labels, table and an overlay; needs neither Qt nor napari.

    Parameters
    ----------
    folder : Path
        Where the files go; files of an earlier demonstration are replaced.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.

    Yields
    ------
    str
        What was done, line by line.

    Raises
    ------
    CellSegError
        Where the image cannot be segmented, or the results cannot be written.
    """
    import imageio.v3 as iio

    from napari_cellseg.batch import segmenting_files
    from napari_cellseg.errors import CellSegError
    from napari_cellseg.images.reading import read_image

    image = demo_image()
    path = make_folder(folder) / f"{NAME}.png"
    with replacing(path) as temporary:
        iio.imwrite(temporary, image)
    summary = run_job(segmenting_files(path, folder, overwrite=True, device=device))
    (result,) = summary.files
    if result.labels is None:
        raise CellSegError(result.reason)
    overlay = folder / f"{NAME}_overlay.png"
    with replacing(overlay) as temporary:
        iio.imwrite(temporary, outlined(image, np.asarray(read_image(result.labels).data)))
    yield f"{result.objects:,} objects in {result.seconds:.1f} s"
    for written in (path, result.labels, path.with_name(f"{NAME}_features.csv"), overlay):
        yield str(written)


def outlined(image: NDArray[np.uint8], labels: NDArray[Any], enlarge: int = 2) -> NDArray[np.uint8]:
    """An RGB image with the outlines of the labels drawn in, enlarged so that little is hidden.

    Parameters
    ----------
    image : (Y, X, 3) ndarray of uint8
        The image.
    labels : (Y, X) ndarray of int
        0 is background.
    enlarge : int
        Pixels of the result per pixel of the image.

    Returns
    -------
    (enlarge * Y, enlarge * X, 3) ndarray of uint8
    """
    from skimage.segmentation import find_boundaries

    large = image.repeat(enlarge, axis=0).repeat(enlarge, axis=1)
    drawn = labels.repeat(enlarge, axis=0).repeat(enlarge, axis=1)
    for mode, colour in (("thick", SHADE), ("inner", OUTLINE)):
        large[find_boundaries(drawn, mode=mode)] = colour
    return large

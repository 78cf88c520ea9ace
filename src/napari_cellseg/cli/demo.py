"""The demonstration: a real image, segmented, in napari or in a folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.cli.terminal import run_job
from napari_cellseg.outputs import make_folder, replacing

IMAGE = "immunohistochemistry"
"""Name of the image: stained tissue of scikit-image, which lies inside its wheel."""

STAIN = "haematoxylin"
"""Name of the stain that is segmented: the blue one, which colours the nuclei."""

OUTLINE, SHADE = (255, 230, 0), (0, 0, 0)
"""Colours of the outlines in the overlay and of the line around them, RGB."""


def demo_image() -> NDArray[np.uint8]:
    """The image of the demonstration, (Y, X, 3) uint8; nothing is downloaded."""
    import skimage.data

    image: NDArray[np.uint8] = skimage.data.immunohistochemistry()
    return image


def nuclear_stain(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How much haematoxylin there is, apart from the brown antibody stain.

    Parameters
    ----------
    image : (Y, X, 3) ndarray of uint8
        Tissue stained with haematoxylin and DAB.

    Returns
    -------
    (Y, X) ndarray of float32
        Optical density, higher in the nuclei.

    References
    ----------
    Ruifrok and Johnston, Analytical and Quantitative Cytology and Histology 23 (2001): colour deconvolution.
    """
    from skimage.color import rgb2hed

    stain: NDArray[np.float32] = rgb2hed(image)[..., 0].astype(np.float32)
    return stain


def show_demo(device: str = "auto") -> None:
    """Open napari with the image and the Segment dock, and start segmenting; returns when it is closed.

    Parameters
    ----------
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    """
    import napari

    from napari_cellseg.viewer.choices import SegmentChoices

    image = demo_image()
    viewer = napari.Viewer(title="napari-cellseg")
    stain = viewer.add_image(nuclear_stain(image), name=STAIN.capitalize(), visible=False)
    viewer.add_image(image, name=IMAGE.capitalize(), rgb=True)
    _, dock = viewer.window.add_plugin_dock_widget("napari-cellseg", "CellSeg segment")
    viewer.layers.selection.active = stain
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
    import tifffile

    from napari_cellseg.batch import segmenting_files
    from napari_cellseg.errors import CellSegError
    from napari_cellseg.images.reading import read_image

    image = demo_image()
    picture = make_folder(folder) / f"{IMAGE}.png"
    stain, overlay = folder / f"{STAIN}.tif", folder / f"{IMAGE}_overlay.png"
    with replacing(picture) as temporary:
        iio.imwrite(temporary, image)
    with replacing(stain) as temporary:
        tifffile.imwrite(temporary, nuclear_stain(image), compression="zlib")
    (result,) = run_job(segmenting_files(stain, folder, overwrite=True, device=device)).files
    if result.labels is None:
        raise CellSegError(result.reason)
    with replacing(overlay) as temporary:
        iio.imwrite(temporary, outlined(image, np.asarray(read_image(result.labels).data)))
    yield f"{result.objects:,} nuclei in {result.seconds:.1f} s, found in the {STAIN} of stained tissue"
    for written in (picture, stain, result.labels, folder / f"{STAIN}_features.csv", overlay):
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

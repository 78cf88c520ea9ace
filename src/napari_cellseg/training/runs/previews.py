"""What a network in training finds in a few images now, kept in the run's folder for whoever watches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import TrainingError
from napari_cellseg.outputs import make_folder, output_errors, replacing
from napari_cellseg.training.runs.run import RunFolder


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """An image, or a part of one, with its truth and what the network finds in it.

    Attributes
    ----------
    image : str
        Its name.
    picture : (Y, X) or (Y, X, 3) ndarray of uint8
        Its pixels, as they are shown.
    truth, found : (Y, X) ndarray of int32
        Labels; 0 is background.
    epoch : int
        After which epoch; the first is 1.
    network : str
        Name of the network, where a run trains several.
    """

    image: str
    picture: NDArray[np.uint8]
    truth: NDArray[np.int32]
    found: NDArray[np.int32]
    epoch: int
    network: str = ""


def write_previews(run: RunFolder, previews: Sequence[Preview]) -> None:
    """Replace a run's previews, each file as a whole.

    Raises
    ------
    OutputError
        Where they cannot be written.
    """
    folder = make_folder(run.previews)
    for number, preview in enumerate(previews):
        with replacing(folder / f"{number:03}.npz") as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **_arrays(preview))
    for path in sorted(folder.glob("*.npz"))[len(previews) :]:
        with output_errors(path):
            path.unlink(missing_ok=True)


def read_previews(run: RunFolder) -> list[Preview]:
    """The last previews of a run; none where it wrote none.

    Raises
    ------
    TrainingError
        Where one cannot be read.
    """
    found = []
    for path in sorted(run.previews.glob("*.npz")):
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found.append(_preview(arrays))
        except FileNotFoundError:  # the training has just replaced them by fewer
            break
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise TrainingError(f"The preview '{path}' cannot be read: {error}.") from error
    return found


def _arrays(preview: Preview) -> dict[str, NDArray[Any]]:
    return {
        "image": np.array(preview.image),
        "picture": preview.picture,
        "truth": preview.truth,
        "found": preview.found,
        "epoch": np.array(preview.epoch),
        "network": np.array(preview.network),
    }


def _preview(arrays: Any) -> Preview:
    return Preview(
        image=str(arrays["image"]),
        picture=arrays["picture"],
        truth=arrays["truth"],
        found=arrays["found"],
        epoch=int(arrays["epoch"]),
        network=str(arrays["network"]),
    )

"""A model as a package of bioimage.io, with a test that others can repeat, checked before it is kept."""

import hashlib
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import TypeAdapter, ValidationError

from napari_cellseg.errors import MissingDependencyError, ModelError, OptionError
from napari_cellseg.images.simulation import simulate_brightfield, simulate_fluorescence
from napari_cellseg.models.bioimageio.description import DESCRIPTION, describe, links, tested_edge
from napari_cellseg.models.bioimageio.foreign import scaled_as_told
from napari_cellseg.models.bioimageio.page import cover, page
from napari_cellseg.models.card import ModelCard, card_text
from napari_cellseg.models.onnx import OnnxPixelModel
from napari_cellseg.models.package import check_weights, with_ending
from napari_cellseg.models.registry import TRAINABLE_SUFFIX, ModelEntry, find_model, open_model
from napari_cellseg.outputs import replacing

_BUNDLED_AUTHORS = ("napari-cellseg developers",)


@dataclass(frozen=True, slots=True)
class ZooPackage:
    """A package that was written.

    Attributes
    ----------
    path : Path
        The file.
    status : str
        What bioimageio.spec says of it: ``"valid-format"`` or ``"passed"``.
    checked_with : str
        Version of bioimageio.spec.
    notes : tuple of str
        What bioimageio.spec would like to be better, one line each.
    """

    path: Path
    status: str
    checked_with: str
    notes: tuple[str, ...]


def export_bioimageio(
    model: str | Path,
    file: str | Path,
    *,
    authors: Sequence[str] = (),
    licence: str | None = None,
    image: ArrayLike | None = None,
    overwrite: bool = False,
) -> ZooPackage:
    """Write a pixel model as a package of bioimage.io, which `add_model` and other programs take.

    It holds the ONNX weights, how intensities are scaled, a test image with the maps that must come out of
    it, a page of documentation with a cover, and, for `add_model`, the card and the trainable weights.
    bioimageio.spec checks it before it takes its place; nothing is downloaded.

    Parameters
    ----------
    model : str or Path
        What `find_model` takes; a pixel model run by ONNX Runtime.
    file : str or Path
        The file to write; its name gets the ending ``.zip`` where it has none.
    authors : sequence of str
        Who made the model; the card's author unless given.
    licence : str, optional
        SPDX identifier of the weights' licence; the card's unless given.
    image : (Y, X) or (Y, X, C) array-like, optional
        Image for the test, of which the middle is taken; simulated unless given.
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    ModelError
        Where there is no such model, it is of another kind, or bioimageio.spec refuses the package.
    OptionError
        Where nobody is named as the author, the licence is no SPDX identifier, or the image does not fit.
    MissingDependencyError
        Where bioimageio.spec is not installed.
    OutputError
        Where the file is there already or cannot be written.
    """
    entry = find_model(model)
    licence = _checked_licence(entry.card.licence if licence is None else licence)
    names = _authors(entry, authors)
    target = with_ending(file, ".zip", overwrite=overwrite)
    files = _files(entry, names, licence, image)
    with replacing(target) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return _checked(temporary, target, files[DESCRIPTION])


def _checked_licence(licence: str) -> str:
    try:
        from bioimageio.spec.generic.v0_3 import LicenseId
    except ImportError as error:
        raise MissingDependencyError("A package of bioimage.io", "bioimageio.spec", "zoo") from error
    try:
        TypeAdapter(LicenseId).validate_python(licence)
    except ValidationError as error:
        raise OptionError(
            f"The licence must be an SPDX identifier, such as BSD-3-Clause or CC-BY-4.0, not {licence!r}."
        ) from error
    return licence


def _authors(entry: ModelEntry, authors: Sequence[str]) -> Sequence[str]:
    known = (entry.card.author,) if entry.card.author else ()
    names = authors or known or (_BUNDLED_AUTHORS if entry.origin == "bundled" else ())
    if not names or any("/" in name or not name.strip() for name in names):
        raise OptionError(f"Name the authors of '{entry.card.name}', without slashes.")
    return names


def _files(
    entry: ModelEntry, authors: Sequence[str], licence: str, image: ArrayLike | None
) -> dict[str, bytes]:
    """Content of the package, by name."""
    card = entry.card
    model = open_model(entry, "cpu") if card.kind == "pixel" and card.backend == "onnx" else None
    if not isinstance(model, OnnxPixelModel):
        raise ModelError(
            f"'{card.name}' is {'an' if card.kind == 'instance' else 'a'} {card.kind} model run by "
            f"{card.backend}; a package of bioimage.io can hold a pixel model in an ONNX file."
        )
    if card.scaling.keep_8bit:
        raise ModelError(
            f"'{card.name}' takes images of 8 bits as they are and scales others, which no package can say."
        )
    check_weights(entry)
    raw = _test_image(card, image)
    maps = model.predict_maps(scaled_as_told(raw, card))
    stem = card.name
    packed = card.model_copy(update={"weights": f"{stem}.onnx"})
    files = {
        f"{stem}.onnx": entry.path.read_bytes(),
        f"{stem}.json": card_text(packed).encode(),
        "test_input.npy": _npy(raw),
        "test_output.npy": _npy(maps),
        "cover.png": cover(raw[0], maps[0]),
        "README.md": page(packed, image is None).encode(),
    }
    if entry.trainable is not None:
        files[f"{stem}{TRAINABLE_SUFFIX}"] = entry.trainable.read_bytes()
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    text = describe(packed, hashes, files[f"{stem}.onnx"], authors, licence, float(maps.max()))
    return {DESCRIPTION: text.encode(), **files}


def _test_image(card: ModelCard, image: ArrayLike | None) -> NDArray[np.float32]:
    """Raw intensities of one tile, (1, C, Y, X)."""
    edge = tested_edge(card)
    if image is None:
        size = (0.7 * card.diameter, 1.3 * card.diameter)
        if any("nucle" in name.lower() for name in card.classes):
            plane: NDArray[Any] = simulate_fluorescence((edge, edge), diameter=size, seed=1).image
        else:
            plane = simulate_brightfield(
                (edge, edge), diameter=size, contrast=0.6, uneven_light=0.1, bubbles=0, debris=0, defocus=0.3,
                noise=0.05, seed=1,
            ).image  # fmt: skip
    else:
        plane = np.asarray(image)
        if plane.ndim not in (2, 3) or min(plane.shape[:2]) < edge:
            raise OptionError(f"The test image must be (Y, X) or (Y, X, C), at least {edge} pixels each way.")
        top, left = ((n - edge) // 2 for n in plane.shape[:2])
        plane = plane[top : top + edge, left : left + edge]
    plane = plane[..., None] if plane.ndim == 2 else plane
    if plane.shape[2] not in (1, card.channels):
        raise OptionError(f"The test image must have 1 or {card.channels} channels, not {plane.shape[2]}.")
    channels = np.broadcast_to(plane, (*plane.shape[:2], card.channels))
    return np.ascontiguousarray(np.moveaxis(channels, 2, 0)[None], np.float32)


def _npy(array: NDArray[np.float32]) -> bytes:
    buffer = BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _checked(file: Path, target: Path, description: bytes) -> ZooPackage:
    """What bioimageio.spec says of a package, all of whose files are inside."""
    from bioimageio.spec import InvalidDescr, ValidationContext, __version__, load_description

    known = dict.fromkeys(links(description.decode()))
    with ValidationContext(log_warnings=False, progressbar=False), tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder)
        found = load_description(Path(folder) / DESCRIPTION, perform_io_checks=True, known_files=known)
    summary = found.validation_summary
    if isinstance(found, InvalidDescr) or summary is None or summary.status == "failed":
        reason = found.get_reason() if isinstance(found, InvalidDescr) else None
        words = " ".join((reason or "it gives no reason").split())[:600]
        raise ModelError(f"bioimageio.spec {__version__} refuses '{target.name}': {words}")
    notes = [
        f"{'.'.join(str(part) for part in warning.loc)}: {' '.join(warning.msg.split())}"
        for detail in summary.details
        for warning in detail.warnings
    ]
    return ZooPackage(target, summary.status, __version__, tuple(dict.fromkeys(notes)))

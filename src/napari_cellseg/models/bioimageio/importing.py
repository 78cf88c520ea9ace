"""Packages of bioimage.io, read: only what is needed, each file checked; only the network is run."""

import hashlib
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from napari_cellseg.archives import check_entries, checked_size, opened, pieces
from napari_cellseg.errors import ModelError
from napari_cellseg.models.bioimageio.description import CONFIG_KEY
from napari_cellseg.models.bioimageio.foreign import Network, foreign_card, network_of, said, scaled_as_told
from napari_cellseg.models.card import ModelCard, parse_card, write_card
from napari_cellseg.models.onnx import OnnxPixelModel
from napari_cellseg.models.package import MOST_BYTES
from napari_cellseg.models.registry import TRAINABLE_SUFFIX
from napari_cellseg.outputs import output_errors

DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
"""Names of the file that describes a package."""

_MOST_TEXT = 2**22
_MOST_TENSOR = 2**28
_REMEDY = "If that is meant so, unpack it yourself and add its rdf.yaml."
_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class _Files:
    """Files of a package: in a folder, or in an archive below a folder of it."""

    path: Path
    archive: zipfile.ZipFile | None
    inside: str

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return self._entry(name).file_size if self.archive else self._below(name).stat().st_size

    def read(self, name: str, most: int) -> bytes:
        """Content of a small file."""
        if self.size(name) > most:
            raise ModelError(f"'{self.path}' cannot be used: its '{name}' is larger than {most:,} bytes.")
        return b"".join(self.pieces(name))

    def pieces(self, name: str) -> Iterator[bytes]:
        """Content of a file, piece by piece."""
        if self.archive is not None:
            yield from pieces(self.archive, self._entry(name))
            return
        with self._below(name).open("rb") as file:
            while piece := file.read(2**20):
                yield piece

    def _entry(self, name: str) -> zipfile.ZipInfo:
        assert self.archive is not None
        try:
            return self.archive.getinfo(self.inside + name)
        except KeyError:
            raise ModelError(
                f"'{self.path}' cannot be used: it names '{name}', which it does not hold."
            ) from None

    def _below(self, name: str) -> Path:
        windows, parts = PureWindowsPath(name), PurePosixPath(name).parts
        found = self.path.parent / name
        unsafe = not parts or "\0" in name or windows.drive or windows.root or ".." in parts
        if unsafe or not found.resolve().is_relative_to(self.path.parent.resolve()):
            raise ModelError(f"'{self.path}' cannot be used: it names '{name}', which is not in its folder.")
        if not found.is_file():
            raise ModelError(f"'{self.path}' cannot be used: it names '{name}', which is not beside it.")
        return found


def is_zoo_package(path: Path) -> bool:
    """Whether a path is a package of bioimage.io: an archive, its description, or the folder of that."""
    if path.is_dir():
        return any((path / name).is_file() for name in DESCRIPTIONS)
    if path.name in DESCRIPTIONS:
        return path.is_file()
    if path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
        return False
    with opened(path, ModelError) as archive:
        return any(PurePosixPath(name).name in DESCRIPTIONS for name in archive.namelist())


@contextmanager
def unpacked_zoo(path: Path) -> Iterator[Path]:
    """The card of a package of bioimage.io, its weights beside it, in a folder that goes when the block ends.

    A package that `export_bioimageio` wrote holds the card. For any other one a card is made where its
    network is of a kind that is known here: one ONNX file, one plane in and maps in one tensor out, a
    foreground first; its test must give what the package says.

    Parameters
    ----------
    path : Path
        What `is_zoo_package` knows.

    Raises
    ------
    ModelError
        Where it is damaged, unsafe, or of a kind that cannot be used; the text says why.
    """
    with tempfile.TemporaryDirectory(prefix="cellseg-") as folder, _opened(path) as files:
        with output_errors(folder):
            description = _description(files)
            card_path = _own(files, description, Path(folder)) or _foreign(files, description, Path(folder))
        yield card_path


@contextmanager
def _opened(path: Path) -> Iterator[_Files]:
    if path.is_dir() or path.name in DESCRIPTIONS:
        folder = path if path.is_dir() else path.parent
        names = [path.name] if path.is_file() else [n for n in DESCRIPTIONS if (folder / n).is_file()]
        yield _Files(folder / names[0], None, "")
        return
    with opened(path, ModelError) as archive:
        entries = archive.infolist()
        check_entries(entries, path, ModelError)
        checked_size(entries, path, MOST_BYTES, _REMEDY, ModelError)
        found = [name for name in archive.namelist() if PurePosixPath(name).name in DESCRIPTIONS]
        shortest = min(found, key=lambda name: name.count("/"))
        yield _Files(path, archive, shortest.rpartition("/")[0] + "/" if "/" in shortest else "")


def _description(files: _Files) -> dict[str, Any]:
    import yaml

    for name in DESCRIPTIONS:
        if files.archive is None and name != files.path.name:
            continue
        if files.archive is not None and files.inside + name not in files.archive.namelist():
            continue
        try:
            found = yaml.safe_load(files.read(name, _MOST_TEXT))
        except (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"'{files.path}' cannot be used: its '{name}' is no YAML.") from error
        if not isinstance(found, dict) or found.get("type") != "model":
            raise ModelError(f"'{files.path}' is a package of bioimage.io, but not of a model.")
        return found
    raise ModelError(f"'{files.path}' is no package of bioimage.io: it has no '{DESCRIPTIONS[0]}'.")


def _own(files: _Files, description: dict[str, Any], folder: Path) -> Path | None:
    """The card that napari-cellseg packed, with weights and trainable weights; None where there is none."""
    named = said(description, "config", CONFIG_KEY)
    if not isinstance(named, dict) or not isinstance(named.get("card"), str):
        return None
    hashes = {
        entry.get("source"): entry.get("sha256")
        for entry in description.get("attachments") or []
        if isinstance(entry, dict) and isinstance(entry.get("source"), str)
    }
    text = files.read(named["card"], _MOST_TEXT)
    _check_hash(files, named["card"], hashlib.sha256(text).hexdigest(), hashes.get(named["card"]))
    weights, digest = _weights(files, description, folder)
    card = parse_card(text, f"The card in '{files.path}'", weights=weights.name)
    if card.sha256 != digest:
        raise ModelError(f"'{files.path}' cannot be used: its card describes other weights.")
    trainable = named.get("trainable")
    if isinstance(trainable, str):
        _copy(files, trainable, weights.with_suffix(TRAINABLE_SUFFIX), hashes.get(trainable))
    write_card(card, weights.with_suffix(".json"))
    return weights.with_suffix(".json")


def _foreign(files: _Files, description: dict[str, Any], folder: Path) -> Path:
    """A card for somebody else's network, once its own test has passed."""
    network = network_of(description, str(files.path))
    weights, digest = _weights(files, description, folder)
    card = foreign_card(description, network, weights.name, digest)
    _check_test(files, network, card, weights)
    write_card(card, weights.with_suffix(".json"))
    return weights.with_suffix(".json")


def _weights(files: _Files, description: dict[str, Any], folder: Path) -> tuple[Path, str]:
    """The ONNX file, copied, and its SHA-256."""
    weights = description.get("weights")
    onnx = weights.get("onnx") if isinstance(weights, dict) else None
    if not isinstance(onnx, dict) or not isinstance(onnx.get("source"), str):
        kinds = ", ".join(str(kind) for kind in weights) if isinstance(weights, dict) else "none"
        raise ModelError(
            f"'{files.path}' cannot be used: its weights are {kinds}, and only ONNX runs here. "
            f"bioimageio.core can add ONNX weights to a package."
        )
    if onnx.get("external_data"):
        raise ModelError(f"'{files.path}' cannot be used: its ONNX weights lie in a second file.")
    target = folder / "weights.onnx"
    return target, _copy(files, onnx["source"], target, onnx.get("sha256"))


def _copy(files: _Files, name: str, target: Path, expected: object) -> str:
    if name.startswith(("http://", "https://")):
        raise ModelError(
            f"'{files.path}' cannot be used: it only says where on the internet '{name}' is. Download the "
            f"package with all its files from bioimage.io."
        )
    if files.size(name) > MOST_BYTES:
        raise ModelError(f"'{files.path}' cannot be used: its '{name}' is larger than {MOST_BYTES:,} bytes.")
    digest = hashlib.sha256()
    with target.open("xb") as written:
        for piece in files.pieces(name):
            digest.update(piece)
            written.write(piece)
    _check_hash(files, name, digest.hexdigest(), expected)
    return digest.hexdigest()


def _check_hash(files: _Files, name: str, found: str, expected: object) -> None:
    if expected is not None and found != expected:
        raise ModelError(f"'{files.path}' is damaged: the SHA-256 of '{name}' differs. Download it again.")


def _check_test(files: _Files, network: Network, card: ModelCard, weights: Path) -> None:
    """Run the package's own test, with intensities scaled as they will be here."""
    if network.test_input is None or network.test_output is None:
        raise ModelError(f"'{files.path}' cannot be used: it has no test that shows whether it runs here.")
    given, expected = (_tensor(files, name) for name in (network.test_input, network.test_output))
    if given.ndim != 4 or given.shape[0] != 1 or given.shape[1] != card.channels:
        raise ModelError(f"'{files.path}' cannot be used: its test image is of the shape {given.shape}.")
    try:
        maps = OnnxPixelModel(card, weights, "cpu").predict_maps(scaled_as_told(given, card))
    except ModelError as error:
        raise ModelError(str(error).replace(str(weights), str(files.path))) from error
    top, left = ((a - b) // 2 for a, b in zip(maps.shape[2:], expected.shape[-2:], strict=False))
    if expected.ndim == 4 and min(top, left) >= 0:  # a halo may be cut off already
        maps = maps[:, :, top : maps.shape[2] - top, left : maps.shape[3] - left]
    if maps.shape != expected.shape:
        raise ModelError(f"'{files.path}' cannot be used: it returns {maps.shape}, not {expected.shape}.")
    wrong = float(np.mean(np.abs(maps - expected) > _TOLERANCE * (1 + np.abs(expected))))
    if wrong > _TOLERANCE:
        raise ModelError(
            f"'{files.path}' cannot be used: {wrong:.1%} of what its test gives here is not what it should "
            f"give. It treats intensities in a way that is not possible here."
        )


def _tensor(files: _Files, name: str) -> NDArray[np.float32]:
    """An array of numbers, no larger than its file."""
    content = files.read(name, _MOST_TENSOR)
    buffer = BytesIO(content)
    try:
        version = npy.read_magic(buffer)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(buffer)
        if dtype.kind not in "biuf" or int(np.prod(shape, dtype=object)) * dtype.itemsize > len(content):
            raise ValueError("it does not hold the numbers that it claims to")
        return np.asarray(np.load(BytesIO(content), allow_pickle=False), np.float32)
    except (ValueError, EOFError, OverflowError, MemoryError, SyntaxError, TypeError, TokenError) as error:
        raise ModelError(f"'{files.path}' cannot be used: its '{name}' is no array ({error}).") from error

"""A model as one file: card, weights and trainable weights, each with its size and hash."""

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_cellseg import __version__
from napari_cellseg.archives import check_entries, checked_size, opened, pieces
from napari_cellseg.errors import ModelError, OutputError
from napari_cellseg.models.card import NAME_PATTERN, card_text, file_hash, in_words, parse_card
from napari_cellseg.models.registry import TRAINABLE_SUFFIX, ModelEntry, find_model
from napari_cellseg.outputs import output_errors, replacing

PACKAGE_SUFFIX = ".cellseg"
"""Ending of a model that was shared as one file."""

PACKAGE_FORMAT = 1
"""Version of the package's own layout that is read and written."""

CONTENTS = "contents.json"
"""File inside a package that lists the others."""

MOST_BYTES = 2**34
"""Bytes that a package may unpack to, 16 GiB."""

_MOST_TEXT = 2**24
_REMEDY = "No model is that large: ask whoever made it for the file anew."


class PackedFile(BaseModel):
    """A file inside a package."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["card", "weights", "trainable"] = Field(description="What it is to the model.")
    name: str = Field(pattern=f"^{NAME_PATTERN}$", max_length=200, description="Its name, without a folder.")
    size: int = Field(ge=1, le=MOST_BYTES, description="Its size in bytes.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of its content.")


class Contents(BaseModel):
    """What a package says that it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = Field(1, description="Version of the package's layout.")
    made_with: str = Field(description="What wrote it.")
    files: tuple[PackedFile, ...] = Field(description="All its other files, each role once.")

    def role(self, role: str) -> PackedFile | None:
        """The file of a role, None where there is none."""
        return next((file for file in self.files if file.role == role), None)


def share_model(model: str | Path, file: str | Path, *, overwrite: bool = False) -> Path:
    """Write a model as one file, which `add_model` takes on any other computer.

    It is a ZIP archive: whoever unpacks it has the weights, their card, and the weights that training can go
    on from, where the model has them. The same model gives the same bytes.

    Parameters
    ----------
    model : str or Path
        What `find_model` takes: a name, weights, or a card.
    file : str or Path
        The file to write; its name gets the ending ``.cellseg`` where it has none.
    overwrite : bool
        Whether a file that is there may be replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ModelError
        Where there is no such model, or its weights are not those that its card describes.
    OutputError
        Where the file is there already or cannot be written.
    """
    entry = find_model(model)
    target = with_ending(file, PACKAGE_SUFFIX, overwrite=overwrite)
    check_weights(entry)
    with replacing(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        _write(entry, archive)
    return target


def with_ending(file: str | Path, ending: str, *, overwrite: bool) -> Path:
    """A file to write, with an ending where it has none.

    Raises
    ------
    OutputError
        Where it is there and must not be replaced.
    """
    path = Path(file).expanduser()
    if path.suffix.lower() != ending:
        path = path.with_name(path.name + ending)
    if path.exists() and not overwrite:
        raise OutputError(f"'{path}' is there already. Choose another name, or allow to replace it.")
    return path


def check_weights(entry: ModelEntry) -> None:
    """Make sure that a model's weights are those that its card describes.

    Raises
    ------
    ModelError
        Where they are missing or others.
    """
    if file_hash(entry.path) != entry.card.sha256:
        raise ModelError(
            f"The weights '{entry.path}' are not those that the card of model '{entry.card.name}' describes: "
            f"the file is damaged or was replaced."
        )


def is_package(path: Path) -> bool:
    """Whether a file is a model that was shared as one file, by its name or its content."""
    if path.suffix.lower() == PACKAGE_SUFFIX:
        return path.is_file()
    if path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
        return False
    with opened(path, ModelError) as archive:
        return CONTENTS in archive.namelist()


@contextmanager
def unpacked(path: str | Path) -> Iterator[Path]:
    """The card of a shared model, its weights beside it, in a folder that goes when the block ends.

    Parameters
    ----------
    path : str or Path
        The package. Nothing that its names or sizes claim is believed: it must hold the files that it lists
        and no others, none in a folder, each of the size and hash that it gives.

    Raises
    ------
    ModelError
        Where it is no such package, is damaged, of a newer layout, or fails a check.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix="cellseg-") as folder:
        with output_errors(folder), opened(path, ModelError) as archive:
            contents = _contents(archive, path)
            for file in contents.files:
                _unpack(archive, file, Path(folder) / file.name, path)
        yield Path(folder) / _checked_card(Path(folder), contents, path)


def _write(entry: ModelEntry, archive: zipfile.ZipFile) -> None:
    name = entry.card.name
    weights = f"{name}{entry.path.suffix}"
    card = card_text(entry.card.model_copy(update={"weights": weights})).encode()
    files = [_listed("weights", weights, entry.path)]
    if entry.trainable is not None:
        files.append(_listed("trainable", f"{name}{TRAINABLE_SUFFIX}", entry.trainable))
    sources = [entry.path, *([entry.trainable] if entry.trainable else [])]
    told = PackedFile(
        role="card", name=f"{name}.json", size=len(card), sha256=hashlib.sha256(card).hexdigest()
    )
    contents = Contents(made_with=f"napari-cellseg {__version__}", files=(told, *files))
    archive.writestr(_entry(CONTENTS), contents.model_dump_json(indent=2))
    archive.writestr(_entry(told.name), card)
    for file, source in zip(files, sources, strict=True):
        with source.open("rb") as read, archive.open(_entry(file.name), "w", force_zip64=True) as written:
            while piece := read.read(2**20):
                written.write(piece)


def _listed(role: Literal["weights", "trainable"], name: str, source: Path) -> PackedFile:
    return PackedFile(role=role, name=name, size=source.stat().st_size, sha256=file_hash(source))


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry without a time of its own."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _contents(archive: zipfile.ZipFile, path: Path) -> Contents:
    """What the package lists, once it is sure that it holds just that."""
    entries = archive.infolist()
    check_entries(entries, path, ModelError)
    checked_size(entries, path, MOST_BYTES, _REMEDY, ModelError)
    if CONTENTS not in archive.namelist():
        raise ModelError(f"'{path}' is not a shared model: it holds no '{CONTENTS}'.")
    contents = _read_contents(read_text(archive, CONTENTS, path), path)
    roles = [file.role for file in contents.files]
    listed = {CONTENTS: None, **{file.name: file.size for file in contents.files}}
    if len(set(roles)) < len(roles) or not {"card", "weights"} <= set(roles):
        raise ModelError(f"'{path}' is not a shared model: it must list a card and weights, each once.")
    if len(listed) <= len(roles) or set(listed) != {entry.filename for entry in entries}:
        raise ModelError(f"'{path}' does not hold the files that it lists, and only these. Get it anew.")
    return contents


def _read_contents(text: bytes, path: Path) -> Contents:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"'{path}' is damaged: its '{CONTENTS}' is not valid JSON.") from error
    found = raw.get("format") if isinstance(raw, dict) else None
    if isinstance(found, int) and found > PACKAGE_FORMAT:
        raise ModelError(
            f"'{path}' is a shared model of format {found}, this version of napari-cellseg reads format "
            f"{PACKAGE_FORMAT}. Update napari-cellseg to use it."
        )
    try:
        return Contents.model_validate(raw)
    except ValidationError as error:
        raise ModelError(f"'{path}' is not a valid shared model: {in_words(error)}.") from error


def read_text(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """Content of a small file of an archive.

    Raises
    ------
    ModelError
        Where it is larger than 16 MiB.
    """
    entry = archive.getinfo(name)
    if entry.file_size > _MOST_TEXT:
        raise ModelError(f"'{path}' is not a model: its '{name}' is larger than {_MOST_TEXT:,} bytes.")
    return b"".join(pieces(archive, entry))


def _unpack(archive: zipfile.ZipFile, file: PackedFile, target: Path, path: Path) -> None:
    entry = archive.getinfo(file.name)
    if entry.file_size != file.size:
        raise ModelError(f"'{path}' is damaged: '{file.name}' is not as long as it should be. Get it anew.")
    digest = hashlib.sha256()
    with target.open("xb") as written:
        for piece in pieces(archive, entry):
            digest.update(piece)
            written.write(piece)
    if digest.hexdigest() != file.sha256:
        raise ModelError(f"'{path}' is damaged: the SHA-256 of '{file.name}' differs. Get it anew.")


def _checked_card(folder: Path, contents: Contents, path: Path) -> str:
    """Name of the card's file, once card and files are sure to fit."""
    card, weights, trainable = (contents.role(role) for role in ("card", "weights", "trainable"))
    assert card is not None
    assert weights is not None
    said = parse_card((folder / card.name).read_bytes(), f"The card in '{path}'")
    stem = Path(weights.name).with_suffix(TRAINABLE_SUFFIX).name
    fits = said.weights == weights.name and said.sha256 == weights.sha256
    if not fits or (trainable is not None and trainable.name != stem):
        raise ModelError(f"'{path}' is not a shared model: its card describes other weights.")
    return card.name

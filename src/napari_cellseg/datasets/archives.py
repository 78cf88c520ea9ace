"""Archives of annotated images: unpacked only where every name is safe and the size is bounded."""

import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePath

from napari_cellseg.datasets.formats.format import Format
from napari_cellseg.datasets.formats.registry import list_formats
from napari_cellseg.datasets.names import path_within
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.errors import DatasetError, OutputError
from napari_cellseg.events import Job, Progress
from napari_cellseg.outputs import make_folder

STAGE = "Unpacking"
MOST_FILES = 1_000_000
"""Files that an archive may hold."""
MOST_BYTES = 2**38
"""Bytes that an archive may unpack to, 256 GiB."""
MOST_GROWTH = 200
"""How many times its own size an archive may unpack to, beyond `FREE_GROWTH`."""
FREE_GROWTH = 2**28
"""Bytes that every archive may unpack to, however small it is."""
RESERVE = 2**28
"""Bytes of the disk that stay free."""
_CHUNK = 2**20
_ROI = ".roi"
_CLUTTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
_ENCRYPTED = 0x1
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, struct.error,
    ValueError, OverflowError, MemoryError,
)  # fmt: skip


def is_archive(path: Path) -> bool:
    """Whether a file is a ZIP archive of files to be unpacked, and not one of ImageJ's ROIs.

    Raises
    ------
    DatasetError
        Where it is a damaged archive.
    """
    if not path.is_file():
        return False
    if not zipfile.is_zipfile(path):
        if path.suffix.lower() == ".zip":
            raise DatasetError(f"'{path}' is no ZIP archive, or only a part of one. Copy it again.")
        return False
    with _opened(path) as archive:
        files = [entry for entry in archive.infolist() if not entry.is_dir()]
    return not files or not all(entry.filename.lower().endswith(_ROI) for entry in files)


def unpacking(path: Path, folder: Path) -> Job[None]:
    """Unpack a ZIP archive into an empty folder.

    Parameters
    ----------
    path : Path
        The archive.
    folder : Path
        Where the files go; whoever made it removes it, after an error too.

    Raises
    ------
    DatasetError
        Where the archive is damaged or encrypted, holds a link, a name that leads out of the folder or is
        there twice, or would unpack to more than `MOST_FILES`, `MOST_BYTES`, `MOST_GROWTH` or the disk allow.
        All of this but damage is noticed before anything is written.
    """
    with _opened(path) as archive:
        entries = [entry for entry in archive.infolist() if not _is_clutter(entry.filename)]
        targets = _checked_names(entries, path, folder)
        total = _checked_size(entries, path, folder)
        done = 0
        for entry, target in zip(entries, targets, strict=True):
            yield Progress(STAGE, done, total, entry.filename)
            if entry.is_dir():
                make_folder(target)
            else:
                yield from _unpacking_file(
                    archive, entry, target, Progress(STAGE, done, total, entry.filename)
                )
            done += entry.file_size
        yield Progress(STAGE, total, total, path.name)


def find_root(folder: Path, format: Format | None = None) -> Path:
    """What to read of an unpacked archive.

    Parameters
    ----------
    folder : Path
        Where it was unpacked.
    format : Format, optional
        The format that it is in; any unless given.

    Returns
    -------
    Path
        The folder; or where that looks like no format, the only folder or file in it, and so on down.
    """
    formats = list_formats() if format is None else (format,)
    place = folder
    while not any(known.matches(place) for known in formats):
        inner = list(place.iterdir()) if place.is_dir() else []
        if len(inner) != 1:
            return folder
        place = inner[0]
    return place


def from_archive(sample: Sample, folder: Path, archive: Path) -> Sample:
    """A sample of an unpacked archive, with the archive in its source in place of the folder."""
    source = PurePath(sample.origin.source)
    if not source.is_relative_to(folder):
        return sample
    named = str(archive / source.relative_to(folder))
    return replace(sample, origin=replace(sample.origin, source=named))


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (DatasetError, OutputError):
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise DatasetError(f"The archive '{path}' cannot be unpacked: {reason}.") from error
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DatasetError(f"The archive '{path}' is damaged or of an unknown kind: {reason}.") from error


def _is_clutter(name: str) -> bool:
    return any(part in _CLUTTER for part in name.replace("\\", "/").split("/"))


def _checked_names(entries: list[zipfile.ZipInfo], path: Path, folder: Path) -> list[Path]:
    """Where each entry goes."""
    if len(entries) > MOST_FILES:
        raise DatasetError(f"The archive '{path}' holds more than {MOST_FILES:,} files.")
    targets: list[Path] = []
    kinds: dict[str, bool] = {}
    for entry in entries:
        mode = entry.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DatasetError(
                f"The archive '{path}' holds the link '{entry.filename}', which is not followed."
            )
        if entry.flag_bits & _ENCRYPTED:
            raise DatasetError(f"The archive '{path}' is protected by a password. Unpack it yourself.")
        target = path_within(folder, entry.filename, f"The archive '{path}'")
        key = target.as_posix().casefold()
        if key in kinds and not (kinds[key] and entry.is_dir()):
            raise DatasetError(f"The archive '{path}' holds '{entry.filename}' twice.")
        kinds[key] = entry.is_dir()
        targets.append(target)
    return targets


def _checked_size(entries: list[zipfile.ZipInfo], path: Path, folder: Path) -> int:
    """Bytes that all entries claim to unpack to."""
    total = sum(entry.file_size for entry in entries)
    packed = path.stat().st_size
    if total > MOST_BYTES or total > max(FREE_GROWTH, MOST_GROWTH * packed):
        raise DatasetError(
            f"The archive '{path}' has {packed:,} bytes and would unpack to {total:,}. If that is meant so, "
            "unpack it yourself and import the folder."
        )
    if sum(entry.compress_size for entry in entries) > packed:
        raise DatasetError(f"The archive '{path}' is damaged: its files overlap.")
    free = shutil.disk_usage(folder).free
    if total + RESERVE > free:
        raise DatasetError(
            f"'{path}' needs {total:,} bytes on the disk of '{folder}', which has {free:,} left."
        )
    return total


def _unpacking_file(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, step: Progress
) -> Iterator[Progress]:
    """Write one file; never more than the entry claims."""
    make_folder(target.parent)
    written = 0
    with archive.open(entry) as source, target.open("xb") as file:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > entry.file_size:
                raise zipfile.BadZipFile(f"'{entry.filename}' is longer than it says")
            file.write(chunk)
            yield Progress(step.stage, step.done + written, step.total, step.detail)

"""ZIP archives of strangers: what must hold before anything is read from them."""

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from napari_cellseg.errors import CellSegError

MOST_GROWTH = 200
"""How many times its own size an archive may unpack to, beyond `FREE_GROWTH`."""
FREE_GROWTH = 2**28
"""Bytes that every archive may unpack to, however small it is."""
_CHUNK = 2**20
_ENCRYPTED = 0x1
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, struct.error,
    ValueError, OverflowError, MemoryError,
)  # fmt: skip


@contextmanager
def opened(path: Path, kind: type[CellSegError]) -> Iterator[zipfile.ZipFile]:
    """A ZIP archive, open to be read.

    Parameters
    ----------
    path : Path
        The archive.
    kind : type
        What is raised where it cannot be read or is damaged, while it is open too; other errors of this
        package pass.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except CellSegError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise kind(f"The archive '{path}' cannot be unpacked: {reason}.") from error
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise kind(f"The archive '{path}' is damaged or of an unknown kind: {reason}.") from error


def check_entries(entries: Sequence[zipfile.ZipInfo], path: Path, kind: type[CellSegError]) -> None:
    """Make sure that entries are plain files and folders with names, not encrypted, and each there once.

    Names that differ in case only count as one, as they do on Windows and macOS.

    Raises
    ------
    CellSegError
        Of the given kind, where that does not hold.
    """
    seen: dict[str, bool] = {}
    for entry in entries:
        if not entry.filename:
            raise kind(f"The archive '{path}' holds a file without a name.")
        mode = entry.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise kind(f"The archive '{path}' holds the link '{entry.filename}', which is not followed.")
        if entry.flag_bits & _ENCRYPTED:
            raise kind(f"The archive '{path}' is protected by a password. Unpack it yourself.")
        key = PurePosixPath(entry.filename.replace("\\", "/")).as_posix().casefold()
        if key in seen and not (seen[key] and entry.is_dir()):
            raise kind(f"The archive '{path}' holds '{entry.filename}' twice.")
        seen[key] = entry.is_dir()


def checked_size(
    entries: Sequence[zipfile.ZipInfo], path: Path, most: int, remedy: str, kind: type[CellSegError]
) -> int:
    """Bytes that all entries claim to unpack to.

    Parameters
    ----------
    entries, path
        Those of the archive, and its file.
    most : int
        Bytes that it may unpack to at all.
    remedy : str
        What to do where it is more, a sentence.
    kind : type
        What is raised.

    Raises
    ------
    CellSegError
        Of the given kind, where it is more, where the archive grows more than archives of files do, or where
        entries share bytes, as those of a bomb do.
    """
    total, packed = sum(entry.file_size for entry in entries), path.stat().st_size
    if total > most or total > max(FREE_GROWTH, MOST_GROWTH * packed):
        raise kind(f"The archive '{path}' has {packed:,} bytes and would unpack to {total:,}. {remedy}")
    if sum(entry.compress_size for entry in entries) > packed:
        raise kind(f"The archive '{path}' is damaged: its files overlap.")
    return total


def pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Content of an entry, piece by piece, never more than the entry claims.

    Raises
    ------
    zipfile.BadZipFile
        Where there is more; `opened` tells it in words.
    """
    read = 0
    with archive.open(entry) as source:
        while piece := source.read(_CHUNK):
            read += len(piece)
            if read > entry.file_size:
                raise zipfile.BadZipFile(f"'{entry.filename}' is longer than it says")
            yield piece

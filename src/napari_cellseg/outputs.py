"""Files that are written all at once: whoever looks sees the old file or the new one, never half of it."""

import errno
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_cellseg.errors import OutputError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path that takes the place of `path` once the block has ended without an error.

    Parameters
    ----------
    path : str or Path
        The file to write; its folder must exist. The temporary file lies beside it and has its suffix.

    Raises
    ------
    OutputError
        Where the block or the renaming raises an OSError: no permission, a full disk, a missing folder.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{threading.get_ident()}.partial{path.suffix}")
    try:
        with output_errors(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        _discard(temporary)


@contextmanager
def output_errors(path: str | Path) -> Iterator[None]:
    """Whatever the block cannot write becomes an `OutputError` that names the path and the reason."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise output_error(path, error) from error


def make_folder(path: str | Path) -> Path:
    """Make a folder and its parents, where they are missing.

    Raises
    ------
    OutputError
        Where that is not possible.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(path, error) from error
    return path


def output_error(path: str | Path, error: OSError) -> OutputError:
    """The error of a failed write, in words."""
    reasons = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "your disk quota is used up",
        errno.EACCES: "there is no permission to write there",
        errno.EPERM: "there is no permission to write there",
        errno.EROFS: "the disk is read-only",
        errno.ENOENT: "the folder does not exist",
        errno.EEXIST: "a file is in the way of the folder",
        errno.ENOTDIR: "a file is in the way of the folder",
    }
    reason = reasons.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__
    if re.fullmatch(r"\d+ requested and \d+ written", reason):  # numpy's words for a short write
        reason = reasons[errno.ENOSPC]
    return OutputError(f"'{path}' cannot be written: {reason}.")


def _discard(path: Path) -> None:
    if os.path.lexists(path):
        path.unlink()

"""Journals that nobody wants any more are removed, after people were told of them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from napari_cellseg.errors import JournalError
from napari_cellseg.review.journal import OFFERED, SUFFIX, journals_folder, remove_journal
from napari_cellseg.review.locking import is_locked

OLDEST = timedelta(days=90)
"""Time without a step after which a journal is removed."""
MOST_BYTES = 2 * 2**30
"""Bytes of all journals beyond which the oldest are removed."""


def prune_journals(
    folder: Path | None = None, *, oldest: timedelta = OLDEST, most_bytes: int = MOST_BYTES
) -> list[Path]:
    """Remove journals that are old, and the oldest where all take too much room.

    One that is in use, or that was never offered to a person, stays.

    Parameters
    ----------
    folder : Path, optional
        Where they are; `journals_folder` unless given.
    oldest : timedelta
        Time since the last step.
    most_bytes : int
        Bytes that all may take.

    Returns
    -------
    list of Path
        What was removed.

    Raises
    ------
    JournalError
        Where the folder cannot be read, or a journal cannot be removed.
    """
    folder, removed = folder or journals_folder(), []
    try:
        found = sorted(_journals(folder))
        room = most_bytes - sum(size for _, size, _ in found)
        for modified, size, path in found:
            is_old = datetime.now() - datetime.fromtimestamp(modified) > oldest
            if (is_old or room < 0) and _may_go(path):
                _remove(path)
                removed.append(path)
                room += size
    except JournalError:
        raise
    except OSError as error:
        raise JournalError(
            f"Old journals in '{folder}' cannot be removed: {error.strerror or error}."
        ) from error
    return removed


def _journals(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Time, bytes and path of each journal, and of each copy of a damaged one."""
    for path in folder.glob("*"):
        if path.suffix in (SUFFIX, ".damaged") and not path.name.startswith("."):
            found = path.stat()
            yield found.st_mtime, found.st_size, path


def _may_go(path: Path) -> bool:
    if path.suffix != SUFFIX:
        return True
    return path.with_suffix(OFFERED).exists() and not is_locked(path.with_suffix(".lock"))


def _remove(path: Path) -> None:
    if path.suffix == SUFFIX:
        remove_journal(path)
    else:
        path.unlink(missing_ok=True)

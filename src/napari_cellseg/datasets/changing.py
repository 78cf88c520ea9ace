"""Who may change a dataset, and how a change begins and ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_cellseg.datasets.transaction import STAGING, Transaction, is_pending, recover
from napari_cellseg.errors import DatasetError, JournalError, OutputError
from napari_cellseg.outputs import output_errors
from napari_cellseg.review.locking import OwnerLock, owner_words

LOCK = ".lock"


@contextmanager
def changing(folder: Path) -> Iterator[Transaction]:
    """A transaction of a dataset that no other process changes meanwhile.

    What is prepared in the block is discarded unless it is committed there.

    Raises
    ------
    DatasetError
        Where another process, or another job of this one, is changing the dataset; the text says which.
    OutputError
        Where the folder cannot be written.
    """
    with _locked(folder):
        recover(folder)
        with Transaction(folder) as transaction:
            yield transaction


def recovered(folder: Path) -> bool:
    """Carry out or discard what an interrupted process has left; whether anything was carried out.

    Raises
    ------
    OutputError
        Where something is to be carried out and the folder cannot be written.
    """
    if not any((folder / STAGING).glob("*")):
        return False
    try:
        with _locked(folder):
            return recover(folder) > 0
    except InUseError:
        return False
    except OutputError:
        if is_pending(folder):
            raise
        return False


class InUseError(DatasetError):
    """Another process, or another job of this one, is changing the dataset."""


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    path = folder / LOCK
    with output_errors(folder):
        try:
            lock = OwnerLock(path)
        except JournalError as error:
            raise InUseError(
                f"'{folder}' is being changed {owner_words(path)}. Wait until that is done, or stop it."
            ) from error
    try:
        yield
    finally:
        lock.release()

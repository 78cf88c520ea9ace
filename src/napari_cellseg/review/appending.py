"""A file that only grows: handed to the operating system at once, to the disk within a second."""

import os
import threading
from collections.abc import Iterable
from pathlib import Path

from napari_cellseg.outputs import make_folder, replacing

SYNC_DELAY = 0.25
"""Seconds between something appended and the order to flush it to the disk."""


class AppendedFile:
    """Pieces of bytes, kept in memory and at the end of a file.

    What cannot be written stays in memory and is written before the next piece. A file that has vanished,
    with its folder perhaps, is written anew, whole.

    Parameters
    ----------
    path : Path
        The file.
    pieces : iterable of bytes
        What it is to hold; written by the first `write`.
    exists : bool
        Whether the file holds just these pieces already.

    Raises
    ------
    OSError
        Where a file that exists cannot be opened.
    """

    def __init__(self, path: Path, pieces: Iterable[bytes], *, exists: bool = False) -> None:
        self.path = path
        self._pieces = list(pieces)
        self._written = len(self._pieces) if exists else 0
        self._total = sum(map(len, self._pieces))
        self._size = self._total if exists else 0
        self._file: int | None = _open(path) if exists else None
        self._lock = threading.Lock()
        self._unsynced, self._closing = threading.Event(), threading.Event()
        self._sync_error: OSError | None = None
        self._syncing = threading.Thread(target=self._sync_until_closed, name="journal", daemon=True)
        self._syncing.start()

    @property
    def size(self) -> int:
        """Bytes of all pieces, written or not."""
        return self._total

    @property
    def waiting(self) -> int:
        """Pieces that are not in the file yet."""
        return len(self._pieces) - self._written

    def keep(self, piece: bytes) -> None:
        """Add a piece to those that wait to be written."""
        self._pieces.append(piece)
        self._total += len(piece)

    def write(self) -> None:
        """Write the pieces that wait.

        Raises
        ------
        OSError
            Where the file cannot be written, or earlier pieces could not be flushed to the disk. What is not
            written is kept and goes first the next time.
        """
        with self._lock:
            if self._file is None or not self._is_in_place(self._file):
                self._write_anew()
                return
            try:
                while self.waiting:
                    self._write(self._file, self._pieces[self._written])
                    self._size += len(self._pieces[self._written])
                    self._written += 1
            except OSError:
                self._cut(self._file)
                raise
            finally:
                self._unsynced.set()
        if self._sync_error is not None:
            error, self._sync_error = self._sync_error, None
            raise error

    def replace(self, pieces: Iterable[bytes]) -> None:
        """Put other pieces in the place of all; the old file stays whole until the new one is.

        Raises
        ------
        OSError
            Where they cannot be written; everything is as it was then.
        """
        old = self._pieces, self._written, self._total
        self._pieces, self._written = list(pieces), 0
        self._total = sum(map(len, self._pieces))
        try:
            with self._lock:
                self._write_anew()
        except OSError:
            self._pieces, self._written, self._total = old
            raise

    def sync(self) -> None:
        """Return when the disk has what was written; what waits is not.

        Raises
        ------
        OSError
            Where the disk does not take it.
        """
        with self._lock:
            if self._file is None:
                return
            copy = os.dup(self._file)
        try:
            os.fsync(copy)
        finally:
            os.close(copy)

    def close(self) -> None:
        """Write what waits, flush it to the disk and let go of the file; errors as in `write`."""
        try:
            if self._file is not None or self.waiting:
                self.write()
                self.sync()
        finally:
            self.drop()

    def drop(self) -> None:
        """Let go of the file as it is."""
        self._closing.set()
        self._unsynced.set()
        self._syncing.join()
        self._forget_file()
        self._pieces, self._written = [], 0

    def _write_anew(self) -> None:
        """Write every piece to a new file and put it in the place of the old one."""
        self._forget_file()
        make_folder(self.path.parent)
        with replacing(self.path) as temporary, open(temporary, "wb") as file:
            file.writelines(self._pieces)
            file.flush()
            os.fsync(file.fileno())
        self._file = _open(self.path)
        self._written, self._size = len(self._pieces), self._total

    def _is_in_place(self, file: int) -> bool:
        """Whether the path still leads to the open file, and it has the size that we left it with."""
        try:
            there = os.stat(self.path)
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(file)) and there.st_size == self._size

    def _write(self, file: int, piece: bytes) -> None:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(file, rest) :]

    def _cut(self, file: int) -> None:
        """Leave no half piece at the end; where that fails too, the file is written anew next time."""
        try:
            os.ftruncate(file, self._size)
        except OSError:
            self._forget_file()

    def _forget_file(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    def _sync_until_closed(self) -> None:
        while not self._closing.is_set():
            self._unsynced.wait()
            self._closing.wait(SYNC_DELAY)
            self._unsynced.clear()
            try:
                self.sync()
            except OSError as error:
                self._sync_error = error


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))

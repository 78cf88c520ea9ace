"""Who works with a journal: one process at a time, and the others are told which."""

import errno
import json
import os
import socket
import sys
from datetime import datetime
from pathlib import Path

from napari_cellseg.errors import JournalError

_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}
_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FAR = 2**20
"""Byte that is locked where a locked byte cannot be read by others."""


class OwnerLock:
    """A lock beside a file that the operating system opens when its owner dies.

    Parameters
    ----------
    path : Path
        The lock file; made where it is missing. On a disk that knows no locks nothing is locked.

    Raises
    ------
    JournalError
        Where another process, or another layer of this one, has it; the text says which.
    OSError
        Where the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
        try:
            if not _try_lock(self._file):
                raise JournalError(f"This journal is in use {owner_words(path)}.")
            owner = {"process": os.getpid(), "computer": socket.gethostname(), "since": _now()}
            os.ftruncate(self._file, 0)
            os.write(self._file, json.dumps(owner).encode())
        except OSError:
            self.release()
            raise

    def is_in_place(self) -> bool:
        """Whether the lock file is still there, so that others see it."""
        try:
            return self._file is not None and os.path.samestat(os.stat(self.path), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let others have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def owner_words(path: Path) -> str:
    """Who has or had a lock, as the end of a sentence."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return f"by process {owner['process']} on {owner['computer']} since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "by another napari"


def is_locked(path: Path) -> bool:
    """Whether a process has a lock now.

    Raises
    ------
    OSError
        Where the lock file cannot be opened.
    """
    if not path.exists():
        return False
    file = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        return not _try_lock(file)
    finally:
        os.close(file)


def _try_lock(file: int) -> bool:
    """Lock a file; False where another has it."""
    try:
        _lock(file)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return True
        if error.errno in _TAKEN:
            return False
        raise
    return True


def _now() -> str:
    return datetime.now().isoformat(" ", "minutes")


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

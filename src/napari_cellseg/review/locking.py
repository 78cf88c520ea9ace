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
        self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            _lock(self._file)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                self.release()
                raise JournalError(f"This journal is in use {owner_words(path)}.") from error
        owner = {
            "process": os.getpid(),
            "computer": socket.gethostname(),
            "since": datetime.now().isoformat(" ", "minutes"),
        }
        os.ftruncate(self._file, 0)
        os.write(self._file, json.dumps(owner).encode())

    def release(self) -> None:
        """Let others have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def owner_words(path: Path) -> str:
    """Who has or had a lock, as the end of a sentence."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "by another napari"
    return f"by process {owner['process']} on {owner['computer']} since {owner['since']}"


def is_locked(path: Path) -> bool:
    """Whether a process has a lock now."""
    if not path.exists():
        return False
    try:
        file = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    except OSError:
        return True
    try:
        _lock(file)
    except OSError as error:
        return error.errno not in _UNSUPPORTED
    finally:
        os.close(file)
    return False


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

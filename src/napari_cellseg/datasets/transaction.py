"""Changes of many files of one folder that happen together or not at all, whatever ends the process."""

import json
import os
import secrets
import shutil
from collections import Counter
from pathlib import Path, PurePosixPath

from napari_cellseg.datasets.names import path_within
from napari_cellseg.errors import DatasetError
from napari_cellseg.outputs import output_errors

STAGING = ".staging"
"""Folder in which changes are prepared."""
COMMIT = "commit.json"
"""File of a prepared change that makes it count; a change without one never happened."""
_FIRST = ("images", "records")
"""Folders by which a file is found: written last and removed first, so that what they name is there."""


class Transaction:
    """Files to write, move and remove below one folder.

    Nothing changes before `commit`; what was committed is carried out, by the next `recover` if not at once.
    Used as a context: whatever leaves it uncommitted is discarded.

    Parameters
    ----------
    folder : Path
        The folder. Its owner sees to it that only one process changes it at a time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.staging = folder / STAGING / secrets.token_hex(8)
        self._puts: dict[str, str] = {}
        self._moves: dict[str, str] = {}
        self._removals: set[str] = set()
        self._count = 0

    def __enter__(self) -> "Transaction":
        with output_errors(self.folder):
            self.staging.mkdir(parents=True)
        return self

    def __exit__(self, *error: object) -> None:
        if not (self.staging / COMMIT).exists():
            shutil.rmtree(self.staging, ignore_errors=True)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self._puts or self._moves or self._removals)

    def put(self, relative: str) -> Path:
        """Where to write what is to become the file `relative`, in place of any that is there."""
        self._removals.discard(relative)
        if relative not in self._puts:
            self._puts[relative] = f"{self._count}{PurePosixPath(relative).suffix}"
            self._count += 1
        return self.staging / self._puts[relative]

    def staged(self, relative: str) -> Path:
        """The file as it will be: the one to be put there, or the one that is there."""
        name = self._puts.get(relative)
        return self.folder / relative if name is None else self.staging / name

    def remove(self, relative: str) -> None:
        """Remove a file; also one that was only to be put there, or that does not exist."""
        name = self._puts.pop(relative, None)
        if name is not None:
            (self.staging / name).unlink(missing_ok=True)
        self._removals.add(relative)

    def move(self, old: str, new: str) -> None:
        """Move a file; neither path may be part of another step of this transaction."""
        self._moves[old] = new

    def commit(self) -> None:
        """Make the change count, and carry it out.

        Raises
        ------
        OutputError
            Where it cannot be written. Before it counts, nothing has changed; afterwards it is carried out
            when the folder is opened again.
        """
        plan = {"puts": self._puts, "moves": self._moves, "removals": sorted(self._removals)}
        self._check_disjoint()
        with output_errors(self.folder):
            for name in self._puts.values():
                _flush(self.staging / name)
            prepared = self.staging / f"{COMMIT}.partial"
            prepared.write_text(json.dumps(plan, ensure_ascii=True), encoding="utf-8")
            _flush(prepared)
            os.replace(prepared, self.staging / COMMIT)
            _flush_folder(self.staging)
            _carry_out(self.folder, self.staging)

    def _check_disjoint(self) -> None:
        """A path is part of one step only; else repeating the steps after a crash would not be the same."""
        paths = Counter([*self._puts, *self._moves, *self._moves.values(), *self._removals])
        twice = [path for path, count in paths.items() if count > 1]
        if twice:
            raise DatasetError(f"'{twice[0]}' is to be changed twice at once.")


def is_pending(folder: Path) -> bool:
    """Whether a change of a folder was committed and not carried out to its end."""
    return any((folder / STAGING).glob(f"*/{COMMIT}"))


def recover(folder: Path) -> int:
    """Carry out the changes of a folder that were committed, discard the others; how many were carried out.

    Only for the process that may change the folder.

    Raises
    ------
    DatasetError
        Where a plan is damaged, or would reach beyond the folder.
    OutputError
        Where it cannot be written.
    """
    carried = 0
    if (folder / STAGING).is_symlink():
        raise DatasetError(f"'{folder / STAGING}' is a link, which nothing is changed through. Remove it.")
    with output_errors(folder):
        staged = sorted((folder / STAGING).iterdir()) if (folder / STAGING).is_dir() else []
        for staging in staged:
            if staging.is_symlink() or not staging.is_dir():
                staging.unlink()
            elif (staging / COMMIT).exists():
                _carry_out(folder, staging)
                carried += 1
            else:
                shutil.rmtree(staging)
    return carried


def _carry_out(folder: Path, staging: Path) -> None:
    """Each step looks whether it was done already, so that all may be repeated."""
    commit = staging / COMMIT
    try:
        plan = json.loads(commit.read_text(encoding="utf-8"))
        puts, moves, removals = dict(plan["puts"]), dict(plan["moves"]), list(plan["removals"])
        named = {path: path_within(folder, path, str(commit)) for path in (*puts, *moves, *moves.values())}
        named |= {path: path_within(folder, path, str(commit)) for path in removals}
        sources = {path: path_within(staging, name, str(commit)) for path, name in puts.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"'{commit}' is damaged: {error}. Remove the folder '{staging}'.") from error
    for path in sorted(removals, key=_is_first, reverse=True):
        named[path].unlink(missing_ok=True)
    for old in sorted(moves, key=_is_first):
        _replace(named[old], named[moves[old]])
    for path in sorted(puts, key=_is_first):
        _replace(sources[path], named[path])
    commit.unlink()
    shutil.rmtree(staging)


def _replace(source: Path, target: Path) -> None:
    if source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)


def _is_first(path: str) -> bool:
    return PurePosixPath(path).parts[0] in _FIRST


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

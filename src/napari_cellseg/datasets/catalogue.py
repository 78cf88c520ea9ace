"""The entries of all images of a dataset, read from their records once and kept in one file."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_cellseg.datasets.record import DAMAGED, RECORDS, Entry, read_entry
from napari_cellseg.errors import DatasetError
from napari_cellseg.outputs import replacing

CACHE = ".catalogue.json"
"""File with the entries of all records, each with the state of the file it was read from."""
_VERSION = 1
_WORTHWHILE = 64
"""Records read anew from which it is worth writing the cache."""

Stamp = tuple[int, int, int]
"""Time of change in ns, bytes and inode of a record's file."""


class Catalogue(Mapping[str, Entry]):
    """Entries by name, in alphabetical order.

    Parameters
    ----------
    folder : Path
        The dataset's folder.

    Attributes
    ----------
    broken : dict of str to str
        Why a record cannot be read, by the name of its file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broken: dict[str, str] = {}
        self._entries: dict[str, Entry] = {}
        self._stamps: dict[str, Stamp] = _read_cache(folder, self._entries)
        self._expected: set[str] = set()
        self._unsaved = 0
        self.refresh()

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def refresh(self) -> None:
        """Read the records that have changed on the disk since they were read."""
        present = _stamps(self.folder / RECORDS)
        for name in (set(self._stamps) | set(self._entries)) - set(present):
            self.forget(name)
        for name, stamp in present.items():
            if self._stamps.get(name) != stamp:
                self._read(name, stamp)

    def _read(self, name: str, stamp: Stamp) -> None:
        self.broken.pop(name, None)
        self._entries.pop(name, None)
        self._stamps[name] = stamp
        self._unsaved += 1
        path = self.folder / RECORDS / f"{name}.json"
        try:
            entry = read_entry(path)
            if entry.name != name:
                raise DatasetError(f"'{path}' is the record of '{entry.name}'. Rename the file back.")
        except DatasetError as error:
            self.broken[name] = str(error)
            return
        self._entries[name] = entry

    def expect(self, entry: Entry) -> None:
        """Take in an entry whose record is about to be written; `refresh` finds out whether it was."""
        self.forget(entry.name)
        self._entries[entry.name] = entry
        self._expected.add(entry.name)

    def settle(self) -> None:
        """What was expected has been written."""
        for name in self._expected:
            self._stamps[name] = _stamp((self.folder / RECORDS / f"{name}.json").stat())
        self._unsaved += len(self._expected)
        self._expected.clear()

    def forget(self, name: str) -> None:
        """Take out an entry whose record is gone, or about to be."""
        self._entries.pop(name, None)
        self._stamps.pop(name, None)
        self.broken.pop(name, None)
        self._expected.discard(name)

    def save(self) -> None:
        """Keep the entries in one file, where enough of them were read anew to be worth it.

        Raises
        ------
        OutputError
            Where it cannot be written.
        """
        if self._unsaved < _WORTHWHILE:
            return
        entries = {name: [self._stamps[name], asdict(entry)] for name, entry in self._entries.items()}
        with replacing(self.folder / CACHE) as path:
            path.write_text(json.dumps({"version": _VERSION, "entries": entries}), encoding="utf-8")
        self._unsaved = 0


def _stamps(folder: Path) -> dict[str, Stamp]:
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as files:
        found = {f.name[:-5]: _stamp(f.stat()) for f in files if f.name.endswith(".json") and f.is_file()}
    return dict(sorted(found.items()))


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read_cache(folder: Path, entries: dict[str, Entry]) -> dict[str, Stamp]:
    """Fill in the entries of the cache; a cache that cannot be read is as good as none."""
    try:
        cache: dict[str, Any] = json.loads((folder / CACHE).read_text(encoding="utf-8"))
        if cache["version"] != _VERSION:
            return {}
        known = {
            n: (tuple(stamp), Entry.from_record(entry)) for n, (stamp, entry) in cache["entries"].items()
        }
    except DAMAGED:
        return {}
    entries |= {name: entry for name, (_, entry) in known.items()}
    return {name: (stamp[0], stamp[1], stamp[2]) for name, (stamp, _) in known.items()}

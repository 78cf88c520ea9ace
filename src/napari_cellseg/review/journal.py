"""The journal of the work on one label image: every step a small entry at the end of a file."""

import json
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from napari_cellseg.errors import JournalError
from napari_cellseg.folders import data_folder
from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.whole_edit import WholeEdit
from napari_cellseg.outputs import make_folder, output_error
from napari_cellseg.review.appending import AppendedFile
from napari_cellseg.review.entries import MAGIC, SAVED, Entry, Json, framed
from napari_cellseg.review.image_key import ImageKey
from napari_cellseg.review.locking import OwnerLock
from napari_cellseg.review.packing import PackedLabels
from napari_cellseg.review.pixel_runs import PixelRuns
from napari_cellseg.review.table_records import table_record

SUFFIX = ".journal"
OFFERED = ".offered"
"""Suffix of the empty file beside a journal that was offered to a person."""
LARGE = 64 * 2**20
"""Bytes from which a journal is worth compacting."""


@dataclass(frozen=True, slots=True)
class About:
    """What a journal is for.

    Attributes
    ----------
    image : ImageKey
        The image.
    layer : str
        Name of the labels layer.
    shape : tuple of int
        Shape of the labels.
    dtype : str
        Their dtype, as numpy writes it.
    started : str
        When, as an ISO string with the local time.
    """

    image: ImageKey
    layer: str
    shape: tuple[int, ...]
    dtype: str
    started: str

    def to_bytes(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "About":
        """What `to_bytes` gave."""
        record = json.loads(content)
        image, shape = ImageKey(**record.pop("image")), tuple(record.pop("shape"))
        return cls(image=image, shape=shape, **record)


def journals_folder() -> Path:
    """Where the journals of this user are; not created."""
    return data_folder() / "journals"


class Journal:
    """An append-only file of the steps of one person's work on one label image.

    What `append` was given is with the operating system when it returns, so that it survives the end of
    this process, whatever ends it, and on the disk within a second. Where the disk is full or the folder
    has vanished, one `JournalError` says so; from then on everything is kept in memory, and each further
    step tries again to write all of it.

    Make one with `begin`, or with `resume_journal` after a crash.

    Attributes
    ----------
    about : About
        What it is for.
    steps : int
        Steps since its beginning, or since it was compacted.
    trouble : str
        Why the last step is in memory only, for the user; empty where it is in the file.
    """

    def __init__(self, about: About, file: AppendedFile, lock: OwnerLock | None, steps: int = 0) -> None:
        self.about = about
        self.steps = steps
        self.trouble = ""
        self._file, self._lock = file, lock

    @classmethod
    def begin(
        cls,
        image: ImageKey,
        labels: PackedLabels,
        features: pd.DataFrame,
        *,
        layer: str = "",
        review: Json | None = None,
        folder: Path | None = None,
    ) -> "Journal":
        """Begin a journal with the labels and the table as they are now.

        Parameters
        ----------
        image : ImageKey
            What it will be found by.
        labels : PackedLabels
            The labels, see `pack_labels`.
        features : DataFrame
            The whole table, with the column ``index``.
        layer : str
            Name of the labels layer.
        review : mapping, optional
            State of the review queue, as JSON holds it.
        folder : Path, optional
            Where to; `journals_folder` unless given.

        Returns
        -------
        Journal
            Where it cannot be written, `trouble` says why, and the first step tries again.
        """
        now = datetime.now().isoformat(timespec="seconds")
        about = About(image, layer, labels.shape, labels.dtype, now)
        base = Entry("begin", labels, after=table_record(features), review=review, is_base=True)
        path = (folder or journals_folder()) / _file_name(image)
        journal = cls(about, AppendedFile(path, _first_pieces(about, base)), None)
        try:
            journal._write()
        except JournalError as error:
            journal.trouble = str(error)
        return journal

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def size(self) -> int:
        """Bytes, of what is in memory only too."""
        return self._file.size

    @property
    def is_large(self) -> bool:
        """Whether it is time to `compact`."""
        return self.size > LARGE

    def append(
        self,
        kind: str,
        pixels: Edit | WholeEdit | PixelRuns | PackedLabels | None = None,
        *,
        before: pd.DataFrame | None = None,
        after: pd.DataFrame | None = None,
        review: Json | None = None,
        in_base: bool = False,
    ) -> None:
        """Keep a step that was done.

        Parameters
        ----------
        kind : str
            What was done: the name of an edit, ``"paint"``, ``"undo"``, ``"redo"``, ``"accept"``, …
        pixels : Edit, WholeEdit, PixelRuns or PackedLabels, optional
            Pixels that changed, or all labels after the step. To undo is to append the inverted edit.
        before, after : DataFrame, optional
            Rows of the table that changed, with the column ``index``; labels that are only in `before` have
            lost their row. With `PackedLabels`, `after` is the whole table.
        review : mapping, optional
            What changed of the state of the review queue, see `ReviewQueue.change`.
        in_base : bool
            Whether the journal was begun with the state after this step: then it is kept to be undone.

        Raises
        ------
        JournalError
            The first time that the disk does not take it. The step is kept in memory all the same.
        """
        if isinstance(pixels, Edit):
            pixels = PixelRuns.of_edit(pixels, self.about.shape)
        elif isinstance(pixels, WholeEdit):
            pixels = PixelRuns.of_whole_edit(pixels)
        entry = Entry(
            kind,
            pixels,
            None if before is None else table_record(before),
            None if after is None else table_record(after),
            review,
            in_base,
        )
        self.steps += 1
        self._file.keep(framed(self.steps + 1, entry.to_bytes()))
        self._write()

    def note_saved(self, path: Path) -> None:
        """Keep that all labels, but not the table and the review, are in a file; errors as in `append`."""
        self.append(f"{SAVED}{path}")

    def compact(self, labels: PackedLabels, features: pd.DataFrame, review: Json | None = None) -> None:
        """Put the present state in the place of all steps so far; parameters as in `begin`.

        Raises
        ------
        JournalError
            Where the disk does not take it; the steps stay then.
        """
        base = Entry("begin", labels, after=table_record(features), review=review, is_base=True)
        try:
            self._file.replace(_first_pieces(self.about, base))
        except OSError as error:
            raise _journal_error(self.path.parent, error) from error
        self.steps, self.trouble = 0, ""

    def flush(self) -> None:
        """Return when the disk has everything; errors as in `append`."""
        try:
            self._file.write()
            self._file.sync()
        except OSError as error:
            raise _journal_error(self.path.parent, error) from error

    def close(self) -> None:
        """Let go of the journal, which stays on the disk; errors as in `append`."""
        try:
            self._file.close()
        except OSError as error:
            raise _journal_error(self.path.parent, error) from error
        finally:
            self._unlock()

    def discard(self) -> None:
        """Remove the journal from the disk, because the work is saved or not wanted.

        Raises
        ------
        JournalError
            Where it cannot be removed.
        """
        self._file.drop()
        self._unlock()
        remove_journal(self.path)

    def _write(self) -> None:
        try:
            self._keep_locked()
            self._file.write()
        except OSError as error:
            known, found = self.trouble, _journal_error(self.path.parent, error)
            self.trouble = str(found)
            if not known:
                raise found from error
        else:
            self.trouble = ""

    def _keep_locked(self) -> None:
        if self._lock is None or not self._lock.is_in_place():
            self._unlock()
            make_folder(self.path.parent)
            self._lock = OwnerLock(self.path.with_suffix(".lock"))

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def remove_journal(path: Path) -> None:
    """Remove a journal that nobody works with.

    Raises
    ------
    JournalError
        Where it is in use, or cannot be removed.
    """
    lock_path = path.with_suffix(".lock")
    try:
        if path.parent.is_dir():
            lock = OwnerLock(lock_path)
            path.unlink(missing_ok=True)
            path.with_suffix(OFFERED).unlink(missing_ok=True)
            lock.release()
            lock_path.unlink(missing_ok=True)
    except JournalError:
        raise
    except OSError as error:
        raise JournalError(f"The journal '{path}' cannot be removed: {error.strerror or error}.") from error


def mark_offered(path: Path) -> None:
    """Keep that a person knows of a journal, so that it may be pruned one day.

    Raises
    ------
    JournalError
        Where the folder cannot be written.
    """
    try:
        path.with_suffix(OFFERED).touch()
    except OSError as error:
        raise JournalError(f"'{path.parent}' cannot be written: {error.strerror or error}.") from error


def _first_pieces(about: About, base: Entry) -> list[bytes]:
    return [MAGIC + framed(0, about.to_bytes()), framed(1, base.to_bytes())]


def _file_name(image: ImageKey) -> str:
    """A name that no other journal has."""
    name = re.sub(r"[^\w-]+", "_", Path(image.path).stem)[:40] or "image"
    return f"{name}-{image.identifier()}-{secrets.token_hex(4)}{SUFFIX}"


def _journal_error(folder: Path, error: OSError) -> JournalError:
    if isinstance(error, JournalError):
        return error
    words = str(output_error(folder, error)) if error.errno else str(error)
    return JournalError(
        f"Your corrections are not kept on the disk at the moment: {words} They are kept in memory, and each "
        "further step tries again. Save the labels before you close napari."
    )

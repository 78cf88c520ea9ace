"""Work that was left in a journal: found by its image, and brought back as it was at the last step."""

import os
import shutil
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.errors import JournalError
from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.review.appending import AppendedFile
from napari_cellseg.review.entries import MAGIC, SAVED, Entry, Frames, Json, is_note, read_frames
from napari_cellseg.review.image_key import ImageKey
from napari_cellseg.review.journal import SUFFIX, About, Journal, journals_folder
from napari_cellseg.review.locking import OwnerLock, is_locked, owner_words
from napari_cellseg.review.packing import PackedLabels
from napari_cellseg.review.pixel_runs import PixelRuns
from napari_cellseg.review.queue import merge_states
from napari_cellseg.review.table_records import RowReplay, table_from_record


@dataclass(frozen=True, slots=True)
class FoundJournal:
    """A journal on the disk.

    Attributes
    ----------
    path : Path
        The file.
    about : About
        What it is for.
    steps : int
        Steps after its beginning.
    modified : datetime
        When the last step was made, local time.
    owner : str
        Who works with it now, as the end of a sentence; empty where nobody does.
    saved : str
        File that holds the labels as they were left, without their table; empty where none is known.
    """

    path: Path
    about: About
    steps: int
    modified: datetime
    owner: str
    saved: str = ""

    @property
    def work(self) -> str:
        """What it holds, for example ``"412 steps on 'cells' of 'field.tif'"``."""
        image, layer = self.about.image.words, self.about.layer
        steps = "1 step" if self.steps == 1 else f"{self.steps:,} steps"
        return f"{steps} on '{layer}' of '{image}'" if layer not in ("", image) else f"{steps} on '{image}'"

    @property
    def words(self) -> str:
        """What the user is offered: the work, when it was last gone on with, whether it was saved since."""
        last = f"{self.modified.day} {self.modified:%B, %H:%M}"
        if not self.saved:
            return f"{self.work}, last on {last}, not saved since"
        name = Path(self.saved).name
        return f"{self.work}, last on {last}; the labels are in '{name}', classes and review are not"


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """The state that a journal leads to.

    Attributes
    ----------
    labels : ndarray of int
        As they were after the last step.
    features : DataFrame
        The table, by rising label.
    review : mapping or None
        State of the review queue.
    steps : int
        Steps that were repeated.
    words : str
        What could not be brought back, empty where nothing is missing.
    entries : tuple of Entry
        The steps.
    """

    labels: NDArray[Any]
    features: pd.DataFrame
    review: Json | None
    steps: int
    words: str = ""
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class JournalContents:
    """All that can be read of a journal.

    Attributes
    ----------
    about : About
        What it is for.
    entries : list of Entry
        The first is the state that the work began with.
    frames : Frames
        The bytes that they were read from.
    """

    about: About
    entries: list[Entry]
    frames: Frames

    @property
    def words(self) -> str:
        """What is missing at its end, for the user; empty where nothing is."""
        if self.frames.is_damaged:
            return (
                f"The journal is damaged after step {len(self.entries) - 1:,}: what came later is lost. "
                "A copy of the damaged file is kept beside it."
            )
        if self.frames.is_torn:
            return "The very last step was not completely written and is left out."
        return ""


def find_journals(image: ImageKey, folder: Path | None = None) -> list[FoundJournal]:
    """Journals of an image that can be resumed or are in use, the latest first.

    Parameters
    ----------
    image : ImageKey
        All of it must agree: the path, the size, the time and the hash.
    folder : Path, optional
        Where to look; `journals_folder` unless given.

    Raises
    ------
    JournalError
        Where there are journals of this image, and none of them can be read.
    """
    found, unreadable = [], []
    for path in (folder or journals_folder()).glob(f"*-{image.identifier()}-*{SUFFIX}"):
        if path.name.startswith("."):
            continue
        try:
            found.append(_look_at(path))
        except JournalError as error:
            unreadable.append(error)
    if unreadable and not found:
        raise unreadable[0]
    fitting = [journal for journal in found if journal.about.image == image]
    return sorted(fitting, key=lambda journal: journal.modified, reverse=True)


def _look_at(path: Path) -> FoundJournal:
    frames, lock = _read_frames(path), path.with_suffix(".lock")
    about = _about(path, frames)
    try:
        owner = owner_words(lock) if is_locked(lock) else ""
        modified = datetime.fromtimestamp(path.stat().st_mtime)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        steps = [body for body in frames.bodies[2:] if not is_note(body)]
    except zlib.error as error:
        raise _unreadable(path, error) from error
    is_saved = len(frames.bodies) > 2 and is_note(frames.bodies[-1])
    last = _entries(path, about, frames.bodies[-1:])[0].kind if is_saved else ""
    saved = last.removeprefix(SAVED) if last.startswith(SAVED) else ""
    return FoundJournal(path, about, len(steps), modified, owner, saved)


def read_journal(path: Path) -> JournalContents:
    """Read a journal up to its end, or to where it is torn or damaged.

    Raises
    ------
    JournalError
        Where it cannot be read, or does not hold what the work began with.
    """
    frames = _read_frames(path)
    about = _about(path, frames)
    entries = _entries(path, about, frames.bodies[1:])
    if not entries or not entries[0].is_base:
        raise JournalError(f"'{path}' breaks off before the labels that the work began with.")
    return JournalContents(about, entries, frames)


def replay(labels: Any, entries: list[Entry]) -> None:
    """Repeat steps on labels.

    Parameters
    ----------
    labels : ndarray or writable zarr array
        As they were before the first step; changed in place.
    entries : list of Entry
        The steps.

    Raises
    ------
    JournalError
        Where pixels are not what they were before a step; the steps up to it were repeated, itself too.
    """
    for number, entry in enumerate(entries, 1):
        if wrong := _apply(labels, entry):
            raise JournalError(
                f"Step {number:,}, '{entry.kind}', found {wrong:,} pixels changed since: "
                "these are not the labels that the journal is for."
            )


def restoring(contents: JournalContents) -> Job[Restored]:
    """Bring back the state after the last step, as a job.

    A step that finds other pixels than it was made on, because something changed them without a step, is
    repeated all the same: its own pixels are right. How many such steps there were is said in `words`.
    """
    base, steps = contents.entries[0], contents.entries[1:]
    labels = base.pixels.unpack() if isinstance(base.pixels, PackedLabels) else None
    if labels is None or base.after is None:
        raise JournalError("The journal lacks the labels or the table that the work began with.")
    rows, review, odd = RowReplay(table_from_record(base.after)), base.review, 0
    for number, entry in enumerate(steps, 1):
        odd += _apply(labels, entry) > 0
        if isinstance(entry.pixels, PackedLabels) and entry.after is not None:
            rows = RowReplay(table_from_record(entry.after))
        elif not entry.is_base:
            rows.apply(entry.before, entry.after)
        review = merge_states(review, entry.review)
        if number % 50 == 0:
            yield Progress("Repeating your steps", number, len(steps))
    yield Progress("Repeating your steps", len(steps), len(steps))
    words = [contents.words] if contents.words else []
    if odd:
        words.append(f"{odd:,} of {len(steps):,} steps found pixels that something else had changed.")
    return Restored(labels, rows.table(), review, len(steps), " ".join(words), tuple(steps))


def resume_journal(path: Path) -> tuple[Journal, Restored]:
    """Go on with a journal: the state after its last step, and the journal to append to.

    A step that was not completely written is cut off; of a damaged file a copy is kept.

    Raises
    ------
    JournalError
        Where another process works with it, or it cannot be read or written.
    """
    try:
        lock = OwnerLock(path.with_suffix(".lock"))
    except JournalError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        contents = read_journal(path)
        restored = drain(restoring(contents))
        if contents.frames.is_damaged:
            shutil.copyfile(path, path.with_suffix(".damaged"))
        os.truncate(path, contents.frames.good)
        file = AppendedFile(path, [path.read_bytes()], exists=True)
    except JournalError:
        lock.release()
        raise
    except OSError as error:
        lock.release()
        raise _unreadable(path, error) from error
    return Journal(contents.about, file, lock, restored.steps), restored


def _entries(path: Path, about: About, bodies: list[bytes]) -> list[Entry]:
    try:
        return [Entry.from_bytes(body, about.shape, about.dtype) for body in bodies]
    except (ValueError, KeyError, zlib.error) as error:
        raise JournalError(f"'{path}' is not a journal that this version can read: {error}.") from error


def _apply(labels: Any, entry: Entry) -> int:
    """Do a step again; pixels that were not as they were before it."""
    if entry.is_base:
        return 0
    if isinstance(entry.pixels, PixelRuns):
        return entry.pixels.apply(labels)
    if entry.pixels is not None:
        entry.pixels.unpack_into(labels)
    return 0


def _read_frames(path: Path) -> Frames:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not content.startswith(MAGIC):
        raise JournalError(f"'{path}' is not a journal, or one of a newer version.")
    frames = read_frames(content)
    if not frames.bodies:
        raise JournalError(f"'{path}' breaks off at its beginning.")
    return frames


def _about(path: Path, frames: Frames) -> About:
    try:
        return About.from_bytes(frames.bodies[0])
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(f"'{path}' is not a journal that this version can read: {error}.") from error


def _unreadable(path: Path, error: OSError | zlib.error) -> JournalError:
    reason = getattr(error, "strerror", None) or error
    return JournalError(f"The journal '{path}' cannot be read: {reason}.")

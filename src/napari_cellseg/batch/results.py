"""What became of the files of a batch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["done", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of one file; the payload of `Progress` when it is finished.

    Attributes
    ----------
    path : Path
        The image.
    status : str
        ``"done"``; ``"skipped"``: its results are there already; ``"failed"``.
    labels : Path or None
        Its label image; None where it failed.
    objects : int
        Objects in it.
    seconds : float
        Time it took.
    reason : str
        Why it failed, in words.
    warnings : tuple of str
        What was warned about.
    """

    path: Path
    status: Status
    labels: Path | None = None
    objects: int = 0
    seconds: float = 0.0
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def failure(self) -> str:
        """Which file failed and why."""
        return self.reason if str(self.path) in self.reason else f"{self.path}: {self.reason}"


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What became of all files.

    Attributes
    ----------
    files : tuple of FileResult
        In the order in which they were worked on.
    seconds : float
        Time that all took.
    """

    files: tuple[FileResult, ...]
    seconds: float

    def count(self, status: Status) -> int:
        """Number of files with a status."""
        return sum(file.status == status for file in self.files)

    @property
    def objects(self) -> int:
        """Objects found in the files that were segmented now."""
        return sum(file.objects for file in self.files if file.status == "done")

    @property
    def text(self) -> str:
        """The summary in one line, failures by name and reason in further lines."""
        n = len(self.files)
        line = (
            f"{n} {'file' if n == 1 else 'files'}: {self.count('done')} segmented, "
            f"{self.count('skipped')} already done, {self.count('failed')} failed; "
            f"{self.objects:,} objects in {self.seconds:.1f} s."
        )
        return "\n".join([line, *(file.failure for file in self.files if file.status == "failed")])

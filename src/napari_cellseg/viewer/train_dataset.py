"""What the Train dock says of a dataset before anything is trained on it."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from napari_cellseg.datasets.finding import Finding
from napari_cellseg.datasets.sample import SPLITS
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.events import Job, Progress
from napari_cellseg.viewer.dataset_rows import counted

FEW = 30
"""Objects to learn from below which a model rarely gets better."""


@dataclass(frozen=True)
class DatasetLook:
    """A dataset, as far as a training needs to know it.

    Attributes
    ----------
    folder : Path
        The dataset.
    images, objects : dict of str to int
        How many of each there are in ``train``, ``val`` and ``test``.
    groups : dict of str to int
        Groups of images in each split; an image without one is a group of its own.
    findings : tuple of Finding or None
        What its check found, the worst first; None until it was checked.
    """

    folder: Path
    images: dict[str, int]
    objects: dict[str, int]
    groups: dict[str, int]
    findings: tuple[Finding, ...] | None = None

    @property
    def problem(self) -> str:
        """Why nothing can be learnt from it; empty where something can."""
        if not self.images["train"]:
            return "No image is in the split 'train': add some in the CellSeg dataset dock."
        if not self.objects["train"]:
            return "The images in the split 'train' have no objects: correct some first."
        return ""

    @property
    def words(self) -> str:
        """What is in it, in a line."""
        parts = [
            f"{split} {counted(self.images[split], 'image')} ({counted(self.objects[split], 'object')})"
            for split in SPLITS
            if self.images[split]
        ]
        return f"{'; '.join(parts)}." if parts else "No images yet: add some in the CellSeg dataset dock."

    @property
    def advice(self) -> str:
        """What is missing for a good training, the most important first; empty where nothing is."""
        told = []
        if not self.problem and self.objects["train"] < FEW:
            told.append(f"Fewer than {FEW} objects to learn from: correct more before you expect much.")
        if not self.images["val"] and not self.images["test"]:
            told.append(
                "No image is held back (val, test): whether the new model is better cannot be told. Split "
                "the dataset in the CellSeg dataset dock, Classes."
            )
        elif not self.images["test"]:
            told.append(
                "No test images: the comparison will be on the validation images, which is optimistic."
            )
        return " ".join(told)

    @property
    def check(self) -> str:
        """What its check found, in a line: how many of each severity, and the worst one."""
        if self.findings is None:
            return ""
        serious = [finding for finding in self.findings if finding.severity != "note"]
        if not serious:
            return "✓ The check found nothing wrong."
        counts = Counter(finding.severity for finding in serious)
        many = " and ".join(counted(counts[kind], kind) for kind in ("error", "warning") if counts[kind])
        worst = serious[0]
        where = f"{worst.image}: " if worst.image else ""
        first = "" if len(serious) == 1 else "the worst is "
        return f"⚠ {many}: {first}{where}{worst.text} → {worst.fix}"


def looking_at(folder: Path) -> Job[DatasetLook]:
    """Count what is in a dataset, told with the first step's payload, and check it.

    Raises
    ------
    DatasetError
        Where there is no dataset, or it is damaged.
    """
    yield Progress("Opening the dataset", 0, 0, folder.name)
    dataset = Dataset.open(folder)
    look = _counted(dataset)
    yield Progress("Checking the dataset", 0, 0, "", look)
    findings = yield from dataset.checking()
    return replace(look, findings=tuple(findings))


def _counted(dataset: Dataset) -> DatasetLook:
    entries = dataset.entries()
    of = {split: [entry for entry in entries if entry.split == split] for split in SPLITS}
    return DatasetLook(
        dataset.folder,
        {split: len(own) for split, own in of.items()},
        {split: sum(entry.objects for entry in own) for split, own in of.items()},
        {split: len({e.origin.group or f"\0{e.name}" for e in own}) for split, own in of.items()},
    )

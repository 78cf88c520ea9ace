"""How long a training will take and how much memory it needs, measured in a few real steps."""

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from napari_cellseg.events import Job
from napari_cellseg.training.runs.process import child_result
from napari_cellseg.training.runs.run import Recipe, RunFolder


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a training will need.

    Attributes
    ----------
    seconds : float
        Until its last planned epoch; it may stop earlier.
    memory : int
        Bytes of main memory, on a graphics card of that card's memory, at the peak.
    device : str
        What it will run on, in words.
    words : str
        What was measured.
    """

    seconds: float
    memory: int
    device: str
    words: str

    def as_dict(self) -> dict[str, Any]:
        """All values, as JSON holds them."""
        return asdict(self)


def estimating(recipe: Recipe) -> Job[Estimate]:
    """Estimate time and memory of a training, in a process of its own that leaves nothing behind.

    The backend's function ``estimate(recipe, report)`` takes a few steps as the training would. The job
    yields and is closed as `napari_cellseg.training.runs.process.training` is.

    Raises
    ------
    TrainingError
        Where the steps fail.
    """
    with TemporaryDirectory(prefix="cellseg-estimate-") as folder:
        run = RunFolder(Path(folder) / "run")
        run.begin(recipe)
        return Estimate(**(yield from child_result(run, "--estimate", is_kept=False)))

"""Segment, correct, retrain and measure cells in napari."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_cellseg.datasets.store import Dataset as Dataset
    from napari_cellseg.evaluation.evaluating import evaluate as evaluate
    from napari_cellseg.evaluation.results import Report as Report
    from napari_cellseg.features.images import measure_images as measure_images
    from napari_cellseg.features.measuring import measure as measure
    from napari_cellseg.features.measuring import measuring as measuring
    from napari_cellseg.models.registry import load_model as load_model
    from napari_cellseg.pipeline import Segmentation as Segmentation
    from napari_cellseg.pipeline import segment as segment
    from napari_cellseg.pipeline import segmenting as segmenting
    from napari_cellseg.statistics.groups import compare_groups as compare_groups

__version__ = "0.1.0"

_PUBLIC = {
    "Dataset": "napari_cellseg.datasets.store",
    "Report": "napari_cellseg.evaluation.results",
    "Segmentation": "napari_cellseg.pipeline",
    "compare_groups": "napari_cellseg.statistics.groups",
    "evaluate": "napari_cellseg.evaluation.evaluating",
    "load_model": "napari_cellseg.models.registry",
    "measure": "napari_cellseg.features.measuring",
    "measure_images": "napari_cellseg.features.images",
    "measuring": "napari_cellseg.features.measuring",
    "segment": "napari_cellseg.pipeline",
    "segmenting": "napari_cellseg.pipeline",
}
__all__ = [
    "Dataset",
    "Report",
    "Segmentation",
    "__version__",
    "compare_groups",
    "evaluate",
    "load_model",
    "measure",
    "measure_images",
    "measuring",
    "segment",
    "segmenting",
]


def __getattr__(name: str) -> Any:
    """Import a public name on its first use."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'napari_cellseg' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

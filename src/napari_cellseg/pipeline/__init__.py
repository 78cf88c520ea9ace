"""segment(): the only place where images, tiles, models, instances and labels meet."""

from napari_cellseg.pipeline.job import segment, segmenting
from napari_cellseg.pipeline.preflight import Preflight, preflight
from napari_cellseg.pipeline.results import Candidates, FinishedRegion, Segmentation

__all__ = ["Candidates", "FinishedRegion", "Preflight", "Segmentation", "preflight", "segment", "segmenting"]

"""Many files: each is segmented and written on its own, a bad one is reported and the rest goes on."""

from napari_cellseg.batch.files import distinct_stems, find_images
from napari_cellseg.batch.job import segmenting_files
from napari_cellseg.batch.results import BatchSummary, FileResult

__all__ = ["BatchSummary", "FileResult", "distinct_stems", "find_images", "segmenting_files"]

"""Images with a label image each, as Cellpose, StarDist and many others lay them out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_cellseg.datasets.annotation import OBJECT_COLUMNS, Annotation
from napari_cellseg.datasets.encoding import as_stored, write_planes, write_source
from napari_cellseg.datasets.formats.format import Format, Notes
from napari_cellseg.datasets.formats.image_files import Stems
from napari_cellseg.datasets.formats.label_files import read_labelled
from napari_cellseg.datasets.formats.label_folders import (
    CELLPOSE,
    LABEL_FOLDERS,
    Search,
    find_pairs,
    has_labels,
    has_pairs,
    marked,
)
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.outputs import make_folder
from napari_cellseg.review.saved_labels import table_path


def as_read_back(annotation: Annotation) -> Annotation:
    """What a label image and its table keep.

    Of objects that overlap what is on top; of their rows the columns `OBJECT_COLUMNS`.
    """
    return Annotation.from_labels(annotation.labels, annotation.objects[list(OBJECT_COLUMNS)])


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a format keeps image and labels.

    Attributes
    ----------
    searches : tuple of Search
        How they are looked for; the first that finds some is taken.
    image, labels : str
        Paths to write, with ``{}`` for the stem.
    """

    searches: tuple[Search, ...]
    image: str
    labels: str

    def matches(self, path: Path) -> bool:
        return any(has_pairs(path, search) for search in self.searches)

    def read(self, path: Path, notes: Notes, *, images: Path | None = None) -> Iterator[Sample]:
        """Samples of all pairs; see `find_pairs` and `read_labelled`."""
        fitting = (s for s in self.searches if has_pairs(path, s))
        search = next(fitting, self.searches[0])
        for pair in find_pairs(path, notes, search, images):
            yield from read_labelled(pair, notes)

    def write(self, samples: Iterable[Sample], folder: Path, classes: Sequence[str]) -> Iterator[str]:
        """Write image, labels and table of each sample, in a subfolder for each split.

        Classes are written by their names; labels are 16-bit where that is enough, else 32-bit.
        """
        stems = Stems()
        for sample in samples:
            stem = marked(stems.take(sample.name))
            root = folder if sample.split is None else folder / sample.split
            image, labels = root / self.image.format(stem), root / self.labels.format(stem)
            make_folder(image.parent)
            make_folder(labels.parent)
            size = sample.origin.pixel_size
            write_source(image, sample.training_pixels(), size)
            write_planes(labels, [as_stored(sample.annotation.labels)], size)
            rows = sample.annotation.objects[list(OBJECT_COLUMNS)]
            rows.to_csv(table_path(labels), index=False)
            yield sample.name


_BESIDE = Search()
_APART = Search(label_folders=LABEL_FOLDERS)
_CELLPOSE = _Layout((Search(CELLPOSE),), "{}.tif", "{}_masks.tif")
_STARDIST = _Layout((Search(label_folders=("masks",)),), "images/{}.tif", "masks/{}.tif")
_LABELS = _Layout((_APART, _BESIDE), "{}.tif", "{}_labels.tif")

FORMATS = (
    Format(
        "cellpose",
        "Cellpose: NAME.tif with NAME_masks.tif",
        "Images and masks in one folder, as Cellpose trains on them. Keeps full depth, pixel size, labels "
        "and, in tables that Cellpose leaves alone, classes and status; of overlapping objects what is on "
        "top.",
        _CELLPOSE.matches,
        _CELLPOSE.read,
        _CELLPOSE.write,
        as_read_back,
        keeps_pixel_size=True,
    ),
    Format(
        "stardist",
        "StarDist: images and masks of the same names in two folders",
        "images/NAME.tif and masks/NAME.tif, as StarDist's notebooks read them. Keeps full depth, pixel "
        "size, labels and, in tables beside the masks, classes and status; of overlapping objects what is on "
        "top.",
        _STARDIST.matches,
        _STARDIST.read,
        _STARDIST.write,
        as_read_back,
        keeps_pixel_size=True,
    ),
    Format(
        "label-images",
        "Label images: NAME.tif with NAME_labels.tif and a table",
        "Reads label images of any program, beside their images or in another folder, masks as well; writes "
        "them as the segment command does. Keeps full depth, pixel size, labels, classes and status; of "
        "overlapping objects what is on top.",
        lambda path: _LABELS.matches(path) or has_labels(path),
        _LABELS.read,
        _LABELS.write,
        as_read_back,
        keeps_pixel_size=True,
    ),
)

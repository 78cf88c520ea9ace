"""Classes of a dataset that get other names or another order."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.catalogue import Catalogue
from napari_cellseg.datasets.encoding import file_hash
from napari_cellseg.datasets.files import write_polygons
from napari_cellseg.datasets.moving import write_record
from napari_cellseg.datasets.reading import read_sample
from napari_cellseg.datasets.record import Entry, Record, counted, file_path, read_record, record_path
from napari_cellseg.datasets.settings import Settings
from napari_cellseg.datasets.transaction import Transaction
from napari_cellseg.errors import DatasetError
from napari_cellseg.events import Job, Progress
from napari_cellseg.outputs import output_errors

STAGE = "Changing classes"


def reclassing_images(
    catalogue: Catalogue,
    transaction: Transaction,
    before: Settings,
    after: Settings,
    renamed: Mapping[str, str],
) -> Job[None]:
    """Prepare that objects get the classes' other names and numbers.

    Parameters
    ----------
    catalogue : Catalogue
        What is there; takes in what is prepared.
    transaction : Transaction
        Where it is prepared.
    before, after : Settings
        Classes as they are and will be.
    renamed : mapping of str to str
        New name of each class that gets one; a class that exists takes the objects over.

    Raises
    ------
    DatasetError
        Where a class that is in use would be missing, or a file is damaged.
    OutputError
        Where a file cannot be written.
    """
    _check_kept(catalogue, after, renamed)
    numbers = {name: i for i, name in enumerate(after.classes)}
    changed = {name for i, name in enumerate(before.classes) if numbers.get(renamed.get(name, name)) != i}
    concerned = [e for e in catalogue.values() if any(c in changed or c in renamed for c in e.classes)]
    for done, entry in enumerate(concerned):
        yield Progress(STAGE, done, len(concerned), entry.name)
        record = read_record(catalogue.folder / record_path(entry.name))
        names = record.table["class"].map(lambda name: renamed.get(name, name)).astype("str")
        table = record.table.assign(**{"class": names})
        record = replace(record, table=table, classes=counted(table, "class"))
        if changed & set(entry.classes):
            record = _with_labels(catalogue, transaction, record, after.classes)
        write_record(transaction, record)
        catalogue.expect(record.entry())


def _with_labels(
    catalogue: Catalogue, transaction: Transaction, record: Record, classes: Sequence[str]
) -> Record:
    """The record with the hash of the polygons that are prepared for it."""
    annotation = read_sample(catalogue.folder, record).annotation
    annotation = Annotation(annotation.labels, record.table, annotation.covered)
    relative = file_path("labels", record.split, record.name)
    with output_errors(transaction.folder):
        path = transaction.put(relative)
        write_polygons(path, annotation, classes)
        return replace(record, files={**record.files, relative: file_hash(path)})


def _check_kept(catalogue: Mapping[str, Entry], after: Settings, renamed: Mapping[str, str]) -> None:
    for entry in catalogue.values():
        missing = [c for c in entry.classes if renamed.get(c, c) not in after.classes]
        if missing:
            raise DatasetError(
                f"The class '{missing[0]}' has objects, for example in '{entry.name}', and cannot be left "
                f"out. Merge it into the class that takes them over."
            )

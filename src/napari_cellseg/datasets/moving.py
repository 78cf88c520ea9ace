"""Images that leave a dataset, or go to another of its splits."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from napari_cellseg.datasets.catalogue import Catalogue
from napari_cellseg.datasets.record import KINDS, Record, file_path, read_record, record_path
from napari_cellseg.datasets.sample import Split
from napari_cellseg.datasets.transaction import Transaction
from napari_cellseg.events import Job, Progress
from napari_cellseg.outputs import output_errors

MOVING = "Moving"
REMOVING = "Removing"


def write_record(transaction: Transaction, record: Record) -> None:
    """Prepare the record of an image.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    with output_errors(transaction.folder):
        transaction.put(record_path(record.name)).write_text(record.to_json(), encoding="utf-8")


def moving_images(
    catalogue: Catalogue, transaction: Transaction, splits: Mapping[str, Split]
) -> Job[dict[str, Split]]:
    """Prepare that images go to other splits.

    Parameters
    ----------
    catalogue : Catalogue
        What is there; takes in what is prepared.
    transaction : Transaction
        Where it is prepared.
    splits : mapping of str to str
        Split by name; images that are there already stay.

    Returns
    -------
    dict of str to str
        The split that each image leaves that goes to another one.

    Raises
    ------
    DatasetError
        Where a record is damaged.
    OutputError
        Where a record cannot be written.
    """
    left = {name: catalogue[name].split for name, split in splits.items() if catalogue[name].split != split}
    for done, (name, old) in enumerate(left.items()):
        yield Progress(MOVING, done, len(left), name)
        new = splits[name]
        record = read_record(catalogue.folder / record_path(name))
        paths = {file_path(kind, old, name): file_path(kind, new, name) for kind in KINDS}
        for before, after in paths.items():
            if (catalogue.folder / before).exists():
                transaction.move(before, after)
        files = {paths.get(path, path): text for path, text in record.files.items()}
        moved = replace(record, split=new, files=files)
        write_record(transaction, moved)
        catalogue.expect(moved.entry())
    return left


def removing_images(catalogue: Catalogue, transaction: Transaction, names: Iterable[str]) -> Job[None]:
    """Prepare that images are removed, and are no one's near-duplicate; errors as in `moving_images`."""
    gone = set(names)
    for done, name in enumerate(sorted(gone)):
        yield Progress(REMOVING, done, len(gone), name)
        for kind in KINDS:
            transaction.remove(file_path(kind, catalogue[name].split, name))
        transaction.remove(record_path(name))
        catalogue.forget(name)
    for entry in list(catalogue.values()):
        if entry.twin_of in gone:
            alone = replace(read_record(catalogue.folder / record_path(entry.name)), twin_of="")
            write_record(transaction, alone)
            catalogue.expect(alone.entry())

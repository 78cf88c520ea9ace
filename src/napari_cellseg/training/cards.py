"""What the cards of all models that are trained here share: data, authors, what was learnt from."""

import getpass
from collections.abc import Collection, Iterable, Mapping
from statistics import median

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.models.card import DataSource, ModelCard

NO_HASH = "0" * 64
"""Stands for the hash of weights that are not in a file yet."""


def author_name() -> str | None:
    """Name of the user who is logged in; None where the system does not say."""
    try:
        return getpass.getuser() or None
    except (OSError, KeyError, ImportError):  # which of them depends on the system and on Python's version
        return None


def common_pixel_size(dataset: Dataset, names: Collection[str]) -> float | None:
    """Pixel size of images in µm, where it is known of all and the same but for a twentieth."""
    sizes = [entry.origin.pixel_size for entry in dataset.entries() if entry.name in names]
    known = [size for size in sizes if size]
    if not known or len(known) < len(sizes) or max(known) > 1.05 * min(known):
        return None
    return round(median(known), 6)


def data_source(
    dataset: Dataset, images: Mapping[str, Collection[str]], objects: Mapping[str, int]
) -> DataSource:
    """What a card tells of a dataset.

    Parameters
    ----------
    dataset : Dataset
        Its folder's name becomes that of the data.
    images : mapping of str to collection of str
        Names of the images to learn from (``train``) and to validate with (``val``).
    objects : mapping of str to int
        Objects in them.
    """
    return DataSource(
        name=dataset.folder.name,
        title=f"Dataset '{dataset.folder.name}'",
        licence="not said in the dataset",
        citation="not said in the dataset",
        train_images=len(images["train"]),
        train_objects=objects["train"],
        validation_images=len(images["val"]),
        validation_objects=objects["val"],
    )


def pixel_hashes(dataset: Dataset, images: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Hashes of the pixels of images, in order and each once, by what the images are for.

    Parameters
    ----------
    dataset : Dataset
        Has the images.
    images : mapping of str to iterable of str
        Names, by what they are for: ``train``, ``val``, ``test``.
    """
    known = {entry.name: entry.pixels for entry in dataset.entries()}
    return {purpose: sorted({known[name] for name in names} - {""}) for purpose, names in images.items()}


def learnt_from(own: Iterable[str], parent: ModelCard | None = None) -> tuple[str, ...]:
    """Hashes of all pixels that weights learnt from: those of this training, and those of their parent."""
    return tuple(sorted({*own, *(() if parent is None else parent.trained_on)}))


def parent_notes(pixels: Mapping[str, Iterable[str]], parent: ModelCard) -> list[str]:
    """What to tell of scores of weights that were trained further, in sentences.

    Parameters
    ----------
    pixels : mapping of str to iterable of str
        Hashes of the images' pixels, by what they are for.
    parent : ModelCard
        Card of the weights that the training began with.
    """
    if not parent.trained_on:
        return [
            f"It is not known which images '{parent.name}' had learnt from: if images to validate or to test "
            f"with are among them, their scores flatter."
        ]
    seen = {purpose: len({*pixels.get(purpose, ())} & {*parent.trained_on}) for purpose in ("val", "test")}
    return [
        f"'{parent.name}' had learnt from {count} image(s) of the split {purpose}: their scores flatter."
        for purpose, count in seen.items()
        if count
    ]

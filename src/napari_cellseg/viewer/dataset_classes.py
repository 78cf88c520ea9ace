"""Classes of a dataset with their colours."""

from napari_cellseg.errors import DatasetError

CLASS_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#999999")
"""Colours that colour-blind eyes tell apart (Okabe and Ito), by the class's number; then they begin anew."""


def class_colour(number: int) -> str:
    """Colour of a class, as ``#rrggbb``.

    Parameters
    ----------
    number : int
        Its number in the dataset, from 0.
    """
    return CLASS_COLOURS[number % len(CLASS_COLOURS)]


def checked_name(name: str, others: tuple[str, ...]) -> str:
    """The name of a new class, or a new name of one.

    Raises
    ------
    DatasetError
        Where it is empty or taken.
    """
    name = name.strip()
    if not name:
        raise DatasetError("A class needs a name.")
    if name in others:
        raise DatasetError(f"There is a class '{name}' already.")
    return name

"""All formats that annotated images can be read from and written to."""

from importlib import import_module
from pathlib import Path

from napari_cellseg.datasets.formats.format import Format
from napari_cellseg.errors import DatasetError

_MODULES: tuple[str, ...] = ("yolo", "coco", "run_lengths", "geojson", "imagej", "mask_folder", "label_pairs")
"""Files of this folder, each with a tuple `FORMATS`, in the order in which they are offered and tried."""


def list_formats() -> tuple[Format, ...]:
    """All formats, in the order in which they are offered."""
    modules = (import_module(f"napari_cellseg.datasets.formats.{name}") for name in _MODULES)
    return tuple(format for module in modules for format in module.FORMATS)


def find_format(name: str) -> Format:
    """The format of a name.

    Raises
    ------
    DatasetError
        Where there is no such format.
    """
    formats = {format.name: format for format in list_formats()}
    if name not in formats:
        raise DatasetError(f"format must be one of {', '.join(formats)}, not '{name}'.")
    return formats[name]


def recognise_format(path: Path) -> Format:
    """The first format that a file or folder looks like.

    Raises
    ------
    DatasetError
        Where there is nothing at the path, it cannot be read, or it looks like none of them.
    """
    try:
        if not path.exists():
            raise DatasetError(f"There is no file or folder '{path}'.")
        for format in list_formats():
            if format.matches(path):
                return format
    except OSError as error:
        raise DatasetError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    names = ", ".join(format.name for format in list_formats())
    raise DatasetError(f"'{path}' looks like none of the known formats. Name one of them: {names}.")

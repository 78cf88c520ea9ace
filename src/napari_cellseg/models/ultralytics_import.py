"""Importing ultralytics so that it neither downloads nor installs, and does not break Qt."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from napari_cellseg.errors import MissingDependencyError

OFFLINE = {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false"}
"""Environment that keeps it from installing packages, from the network and from printing."""

QT_VARIABLES = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")
"""What opencv-python points to its own Qt 5 on import, where any other Qt then finds no platform."""


def import_ultralytics() -> Any:
    """The ultralytics package.

    Raises
    ------
    MissingDependencyError
        Where it is not installed.
    """
    for name, value in OFFLINE.items():
        os.environ.setdefault(name, value)
    try:
        with unchanged_qt():
            import ultralytics
    except ImportError as error:
        raise MissingDependencyError("This YOLO model", "ultralytics", "yolo") from error
    return ultralytics


@contextmanager
def unchanged_qt() -> Iterator[None]:
    """Give Qt's environment back as it was: an import within the block may change it."""
    before = {name: os.environ.get(name) for name in QT_VARIABLES}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

"""The command line: the same functions as in Python, with a progress bar and errors in words."""

from napari_cellseg.cli.app import main

__all__ = ["main"]

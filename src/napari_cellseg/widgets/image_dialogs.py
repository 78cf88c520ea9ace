"""Dialogs that ask for images on disk."""

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_cellseg.images.reading import IMAGE_SUFFIXES


def ask_image_folder(parent: QWidget) -> list[Path]:
    """A folder with images; empty where the user chose none."""
    folder = QFileDialog.getExistingDirectory(parent, "Folder with images")
    return [Path(folder)] if folder else []


def ask_image_files(parent: QWidget) -> list[Path]:
    """Files of images; empty where the user chose none."""
    patterns = " ".join(f"*{suffix}" for suffix in IMAGE_SUFFIXES)
    files, _ = QFileDialog.getOpenFileNames(parent, "Images", "", f"Images ({patterns});;All files (*)")
    return [Path(file) for file in files]

"""The writer that napari's *Save* dialogs offer for labels."""

from typing import Any

from napari.layers import Layer

from napari_cellseg.errors import OutputError
from napari_cellseg.viewer.journaling import journaling_of
from napari_cellseg.viewer.saving import save_layer


def write_labels_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write labels with their table, all at once; the journal of corrections of these labels ends.

    Parameters
    ----------
    path : str
        Ends in ``.tif``; ``a_labels.tif`` gets the table ``a_features.csv``.
    data : (…, Y, X) array of int
        The labels.
    meta : dict
        Keywords of the layer.

    Returns
    -------
    list of str
        The files.

    Raises
    ------
    OutputError
        Where a file cannot be written.
    """
    if meta.get("multiscale"):
        raise OutputError(
            "Multiscale labels cannot be saved with their table. Save them with napari's writer."
        )
    written = save_layer(Layer.create(data, dict(meta), "labels"), path)
    journaling = journaling_of(data)
    if journaling is not None:
        journaling.note_saved(written[0])
    return [str(file) for file in written]

"""What a training did differently from its recipe, kept in a file, so that it outlasts a cancel."""

import json
from pathlib import Path

from napari_cellseg.errors import TrainingError
from napari_cellseg.outputs import replacing


class Notes:
    """Notes on a training, each once.

    Parameters
    ----------
    path : Path
        Where they are kept; those that are there are read.

    Attributes
    ----------
    texts : list of str
        The notes, in sentences.

    Raises
    ------
    TrainingError
        Where the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        except (OSError, ValueError) as error:
            raise TrainingError(f"The notes of the training, '{path}', are damaged ({error}).") from error
        self.texts = [str(text) for text in known]

    def add(self, text: str) -> None:
        """Add a note, unless it is there.

        Raises
        ------
        OutputError
            Where the file cannot be written.
        """
        if text in self.texts:
            return
        self.texts.append(text)
        with replacing(self._path) as temporary:
            temporary.write_text(json.dumps(self.texts, indent=2, ensure_ascii=False), encoding="utf-8")

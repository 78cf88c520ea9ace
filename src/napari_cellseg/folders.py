"""Where this package keeps what belongs to the user: added models, settings, journals."""

import os
from pathlib import Path

from platformdirs import user_config_path, user_data_path

HOME_VARIABLE = "NAPARI_CELLSEG_HOME"
"""Environment variable that puts both folders below one path, for tests and shared machines."""


def data_folder() -> Path:
    """The user's data folder (models, journals); not created."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home) / "data" if home else user_data_path("napari-cellseg", appauthor=False)


def settings_folder() -> Path:
    """The user's settings folder; not created."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home) / "settings" if home else user_config_path("napari-cellseg", appauthor=False)

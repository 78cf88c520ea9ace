"""Fail if a Qt binding is installed: the headless tests are worth nothing beside one."""

import sys
from importlib.util import find_spec

found = [name for name in ("PyQt5", "PyQt6", "PySide2", "PySide6") if find_spec(name)]
if found:
    sys.exit(f"The headless environment must have no Qt binding, found {', '.join(found)}.")

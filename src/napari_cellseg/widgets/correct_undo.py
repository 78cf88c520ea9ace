"""Buttons that say which step they undo or do again."""

from qtpy.QtWidgets import QPushButton

from napari_cellseg.widgets.fields import explain


def show_next(button: QPushButton, title: str, steps: tuple[str, ...]) -> None:
    """Say on a button which step is the next to undo or to do again, the last of `steps`."""
    button.setText(f"{title} {steps[-1]}" if steps else title)
    button.setEnabled(bool(steps))
    explain(button, title, f"{title} {steps[-1]}." if steps else f"There is nothing to {title.lower()}.")

"""Buttons of the Correct dock: the tools, and what is done to the selected object."""

from functools import partial

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.viewer.correct_tools import Tool, Tools
from napari_cellseg.widgets.correct_growing import GrowFromRow
from napari_cellseg.widgets.correct_keys import SHAPE_KEYS
from napari_cellseg.widgets.fields import NarrowCombo, Sentence, explain

TITLES = {
    "delete": "Delete",
    "split_automatically": "Split at necks",
    "fill_holes": "Fill holes",
    "smooth": "Smooth",
    "keep_largest_piece": "Largest piece",
    "grow": "Grow",
    "shrink": "Shrink",
}
"""Titles of the buttons that act on the selected object."""


def small_button(title: str, tooltip: str, *, checkable: bool = False) -> QPushButton:
    """A button that leaves the keyboard to the canvas when it is clicked."""
    button = QPushButton(title)
    button.setCheckable(checkable)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    explain(button, title, tooltip)
    return button


class ToolButtons(QWidget):
    """One button per tool, at most one of them down. Signal `pressed`: a tool."""

    pressed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        grid = QGridLayout()
        grid.setSpacing(3)
        self.buttons: dict[Tool, QPushButton] = {}
        for number, tool in enumerate(Tool):
            key = tool.value.key.replace("-", "+")
            button = small_button(
                f"{tool.value.title} ({key})", f"{tool.value.hint}. Key: {key}.", checkable=True
            )
            button.clicked.connect(partial(self._on_click, tool))
            grid.addWidget(button, number // 2, number % 2)
            self.buttons[tool] = button
        self.mode = Sentence("Mode")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addWidget(self.mode)
        self.grow_from = GrowFromRow()
        layout.addWidget(self.grow_from)

    def show_tools(self, tools: Tools | None) -> None:
        """Press the button of the tool in use, and say what to do."""
        tool = tools.tool if tools is not None else None
        self.grow_from.show_for(tools)
        for each, button in self.buttons.items():
            button.setChecked(each is tool)
        self.mode.say(
            f"● {tool.value.title}: {tool.value.hint}." if tool else "○ No tool: napari's own mouse."
        )

    def _on_click(self, tool: Tool) -> None:
        self.pressed.emit(tool)


class ShapeButtons(QWidget):
    """What is done to the selected object. Signals `pressed` (an action) and `class_chosen` (text)."""

    pressed = Signal(str)
    class_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[str, QPushButton] = {}
        grid = QGridLayout()
        grid.setSpacing(3)
        for number, key in enumerate(SHAPE_KEYS):
            title = f"{TITLES[key.action]} ({key.shown})"
            button = small_button(title, f"{key.words}. Key: {key.shown}.")
            button.clicked.connect(partial(self._on_click, key.action))
            grid.addWidget(button, number // 2, number % 2)
            self.buttons[key.action] = button
        self.pixels = QDoubleSpinBox()
        self.pixels.setRange(0.5, 50)
        self.pixels.setDecimals(1)
        self.pixels.setValue(1)
        self.pixels.setPrefix("by ")
        self.pixels.setSuffix(" px")
        explain(self.pixels, "Grow or shrink by", "How far to grow or shrink, in pixels. Default: 1 px.")
        grid.addWidget(self.pixels, len(SHAPE_KEYS) // 2, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.all_planes = QCheckBox("Whole object in all planes")
        explain(
            self.all_planes,
            "Whole object in all planes",
            "Edits act on the object in all planes of the stack. Default: off, only in the plane you see.",
        )
        layout.addLayout(grid)
        layout.addWidget(self.all_planes)
        layout.addLayout(self._class_row())

    def _class_row(self) -> QHBoxLayout:
        self.classes = NarrowCombo()
        self.classes.setEditable(True)
        explain(self.classes, "Class", "Class of the selected object; type a new name or choose one in use.")
        self.set_class = small_button("Set class", "Give the selected object the class on the left.")
        self.set_class.clicked.connect(self._on_class)
        row = QHBoxLayout()
        row.addWidget(QLabel("Class"))
        row.addWidget(self.classes, 1)
        row.addWidget(self.set_class)
        return row

    def show_classes(self, names: list[str]) -> None:
        """Offer the classes in use; what was typed stays."""
        if [self.classes.itemText(i) for i in range(self.classes.count())] != names:
            text = self.classes.currentText()
            self.classes.fill([(name, name) for name in names])
            self.classes.setEditText(text)

    def _on_class(self) -> None:
        self.class_chosen.emit(self.classes.currentText().strip())

    def _on_click(self, action: str) -> None:
        self.pressed.emit(action)

"""Rows of a form that explain themselves: label, control, tooltip, accessible name."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QSize, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

WIDTH = 350
"""Width that a dock asks for, in pixels; with its frame it stays below 380."""
LABEL_WIDTH = 84
"""Width of the column of labels, so that the fields of all forms line up."""


def new_form() -> QFormLayout:
    """An empty form whose fields grow with the dock."""
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setVerticalSpacing(5)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return form


def add_row(
    form: QFormLayout,
    title: str,
    field: QWidget,
    tooltip: str,
    *beside: QWidget,
    buddy: QWidget | None = None,
) -> QLabel:
    """Add a control with its label, mnemonic, tooltip and accessible name.

    Parameters
    ----------
    form : QFormLayout
        Where it goes.
    title : str
        What the user reads; ``&`` marks the letter for the keyboard.
    field : QWidget
        The control.
    tooltip : str
        What it does, with its unit and default.
    *beside : QWidget
        Small controls to its right.
    buddy : QWidget, optional
        What the label's letter focuses, if not `field`.
    """
    label = QLabel(title)
    explain(buddy or field, title, tooltip)
    label.setToolTip(as_tooltip(tooltip))
    label.setBuddy(buddy or field)
    label.setMinimumWidth(LABEL_WIDTH)
    form.addRow(label, _side_by_side(field, *beside) if beside else field)
    return label


def _side_by_side(field: QWidget, *beside: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    layout.addWidget(field, 1)
    for widget in beside:
        layout.addWidget(widget)
    return row


def primary_button(title: str) -> QPushButton:
    """The one button of a dock that does what the dock is for."""
    button = QPushButton(title)
    font = button.font()
    font.setBold(True)
    button.setFont(font)
    button.setMinimumHeight(30)
    return button


def explain(widget: QWidget, title: str, tooltip: str) -> None:
    """Give a control its tooltip and its name for screen readers."""
    widget.setToolTip(as_tooltip(tooltip))
    widget.setAccessibleName(title.replace("&", ""))
    widget.setAccessibleDescription(tooltip)


def as_tooltip(text: str) -> str:
    """Plain text as a tooltip that wraps."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    return f"<qt>{escaped}</qt>"


def set_row_visible(form: QFormLayout, label: QLabel, visible: bool) -> None:
    """Show or hide a row of a form."""
    row, _ = form.getWidgetPosition(label)
    form.setRowVisible(row, visible)


class NarrowCombo(QComboBox):
    """A choice that doesn't widen the dock for long entries."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def fill(self, entries: list[tuple[str, Any]], keep: Any = None) -> None:
        """Replace the entries (title, value), and choose `keep` where it is among them."""
        blocked = self.blockSignals(True)
        self.clear()
        for title, value in entries:
            self.addItem(title, value)
        values = [value for _, value in entries]
        self.setCurrentIndex(values.index(keep) if keep in values else (0 if entries else -1))
        self.blockSignals(blocked)

    def choose(self, value: Any) -> None:
        """Choose the entry with this value, if there is one."""
        for i in range(self.count()):
            if self.itemData(i) == value:
                self.setCurrentIndex(i)
                return


class Disclosure(QWidget):
    """Rarely used options, closed at first; signals `toggled` with whether they are shown."""

    toggled = Signal(bool)

    def __init__(self, title: str, tooltip: str, content: QWidget) -> None:
        super().__init__()
        self._title, self.content = title, content
        self.button = QToolButton()
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        explain(self.button, title, tooltip)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(content)
        self.button.toggled.connect(self._show)
        self._show(False)

    def _show(self, open_: bool) -> None:
        self.button.setText(f"{'▾' if open_ else '▸'} {self._title}")
        self.content.setVisible(open_)
        self.toggled.emit(open_)


class Sentence(QLabel):
    """Text that wraps, can be selected, and takes no room while it is empty."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.say("")

    def say(self, text: str) -> None:
        """Show a text, or nothing."""
        self.setText(text)
        self.setVisible(bool(text))

    def minimumSizeHint(self) -> QSize:
        """Long words don't widen the dock."""
        hint = super().minimumSizeHint()
        return QSize(min(hint.width(), 100), hint.height())


def bring_into_view(widget: QWidget) -> None:
    """Scroll so far that a widget can be seen."""
    area = widget.parentWidget()
    while area is not None and not isinstance(area, QScrollArea):
        area = area.parentWidget()
    if area is not None:
        later_of(widget)(0, lambda: area.ensureWidgetVisible(widget))


def later_of(owner: QObject) -> Callable[[float, Callable[[], None]], None]:
    """A way to call something later in the owner's thread, unless the owner is gone by then."""

    def later(seconds: float, action: Callable[[], None]) -> None:
        timer = QTimer(owner)
        timer.setSingleShot(True)
        timer.timeout.connect(action)
        timer.timeout.connect(timer.deleteLater)
        timer.start(max(0, round(1000 * seconds)))

    return later

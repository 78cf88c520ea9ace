"""The list of what is wrong by simple rules, each with the edit that puts it right."""

from functools import partial

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.review.quality import Finding
from napari_cellseg.widgets.correct_buttons import small_button
from napari_cellseg.widgets.fields import Sentence, explain

MOST_SHOWN = 500
"""Findings that are listed at once."""


class ChecksBox(QWidget):
    """Signals `asked`, `chosen` (Finding), `fix_asked` (list of Finding) and `whole_asked` (an action)."""

    asked = Signal()
    whole_asked = Signal(str)
    chosen = Signal(object)
    fix_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.check = QPushButton("&Check all objects")
        explain(self.check, "Check all objects", "Look for holes, pieces, specks, duplicates, cut objects.")
        self.check.clicked.connect(self.asked)
        self.sentence = Sentence("What was found")
        self.list = QListWidget()
        explain(self.list, "What is wrong", "Click a line, or use the arrow keys, to see the place.")
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.currentItemChanged.connect(self._on_item)
        self.fix = small_button("Fix this one", "Put right what is chosen in the list, as one step to undo.")
        self.fix_kind = small_button("Fix all of this kind", "The same for all in the list that are alike.")
        self.fix.clicked.connect(self._on_fix)
        self.fix_kind.clicked.connect(self._on_fix_kind)
        row = QHBoxLayout()
        row.addWidget(self.fix)
        row.addWidget(self.fix_kind)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        for widget in (self.check, self.sentence, self.list):
            layout.addWidget(widget)
        layout.addLayout(row)
        layout.addWidget(QLabel("Whole image"))
        layout.addLayout(self._whole_buttons())
        self.forget("")

    def _whole_buttons(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(3)
        self.whole: dict[str, QPushButton] = {}
        for number, (action, title, words) in enumerate((
            ("remove_small", "Remove smaller than", "Remove objects of fewer pixels than stands beside."),
            ("remove_border", "Remove cut objects", "Remove all objects that touch the border of the image."),
            ("smooth_all", "Smooth all", "Smooth the borders of all objects."),
            ("renumber", "Renumber", "Number the objects from 1 on, without gaps."),
        )):  # fmt: skip
            button = small_button(
                title, f"{words} One step to undo, until which the confidence slider rests."
            )
            button.clicked.connect(partial(self.whole_asked.emit, action))
            place = number + (number > 0)
            grid.addWidget(button, place // 2, place % 2)
            self.whole[action] = button
        self.area = QSpinBox()
        self.area.setRange(1, 10**6)
        self.area.setValue(20)
        self.area.setSuffix(" px")
        explain(self.area, "Least area", "Objects of fewer pixels are removed. Default: 20 px.")
        grid.addWidget(self.area, 0, 1)
        return grid

    @property
    def findings(self) -> list[Finding]:
        """What is listed."""
        items = [self.list.item(i) for i in range(self.list.count())]
        return [item.data(Qt.ItemDataRole.UserRole) for item in items]

    def show_findings(self, findings: list[Finding]) -> None:
        """List what is wrong."""
        self.list.clear()
        for finding in findings[:MOST_SHOWN]:
            item = QListWidgetItem(f"{finding.words} → {finding.fix}" if finding.fix else finding.words)
            item.setData(Qt.ItemDataRole.UserRole, finding)
            item.setToolTip(finding.words)
            self.list.addItem(item)
        more = f"; the first {MOST_SHOWN} are listed" if len(findings) > MOST_SHOWN else ""
        self.sentence.say(f"{len(findings):,} found{more}." if findings else "Nothing was found.")
        self._enable()

    def forget(self, words: str) -> None:
        """List nothing, and say why."""
        self.list.clear()
        self.sentence.say(words)
        self._enable()

    def drop(self, findings: list[Finding]) -> None:
        """Take findings off the list."""
        gone = {id(finding) for finding in findings}
        for i in reversed(range(self.list.count())):
            if id(self.list.item(i).data(Qt.ItemDataRole.UserRole)) in gone:
                self.list.takeItem(i)
        self.sentence.say(f"{self.list.count():,} left.")
        self._enable()

    def _current(self) -> Finding | None:
        item = self.list.currentItem()
        return None if item is None else item.data(Qt.ItemDataRole.UserRole)

    def _enable(self) -> None:
        finding = self._current()
        for button in (self.fix, self.fix_kind):
            button.setEnabled(finding is not None and bool(finding.fix))

    def _on_item(self, item: QListWidgetItem | None, before: object = None) -> None:
        self._enable()
        if item is not None:
            self.chosen.emit(item.data(Qt.ItemDataRole.UserRole))

    def _on_fix(self) -> None:
        finding = self._current()
        if finding is not None:
            self.fix_asked.emit([finding])

    def _on_fix_kind(self) -> None:
        finding = self._current()
        if finding is not None:
            same = [f for f in self.findings if (f.rule, f.fix) == (finding.rule, finding.fix)]
            self.fix_asked.emit(same)

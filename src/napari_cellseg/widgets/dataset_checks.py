"""The tab that lists what is wrong in a dataset, each with its image and what to do."""

from collections import Counter
from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_cellseg.datasets.finding import KINDS, Finding
from napari_cellseg.widgets.fields import NarrowCombo, Sentence, explain, primary_button

MOST_SHOWN = 500
"""Findings that are listed at once."""
MARKS = {"error": "✗", "warning": "⚠", "note": "·"}
"""Shapes of the severities."""


class DatasetChecks(QWidget):
    """Signals: `asked`, `opened` (a Finding with an image was double-clicked, or Enter pressed on it)."""

    asked = Signal()
    opened = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._findings: Sequence[Finding] = ()
        self.button = primary_button("&Check the dataset")
        self.sentence = Sentence("What was found")
        self.kind = NarrowCombo()
        self.list = QListWidget()
        explain(self.kind, "Kind", "Which findings are listed. Default: all.")
        explain(
            self.list, "Findings",
            "What is wrong and what to do. Double-click a line, or press Enter, to open its image.",
        )  # fmt: skip
        self.list.setToolTip("")
        self.list.setWordWrap(True)
        self.list.setSpacing(1)
        self.list.setMinimumHeight(120)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        for widget in (self.button, self.sentence, self.kind, self.list):
            layout.addWidget(widget)
        layout.setStretchFactor(self.list, 1000)
        layout.addStretch(1)
        self.button.clicked.connect(self.asked)
        self.kind.currentIndexChanged.connect(self._list)
        self.list.itemActivated.connect(self._on_activated)
        self.set_ready(False, "")
        self.forget()

    def set_ready(self, ready: bool, why: str) -> None:
        """Whether a check can begin, and why not."""
        self.button.setEnabled(ready)
        explain(
            self.button, "Check the dataset",
            why or "Look for objects that are there twice, empty images, specks, duplicates across splits, "
            "classes that are rare, and files that are damaged.",
        )  # fmt: skip

    def show_findings(self, findings: Sequence[Finding]) -> None:
        """List what is wrong."""
        self._findings = findings
        counts = Counter(finding.kind for finding in findings)
        kinds = [(f"{title} ({counts[kind]:,})", kind) for kind, title in KINDS.items() if kind in counts]
        self.kind.fill([(f"All kinds ({len(findings):,})", None), *kinds])
        self.kind.setVisible(bool(findings))
        self.list.setVisible(bool(findings))
        more = f"; the first {MOST_SHOWN} are listed" if len(findings) > MOST_SHOWN else ""
        self.sentence.say(f"{len(findings):,} found{more}." if findings else "✓ Nothing is wrong.")
        self._list()

    def forget(self) -> None:
        """List nothing: what was found may have changed since."""
        self.show_findings(())
        self.sentence.say("")

    def _list(self, *_: object) -> None:
        self.list.clear()
        kind = self.kind.currentData()
        for finding in [f for f in self._findings if kind in (None, f.kind)][:MOST_SHOWN]:
            where = f"{finding.image}: " if finding.image else ""
            item = QListWidgetItem(
                f"{MARKS.get(finding.severity, '·')} {where}{finding.text} → {finding.fix}"
            )
            item.setData(Qt.ItemDataRole.UserRole, finding)
            item.setToolTip(f"{finding.severity}: {finding.text}")
            self.list.addItem(item)

    def _on_activated(self, item: QListWidgetItem) -> None:
        finding = item.data(Qt.ItemDataRole.UserRole)
        if finding.image:
            self.opened.emit(finding)

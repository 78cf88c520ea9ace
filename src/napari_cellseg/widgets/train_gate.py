"""Whether the new model is better: the verdict, the images, those that got worse; and the decision."""

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cellseg.training.gate import GateResult
from napari_cellseg.training.gate_pictures import WorseImage
from napari_cellseg.viewer.train_gate import VERDICTS, class_table, image_table, without_verdict
from napari_cellseg.widgets.correct_buttons import small_button
from napari_cellseg.widgets.error_table import outcome_legend
from napari_cellseg.widgets.fields import NarrowCombo, Sentence, add_row, explain, new_form, primary_button
from napari_cellseg.widgets.number_table import NumberTable
from napari_cellseg.widgets.train_previews import pixmap

PICTURE = 96
"""Edge of a picture, pixels, so that three fit beside each other."""


class GateBox(QWidget):
    """Shows a comparison. Signals: `asked` (name of the old model), `used`, `refused`, `save_asked`."""

    asked = Signal(str)
    used = Signal()
    refused = Signal()
    save_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.result: GateResult | None = None
        self.old = NarrowCombo()
        self.again = small_button("&Compare", "Compare the new model with this one, on held-out images.")
        self.verdict = QLabel()
        self.sentence = Sentence("Verdict")
        self.images = NumberTable("Images", "Held-out images, those that got most worse first.")
        self.classes = NumberTable("Classes", "Both models, class by class.")
        self.worse = WorseBox()
        self.notes = Sentence("Notes on the comparison")
        self.use = primary_button("&Use it")
        self.refuse = QPushButton("&Keep the old one")
        self.save = QPushButton("Save &report…")
        self._build()
        self.again.clicked.connect(lambda: self.asked.emit(self.old.currentData() or ""))
        self.old.currentIndexChanged.connect(lambda: self.asked.emit(self.old.currentData() or ""))
        self.use.clicked.connect(self.used)
        self.refuse.clicked.connect(self.refused)
        self.save.clicked.connect(self.save_asked)
        self.setVisible(False)

    def offer(self, models: Sequence[str]) -> None:
        """Offer models to compare with, the first one chosen; there is no result yet."""
        self.old.fill([(name, name) for name in models])
        self._show(None)
        self.setVisible(True)

    def show_result(self, result: GateResult) -> None:
        """Show a comparison."""
        self._show(result)
        self.verdict.setText(VERDICTS[result.verdict])
        self.sentence.say(without_verdict(result))
        self.images.show_table(image_table(result))
        classes = class_table(result)
        self.classes.show_table(classes)
        self.classes.setVisible(len(classes) > 0)
        self.images.setVisible(len(result.images) > 0)
        self.worse.show_images(result.worse, result.old, result.new)
        excluded = len(result.excluded)
        told = [f"{excluded:,} images are left out, since a model learnt from them."] if excluded else []
        self.notes.say(" ".join([*result.notes, *told]))
        self.use.setText("&Use it anyway" if result.verdict == "worse" else "&Use it")

    def set_busy(self, busy: bool) -> None:
        """Whether a job is going on."""
        for button in (self.old, self.again, self.refuse, self.save):
            button.setEnabled(not busy)
        self.use.setEnabled(not busy and self.result is not None)
        why = "Wait until the comparison is done: then you know whether it is better."
        told = "Add the new model to your models and open it in the CellSeg segment dock. The old one stays."
        explain(self.use, "Use it", told if self.use.isEnabled() else why)

    def _show(self, result: GateResult | None) -> None:
        self.result = result
        parts = (self.verdict, self.sentence, self.images, self.classes, self.worse, self.notes, self.save)
        for part in parts:
            part.setVisible(result is not None)
        self.set_busy(False)

    def _build(self) -> None:
        font = self.verdict.font()
        font.setBold(True)
        font.setPointSizeF(1.3 * font.pointSizeF())
        self.verdict.setFont(font)
        self.verdict.setAccessibleName("Verdict")
        form = new_form()
        add_row(
            form, "Compare wi&th", self.old,
            "The model that the new one may replace. Default: the one that it was trained from.", self.again,
        )  # fmt: skip
        explain(
            self.refuse, "Keep the old one",
            "Don't use the new model. Its files stay in the folder of the training.",
        )  # fmt: skip
        explain(
            self.save, "Save report",
            "Numbers of both models, tables and pictures into a folder: HTML, CSV, JSON and PNG.",
        )  # fmt: skip
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        layout.addLayout(form)
        for widget in (self.verdict, self.sentence):
            layout.addWidget(widget)
        row = QHBoxLayout()
        row.addWidget(self.use, 1)
        row.addWidget(self.refuse)
        layout.addLayout(row)
        for widget in (self.classes, self.images, self.worse, self.notes, self.save):
            layout.addWidget(widget)


class WorseBox(QWidget):
    """Pictures of the images that got worse, one image at a time. Signal `opened`: a `WorseImage`."""

    opened = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.image = NarrowCombo()
        self.legend = QLabel(outcome_legend())
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self._names = [QLabel(), QLabel(), QLabel()]
        self.pictures = [QLabel(), QLabel(), QLabel()]
        self.line = Sentence("How much worse")
        self.open = small_button("Show &large", "Show truth, old and new result side by side in the viewer.")
        self._images: Sequence[WorseImage] = ()
        form = new_form()
        add_row(form, "Got &worse", self.image, "Images in which the new model does worse.", self.open)
        grid = QGridLayout()
        grid.setSpacing(3)
        for column, (name, picture) in enumerate(zip(self._names, self.pictures, strict=True)):
            grid.addWidget(name, 0, column)
            grid.addWidget(picture, 1, column)
            grid.setColumnStretch(column, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(form)
        layout.addLayout(grid)
        layout.addWidget(self.line)
        layout.addWidget(self.legend)
        self.image.currentIndexChanged.connect(self._show)
        self.open.clicked.connect(self._on_open)

    def show_images(self, images: Sequence[WorseImage], old: str, new: str) -> None:
        """Show the first one; nothing where none got worse."""
        self._images = images
        for label, title in zip(self._names, ("truth", f"old: {old}", f"new: {new}"), strict=True):
            label.setText(label.fontMetrics().elidedText(title, Qt.TextElideMode.ElideRight, PICTURE))
            label.setToolTip(title)
        self.image.fill([(image.name, number) for number, image in enumerate(images)])
        self.setVisible(bool(images))
        self._show()

    def _show(self, *_: object) -> None:
        if not self._images:
            return
        image = self._images[self.image.currentData()]
        shown = (image.truth, image.old, image.new)
        for label, picture, name in zip(self.pictures, shown, ("truth", "old", "new"), strict=True):
            label.setPixmap(pixmap(picture, PICTURE))
            label.setAccessibleName(f"{image.name}, {name}")
        self.line.say(f"{image.old_score:.3f} before, {image.new_score:.3f} now ({image.difference:+.3f}).")

    def _on_open(self) -> None:
        if self._images:
            self.opened.emit(self._images[self.image.currentData()])

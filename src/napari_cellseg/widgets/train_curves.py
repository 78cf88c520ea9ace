"""Losses and scores of a training as live curves."""

from importlib.util import find_spec
from typing import Any

from napari.components import ViewerModel
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_cellseg.viewer.train_watch import Series, TrainingWatch
from napari_cellseg.widgets.connections import Connections
from napari_cellseg.widgets.fields import NarrowCombo, Sentence, explain
from napari_cellseg.widgets.number_table import NumberTable

LOSS_COLOURS = ("#0072b2", "#e69f00")
SCORE_COLOURS = ("#009e73", "#cc79a7", "#56b4e9")
"""Colours that colour-blind eyes tell apart (Okabe and Ito)."""
NO_PLOTS = 'Curves need pyqtgraph: pip install "napari-cellseg[all]". Until then the last epochs as a table.'
LAST = 5
"""Epochs in the table that stands in for the curves."""


class CurvesBox(QWidget):
    """Shows the curves of a `TrainingWatch`; a table of the last epochs where pyqtgraph is not installed."""

    def __init__(self, viewer: ViewerModel, connections: Connections, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._watch: TrainingWatch | None = None
        self.network = NarrowCombo()
        explain(self.network, "Network", "Whose curves are shown. Default: the network in training.")
        self.losses, self.scores = _plots()
        self.table = NumberTable("Last epochs", "Losses and scores of the last epochs.")
        self.missing = Sentence("Why there are no curves")
        self.loss_words, self.score_words = QLabel(), QLabel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.network)
        for plot, words in ((self.losses, self.loss_words), (self.scores, self.score_words)):
            words.setTextFormat(Qt.TextFormat.RichText)
            words.setWordWrap(True)
            if plot is not None:
                layout.addWidget(words)
                layout.addWidget(plot)
        layout.addWidget(self.missing)
        layout.addWidget(self.table)
        self.network.currentIndexChanged.connect(self._draw)
        connections.connect(viewer.events.theme, self.restyle)
        self.restyle()
        self.setVisible(False)

    def show_watch(self, watch: TrainingWatch) -> None:
        """Draw the epochs that there are; nothing before the first."""
        follows = self._watch is not watch or self.network.currentIndex() == self.network.count() - 1
        self._watch = watch
        networks = watch.networks
        self.network.fill(
            [(name or "network", name) for name in networks],
            keep=watch.network if follows else self.network.currentData(),
        )
        self.network.setVisible(len(networks) > 1)
        self.setVisible(bool(networks))
        self._draw()

    def restyle(self, event: object = None) -> None:
        """Take over the viewer's theme."""
        theme = get_theme(self._viewer.theme)
        for plot in (self.losses, self.scores):
            if plot is not None:
                plot.restyle(theme.background.as_hex(), theme.text.as_hex())

    def _draw(self, *_: object) -> None:
        watch = self._watch
        if watch is None or not watch.networks:
            return
        network = self.network.currentData()
        losses, scores = watch.losses(network), watch.scores(network)
        epochs = watch.epochs(network)
        best = watch.best(network)
        if self.losses is None:
            self.missing.say(NO_PLOTS)
            self.table.show_table(watch.table(network).tail(LAST))
            return
        self.table.setVisible(False)
        planned = epochs[-1].planned
        self.losses.show_series(losses, LOSS_COLOURS, planned)
        self.scores.show_series(scores, SCORE_COLOURS, planned, None if best is None else best.number)
        self.scores.setVisible(bool(scores))
        self.loss_words.setText(f"<b>Loss</b> by epoch &nbsp;{_legend(losses, LOSS_COLOURS)}")
        self.score_words.setText(f"<b>Validation</b> by epoch &nbsp;{_legend(scores, SCORE_COLOURS)}")
        self.score_words.setVisible(bool(scores))
        self._describe(losses, scores, best.number if best is not None else 0)

    def _describe(self, losses: list[Series], scores: list[Series], best: int) -> None:
        """Say the curves in words, for screen readers and as tooltips."""
        for plot, series in ((self.losses, losses), (self.scores, scores)):
            words = ", ".join(f"{s.name} {s.values[-1]:.3g} at epoch {s.epochs[-1]}" for s in series)
            told = f" The line marks the best epoch, {best}." if plot is self.scores and best else ""
            plot.setToolTip(f"{words}.{told}")
            plot.setAccessibleDescription(f"{words}.{told}")


def _plots() -> tuple[Any, Any]:
    """The plots of losses and scores, where the package that draws them is installed."""
    if find_spec("pyqtgraph") is None:
        return None, None
    from napari_cellseg.widgets.curve_plot import CurvePlot

    return CurvePlot("Losses"), CurvePlot("Validation scores", share=True)


def _legend(series: list[Series], colours: tuple[str, ...]) -> str:
    return " &nbsp;".join(
        f'<span style="color:{colour}">■</span>&nbsp;{one.name} {one.values[-1]:.3g}'
        for one, colour in zip(series, colours, strict=False)
    )
